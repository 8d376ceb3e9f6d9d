"""Slow clients, and many of them: each is closed in time, and the others are answered."""

from __future__ import annotations

import json
import socket
import urllib.parse

import pytest

from localchain.budget import Budget
from localchain.connections import Connections, Phase
from tests.support.slow_clients import ATTACKS, closed_by_server, connect

#: Short, so that the tests are.
LIMITS = {"idle_seconds": 0.5, "request_seconds": 0.5, "answer_seconds": 0.5, "connections": 8}


@pytest.fixture(scope="module")
def strict(tmp_path_factory, serving):
    with serving(tmp_path_factory.mktemp("strict") / "home", **LIMITS) as node:
        yield node


def port(node):
    return urllib.parse.urlsplit(node.url).port


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_slow_client_is_closed_and_the_others_are_answered(strict, attack):
    assert ATTACKS[attack](port(strict), "/")
    assert strict.result("eth_chainId") == "0x5129"


def test_a_client_that_does_not_read_its_answer_is_closed(strict):
    # each answer is some hundred bytes; together they fill the buffers of both sides
    request = {"jsonrpc": "2.0", "method": "eth_getBlockByNumber", "params": ["0x0", True]}
    body = json.dumps([request | {"id": n} for n in range(200)]).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )

    def ask_and_never_read(client):
        for _ in range(500):
            client.sendall(head.encode() + b"\r\n\r\n" + body)

    with connect(port(strict)) as client, pytest.raises(OSError, match=r"reset|[Bb]roken pipe|aborted"):
        ask_and_never_read(client)
    assert strict.result("eth_chainId") == "0x5129"


def test_idle_connections_make_room_for_new_ones(strict):
    clients = [connect(port(strict)) for _ in range(40)]
    try:
        assert strict.result("eth_chainId") == "0x5129"
        assert closed_by_server(clients[0])
    finally:
        for client in clients:
            client.close()


def pair():
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    return ours, theirs


def test_the_connection_that_waits_longest_goes_first_and_one_that_works_never_does():
    now = 0.0
    connections = Connections(Budget(connections=3), lambda: now)
    sockets = [pair() for _ in range(6)]
    working, reading, idle = (connections.admit(ours) for ours, _ in sockets[:3])
    working.enter(Phase.WORKING)
    now = 1.0
    idle.enter(Phase.IDLE)
    fourth = connections.admit(sockets[3][0])
    assert sockets[2][1].recv(1) == b""  # the idle one, although the reading one is older
    now = 2.0
    fifth = connections.admit(sockets[4][0])
    assert sockets[1][1].recv(1) == b""
    for one in (fourth, fifth):
        one.enter(Phase.WORKING)
    assert connections.admit(sockets[5][0]) is None
    connections.release(sockets[0][0])
    assert connections.admit(sockets[5][0]) is not None
    assert reading.phase is Phase.READING
    for ours, theirs in sockets:
        ours.close()
        theirs.close()


@pytest.mark.parametrize(
    ("phase", "seconds"), [(Phase.IDLE, 60), (Phase.READING, 15), (Phase.WRITING, 30), (Phase.WORKING, None)]
)
def test_each_phase_has_its_deadline(phase, seconds):
    now = 0.0
    connections = Connections(Budget(), lambda: now)
    ours, theirs = pair()
    connections.admit(ours).enter(phase)
    theirs.setblocking(False)
    now = 14.9 if seconds is None else seconds - 0.1
    connections.close_late()
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    now = 10_000.0 if seconds is None else seconds + 0.1
    connections.close_late()
    if seconds is None:
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    else:
        assert theirs.recv(1) == b""
    ours.close()
    theirs.close()

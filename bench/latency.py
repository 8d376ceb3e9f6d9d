"""``python -m bench.latency``: what a request costs with and without TCP_NODELAY on the server's connections.

Without it the kernel holds back a small segment until the one before it is acknowledged (RFC 896), and the
other side delays that for up to 40 ms (RFC 1122). It matters to a server that writes the head and the body of
an answer one after the other, as uvicorn does; the chain's server writes both at once.

Each server is a process of its own. The requests are sequential, on one connection that is kept open.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import x25519

from api import desk, keyholder, serving
from bench.flag_list import make_flag
from bench.report import machine
from cli.output import say, show_table
from counterfoil import tokens
from counterfoil.keyholder import KeyHolder
from counterfoil.processes import listen
from ledger.encoding.keyholder_client import HttpKeyHolder
from ledger.errors import ChainUnreachableError
from ledger.gateway import Gateway
from ledger.holder.evaluating import ShareHolder
from ledger.home import Home
from ledger.reader.cases import CaseBook
from ledger.reader.keys import DeskKeys
from ledger.reader.recipients import Recipients
from localchain import server

KEY = b"\x01" * 32
#: The public key of both members that flags are sealed to.
HPKE = x25519.X25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
WARMING = 20
FLAGS = 1_000
PAGE = 50

#: Serves from a folder, with the option or without it, and says where it listens.
Service = Callable[[Path, bool, "SimpleQueue[str]"], None]
Ask = Callable[[], object]


def listen_with(nodelay: bool) -> tuple[socket.socket, str]:
    """Return a socket whose option the accepted connections inherit, and its host and port."""
    listening = listen(0)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
    return listening, f"127.0.0.1:{listening.getsockname()[1]}"


def serve_chain(home: Path, nodelay: bool, said: SimpleQueue[str]) -> None:
    """Serve an empty chain."""
    made = server._handler
    server._handler = lambda dispatcher: type(
        "Handler", (made(dispatcher),), {"disable_nagle_algorithm": nodelay}
    )
    server.serve(home, port=0, chain_id=1, ready=said.put)


def serve_keyholder(home: Path, nodelay: bool, said: SimpleQueue[str]) -> None:
    """Serve a key holder that has no share yet."""
    identity = KeyHolder(home).create()
    holder = ShareHolder(Home(home).holder, _no_chain)
    application = keyholder.create_app(holder, ready=lambda: None)
    listening, place = listen_with(nodelay)
    said.put(f"http://{place}")
    assert identity.account
    serving.server(application).run(sockets=[listening])


def _no_chain() -> Gateway:
    raise ChainUnreachableError("there is no chain in this measurement")


def serve_desk(home: Path, nodelay: bool, said: SimpleQueue[str]) -> None:
    """Serve the desk's API with many flags; the URL's user is an officer's token."""
    state = Home(home)
    random = Random(7)
    DeskKeys.generate(1).save(state.desk.keys)
    with CaseBook(state.desk.cases) as book:
        book.keep(
            (make_flag(random, number) for number in range(FLAGS)),
            Recipients(bytes(20), {1: HPKE, 2: HPKE}, (HPKE,)),
        )
    token = tokens.issue(state, "officer", "bench")
    listening, place = listen_with(nodelay)
    said.put(f"http://{token}@{place}")
    with Path(os.devnull).open("w", encoding="utf-8") as log:
        desk.server(desk.create_app(state, log=log)).run(sockets=[listening])


def time_rpc(url: str, requests: int) -> list[float]:
    """Ask the chain for its height."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port)

    def ask() -> None:
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        assert b"0x0" in connection.getresponse().read()

    with closing(connection):
        return timed(ask, requests)


def time_identity(url: str, requests: int) -> list[float]:
    """Ask the key holder for its account and its shares."""
    with closing(HttpKeyHolder(url, KEY)) as holder:
        return timed(holder.holder, requests)


def time_flags(url: str, requests: int) -> list[float]:
    """Ask the desk for the first page of its flags."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port)
    headers = {"Authorization": f"Bearer {place.username}"}

    def ask() -> None:
        connection.request("GET", f"/v1/flags?limit={PAGE}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert body.count(b'"flag_id"') == PAGE, (answer.status, body[:200])

    with closing(connection):
        return timed(ask, requests)


def timed(ask: Ask, requests: int) -> list[float]:
    """Return the milliseconds of each request, after some that warm up."""
    found = []
    for _ in range(WARMING + requests):
        begun = time.perf_counter()
        ask()
        found.append((time.perf_counter() - begun) * 1_000)
    return found[WARMING:]


def measure(service: Service, time_it: Callable[[str, int], list[float]], requests: int) -> list[list[float]]:
    """Return the milliseconds without the option, and with it."""
    spawn = multiprocessing.get_context("spawn")
    found = []
    for nodelay in (False, True):
        with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
            said: SimpleQueue[str] = spawn.SimpleQueue()
            process = spawn.Process(target=service, args=(Path(folder) / "home", nodelay, said))
            process.start()
            try:
                while said.empty():
                    assert process.is_alive(), "the server ended: its error stands above"
                    time.sleep(0.05)
                found.append(time_it(said.get(), requests))
            finally:
                process.terminate()
                process.join()
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=300, help="sequential requests on one connection")
    requests = parser.parse_args().requests
    rows = []
    for name, service, time_it in (
        ("chain: eth_blockNumber", serve_chain, time_rpc),
        ("key holder: its identity", serve_keyholder, time_identity),
        (f"desk: {PAGE} of {FLAGS:,} flags", serve_desk, time_flags),
    ):
        measured = measure(service, time_it, requests)
        without, with_it = (statistics.median(ms) for ms in measured)
        rates = (f"{1_000 * requests / sum(ms):,.0f}" for ms in measured)
        rows.append((name, f"{without:.2f}", f"{with_it:.2f}", f"{without / with_it:.1f}", *rates))
    columns = ["p50 without, ms", "with, ms", "times", "requests/s without", "with"]
    show_table(f"TCP_NODELAY; {machine()}", ["request", *columns], rows)
    say(f"{requests} sequential requests on one connection each, loopback.")


if __name__ == "__main__":
    main()

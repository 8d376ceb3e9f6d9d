"""A node that is slow, broken or hostile gives an error that says so: bounded, and never a bare traceback."""

from __future__ import annotations

import copy
import json
import random
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from eth_abi import encode
from eth_account import Account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web3 import Web3

from ledger.errors import ChainError, ChainUnreachableError, CounterfoilError, TransactionRejectedError
from ledger.gateway import Gateway
from ledger.transport import MOST_BYTES, AnswerTooLargeError
from tests.support.consortium import SmallConsortium
from tests.support.hostile_node import HostileNode, hostile_node, http

SECONDS = 1.0
KEY = bytes(range(1, 33))
ADDRESS = Account.from_key(KEY).address


@pytest.fixture(scope="module")
def node(consortium: SmallConsortium) -> Iterator[HostileNode]:
    with hostile_node(consortium.url) as running:
        yield running


@pytest.fixture
def gateway(node: HostileNode, consortium: SmallConsortium) -> Iterator[Gateway]:
    """A gateway that found everything in order; what comes later is up to the test."""
    yield Gateway(node.url, consortium.gateway.deployment, timeout=SECONDS)
    node.script = node.change = None


# ---------------------------------------------------------------- what is no JSON-RPC at all


def _drip_body(connection: socket.socket, _question: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def _drip_headers(connection: socket.socket, _question: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def _drip_without_length(connection: socket.socket, _question: Any) -> None:
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def _continue_for_ever(connection: socket.socket, _question: Any) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def _say_nothing(connection: socket.socket, _question: Any) -> None:
    connection.recv(1)


SLOW = [_drip_body, _drip_headers, _drip_without_length, _continue_for_ever, _say_nothing]


@pytest.mark.parametrize("script", SLOW)
def test_a_slow_answer_ends_when_its_time_is_up(gateway, node, script):
    node.script = script
    started = time.monotonic()
    with pytest.raises(ChainUnreachableError, match=r"did not finish its answer within 1 s") as caught:
        gateway.height()
    # Generous: what is told apart is an end from none.
    assert time.monotonic() - started < 20 * SECONDS
    assert "again" in str(caught.value.next_step)
    node.script = None
    assert gateway.height() > 0  # and the next question is a new one


def _writes(data: bytes) -> Callable[[socket.socket, Any], None]:
    return lambda connection, _question: connection.sendall(data)


def _answers(body: Any, *headers: str, status: str = "200 OK") -> Callable[[socket.socket, Any], None]:
    def script(connection: socket.socket, question: Any) -> None:
        said = body(question) if callable(body) else body
        said = said if isinstance(said, bytes) else json.dumps(said).encode()
        connection.sendall(http(said, *headers, status=status))

    return script


def _answer(question: Any, **changes: Any) -> dict[str, Any]:
    made = {"jsonrpc": "2.0", "id": question["id"], "result": "0x1"} | changes
    return {name: value for name, value in made.items() if value is not ...}


def _error(question: Any, error: Any) -> dict[str, Any]:
    return _answer(question, result=..., error=error)


NONSENSE = {
    "closes": (_writes(b""), "nothing answers"),
    "no HTTP": (_writes(b"SSH-2.0-OpenSSH_9.2\r\n"), "not HTTP"),
    "no length it could have": (_writes(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), "is not JSON"),
    "breaks off": (_writes(http(b'{"jsonrpc":"2.0","id":1,"result":"0x1"}')[:-9]), "is incomplete"),
    "breaks off in a chunk": (
        _writes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}"),
        "is incomplete",
    ),
    "a header without end": (_writes(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"), "not HTTP"),
    "a thousand headers": (_writes(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"), "not HTTP"),
    "half a document": (_answers(b'{"jsonrpc":"2.0","id":1,"resu'), "is not JSON"),
    "nothing": (_answers(b""), "is not JSON"),
    "no UTF-8": (_answers(b'{"result":"\xff\xfe"}'), "is not JSON"),
    "a page": (_answers(b"<html>welcome</html>"), "is not JSON.*welcome"),
    "HTTP 500": (_answers(b"<html>oops</html>", status="500 Internal Server Error"), "HTTP 500.*oops"),
    "HTTP 429": (_answers({}, status="429 Too Many Requests"), "HTTP 429"),
    "compressed": (_answers(b"\x1f\x8b", "Content-Encoding: gzip"), "compressed"),
    "nested": (_answers(b"[" * 400_000), "nested deeper than 100"),
    "a huge number": (_answers(b'{"result":' + b"9" * 10_000 + b"}"), "is not JSON"),
    "a list": (_answers([]), "not JSON-RPC"),
    "null": (_answers(b"null"), "not JSON-RPC"),
    "an empty object": (_answers({}), "not JSON-RPC"),
    "another version": (_answers(lambda q: _answer(q, jsonrpc="1.0")), "not JSON-RPC"),
    "no id": (_answers(lambda q: _answer(q, id=...)), "request None instead of"),
    "a wrong id": (_answers(lambda q: _answer(q, id=q["id"] + 1)), r"request \d+ instead of \d+"),
    "an id of another kind": (_answers(lambda q: _answer(q, id=str(q["id"]))), "instead of"),
    "an id that is true": (_answers(lambda q: _answer(q, id=True)), "instead of"),
    "result and error": (_answers(lambda q: _answer(q, error={"code": 1, "message": "x"})), "not JSON-RPC"),
    "an error that is text": (_answers(lambda q: _error(q, "bad")), "malformed error: bad"),
    "an error without code": (_answers(lambda q: _error(q, {"message": "x"})), "malformed error"),
    "an error with nonsense": (_answers(lambda q: _error(q, {"code": [], "message": {}})), "malformed error"),
    "an error": (_answers(lambda q: _error(q, {"code": -32000, "message": "no state"})), "error: no state"),
    "an error with a status": (
        _answers(lambda q: _error(q, {"code": -32000, "message": "busy"}), status="503 Busy"),
        "error: busy",
    ),
    "control characters": (_answers(lambda q: _error(q, {"code": 1, "message": "\x1b[2J"})), r"error:  \[2J"),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_named_and_names_a_next_step(gateway, node, kind):
    node.script, said = NONSENSE[kind]
    with pytest.raises(ChainError, match=said) as caught:
        gateway.height()
    assert caught.value.where == node.url
    assert caught.value.next_step
    assert len(str(caught.value)) < 800
    assert str(caught.value).isprintable()


def test_a_redirect_is_not_followed(gateway, node, consortium):
    with hostile_node(consortium.url) as elsewhere:
        node.script = _answers(b"", f"Location: {elsewhere.url}", status="307 Temporary Redirect")
        with pytest.raises(ChainError, match="HTTP 307"):
            gateway.send([b"\x02signed"])
        assert elsewhere.asked == []


def _endless(connection: socket.socket, _question: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with suppress(OSError):
        while True:
            connection.sendall(chunk)


HUGE = {
    "without end": _endless,
    "a length": _writes(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"),
    "small values": _answers(b"[" + b"[]," * 3_000_000 + b"[]]"),
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_huge_answer_is_not_read(consortium, kind):
    with hostile_node(consortium.url) as node:
        gateway = Gateway(node.url, consortium.gateway.deployment, timeout=30)
        node.script = HUGE[kind]
        tracemalloc.start()
        try:
            with pytest.raises(AnswerTooLargeError, match="larger than 64 MiB"):
                gateway.height()
            assert tracemalloc.get_traced_memory()[1] < 3 * MOST_BYTES
        finally:
            tracemalloc.stop()


def test_a_log_query_that_is_always_too_large_ends(gateway, node):
    node.script = _answers(lambda q: _error(q, {"code": -32005, "message": "limit exceeded"}))
    before = len(node.asked)
    with pytest.raises(AnswerTooLargeError):
        list(gateway.batches(0, 10**9))
    assert len(node.asked) - before < 40


def test_a_connection_that_was_closed_meanwhile_is_made_anew(gateway, node):
    height = gateway.height()
    gateway._transport._local.connection.sock.shutdown(socket.SHUT_RDWR)
    assert gateway.height() == height


# ---------------------------------------------------------------- answers to arrays


def test_answers_to_an_array_may_come_in_any_order(gateway, node):
    said = ["nonce too low", "already known", "intrinsic gas too low"]
    node.script = _answers(
        lambda qs: [_error(q, {"code": -1, "message": m}) for q, m in zip(qs, said, strict=True)][::-1]
    )
    assert gateway.send([b"a", b"b", b"c"]) == said


ARRAYS = {
    "one answer": lambda qs: _answer(qs[0]),
    "one error": lambda _qs: {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "no arrays"}},
    "too few": lambda qs: [_answer(qs[0])],
    "too many": lambda qs: [_answer(q) for q in [*qs, *qs]],
    "one twice": lambda qs: [_answer(qs[0]), _answer(qs[0])],
    "no objects": lambda _qs: [1, None],
    "without ids": lambda qs: [_answer(q, id=None) for q in qs],
    "nonsense in it": lambda qs: [_answer(qs[0]), _error(qs[1], "bad")],
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_that_is_not_answered_whole_is_refused(gateway, node, kind):
    node.script = _answers(ARRAYS[kind])
    with pytest.raises(ChainError) as caught:
        gateway.send([b"a", b"b"])
    assert caught.value.next_step


# ---------------------------------------------------------------- a real chain's answers, changed


def _of_logs(change: Callable[[list[Any]], Any]) -> Callable[[str, Any, Any], Any]:
    return lambda method, _params, result: change(result) if method == "eth_getLogs" else result


def _each(**fields: Any) -> Callable[[list[Any]], Any]:
    return lambda logs: [{n: v for n, v in (log | fields).items() if v is not ...} for log in logs]


def _shortened(logs: list[Any]) -> list[Any]:
    return [log | {"data": log["data"][:-64]} for log in logs]


READS = {
    "ledger": lambda g: list(g.ledger_entries(g.deployment.block, g.height())),
    "batches": lambda g: list(g.batches(g.deployment.block, g.height())),
    "members": lambda g: g.members(),
    "readers": lambda g: g.readers(),
    "policies": lambda g: g.policies(),
    "epoch": lambda g: g.epoch(),
}
CHANGED = {
    "another contract": _each(address="0x" + "11" * 20),
    "another event": lambda logs: [log | {"topics": ["0x" + "22" * 32, *log["topics"][1:]]} for log in logs],
    "no topics": _each(topics=[]),
    "topics missing": lambda logs: [log | {"topics": log["topics"][:1]} for log in logs],
    "a block not asked for": _each(blockNumber="0xfffffff"),
    "a block that is no number": _each(blockNumber="soon"),
    "pending": _each(blockNumber=None),
    "removed": _each(removed=True),
    "one place for all": lambda logs: [*logs, *logs],
    "a short hash": _each(transactionHash="0x12"),
    "data breaks off": _shortened,
    "no data": _each(data="0x"),
    "data that is no hex": _each(data="0xzz"),
    "data is missing": _each(data=...),
    "no objects": lambda logs: ["0x" for _ in logs],
    "text": lambda _logs: "0x",
    "null": lambda _logs: None,
    "an object": lambda logs: {"logs": logs},
}


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize("read", READS)
def test_changed_events_are_refused(gateway, node, read, change):
    node.change = _of_logs(CHANGED[change])
    with pytest.raises(ChainError) as caught:
        READS[read](gateway)
    assert caught.value.next_step
    assert node.url in str(caught.value.where)


@pytest.mark.parametrize("read", READS)
def test_events_in_another_order_are_put_in_order(gateway, node, read):
    honest = READS[read](gateway)
    node.change = _of_logs(lambda logs: logs[::-1])
    assert READS[read](gateway) == honest


@pytest.mark.parametrize("read", ["members", "policies", "epoch"])
def test_missing_events_are_missed(gateway, node, read):
    node.change = _of_logs(lambda logs: logs[:-1])
    with pytest.raises(ChainError, match="left out"):
        READS[read](gateway)
    node.change = _of_logs(lambda _logs: [])
    with pytest.raises(ChainError, match="left out"):
        READS[read](gateway)


def test_a_batch_missing_in_the_middle_is_missed(gateway, node):
    assert len(READS["batches"](gateway)) > 2
    node.change = _of_logs(lambda logs: [logs[0], *logs[2:]])
    with pytest.raises(ChainError, match="left out batch 1 of the log"):
        READS["batches"](gateway)


def test_a_policy_with_another_text_is_refused(gateway, node):
    def forge(logs: list[Any]) -> list[Any]:
        return [log | {"data": log["data"].replace("22", "23")} for log in logs]

    node.change = _of_logs(forge)
    with pytest.raises(ChainError):
        gateway.policies()


def test_a_receipt_of_another_transaction_is_not_ours(gateway, node, consortium):
    posted = next(consortium.gateway.batches(consortium.gateway.deployment.block, gateway.height()))
    assert gateway.mined(posted.transaction) == (posted.block, True)
    node.change = lambda m, _p, r: r | {"transactionHash": "0x" + "33" * 32}
    with pytest.raises(ChainError, match="belongs to another transaction"):
        gateway.mined(posted.transaction)
    node.change = lambda m, _p, r: r | {"status": "0x0"}
    assert gateway.mined(posted.transaction) == (posted.block, False)
    node.change = lambda m, _p, r: None
    assert gateway.mined(posted.transaction) is None


def test_a_fee_that_would_empty_the_account_is_not_signed(gateway, node):
    node.change = lambda m, _p, r: r | {"baseFeePerGas": hex(10**16)} if m == "eth_getBlockByNumber" else r
    with pytest.raises(ChainError, match="empty the account"):
        gateway.sign(KEY, "Consortium", "pause", nonce=0)


# ---------------------------------------------------------------- anything at all

CALLS: dict[str, Callable[[Gateway], Any]] = READS | {
    "height": lambda g: g.height(),
    "block_hash": lambda g: g.block_hash(1),
    "block_time": lambda g: g.block_time(1),
    "member": lambda g: g.member(ADDRESS),
    "role": lambda g: g.role("DESK_ROLE"),
    "rule_sets": lambda g: g.rule_sets(),
    "log_size": lambda g: g.log_size(),
    "head_of": lambda g: g.head_of(ADDRESS),
    "case_entries": lambda g: list(g.case_entries()),
    "next_nonce": lambda g: g.next_nonce(ADDRESS),
    "sign": lambda g: g.sign(KEY, "Consortium", "pause", nonce=0),
    "rehearse": lambda g: g.rehearse(ADDRESS, "Consortium", "pause"),
    "mined": lambda g: g.mined(bytes(32)),
    "send": lambda g: g.send([b"\x02"]),
    "connect": lambda g: Gateway(g.url, g.deployment, timeout=SECONDS),
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary().map(lambda b: "0x" + b.hex()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FUZZ
@given(call=st.sampled_from(sorted(CALLS)), result=VALUES)
def test_any_result_is_taken_or_refused_in_our_words(gateway, node, call, result):
    node.change = lambda _method, _params, _result: result
    with suppress(CounterfoilError):
        CALLS[call](gateway)


@FUZZ
@given(call=st.sampled_from(sorted(CALLS)), value=VALUES, seed=st.integers(0, 2**32))
def test_any_change_inside_a_result_is_taken_or_refused_in_our_words(gateway, node, call, value, seed):
    chosen = random.Random(seed)

    def change(_method: str, _params: Any, result: Any) -> Any:
        changed = [copy.deepcopy(result)]
        place: Any = changed
        key: Any = 0
        while isinstance(place[key], list | dict) and place[key] and chosen.random() < 0.9:
            place = place[key]
            key = chosen.choice(list(place) if isinstance(place, dict) else range(len(place)))
        place[key] = value
        return changed[0]

    node.change = change
    with suppress(CounterfoilError):
        CALLS[call](gateway)


@FUZZ
@given(call=st.sampled_from(sorted(CALLS)), code=st.integers(-40_000, 10), data=VALUES)
def test_any_error_is_told_in_our_words(gateway, node, call, code, data):
    node.script = _answers(
        lambda q: (
            [_error(one, {"code": code, "message": "execution reverted", "data": data}) for one in q]
            if isinstance(q, list)
            else _error(q, {"code": code, "message": "execution reverted", "data": data})
        )
    )
    if call == "send":
        assert gateway.send([b"\x02"]) == ["execution reverted"]
        return
    with pytest.raises(CounterfoilError):
        CALLS[call](gateway)


# ---------------------------------------------------------------- addresses that an answer names


def test_a_contract_cannot_make_us_fetch_an_address(gateway, node):
    """EIP-3668: a contract that reverts with OffchainLookup names URLs to ask; to us it is a refusal."""
    names = ["address", "string[]", "bytes", "bytes4", "bytes"]
    sender = gateway.deployment.contracts["Consortium"]
    arguments = encode(names, [sender, ["https://lookup.invalid/{sender}/{data}"], b"", b"abcd", b""])
    data = "0x" + (Web3.keccak(text=f"OffchainLookup({','.join(names)})")[:4] + arguments).hex()
    refusal = {"code": 3, "message": "execution reverted", "data": data}
    node.script = _answers(lambda q: _error(q, refusal) if q["method"] == "eth_call" else node.pass_on(q))
    with pytest.raises(TransactionRejectedError):
        gateway.rehearse(ADDRESS, "Consortium", "pause")

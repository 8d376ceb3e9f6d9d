"""Requests that are wrong in every way get an error of their own, and the server goes on."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.error

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localchain.budget import BUDGET
from localchain.faucet import fund

CHAIN = {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId", "params": []}


@pytest.fixture(autouse=True)
def still_answers(node):
    yield
    assert node.result("eth_chainId") == "0x5129"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 10_000, -32700),
        (b"[" * 100_000, -32600),
        (b"[]", -32600),
        (b"1", -32600),
        (b"null", -32600),
        (b'"eth_chainId"', -32600),
        (b'{"id": 1}', -32600),
        (b'{"id": 1, "method": 5}', -32600),
        (b'{"id": 1, "method": "eth_sendTransaction", "params": [{}]}', -32601),
        (b'{"id": 1, "method": "__class__"}', -32601),
        (b'{"id": 1, "method": "eth_chainId", "params": {"a": 1}}', -32602),
        (b'{"id": 1, "method": "eth_chainId", "params": [1]}', -32602),
        (b'{"id": 1, "method": "eth_getBalance", "params": []}', -32602),
        (b'{"id": 1, "method": "eth_getBalance", "params": ["0x12"]}', -32602),
        (b'{"id": 1, "method": "eth_getBalance", "params": [{"a": []}]}', -32602),
        (b'{"id": 1, "method": "eth_getBlockByNumber", "params": ["0xzz"]}', -32602),
        (b'{"id": 1, "method": "eth_getBlockByNumber", "params": [-1]}', -32602),
        (b'{"id": 1, "method": "eth_getBlockByNumber", "params": ["latest", "yes"]}', -32602),
        (b'{"id": 1, "method": "eth_call", "params": ["0x"]}', -32602),
        (b'{"id": 1, "method": "eth_call", "params": [{}, "0x99"]}', -32602),
        (b'{"id": 1, "method": "eth_getLogs", "params": [[]]}', -32602),
        (b'{"id": 1, "method": "eth_getLogs", "params": [{"topics": "0x"}]}', -32602),
        (b'{"id": 1, "method": "eth_getLogs", "params": [{"topics": [[["0x"]]]}]}', -32602),
        (b'{"id": 1, "method": "eth_sendRawTransaction", "params": []}', -32602),
        (b'{"id": 1, "method": "eth_sendRawTransaction", "params": ["02"]}', -32602),
        (b'{"id": 1, "method": "eth_sendRawTransaction", "params": ["0x02c0"]}', -32602),
        (b'{"id": 1, "method": "eth_feeHistory", "params": ["0x1", "latest", 5]}', -32602),
    ],
)
def test_what_is_wrong_with_a_request_is_its_error(node, body, code):
    answer = node.post(body)
    assert answer["error"]["code"] == code, answer
    assert answer["error"]["message"]


def test_an_array_answers_each_in_order(node):
    requests = [CHAIN | {"id": "a"}, {"nonsense": 1}, CHAIN | {"id": None}, CHAIN | {"id": 3, "method": "no"}]
    answers = node.post(json.dumps(requests).encode())
    assert [answer["id"] for answer in answers] == ["a", None, None, 3]
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32600, None, -32601]


def test_a_notification_gets_no_answer(node):
    notification = {key: value for key, value in CHAIN.items() if key != "id"}
    answers = node.post(json.dumps([notification, CHAIN]).encode())
    assert [answer["id"] for answer in answers] == [7]
    connection = http.client.HTTPConnection(node.url.removeprefix("http://"))
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/", json.dumps(notification).encode(), headers)
    response = connection.getresponse()
    assert (response.status, response.read()) == (204, b"")
    connection.request("POST", "/", json.dumps(CHAIN).encode(), headers)  # and the connection lives on
    assert json.loads(connection.getresponse().read())["result"] == "0x5129"


def test_too_long_an_array_is_refused_as_a_whole(node):
    answer = node.post(json.dumps([CHAIN] * (BUDGET.array_requests + 1)).encode())
    assert answer["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:8545"}, 403),
    ],
)
def test_a_foreign_page_cannot_use_the_port(node, headers, status):
    with pytest.raises(urllib.error.HTTPError) as caught:
        node.post(json.dumps(CHAIN).encode(), **headers)
    assert caught.value.code == status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"Content-Length: {BUDGET.body_bytes + 1}\r\n", 413),
        ("Content-Length: -5\r\n", 411),
        ("Content-Length: many\r\n", 411),
        ("Transfer-Encoding: chunked\r\n", 411),
        ("", 411),
    ],
)
def test_a_body_of_unknown_or_absurd_size_is_not_read(node, head, status):
    host, port = node.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{head}\r\n".encode()
        )
        assert f" {status} ".encode() in connection.recv(100)


def test_a_contract_that_calls_itself_as_deep_as_it_can_harms_nobody(node, new_sender):
    # 0, 0, 0, 0, 0, ADDRESS, GAS, CALL: about 500 calls deep with this gas
    recursing = bytes.fromhex("600d600c600039600d6000f3" + "6000" * 5 + "305af1")
    sender = new_sender()
    fund(node.url, node.home, [sender.account.address], 100, deployer=True)
    raw = sender.sign(to=None, data=recursing, gas=200_000)
    created = node.result("eth_sendRawTransaction", "0x" + raw.hex())
    contract = node.result("eth_getTransactionReceipt", created)["contractAddress"]
    raw = sender.sign(to=contract, gas=BUDGET.transaction_gas)
    called = node.result("eth_sendRawTransaction", "0x" + raw.hex())
    assert node.result("eth_getTransactionReceipt", called)["status"] == "0x1"
    assert node.result("eth_call", {"to": contract}) == "0x"


def test_a_client_that_hangs_up_midway_harms_nobody(node):
    host, port = node.url.removeprefix("http://").split(":")
    for sent in (b"", b"POST", b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{"):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just("0x1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
methods = st.sampled_from(
    [
        "eth_call",
        "eth_getLogs",
        "eth_getBlockByNumber",
        "eth_estimateGas",
        "eth_getStorageAt",
        "eth_feeHistory",
    ]
)


@given(method=methods, params=st.lists(json_values, max_size=3))
@settings(max_examples=80, deadline=None)
def test_random_params_never_cause_an_internal_error(node, method, params):
    answer = node.ask(method, *params)
    assert "result" in answer or answer["error"]["code"] in (-32602, -32603, 3)
    if answer.get("error", {}).get("code") == -32603:
        assert answer["error"]["message"] != "internal error"

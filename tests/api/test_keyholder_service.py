"""The key holder as a service: members only, each within its quota, and answers that prove themselves."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from eth_account import Account
from eth_account.messages import encode_defunct
from fastapi.testclient import TestClient
from ledger.encoding.keyholder import LocalKeyHolder, create_epoch

from api.keyholder import create_app
from ledger.encoding import oprf
from ledger.encoding.evaluation import PROOF_BATCH
from ledger.encoding.keyholder_client import HttpKeyHolder, request_message
from ledger.encoding.oprf import ProofError
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.errors import ChainUnreachableError, KeyHolderError, QuotaExceededError
from tests.support.pseudonyms import values

MEMBER = Account.from_key(b"\x01" * 32)
STRANGER = Account.from_key(b"\x02" * 32)
NOON = 1_750_000_000
PATH = "/v2/evaluate"


class Service:
    """The service of one holder on a clock of its own, and what is needed to call it well or badly."""

    def __init__(self, home: Path, quota: int = 100) -> None:
        self.home, self.now, self.active = home, float(NOON), {MEMBER.address.lower()}
        app = create_app(
            LocalKeyHolder(home, quota=quota, clock=lambda: self.now),
            members=lambda: self.active,
            clock=lambda: self.now,
        )
        self.client = TestClient(app, raise_server_exceptions=False)

    def call(
        self,
        body: bytes,
        *,
        account: Any = MEMBER,
        claim: str | None = None,
        signed_at: str = str(NOON),
        sent: bytes | None = None,
        signed_path: str = PATH,
        **headers: str,
    ) -> httpx.Response:
        message = encode_defunct(text=request_message("POST", signed_path, signed_at, body))
        signature = account.sign_message(message).signature
        all_headers = {
            "Counterfoil-Account": claim or account.address,
            "Counterfoil-Time": signed_at,
            "Counterfoil-Signature": bytes(signature).hex(),
            **headers,
        }
        response: httpx.Response = self.client.post(PATH, content=sent or body, headers=all_headers)
        return response


@pytest.fixture
def service(tmp_path: Path) -> Service:
    create_epoch(tmp_path / "holder", 3)
    return Service(tmp_path / "holder")


def request_body(count: int = 2, epoch: int = 3) -> bytes:
    blinded = [oprf.blind(b"%d" % number).element.hex() for number in range(count)]
    return json.dumps({"epoch": epoch, "blinded": blinded}).encode()


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["title"]
    return str(document["detail"])


def test_a_member_gets_a_proven_answer(service: Service) -> None:
    blinded = [oprf.blind(b"one"), oprf.blind(b"two")]
    body = json.dumps({"epoch": 3, "blinded": [item.element.hex() for item in blinded]}).encode()
    answer = service.call(body).json()
    public = bytes.fromhex(service.client.get("/v2/epochs/3").json()["public_key"])
    elements = [bytes.fromhex(text) for text in answer["elements"]]
    (proof,) = answer["proofs"]
    assert len(oprf.finalize(blinded, elements, bytes.fromhex(proof), public)) == 2
    assert LocalKeyHolder(service.home, quota=1, clock=lambda: NOON).used(MEMBER.address, 3) == 2


def test_a_large_request_gets_a_proof_for_each_few_elements(service: Service) -> None:
    blinded = [oprf.blind(b"%d" % number) for number in range(2 * PROOF_BATCH + 1)]
    body = json.dumps({"epoch": 3, "blinded": [item.element.hex() for item in blinded]}).encode()
    answer = service.call(body).json()
    public = LocalKeyHolder(service.home, quota=1).public_key(3)
    elements = [bytes.fromhex(text) for text in answer["elements"]]
    assert len(answer["proofs"]) == 3
    for number, proof in enumerate(answer["proofs"]):
        part = slice(number * PROOF_BATCH, (number + 1) * PROOF_BATCH)
        oprf.finalize(blinded[part], elements[part], bytes.fromhex(proof), public)


def test_a_client_of_version_1_is_told_so(service: Service) -> None:
    for response in (
        service.client.post("/v1/evaluate", content=request_body()),
        service.client.get("/v1/epochs/3"),
    ):
        assert "version 2 of the protocol, not version 1" in problem(response, 410)


def test_health_and_epochs(service: Service) -> None:
    assert service.client.get("/healthz").json() == {"status": "ok", "epochs": [3]}
    assert "keys for epochs: 3" in problem(service.client.get("/v2/epochs/4"), 404)
    for bad in ("-1", "x", "9" * 300):
        assert "epoch" in problem(service.client.get(f"/v2/epochs/{bad}"), 422)
    assert "Not Found" in problem(service.client.get("/nothing"), 404)
    assert service.client.get("/openapi.json").status_code == 200


def test_strangers_and_former_members_are_refused(service: Service) -> None:
    assert STRANGER.address in problem(service.call(request_body(), account=STRANGER), 403)
    service.active.clear()
    assert "not an active member" in problem(service.call(request_body()), 403)


def test_an_unreadable_member_list_refuses_and_says_so(tmp_path: Path) -> None:
    create_epoch(tmp_path, 3)

    def unreachable() -> list[str]:
        raise ChainUnreachableError("nothing answers at the endpoint")

    service = Service(tmp_path)
    service.client = TestClient(
        create_app(LocalKeyHolder(tmp_path, quota=9), members=unreachable, clock=lambda: NOON),
        raise_server_exceptions=False,
    )
    assert "nothing answers" in problem(service.call(request_body()), 503)


def test_nobody_can_spend_the_quota_of_another(service: Service) -> None:
    body = request_body()
    assert "signature" in problem(service.call(body, account=STRANGER, claim=MEMBER.address), 401)
    assert "signature" in problem(service.call(body, sent=request_body(3)), 401)
    assert "signature" in problem(service.call(body, signed_path="/v2/other"), 401)
    assert "signature" in problem(service.call(body, **{"Counterfoil-Time": str(NOON + 1)}), 401)
    assert LocalKeyHolder(service.home, quota=1, clock=lambda: NOON).used(MEMBER.address, 3) == 0


def test_a_replayed_request_costs_nothing(service: Service) -> None:
    body = request_body()
    assert service.call(body).status_code == 200
    assert "already answered" in problem(service.call(body), 409)
    service.now += 299
    assert "already answered" in problem(service.call(body), 409)
    service.now += 400
    assert "300 s" in problem(service.call(body), 401)
    assert service.call(body, signed_at=str(NOON + 699)).status_code == 200
    assert LocalKeyHolder(service.home, quota=1, clock=lambda: NOON).used(MEMBER.address, 3) == 4


@pytest.mark.parametrize("offset", [-301, 301])
def test_a_request_from_another_time_is_refused(service: Service, offset: int) -> None:
    assert "clock" in problem(service.call(request_body(), signed_at=str(NOON + offset)), 401)


@pytest.mark.parametrize(
    "headers",
    [
        {"Counterfoil-Signature": ""},
        {"Counterfoil-Signature": "zz" * 65},
        {"Counterfoil-Signature": "00" * 65},
        {"Counterfoil-Signature": "ff" * 65},
        {"Counterfoil-Time": ""},
        {"Counterfoil-Time": "1e9"},
        {"Counterfoil-Time": "9" * 13},
        {"Counterfoil-Account": ""},
    ],
)
def test_bad_credentials_are_refused(service: Service, headers: dict[str, str]) -> None:
    problem(service.call(request_body(), **headers), 401)


def test_an_unsigned_request_is_refused(service: Service) -> None:
    assert "Counterfoil-Signature" in problem(service.client.post(PATH, content=request_body()), 401)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 422, "body"),
        (b'{"epoch":3}', 422, "blinded"),
        (b'{"epoch":3,"blinded":[]}', 422, "blinded"),
        (b'{"epoch":"3","blinded":["00"]}', 422, "epoch"),
        (b'{"epoch":3,"blinded":["00"]}', 422, "blinded.0"),
        (b'{"epoch":3,"blinded":["' + b"00" * 32 + b'"]}', 422, "identity"),
        (b'{"epoch":3,"blinded":["' + b"ff" * 32 + b'"]}', 422, "canonical"),
        (b'{"epoch":3,"blinded":["' + b"00" * 32 + b'"],"identifier":"x"}', 422, "identifier"),
        (b'{"epoch":4,"blinded":["' + b"00" * 32 + b'"]}', 404, "no key for epoch 4"),
        (b" " * 80_000, 413, "at most 1024"),
    ],
)
def test_bad_requests_have_their_own_message(service: Service, body: bytes, status: int, says: str) -> None:
    assert says in problem(service.call(body), status)


def test_too_many_elements_are_refused(service: Service) -> None:
    element = oprf.blind(b"x").element.hex()
    body = json.dumps({"epoch": 3, "blinded": [element] * 1025}, separators=(",", ":")).encode()
    assert "blinded" in problem(service.call(body), 422)


def test_the_quota_answers_with_when_to_come_back(tmp_path: Path) -> None:
    create_epoch(tmp_path, 3)
    service = Service(tmp_path, quota=3)
    assert service.call(request_body(2)).status_code == 200
    response = service.call(request_body(2))
    assert "2 of 3 used" in problem(response, 429)
    wait = int(response.headers["retry-after"])
    assert (NOON + wait) % 86_400 <= 1
    service.now += wait
    assert service.call(request_body(2), signed_at=str(NOON + wait)).status_code == 200


def test_a_damaged_key_is_a_server_error_that_tells_no_secret(service: Service) -> None:
    file = service.home / "epoch-3.json"
    file.write_bytes(file.read_bytes().replace(b'"epoch":3', b'"epoch":5'))
    detail = problem(service.call(request_body()), 500)
    assert "private" not in detail
    assert str(service.home) not in detail


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, bytes]]:
    """A real server on loopback, for the real client."""
    home = tmp_path_factory.mktemp("served")
    public = create_epoch(home, 3)
    app = create_app(LocalKeyHolder(home, quota=50), members=lambda: [MEMBER.address, STRANGER.address])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", public
    server.should_exit = True
    thread.join()


def test_two_members_get_one_pseudonym_over_http(served: tuple[str, bytes]) -> None:
    url, public = served
    results = []
    for account in (MEMBER, STRANGER):
        holder = HttpKeyHolder(url, bytes(account.key))
        results.append(values(Pseudonymiser(single_holder(holder, 3, public)), ["acct:A:1", "acct:A:2"]))
        holder.close()
    assert results[0] == results[1]
    assert len(set(results[0])) == 2


def test_the_client_says_what_the_holder_said(served: tuple[str, bytes]) -> None:
    url, public = served
    member = HttpKeyHolder(url, bytes(MEMBER.key))
    with pytest.raises(QuotaExceededError, match=r"of 50 used.*resets at"):
        Pseudonymiser(single_holder(member, 3, public)).pseudonyms(
            [f"acct:B:{number}" for number in range(51)]
        )
    with pytest.raises(KeyHolderError, match="no key for epoch 9"):
        member.public_key(9)
    with pytest.raises(KeyHolderError, match="not an active member"):
        HttpKeyHolder(url, b"\x03" * 32).evaluate(3, [oprf.blind(b"x").element])
    with pytest.raises(ProofError, match="public key for epoch 3"):
        Pseudonymiser(single_holder(member, 3, oprf.public_key(oprf.generate_key()))).pseudonyms(["acct:A:1"])


def test_an_absent_holder_names_the_command_that_starts_one() -> None:
    holder = HttpKeyHolder("http://127.0.0.1:9", b"\x01" * 32, timeout=2)
    with pytest.raises(KeyHolderError, match="counterfoil keyholder serve"):
        holder.public_key(1)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>", b"[]", b"{}", b'{"public_key":5}', b'{"public_key":"xyz"}',
        b'{"public_key":"00","elements":["00"],"proofs":[]}',
        b'{"elements":["%s"],"proofs":["%s"]}' % (b"0" * 64, b"0" * 126),
        b'{"elements":["%s"],"proof":"%s"}' % (b"0" * 64, b"0" * 128),
    ],
)  # fmt: skip
def test_something_else_at_the_address_is_recognised(answer: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815 - the name is BaseHTTPRequestHandler's

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        holder = HttpKeyHolder(f"http://127.0.0.1:{server.server_port}", b"\x01" * 32)
        try:
            for ask in (lambda: holder.public_key(1), lambda: holder.evaluate(1, [bytes(32)])):
                with pytest.raises(KeyHolderError, match="not a key holder"):
                    ask()
        finally:
            holder.close()
            server.shutdown()
            thread.join()

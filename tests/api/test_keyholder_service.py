"""The key holder as a service: what a member anchored, for this member, with answers that prove it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from api.keyholder import create_app
from counterfoil import KeyHolder
from counterfoil.processes import listen
from ledger.encoding import oprf
from ledger.encoding.evaluation import PROOF_BATCH, EpochKey
from ledger.encoding.keyholder_client import HttpKeyHolder, request_message
from ledger.encoding.oprf import ProofError
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.encoding.threshold import ThresholdEvaluator
from ledger.errors import ChainUnreachableError, KeyHolderError, QuotaExceededError
from ledger.evaluation_request import CHUNK, Chunk, chunks, request_root
from ledger.gateway import Gateway
from ledger.holder.evaluating import MOST_ANSWERS, ShareHolder
from ledger.signing import address_of, new_key, sign_text
from tests.support.consortium import EPOCH, ChainProcess, SmallConsortium, founded

ALFA, BRAV = "ALFADEFF", "BRAVFRPP"
STRANGER = new_key()
NOON = 1_750_000_000
PATH = "/v3/evaluate"


@pytest.fixture(scope="module")
def made(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """Two banks; two holders of whom one must answer."""
    return founded(chain, tmp_path_factory.mktemp("service"), banks=[ALFA, BRAV], holders=2, threshold=1)


@pytest.fixture(scope="module")
def member(made: SmallConsortium) -> bytes:
    """The account key of a bank."""
    return made.keys[ALFA].account


class Service:
    """The service of one holder on a clock of its own, and what is needed to call it well or badly."""

    def __init__(self, keyholder: KeyHolder, member: bytes, gateway: Any = None) -> None:
        self.keyholder, self.member, self.now = keyholder, member, float(NOON)
        holder = ShareHolder(keyholder.folder, gateway or keyholder.gateway, clock=lambda: self.now)
        app = create_app(holder, ready=gateway or keyholder.check, clock=lambda: self.now)
        self.client = TestClient(app, raise_server_exceptions=False)

    def call(
        self,
        body: bytes,
        *,
        key: bytes | None = None,
        claim: str | None = None,
        signed_at: str = str(NOON),
        sent: bytes | None = None,
        signed_path: str = PATH,
        **headers: str,
    ) -> httpx.Response:
        key = key or self.member
        all_headers = {
            "Counterfoil-Account": claim or address_of(key),
            "Counterfoil-Time": signed_at,
            "Counterfoil-Signature": sign_text(
                request_message("POST", signed_path, signed_at, body), key
            ).hex(),
            **headers,
        }
        response: httpx.Response = self.client.post(PATH, content=sent or body, headers=all_headers)
        return response


@pytest.fixture(scope="module")
def service(made: SmallConsortium, member: bytes) -> Service:
    return Service(made.holder(1), member)


def anchored(made: SmallConsortium, blinded: list[oprf.Blinded], bank: str = ALFA) -> list[Chunk]:
    elements = [item.element for item in blinded]
    root = request_root(elements)
    made.gateway.transact(made.keys[bank].account, "EvaluationLog", "request", EPOCH, len(elements), root)
    return chunks(made.gateway.evaluation_number(1 + [ALFA, BRAV].index(bank), root), elements)


def body_of(part: Chunk, **changes: Any) -> bytes:
    asked = {
        "request": part.request,
        "start": part.start,
        "blinded": [element.hex() for element in part.elements],
        "path": [node.hex() for node in part.path],
    }
    return json.dumps(asked | changes).encode()


def blinded(count: int = 2) -> list[oprf.Blinded]:
    return [oprf.blind(b"%d" % number) for number in range(count)]


@pytest.fixture
def body(made: SmallConsortium) -> bytes:
    """A sound request of ALFA that nobody has made before."""
    (part,) = anchored(made, blinded())
    return body_of(part)


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["title"]
    return str(document["detail"])


def test_a_member_gets_a_proven_answer(made: SmallConsortium, service: Service) -> None:
    items = blinded(CHUNK + 2 * PROOF_BATCH + 1)
    parts = anchored(made, items)
    told = service.client.get("/v3/holder").json()
    (share,) = told["shares"]
    public = bytes.fromhex(share["public"])
    for part, count in zip(parts, (CHUNK // PROOF_BATCH, 3), strict=True):
        answer = service.call(body_of(part)).json()
        assert (answer["generation"], answer["index"]) == (share["generation"], share["index"]) == (0, 1)
        elements = [bytes.fromhex(text) for text in answer["elements"]]
        assert len(answer["proofs"]) == count
        for number, proof in enumerate(answer["proofs"]):
            few = slice(number * PROOF_BATCH, (number + 1) * PROOF_BATCH)
            own = items[part.start : part.start + CHUNK][few]
            assert len(oprf.finalize(own, elements[few], bytes.fromhex(proof), public)) == len(own)


def test_a_holder_says_who_it_is_and_what_it_holds(made: SmallConsortium, service: Service) -> None:
    identity = service.keyholder.identity()
    told = service.client.get("/v3/holder").json()
    assert (told["account"], told["encryption_key"]) == (identity.account, identity.encryption_key.hex())
    (key,) = made.gateway.epoch_keys()
    assert told["shares"] == [{"epoch": EPOCH, "generation": 0, "index": 1, "public": key.holders[0].hex()}]
    assert service.client.get("/healthz").json() == {"status": "ok"}
    assert "Not Found" in problem(service.client.get("/nothing"), 404)
    assert service.client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize("version", [1, 2, 4])
def test_a_client_of_another_version_is_told_so(service: Service, version: int) -> None:
    for response in (
        service.client.post(f"/v{version}/evaluate", content=b"{}"),
        service.client.get(f"/v{version}/epochs/3"),
    ):
        assert "version 3 of the protocol" in problem(response, 410)


def test_strangers_are_refused(service: Service, body: bytes) -> None:
    assert "not an active member" in problem(service.call(body, key=STRANGER), 403)


def test_what_is_not_anchored_or_anothers_is_refused(made: SmallConsortium, service: Service) -> None:
    (part,) = anchored(made, blinded(), BRAV)
    assert "no request" in problem(service.call(body_of(part)), 403)
    assert "no request 999" in problem(service.call(body_of(part, request=999)), 403)
    (own,) = anchored(made, blinded())
    others = [item.element.hex() for item in blinded()]
    assert "root" in problem(service.call(body_of(own, blinded=others)), 422)
    assert "not a chunk" in problem(service.call(body_of(own, start=CHUNK)), 422)
    assert service.call(body_of(own)).status_code == 200


def test_an_unreadable_chain_refuses_and_says_so(made: SmallConsortium, member: bytes, body: bytes) -> None:
    def unreachable() -> Gateway:
        raise ChainUnreachableError("nothing answers at the endpoint", where="http://10.1.2.3:8545")

    service = Service(made.holder(2), member, unreachable)
    for response in (service.call(body), service.client.get("/healthz")):
        detail = problem(response, 503)
        assert "nothing answers" in detail
        assert "10.1.2.3" not in detail


def test_nobody_can_ask_in_the_name_of_another(service: Service, body: bytes, member: bytes) -> None:
    other = body.replace(b'"start": 0', b'"start": 512')
    assert "signature" in problem(service.call(body, key=STRANGER, claim=address_of(member)), 401)
    assert "signature" in problem(service.call(body, sent=other), 401)
    assert "signature" in problem(service.call(body, signed_path="/v3/other"), 401)
    assert "signature" in problem(service.call(body, **{"Counterfoil-Time": str(NOON + 1)}), 401)
    assert service.call(body).status_code == 200


def test_a_replayed_request_is_not_answered_again(made: SmallConsortium, member: bytes, body: bytes) -> None:
    service = Service(made.holder(2), member)
    assert service.call(body).status_code == 200
    assert "already answered" in problem(service.call(body), 409)
    service.now += 299
    assert "already answered" in problem(service.call(body), 409)
    service.now += 400
    assert "300 s" in problem(service.call(body), 401)
    assert service.call(body, signed_at=str(NOON + 699)).status_code == 200


def test_a_replay_after_a_restart_spends_nothing_of_the_member(
    made: SmallConsortium, member: bytes, body: bytes
) -> None:
    """The seen requests are in memory only; what counts is on the chain."""
    answer = Service(made.holder(2), member).call(body).json()
    left = made.gateway.evaluations_left(1)
    again = Service(made.holder(2), member).call(body).json()
    assert again["elements"] == answer["elements"]
    assert made.gateway.evaluations_left(1) == left


@pytest.mark.parametrize("offset", [-301, 301])
def test_a_request_from_another_time_is_refused(service: Service, body: bytes, offset: int) -> None:
    assert "clock" in problem(service.call(body, signed_at=str(NOON + offset)), 401)


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
    problem(service.call(b"{}", **headers), 401)


def test_an_unsigned_request_is_refused(service: Service) -> None:
    assert "Counterfoil-Signature" in problem(service.client.post(PATH, content=b"{}"), 401)


ZERO = "00" * 32


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 422, "body"),
        (b'{"request":1}', 422, "start"),
        (b'{"request":1,"start":0,"path":[],"blinded":[]}', 422, "blinded"),
        (b'{"request":"1","start":0,"path":[],"blinded":["%s"]}' % ZERO.encode(), 422, "request"),
        (b'{"request":0,"start":0,"path":[],"blinded":["%s"]}' % ZERO.encode(), 422, "request"),
        (b'{"request":18446744073709551616,"start":0,"path":[],"blinded":[]}', 422, "request"),
        (b'{"request":1,"start":-1,"path":[],"blinded":["%s"]}' % ZERO.encode(), 422, "start"),
        (b'{"request":1,"start":0,"path":[],"blinded":["00"]}', 422, "blinded.0"),
        (b'{"request":1,"start":0,"path":["xx"],"blinded":["%s"]}' % ZERO.encode(), 422, "path.0"),
        (b'{"request":1,"start":0,"path":[],"blinded":["%s"],"epoch":1}' % ZERO.encode(), 422, "epoch"),
        (b" " * 80_000, 413, "at most 512"),
    ],
)
def test_bad_requests_have_their_own_message(service: Service, body: bytes, status: int, says: str) -> None:
    assert says in problem(service.call(body), status)


def test_anchored_bytes_that_are_no_elements_have_their_own_message(
    made: SmallConsortium, service: Service
) -> None:
    for bad, says in ((bytes(32), "identity"), (b"\xff" * 32, "canonical")):
        (part,) = anchored(made, [*blinded(1), oprf.Blinded(b"", b"", bad), *blinded(1)])
        assert says in problem(service.call(body_of(part)), 422)


def test_a_full_chunk_fits_and_one_element_more_does_not(made: SmallConsortium, service: Service) -> None:
    element = blinded(1)[0].element.hex()
    parts = anchored(made, blinded(CHUNK + 1))
    assert service.call(body_of(parts[0])).status_code == 200
    path = [element] * 16
    full = body_of(parts[0], request=2**64 - 1, path=path)
    assert "no request" in problem(service.call(full), 403)
    assert "path" in problem(service.call(body_of(parts[0], path=[*path, element])), 422)
    more = [element] * (CHUNK + 1)
    assert "blinded" in problem(service.call(body_of(parts[0], blinded=more)), 422)


def test_who_asks_too_often_is_told_so(made: SmallConsortium, member: bytes) -> None:
    (part,) = anchored(made, blinded(1))
    service = Service(made.holder(2), member)
    for number in range(MOST_ANSWERS):
        assert service.call(body_of(part), signed_at=str(NOON + number)).status_code == 200
    late = service.call(body_of(part), signed_at=str(NOON + MOST_ANSWERS))
    assert "tomorrow" in problem(late, 429)


def test_a_damaged_share_is_a_server_error_that_tells_no_secret(
    chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = founded(chain, tmp_path_factory.mktemp("damaged"), banks=[ALFA])
    (part,) = anchored(own, blinded())
    service = Service(own.holder(1), own.keys[ALFA].account)
    path = service.keyholder.folder / f"share-{EPOCH}-0.json"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"epoch":"1"', b'"epoch":"5"'))
    for response in (service.call(body_of(part)), service.client.get("/v3/holder")):
        detail = problem(response, 500)
        assert json.loads(good)["secrets"]["keys"]["share"] not in detail
        assert str(path.parent) not in response.text
    path.unlink()
    late = service.call(body_of(part), signed_at=str(NOON + 1))
    assert "no share of epoch 1, generation 0" in problem(late, 404)


@pytest.fixture(scope="module")
def served(made: SmallConsortium) -> Iterator[str]:
    """A real server on loopback, for the real client."""
    keyholder = made.holder(1)
    listening = listen(0)
    app = create_app(keyholder.holder(), ready=keyholder.check)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def pseudonyms(made: SmallConsortium, holder: HttpKeyHolder, bank: str, names: list[str]) -> list[bytes]:
    """Return the pseudonyms of identifiers, from a request of a bank that is on the chain."""
    (key,) = made.gateway.epoch_keys()
    pseudonymiser = Pseudonymiser(ThresholdEvaluator(key, {1: holder}))
    items = pseudonymiser.blind(names)
    work = [(part, items[part.start : part.start + CHUNK]) for part in anchored(made, items, bank)]
    try:
        return [
            pseudonym.value
            for _, batches in pseudonymiser.evaluate(work)
            for batch in batches
            for pseudonym in batch.pseudonyms
        ]
    finally:
        pseudonymiser.close()


def test_two_members_get_one_pseudonym_over_http(made: SmallConsortium, served: str) -> None:
    results = []
    for bank in (ALFA, BRAV):
        holder = HttpKeyHolder(served, made.keys[bank].account)
        results.append(pseudonyms(made, holder, bank, ["acct:A:1", "acct:A:2"]))
        holder.close()
    assert results[0] == results[1]
    assert len(set(results[0])) == 2


def test_the_client_says_what_the_holder_said(made: SmallConsortium, served: str, member: bytes) -> None:
    asks = HttpKeyHolder(served, member)
    (part,) = anchored(made, blinded(1))
    for _ in range(MOST_ANSWERS):
        made.holder(1).holder().evaluate(address_of(member), part)
    with pytest.raises(QuotaExceededError, match=f"{MOST_ANSWERS} times today"):
        asks.evaluate(EPOCH, 0, part)
    with pytest.raises(KeyHolderError, match="no share of epoch 9, generation 0"):
        asks.public_key(9, 0)
    (other,) = anchored(made, blinded(1))
    with pytest.raises(KeyHolderError, match="the key of epoch 1 was shared anew"):
        asks.evaluate(EPOCH, 5, other)
    with pytest.raises(KeyHolderError, match="not an active member"):
        HttpKeyHolder(served, b"\x03" * 32).evaluate(EPOCH, 0, other)
    assert (asks.index(EPOCH, 0), asks.index(EPOCH, 1), asks.index(2, 0)) == (1, None, None)
    asks.close()


def test_a_holder_of_another_key_is_refused(made: SmallConsortium, served: str, member: bytes) -> None:
    asks = HttpKeyHolder(served, member)
    wrong = EpochKey(EPOCH, 0, oprf.public_key(oprf.generate_key()))
    items = blinded(1)
    (part,) = anchored(made, items)
    pseudonymiser = Pseudonymiser(ThresholdEvaluator(wrong, {1: asks}))
    with pytest.raises(ProofError, match="public key for epoch 1"):
        list(pseudonymiser.evaluate([(part, items)]))
    pseudonymiser.close()
    asks.close()


def test_an_absent_holder_names_the_command_that_starts_one() -> None:
    holder = HttpKeyHolder("http://127.0.0.1:9", b"\x01" * 32, timeout=2)
    with pytest.raises(KeyHolderError, match="counterfoil keyholder serve"):
        holder.public_key(1, 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>", b"[]", b"{}", b'{"shares":5}', b'{"account":"","encryption_key":"","shares":[]}',
        b'{"generation":0,"elements":["00"],"proofs":[]}',
        b'{"generation":0,"elements":["%s"],"proofs":["%s"]}' % (b"0" * 64, b"0" * 126),
        b'{"generation":"0","elements":[],"proofs":[]}',
        b'{"elements":["%s"],"proofs":["%s"]}' % (b"0" * 64, b"0" * 128),
        b'{"account":"","encryption_key":"%s","shares":[{"epoch":1,"generation":0,"index":1}]}' % (b"0" * 64),
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
            for ask in (
                lambda: holder.public_key(1, 0),
                lambda: holder.evaluate(1, 0, Chunk(1, 0, (bytes(32),), ())),
            ):
                with pytest.raises(KeyHolderError, match="not a key holder"):
                    ask()
        finally:
            holder.close()
            server.shutdown()
            thread.join()

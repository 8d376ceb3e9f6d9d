"""The service of a witness: status, media type and body of each answer, as C2SP tlog-witness states them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from api.witness import create_app
from ledger.log import Note
from ledger.log.cosignature import verified
from ledger.log.submission import MOST_BYTES, Submission
from ledger.storage import disk_error
from ledger.witness import Witness, WitnessBook
from tests.support.logs import MOMENT, ORIGIN, SmallLog, SmallWitness, secret
from tests.support.served import served

LOG = SmallLog.of(9)
FORK = SmallLog([*LOG.entries[:-1], b"another"])
ALFA = SmallWitness("ALFADE20")
SIZE_TYPE = "text/x.tlog.size"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    witness = Witness(tmp_path, ALFA.name, ALFA.private, [LOG.key], clock=lambda: MOMENT)
    with served(create_app(witness)) as url, httpx.Client(base_url=url, timeout=30) as made:
        yield made


def test_a_checkpoint_is_cosigned(client: httpx.Client) -> None:
    answer = client.post("/add-checkpoint", content=LOG.submission(0))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith(f"— {ALFA.name} ")
    note = Note.parse(LOG.note().text + answer.text)
    assert verified(ALFA.line.key, note, note.signatures[-1]) == MOMENT


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"old 0\n\nnonsense\n", 400),
        (SmallLog.of(3, origin="another/log").submission(0), 404),
        (SmallLog(LOG.entries, private=secret("forger")).submission(0), 403),
        (Submission(0, (bytes(32),), LOG.note()).to_bytes(), 422),
        (b"x" * (MOST_BYTES + 1), 413),
    ],
)
def test_a_checkpoint_is_refused(client: httpx.Client, body: bytes, status: int) -> None:
    answer = client.post("/add-checkpoint", content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.endswith("\n")
    assert "—" not in answer.text


def test_another_size_is_answered_with_the_size(client: httpx.Client) -> None:
    for old, stated in ((4, "0\n"), (0, "5\n"), (7, "5\n")):
        answer = client.post("/add-checkpoint", content=LOG.submission(old))
        assert (answer.status_code, answer.text) == (409, stated)
        assert answer.headers["content-type"] == SIZE_TYPE, "exactly this media type, without a character set"
        client.post("/add-checkpoint", content=LOG.submission(0, 5))
    client.post("/add-checkpoint", content=LOG.submission(5))
    answer = client.post("/add-checkpoint", content=FORK.submission(9))
    assert (answer.status_code, answer.text) == (409, "9\n")


def test_the_last_cosigned_checkpoint_can_be_read(client: httpx.Client) -> None:
    place = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert client.get(place).status_code == 404
    client.post("/add-checkpoint", content=LOG.submission(0))
    answer = client.get(place)
    assert answer.status_code == 200
    assert Note.parse(answer.text).body == LOG.note().body
    assert client.get(f"/{'00' * 32}/checkpoint").status_code == 404
    assert client.get("/healthz").text == "ok\n"


def test_a_large_body_without_a_length_is_not_read_to_its_end(client: httpx.Client) -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            sent.append(1)
            yield b"x" * 65_536

    with suppress(httpx.TransportError):  # the connection may be closed before everything is sent
        assert client.post("/add-checkpoint", content=endless()).status_code == 413
    assert len(sent) < 10_000


def test_only_the_addresses_of_the_protocol_answer(client: httpx.Client) -> None:
    assert client.get("/add-checkpoint").status_code == 405
    for path in ("/", "/docs", "/openapi.json", "/../keys.json", "/checkpoint", "/x/checkpoint"):
        assert client.get(path).status_code == 404, path


def test_a_full_disk_is_no_cosignature(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise disk_error("no space left", Path("witness.sqlite"), full=True)

    monkeypatch.setattr(WitnessBook, "remember", full)
    answer = client.post("/add-checkpoint", content=LOG.submission(0))
    assert (answer.status_code, "the disk is full" in answer.text) == (503, True)
    monkeypatch.undo()
    assert client.post("/add-checkpoint", content=LOG.submission(0)).status_code == 200


def test_requests_at_once_leave_one_history(client: httpx.Client) -> None:
    statuses: list[tuple[bool, int]] = []

    def send(forked: bool) -> None:
        body = (FORK if forked else LOG).submission(0)
        statuses.append((forked, client.post("/add-checkpoint", content=body).status_code))

    threads = [threading.Thread(target=send, args=(bool(i % 2),)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for _, status in statuses) == [200, *[409] * 11]

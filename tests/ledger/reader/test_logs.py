"""The desk publishes two logs: tiles, heads on the chain, cosignatures; the last good one is served."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterfoil.founding import write_trust
from counterfoil.witnesses import load_policy, name_witnesses, write_first_policy
from ledger.commitment import merkle
from ledger.errors import ChainError, VerificationError
from ledger.gateway import Gateway
from ledger.home import DeskHome
from ledger.log import (
    Checkpoint,
    CheckpointError,
    KeyType,
    Policy,
    VerifierKey,
    consortium_policy,
    open_checkpoint,
    public_key,
    sign_checkpoint,
)
from ledger.log.anchors import FIRST, Anchor, next_anchor
from ledger.log.cosignature import witness_key
from ledger.log.follow import ChainLogs, ReplacedBlockError
from ledger.log.policy import Log, Witness
from ledger.log.published import PublishedLog, published_log
from ledger.log.tiles import Tiles, append
from ledger.reader import logs as publishing
from ledger.reader.cosigning import Task, collect
from ledger.reader.keys import DeskKeys
from ledger.reader.logs import LogReport
from ledger.verdicts import parse_verdict
from tests.support.consortium import ChainProcess, Poster, SmallConsortium, founded
from tests.support.foreign import foreign
from tests.support.logs import SmallLog, SmallWitness, secret
from tests.support.node import MemoryNode
from tests.support.witnesses import witnessed

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)


@pytest.fixture(scope="module")
def made(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """A consortium that every test of this module posts to: its logs only grow."""
    consortium = founded(chain, tmp_path_factory.mktemp("logs"))
    post(consortium)
    return consortium


def post(made: SmallConsortium, count: int = 3, posted: Iterator[int] = count(0, 3)) -> None:  # noqa: B008
    poster = Poster(made, made.banks[0])
    poster.fill(count, start=START, first=next(posted))
    poster.seal()
    poster.post()


def synced(made: SmallConsortium) -> dict[str, LogReport]:
    return {report.log: report for report in made.sync().logs}


def published(made: SmallConsortium, name: str) -> PublishedLog:
    deployment = made.gateway.deployment
    origin = {"ledger": deployment.ledger_origin, "verdicts": deployment.verdict_origin}[name]
    return published_log(made.home.desk.public, name, load_policy(made.home), origin)


def anchors(gateway: Gateway) -> list[Anchor]:
    found, last = [], FIRST
    for entry in gateway.case_entries():
        after = next_anchor(last, entry)
        if after != last:
            found.append(after)
        last = after
    return found


def derived(gateway: Gateway, height: int | None = None) -> list[bytes]:
    return list(gateway.ledger_entries(gateway.deployment.block, height or gateway.height()))


def test_what_is_published_is_what_everyone_derives(made: SmallConsortium, tmp_path: Path) -> None:
    reports = synced(made)
    entries = derived(made.gateway)
    ledger, verdicts = published(made, "ledger"), published(made, "verdicts")
    assert list(ledger.tiles.entries()) == entries
    assert ledger.checkpoint.root == merkle.root([merkle.leaf_hash(entry) for entry in entries])
    assert reports["ledger"] == LogReport("ledger", len(entries), len(entries), (), {}, None)
    size = made.gateway.log_size()
    assert reports["verdicts"] == LogReport("verdicts", size, size, (), {}, None)
    assert [parse_verdict(entry).reason for entry in verdicts.tiles.entries()] == [None] * size
    head = anchors(made.gateway)[-1]
    assert (head.size, head.root) == (size, verdicts.checkpoint.root)
    with ChainLogs(tmp_path / "state.sqlite", tmp_path / "tiles") as logs:
        # from the block in which the last of the four contracts was created
        for block in range(made.gateway.deployment.block + 3, made.gateway.height() + 1):
            logs.follow(made.gateway, block)
        assert logs.tiles().root() == ledger.checkpoint.root, "in whatever steps it is derived"
        assert logs.last_anchor == head


def test_nothing_new_writes_nothing_to_the_chain(made: SmallConsortium) -> None:
    synced(made)
    height, note, heads = made.gateway.height(), published(made, "ledger").note, len(anchors(made.gateway))
    synced(made)
    assert made.gateway.height() == height
    assert published(made, "ledger").note == note
    post(made)
    synced(made)
    assert len(anchors(made.gateway)) == heads + 1
    assert published(made, "ledger").checkpoint.size == len(derived(made.gateway))


def test_a_mirror_that_is_made_anew_gives_the_same_logs(made: SmallConsortium) -> None:
    synced(made)
    before = {name: published(made, name).note for name in ("ledger", "verdicts")}
    shutil.rmtree(made.home.desk.mirror)
    (made.home.desk.root / "logs.sqlite").unlink()
    shutil.rmtree(made.home.desk.public / "ledger" / "tile")
    synced(made)
    assert {name: published(made, name).note for name in before} == before
    assert list(published(made, "ledger").tiles.entries()) == derived(made.gateway)


def test_witnesses_cosign_and_one_that_comes_late_cosigns_too(made: SmallConsortium, tmp_path: Path) -> None:
    alfa, beta = made.banks[:2]
    synced(made)
    with witnessed(made, tmp_path, banks=[alfa, beta], quorum=2):
        for _ in range(2):
            reports = synced(made)
            write_trust(made.home, made.gateway)
            for name, report in reports.items():
                assert report.cosigned_by == (alfa, beta), name
                assert (report.missing, report.problem) == ({}, None)
                log = published(made, name)
                opened = open_checkpoint(log.note, made.trust.policy, origin=log.checkpoint.origin)
                assert [witness for witness, _ in opened.cosigned_by] == [alfa, beta]
                assert all(abs(moment - time.time()) < 120 for _, moment in opened.cosigned_by)
            post(made)


def silent() -> tuple[socket.socket, str]:
    """Return a port that accepts connections and never answers."""
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_witness_that_is_down_is_named_and_the_quorum_decides(
    made: SmallConsortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "collect", partial(collect, seconds=1.5))
    alfa, beta, gamma = made.banks[:3]
    name_witnesses(made.home, made.gateway, {}, quorum=0)
    synced(made)
    before = published(made, "verdicts")
    listening, slow = silent()
    with listening, witnessed(made, tmp_path, banks=[alfa], quorum=1):
        name_witnesses(made.home, made.gateway, {beta: "http://127.0.0.1:1", gamma: slow}, quorum=2)
        post(made)
        report = synced(made)["verdicts"]
        assert report.cosigned_by == (alfa,)
        assert report.missing[beta].startswith("it does not answer")
        assert report.missing[gamma] in (
            "it did not answer within 1.5 s",
            "it does not answer: TimeoutError",
        )
        assert (report.size, report.served) == (before.checkpoint.size + 1, before.checkpoint.size)
        assert report.problem is not None
        assert "quorum" in report.problem
        assert (made.home.desk.public / "verdicts" / "checkpoint").read_text() == before.note
        name_witnesses(made.home, made.gateway, {}, quorum=1)
        report = synced(made)["verdicts"]
        assert (report.served, report.problem) == (before.checkpoint.size + 1, None)


def test_an_answer_that_is_no_cosignature_of_the_named_key_does_not_count(
    made: SmallConsortium, tmp_path: Path
) -> None:
    alfa, beta = made.banks[:2]
    made.home.policy.unlink()
    write_first_policy(made.home, made.gateway.deployment)
    post(made)
    with witnessed(made, tmp_path, banks=[alfa], quorum=1):
        url = load_policy(made.home).witnesses[alfa].url
        assert url is not None
        name_witnesses(made.home, made.gateway, {beta: url})
        report = synced(made)["ledger"]
    assert report.missing == {beta: "its answer has no cosignature of the key in the policy"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nnonsense\n", "not a signature line"),
        (b"HTTP/1.0 200 OK\r\n\r\n", "not signature lines"),
        (b"HTTP/1.0 503 No\r\nX: y\r\n\r\nnot\x1b[31m now\nmore", "it answered HTTP 503: not [31m now"),
        (b"HTTP/1.0 302 Moved\r\nLocation: http://127.0.0.1:9/\r\n\r\n", "it answered HTTP 302"),
        (b"HTTP/1.0 409 C\r\nContent-Type: text/x.tlog.size\r\n\r\n99\n", "cosigned 99 entries already"),
        (b"HTTP/1.0 409 C\r\nContent-Type: text/x.tlog.size\r\n\r\n-9\n", "not decimal digits"),
        (b"HTTP/1.0 409 C\r\nContent-Type: text/x.tlog.size\r\n\r\n0\n", "the log shows two histories"),
        (b"HTTP/1.0 409 C\r\nContent-Type: text/plain\r\n\r\n0\n", "it answered HTTP 409"),
        (b"garbage\r\n\r\n", "it does not answer"),
        (b"", "it does not answer"),
    ],
)
def test_whatever_a_witness_answers_is_a_problem_of_that_witness(
    answer: bytes, said: str, tmp_path: Path
) -> None:
    log = SmallLog.of(3)
    append(tmp_path, 0, log.entries)
    listening, url = silent()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as stream:
            headers = dict(
                line.decode().rstrip().lower().partition(": ")[::2] for line in iter(stream.readline, b"\r\n")
            )
            stream.read(int(headers["content-length"]))
            connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listening:
        witness = Witness("A", SmallWitness("A").line.key, url)
        (got,) = collect([Task(log.note(), Tiles.in_folder(tmp_path, 3), 0, witness)])
        thread.join()
    assert got.line is None
    assert got.problem is not None
    assert said in got.problem


# -- crashes and damage, on a chain in memory -----------------------------------------------------------


@dataclass
class Desk:
    """A desk whose mirror says what it is told."""

    home: DeskHome
    node: MemoryNode = field(default_factory=MemoryNode)
    keys: DeskKeys = field(default_factory=lambda: DeskKeys(secret("d"), secret("l"), secret("v"), {}))
    entries: list[bytes] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)

    def verdict_entries(self, first: int = 0) -> list[bytes]:
        return self.entries[first:]

    @property
    def policy(self) -> Policy:
        """The policy: all witnesses must cosign."""
        place = self.node.deployment
        pairs = ((place.ledger_origin, self.keys.ledger), (place.verdict_origin, self.keys.verdicts))
        logs = [Log(VerifierKey(origin, KeyType.ED25519, public_key(private))) for origin, private in pairs]
        return consortium_policy(logs, self.witnesses, len(self.witnesses))

    def publish(self, *entries: bytes, depth: int = 0) -> dict[str, LogReport]:
        """Publish with these verdicts."""
        self.entries = list(entries)
        gateway = cast(Gateway, self.node)
        done = publishing.publish(self.home, gateway, self.keys, self.policy, self, depth=depth)
        return {report.log: report for report in done}

    def published(self, name: str) -> PublishedLog:
        """Return a published log."""
        place = self.node.deployment
        origin = {"ledger": place.ledger_origin, "verdicts": place.verdict_origin}[name]
        return published_log(self.home.public, name, self.policy, origin)

    @property
    def heads(self) -> list[int]:
        """Sizes of the heads on the chain."""
        return [head.size for head in anchors(cast(Gateway, self.node))]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(DeskHome(tmp_path / "desk"))
    made.node.mine(b"an admission")
    return made


@pytest.mark.parametrize("place", ["_append_verdicts", "_record", "_cosign"])
def test_a_desk_that_dies_continues(desk: Desk, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.publish(b"a")
    desk.node.mine(b"a batch", b"another")
    real = getattr(publishing, place)

    def dying(*args: object) -> None:
        real(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, place, dying)
    with pytest.raises(KeyboardInterrupt):
        desk.publish(b"a", b"b", b"c")
    monkeypatch.undo()
    assert desk.published("verdicts").checkpoint.size == 1, "the checkpoint is written last"
    reports = desk.publish(b"a", b"b", b"c")
    assert [report.problem for report in reports.values()] == [None, None]
    assert desk.published("verdicts").checkpoint.size == 3
    assert desk.heads == [1, 3], "no head is recorded twice"
    height = desk.node.height()
    assert list(desk.published("ledger").tiles.entries()) == list(desk.node.ledger_entries(0, height))


def test_a_desk_never_signs_a_second_history(desk: Desk) -> None:
    desk.publish(b"a", b"b", b"c")
    for other in ([b"a", b"b", b"x", b"d"], [b"a", b"b"], []):
        with pytest.raises(VerificationError, match="other verdicts than those that are published"):
            desk.publish(*other)
    reports = desk.publish(b"a", b"x", b"c", b"d")  # what it already published is not read again
    assert reports["verdicts"].problem is None
    assert list(desk.published("verdicts").tiles.entries()) == [b"a", b"b", b"c", b"d"]


def test_a_desk_that_lost_its_files_does_not_contradict_the_chain(desk: Desk) -> None:
    desk.publish(b"a", b"b", b"c")
    shutil.rmtree(desk.home.root)
    report = desk.publish(b"a", b"x", b"c", b"d")["verdicts"]
    assert report.served is None
    assert report.problem == "the chain records another root of the verdict log than the mirror gives"
    report = desk.publish(b"a", b"b")["verdicts"]
    assert report.problem == "the chain records 3 verdicts, the mirror has 2"
    assert desk.heads == [3]
    report = desk.publish(b"a", b"b", b"c", b"d")["verdicts"]
    assert (report.served, report.problem) == (4, None)


def test_a_checkpoint_that_is_not_of_the_log_is_not_replaced(desk: Desk) -> None:
    desk.publish(b"a")
    place = desk.home.public / "ledger" / "checkpoint"
    forged = sign_checkpoint(
        Checkpoint(desk.node.deployment.ledger_origin, 1, bytes(32)), "x", secret("another")
    )
    place.write_text(forged)
    with pytest.raises(CheckpointError, match="contradicts its checkpoint that is served"):
        desk.publish(b"a")
    assert place.read_text() == forged


def test_with_blocks_that_are_not_final_the_newest_final_head_is_published(desk: Desk) -> None:
    assert desk.publish(b"a", depth=1)["verdicts"].served == 0, "its head is in the newest block"
    assert desk.publish(b"a", b"b", depth=1)["verdicts"].served == 1
    assert desk.publish(b"a", b"b", b"c", depth=1)["verdicts"].served == 2
    assert desk.heads == [1, 2, 3], "also heads in blocks that are not final are taken into account"


def test_a_node_that_fails_keeps_what_was_published(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.publish(b"a")
    before = {name: desk.published(name).note for name in ("ledger", "verdicts")}

    def fails(*_: object) -> None:
        raise ChainError("the node failed")

    monkeypatch.setattr(MemoryNode, "ledger_entries", fails)
    with pytest.raises(ChainError):
        desk.publish(b"a", b"b")
    monkeypatch.undo()
    assert {name: desk.published(name).note for name in before} == before
    assert desk.publish(b"a", b"b")["verdicts"].served == 2


def test_a_chain_that_replaced_a_final_block_is_named(desk: Desk) -> None:
    desk.publish(b"a")
    desk.node.salt = b"another chain"
    with pytest.raises(ReplacedBlockError, match="treated as final"):
        desk.publish(b"a")


def test_keys_that_the_policy_does_not_name_are_not_published(desk: Desk) -> None:
    policy = desk.policy
    desk.keys = DeskKeys.generate(0)
    done = publishing.publish(desk.home, cast(Gateway, desk.node), desk.keys, policy, desk, depth=0)
    assert [report.served for report in done] == [None, None]
    assert all("not signed by the key of its log" in (report.problem or "") for report in done)


def test_software_of_others_is_the_witness_of_the_desk(desk: Desk, tmp_path: Path) -> None:
    """The witness of the package aics-witness, which knows nothing of a chain."""
    tlog, service = foreign("aics_tlog"), foreign("aics_witness.service")
    key = Ed25519PrivateKey.from_private_bytes(secret("their witness"))
    database = foreign("aics_witness.store").WitnessStore(tmp_path / "w.sqlite", create=True)
    known = [
        foreign("aics_witness.config").LogConfig(origin=log.name, vkeys=(tlog.parse_vkey(log.text),))
        for log in desk.policy.log_keys
    ]
    server = service.make_server(service.Witness("w.example/1", key, database, known))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        theirs = witness_key("w.example/1", key.public_key().public_bytes_raw())
        desk.witnesses = [Witness("THEIRS", theirs, server.url)]
        for count in (0, 1, 300, 300, 700):
            desk.node.mine(*(b"batch %d" % i for i in range(count)))
            for report in desk.publish(*(b"%d" % i for i in range(count))).values():
                assert (report.cosigned_by, report.problem) == (("THEIRS",), None)
        for name in ("ledger", "verdicts"):
            log = desk.published(name)
            vkey = next(key for key in desk.policy.log_keys if key.name == log.checkpoint.origin)
            result = tlog.verify_checkpoint(
                tlog.parse_note(log.note), tlog.parse_vkey(vkey.text), [tlog.parse_vkey(theirs.text)], 1
            )
            assert result.ok, result.error
            tiles = tlog.DirectoryTileStore(desk.home.public / name)
            tlog.audit_tiles(tiles, log.checkpoint.size, log.checkpoint.root)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        database.close()

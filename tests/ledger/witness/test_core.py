"""A witness: the answers of C2SP tlog-witness, and that it never cosigns two histories."""

from __future__ import annotations

import os
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.commitment import merkle
from ledger.errors import ChainUnreachableError
from ledger.log import Checkpoint, Note, sign_checkpoint
from ledger.log.checkpoint import read_checkpoint
from ledger.log.cosignature import verified
from ledger.log.notes import SignatureLine
from ledger.log.submission import Submission, answered_lines
from ledger.witness import ContradictionError, NotYetError, RefusedError, Rule, Witness, WitnessBook
from ledger.witness import book as book_module
from ledger.witness import core as core_module
from tests.support.logs import MOMENT, ORIGIN, SmallLog, SmallWitness, secret

LOG = SmallLog.of(13)
FORK = SmallLog([*LOG.entries[:5], *(b"other %d" % i for i in range(8))])
ALFA = SmallWitness("ALFADE20")


def witness_of(folder: Path, **options: object) -> Witness:
    return Witness(folder, ALFA.name, ALFA.private, [LOG.key], clock=lambda: MOMENT, **options)  # type: ignore[arg-type]


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return witness_of(tmp_path)


def refused(witness: Witness, body: bytes) -> tuple[int, int | None]:
    with pytest.raises(RefusedError) as caught:
        witness.add_checkpoint(body)
    return caught.value.status, caught.value.size


def cosigned_size(witness: Witness) -> int:
    with WitnessBook(witness.folder) as book:
        return book.last(ORIGIN).size


def test_a_log_that_grows_is_cosigned(witness: Witness) -> None:
    old = 0
    for size in (0, 1, 1, 4, 5, 13):
        (line,) = answered_lines(witness.add_checkpoint(LOG.submission(old, size)).encode())
        assert verified(ALFA.line.key, LOG.note(size), line) == MOMENT
        assert cosigned_size(witness) == size
        old = size
    held = Note.parse(witness.latest(ORIGIN) or "")
    assert held.body == LOG.note().body
    assert [line.name for line in held.signatures] == [ORIGIN, ALFA.name]
    assert witness.latest("another") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old 0\n\nno note\n",
        LOG.submission(0).replace(b"old 0", b"old 00"),
        LOG.submission(0).replace(b"\n13\n", b"\n013\n"),
        LOG.submission(0).replace(b"old 0\n\n", b"old 0\n\n\n"),
        LOG.submission(0).replace(f"{ORIGIN}\n13".encode(), f"{ORIGIN}\n\n13".encode()),
        LOG.submission(0)[:-1],
        Submission(14, (), LOG.note()).to_bytes(),
    ],
)
def test_a_malformed_request_is_answered_400(witness: Witness, body: bytes) -> None:
    assert refused(witness, body) == (400, None)


def test_an_unknown_log_is_answered_404(witness: Witness) -> None:
    assert refused(witness, SmallLog.of(3, origin="another/log").submission(0)) == (404, None)


def test_what_the_log_did_not_sign_is_answered_403(witness: Witness) -> None:
    forger = SmallLog(LOG.entries, private=secret("forger"))
    assert refused(witness, forger.submission(0)) == (403, None)
    renamed = Note.parse(sign_checkpoint(LOG.checkpoint(), "somebody", LOG.private))
    assert refused(witness, Submission(0, (), renamed).to_bytes()) == (403, None)
    moved = Note(LOG.checkpoint(5).body, LOG.note().signatures)
    assert refused(witness, Submission(0, (), moved).to_bytes()) == (403, None)
    twice = LOG.note().with_lines(*LOG.note().signatures)
    assert refused(witness, Submission(0, (), twice).to_bytes()) == (403, None)
    assert cosigned_size(witness) == 0


def test_lines_of_unknown_keys_are_ignored(witness: Witness) -> None:
    other = SmallWitness("BETAFR20").cosigned(SmallLog(LOG.entries, private=secret("old key")).note())
    note = Note(
        LOG.note().body, (*other.signatures, SignatureLine("x", b"1234", b"5"), *LOG.note().signatures)
    )
    line = witness.add_checkpoint(Submission(0, (), note).to_bytes())
    assert Note.parse(note.text + line).signatures[-1].name == ALFA.name


def test_another_old_size_is_answered_409_with_the_size(witness: Witness) -> None:
    assert refused(witness, LOG.submission(5)) == (409, 0)
    witness.add_checkpoint(LOG.submission(0, 5))
    for old in (0, 1, 4, 6, 13):
        assert refused(witness, LOG.submission(old)) == (409, 5)
    assert cosigned_size(witness) == 5


def test_a_replayed_old_checkpoint_does_not_roll_the_witness_back(witness: Witness) -> None:
    replay = LOG.submission(0, 5)
    witness.add_checkpoint(replay)
    witness.add_checkpoint(LOG.submission(5, 13))
    assert refused(witness, replay) == (409, 13)
    assert refused(witness, LOG.submission(4, 5)) == (409, 13)
    assert refused(witness, Submission(13, (), LOG.note(5)).to_bytes()) == (400, None)
    assert cosigned_size(witness) == 13
    with WitnessBook(witness.folder) as book:
        assert book.cases() == [], "an old checkpoint of the same history is no evidence"


def test_a_wrong_proof_is_answered_422(witness: Witness) -> None:
    witness.add_checkpoint(LOG.submission(0, 5))
    proof = list(LOG.proof(5))
    for wrong in ([], proof[:-1], [*proof, bytes(32)], [bytes(32), *proof[1:]], list(LOG.proof(6))):
        assert refused(witness, Submission(5, tuple(wrong), LOG.note()).to_bytes()) == (422, None)
    assert refused(witness, Submission(5, (bytes(32),), LOG.note(5)).to_bytes()) == (422, None)
    assert cosigned_size(witness) == 5


EMPTY = merkle.EMPTY_ROOT
LEAF = merkle.leaf_hash(LOG.entries[0])


@pytest.mark.parametrize(
    ("size", "root", "proof", "status"),
    [
        (0, EMPTY, (), 200),
        (0, LEAF, (), 422),
        (0, bytes(32), (), 422),
        (0, EMPTY, (LEAF,), 422),
        (1, LEAF, (), 200),
        (1, LEAF, (LEAF,), 422),
    ],
)
def test_the_empty_log(
    witness: Witness, size: int, root: bytes, proof: tuple[bytes, ...], status: int
) -> None:
    note = Note.parse(sign_checkpoint(Checkpoint(ORIGIN, size, root), ORIGIN, LOG.private))
    body = Submission(0, proof, note).to_bytes()
    if status == 200:
        assert witness.add_checkpoint(body)
        assert cosigned_size(witness) == size
    else:
        assert refused(witness, body) == (status, None)
        assert witness.latest(ORIGIN) is None


# -- two histories --------------------------------------------------------------------------------------


def test_another_root_of_the_same_size_is_refused_and_kept_as_evidence(tmp_path: Path) -> None:
    said: list[str] = []
    witness = witness_of(tmp_path, warn=said.append)
    witness.add_checkpoint(LOG.submission(0))
    assert refused(witness, FORK.submission(13)) == (409, 13)
    assert refused(witness, FORK.submission(0)) == (409, 13), "whatever old size comes with it"
    with WitnessBook(tmp_path) as book:
        (case,) = book.cases()
    assert (case.kind, case.origin, case.size, case.time) == ("contradiction", ORIGIN, 13, MOMENT)
    shown, held = (Note.parse((case.folder / name).read_text()) for name in ("shown.note", "cosigned.note"))
    assert (read_checkpoint(shown), read_checkpoint(held)) == (FORK.checkpoint(), LOG.checkpoint())
    for note in (shown, held):
        line = note.line_of(LOG.key)
        assert line is not None
        verified(LOG.key, note, line)  # both carry the log's own signature: anybody can check
    assert "different roots" in said[0]
    assert str(case.folder) in said[0]


def test_an_older_size_with_another_root_is_evidence_too(witness: Witness) -> None:
    witness.add_checkpoint(LOG.submission(0, 8))
    witness.add_checkpoint(LOG.submission(8, 13))
    assert refused(witness, FORK.submission(0, 8)) == (409, 13)
    with WitnessBook(witness.folder) as book:
        (case,) = book.cases()
        assert (case.kind, case.size) == ("contradiction", 8)


def test_a_fork_that_grew_is_refused_and_kept(witness: Witness) -> None:
    witness.add_checkpoint(LOG.submission(0, 8))
    body = Submission(8, FORK.proof(8), FORK.note()).to_bytes()
    assert refused(witness, body) == (422, None)
    assert refused(witness, body) == (422, None)
    with WitnessBook(witness.folder) as book:
        (case,) = book.cases()
        assert case.kind == "no-proof", "anybody could send a true checkpoint with a wrong proof"
        (state,) = book.states()
    assert (state.size, state.count) == (8, 1)
    assert state.refused is not None
    assert "consistency proof" in state.refused


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 13), st.integers(0, 13), st.booleans()), max_size=12))
def test_whatever_is_sent_all_cosigned_checkpoints_are_of_one_history(
    requests: list[tuple[bool, int, int, bool]],
) -> None:
    cosigned: list[Checkpoint] = []
    with tempfile.TemporaryDirectory() as name:
        witness = witness_of(Path(name))
        for forked, size, old, follows in requests:
            log = FORK if forked else LOG
            old = cosigned_size(witness) if follows else old
            if old > size:
                continue
            try:
                witness.add_checkpoint(log.submission(old, size))
            except RefusedError:
                continue
            cosigned.append(log.checkpoint(size))
    sizes = [checkpoint.size for checkpoint in cosigned]
    assert sizes == sorted(sizes)
    assert any(all(c == log.checkpoint(c.size) for c in cosigned) for log in (LOG, FORK))


# -- at once, and killed --------------------------------------------------------------------------------


def test_requests_at_once_never_roll_back(tmp_path: Path) -> None:
    log, chance, statuses = SmallLog.of(60), random.Random(7), {409}

    def send(_: int) -> list[int]:
        witness, sizes = witness_of(tmp_path), []
        for _ in range(15):
            old = cosigned_size(witness)
            size = chance.randint(old, 60)
            try:
                witness.add_checkpoint(log.submission(old, size))
                sizes.append(size)
            except RefusedError as error:
                statuses.add(error.status)
        return sizes

    with ThreadPoolExecutor(6) as pool:
        cosigned = [size for sizes in pool.map(send, range(6)) for size in sizes]
    assert statuses == {409}
    with WitnessBook(tmp_path) as book:
        assert book.last(ORIGIN) == log.checkpoint(max(cosigned))
        assert book.cases() == []


def _race(folder: str, fork: bool, ready: object, answers: object) -> None:
    witness = witness_of(Path(folder))
    body = (FORK if fork else LOG).submission(0)
    ready.wait()  # type: ignore[attr-defined]
    try:
        witness.add_checkpoint(body)
        answers.put((fork, 200))  # type: ignore[attr-defined]
    except RefusedError as error:
        answers.put((fork, error.status))  # type: ignore[attr-defined]


def test_of_two_histories_sent_at_once_to_two_processes_one_is_cosigned(tmp_path: Path) -> None:
    spawn = get_context("fork")
    for turn in range(5):
        folder, ready, answers = tmp_path / str(turn), spawn.Barrier(4), spawn.Queue()
        processes = [
            spawn.Process(target=_race, args=(str(folder), bool(i % 2), ready, answers)) for i in range(4)
        ]
        for process in processes:
            process.start()
        got = [answers.get(timeout=60) for _ in processes]
        for process in processes:
            process.join()
        winners = {fork for fork, status in got if status == 200}
        assert len(winners) == 1
        with WitnessBook(folder) as book:
            assert book.last(ORIGIN) == (FORK if winners.pop() else LOG).checkpoint()
            assert [case.kind for case in book.cases()] == ["contradiction"]


def _die(folder: str, where: str) -> None:
    def dead(*_: object, **__: object) -> None:
        os._exit(9)

    if where == "before it is stored":
        core_module.WitnessBook.remember = dead  # type: ignore[method-assign]
    elif where == "while it is stored":
        stored = book_module.WitnessBook.remember

        def half(self: WitnessBook, *args: object) -> None:
            stored(self, *args)  # type: ignore[arg-type]
            os._exit(9)

        core_module.WitnessBook.remember = half  # type: ignore[method-assign]
    else:
        core_module.WitnessBook.close = dead  # type: ignore[method-assign]
    witness_of(Path(folder)).add_checkpoint(LOG.submission(0))


@pytest.mark.parametrize(
    ("where", "size"), [("before it is stored", 0), ("while it is stored", 0), ("before the answer", 13)]
)
def test_a_witness_that_is_killed_cosigns_no_second_history(tmp_path: Path, where: str, size: int) -> None:
    process = get_context("fork").Process(target=_die, args=(str(tmp_path), where))
    process.start()
    process.join()
    assert process.exitcode == 9
    witness = witness_of(tmp_path)
    assert cosigned_size(witness) == size
    if size:
        assert refused(witness, FORK.submission(0)) == (409, 13)
    assert witness.add_checkpoint(LOG.submission(size)), "the log asks again with the size it is told"


# -- rules ----------------------------------------------------------------------------------------------


class Only(Rule):
    """A rule that knows one history, of a size."""

    def __init__(self, log: SmallLog, size: int) -> None:
        self.log, self.size = log, size

    def check(self, checkpoint: Checkpoint) -> None:
        if checkpoint.size > self.size:
            raise NotYetError("the chain is behind")
        if checkpoint != self.log.checkpoint(checkpoint.size):
            raise ContradictionError("the chain has another root")


def test_a_rule_decides_what_is_cosigned(tmp_path: Path) -> None:
    rule = Only(LOG, 8)
    witness = witness_of(tmp_path, rules={ORIGIN: rule})
    assert refused(witness, LOG.submission(0)) == (503, None)
    assert refused(witness, FORK.submission(0, 8)) == (422, None)
    assert witness.add_checkpoint(LOG.submission(0, 8))
    assert refused(witness, LOG.submission(0)) == (409, 8), "a log that asks for the size gets it"
    rule.size = 13
    body = Submission(8, (), LOG.note()).to_bytes()
    assert refused(witness, body) == (422, None)
    assert witness.add_checkpoint(LOG.submission(8))
    with WitnessBook(tmp_path) as book:
        (case,) = book.cases()
        assert (case.kind, case.size) == ("contradiction", 8), "the wrong proof of a true checkpoint is none"


def test_a_contradiction_is_evidence_whatever_old_size_comes_with_it(tmp_path: Path) -> None:
    witness = witness_of(tmp_path, rules={ORIGIN: Only(LOG, 13)})
    assert refused(witness, FORK.submission(7)) == (409, 0)
    with WitnessBook(tmp_path) as book:
        (case,) = book.cases()
        assert (case.kind, case.what) == ("contradiction", "the chain has another root")
        assert not (case.folder / "cosigned.note").exists()


def test_a_node_that_does_not_answer_is_no_reason_to_cosign(tmp_path: Path) -> None:
    class Silent(Rule):
        def check(self, checkpoint: Checkpoint) -> None:
            raise ChainUnreachableError("nothing answers")

    said: list[str] = []
    witness = witness_of(tmp_path, rules={ORIGIN: Silent()}, warn=said.append)
    assert refused(witness, LOG.submission(0)) == (503, None)
    assert said == ["nothing answers"]
    assert witness.latest(ORIGIN) is None


def test_a_review_finds_what_the_chain_no_longer_says(tmp_path: Path) -> None:
    rule = Only(LOG, 13)
    witness = witness_of(tmp_path, rules={ORIGIN: rule})
    witness.add_checkpoint(LOG.submission(0))
    witness.review()
    rule.log = FORK
    with pytest.raises(ContradictionError):
        witness.review()
    with WitnessBook(tmp_path) as book:
        (case,) = book.cases()
        assert case.kind == "contradiction"

"""A desk that shows two histories is caught by the members' witnesses, without anyone asking.

The desk has its own keys: the keys of both logs, and the account that writes to the chain. What it cannot
change is the chain that each member reads from its own node.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from ledger import canonical
from ledger.caselog import CaseKind
from ledger.entries import EntryKind
from ledger.gateway import Gateway
from ledger.log import Note
from ledger.log.anchors import CASE, anchor_content
from ledger.log.checkpoint import read_checkpoint
from ledger.log.follow import ChainLogs
from ledger.log.submission import Submission
from ledger.witness import Case, LedgerRule, RefusedError, VerdictRule, Witness, WitnessBook
from tests.support.logs import MOMENT, SmallLog, secret
from tests.support.node import DEPLOYMENT, MemoryNode

LEDGER, VERDICTS = DEPLOYMENT.ledger_origin, DEPLOYMENT.verdict_origin
DESK = secret("the desk's account")


def ledger_log(entries: list[bytes]) -> SmallLog:
    return SmallLog(entries, LEDGER, secret("the ledger log"))


def verdict_log(*entries: bytes) -> SmallLog:
    return SmallLog(list(entries), VERDICTS, secret("the verdict log"))


@dataclass
class Bank:
    """A member's witness with a node and a folder of its own."""

    folder: Path
    node: MemoryNode
    name: str
    said: list[str] = field(default_factory=list)
    derived: dict[int, bytes] | None = None

    @contextmanager
    def followed(self) -> Iterator[ChainLogs]:
        with ChainLogs(self.folder / "logs.sqlite", self.folder / "ledger") as logs:
            logs.follow(cast(Gateway, self.node), self.node.height())
            yield logs

    @property
    def witness(self) -> Witness:
        derived = None if self.derived is None else self.derived.get
        return Witness(
            self.folder,
            DEPLOYMENT.witness_name(self.name),
            secret(self.name),
            [ledger_log([]).key, verdict_log().key],
            rules={
                LEDGER: LedgerRule(self.followed),
                VERDICTS: VerdictRule(self.followed, derived=derived),
            },
            clock=lambda: MOMENT,
            warn=self.said.append,
        )

    def shown(self, log: SmallLog, size: int | None = None) -> bool:
        """Show a checkpoint to the witness as a log does; return whether it cosigned."""
        note = log.note(size)
        with WitnessBook(self.folder) as book:
            old = min(book.last(log.origin).size, read_checkpoint(note).size)
        try:
            self.witness.add_checkpoint(Submission(old, log.proof(old, size), note).to_bytes())
        except RefusedError:
            return False
        return True

    @property
    def cases(self) -> list[Case]:
        with WitnessBook(self.folder) as book:
            return book.cases()


@pytest.fixture
def node() -> MemoryNode:
    made = MemoryNode()
    made.mine(b"admission of A", b"admission of B")
    made.mine(b"batch 1")
    made.mine(b"batch 2")
    return made


@pytest.fixture
def banks(node: MemoryNode, tmp_path: Path) -> tuple[Bank, Bank]:
    return Bank(tmp_path / "a", node, "ALFADE20"), Bank(tmp_path / "b", node, "BETAFR20")


def on_chain(node: MemoryNode) -> SmallLog:
    return ledger_log(list(node.ledger_entries(1, node.height())))


def anchor(node: MemoryNode, log: SmallLog, before: SmallLog | None = None, key: bytes = DESK) -> None:
    """Record a head on the chain, with the proof that it follows from the head `before`."""
    old = 0 if before is None else len(before.entries)
    content = anchor_content(len(log.entries), log.checkpoint().root, old, log.proof(old))
    payload = canonical.dumps({"format": "counterfoil/note/1", "topic": "verdicts", **content})
    node.transact(key, "CaseLog", "append", [(CaseKind.NOTE, CASE, sha256(payload).digest(), payload)])


# -- the ledger log -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        lambda entries: [*entries[:2], b"batch 1 of somebody else", *entries[3:]],
        lambda entries: [*entries[:2], *entries[3:], b"batch 3"],  # one batch left out
        lambda entries: [entries[1], entries[0], *entries[2:]],
        lambda entries: [b"admission of the desk's own bank", *entries[1:]],
    ],
)
def test_a_ledger_log_that_differs_from_the_chain_gets_no_cosignature(
    node: MemoryNode, banks: tuple[Bank, Bank], lie: object
) -> None:
    true = on_chain(node)
    false = ledger_log(lie(true.entries))  # type: ignore[operator]
    alfa, beta = banks
    assert alfa.shown(true)
    assert not beta.shown(false), "the witness that sees only the false history refuses it too"
    assert [case.kind for case in beta.cases] == ["contradiction"]
    assert "the chain gives another root" in beta.said[0]
    assert alfa.cases == []
    assert not alfa.shown(false)
    (case,) = alfa.cases
    assert (case.folder / "shown.note").read_text() == false.note().text
    assert Note.parse((case.folder / "cosigned.note").read_bytes()).body == true.note().body


def test_a_ledger_log_with_invented_entries_at_its_end_is_not_cosigned(
    node: MemoryNode, banks: tuple[Bank, Bank]
) -> None:
    alfa, _ = banks
    false = ledger_log([*on_chain(node).entries, b"batch 3"])
    assert not alfa.shown(false), "the chain does not have it"
    assert alfa.cases == [], "the node may only be behind"
    node.mine(b"the true batch 3")
    assert not alfa.shown(false)
    assert [case.kind for case in alfa.cases] == ["contradiction"]
    assert alfa.shown(on_chain(node)), "the true history is cosigned still"


def test_a_witness_cosigns_any_size_that_its_chain_gives(node: MemoryNode, banks: tuple[Bank, Bank]) -> None:
    alfa, beta = banks
    true = on_chain(node)
    for size in range(1, 5):
        assert alfa.shown(true, size)
    assert beta.shown(true, 3)
    assert not alfa.shown(true, 2), "no way back"
    assert alfa.cases == beta.cases == []


# -- the verdict log ------------------------------------------------------------------------------------


def test_a_verdict_head_that_is_not_on_the_chain_is_not_cosigned(
    node: MemoryNode, banks: tuple[Bank, Bank]
) -> None:
    alfa, beta = banks
    log = verdict_log(b"v1", b"v2")
    assert not alfa.shown(log)
    assert alfa.cases == []
    anchor(node, log)
    assert alfa.shown(log)
    assert beta.shown(log)


def test_two_verdict_histories_of_one_size(node: MemoryNode, banks: tuple[Bank, Bank]) -> None:
    alfa, beta = banks
    true, false = verdict_log(b"v1", b"v2"), verdict_log(b"v1", b"accepted after all")
    anchor(node, true)
    assert alfa.shown(true)
    assert not beta.shown(false), "only one of them is on the chain"
    (case,) = beta.cases
    assert case.kind == "contradiction"
    assert "does not record this head" in case.what


def test_a_second_head_of_one_size_on_the_chain(node: MemoryNode, banks: tuple[Bank, Bank]) -> None:
    alfa, _ = banks
    true, false = verdict_log(b"v1", b"v2"), verdict_log(b"v1", b"accepted after all")
    anchor(node, true)
    assert alfa.shown(true)
    anchor(node, false)
    for bank in banks:
        assert not bank.shown(false)
        assert "contradict each other" in bank.cases[0].what
    longer = verdict_log(b"v1", b"v2", b"v3")
    anchor(node, longer, true)
    assert not alfa.shown(longer), "nobody can tell any more which history the desk will follow"


def test_two_histories_whose_heads_have_different_sizes(node: MemoryNode, banks: tuple[Bank, Bank]) -> None:
    """Each witness would see only heads that are on the chain and consistent with each other."""
    alfa, beta = banks
    ones = verdict_log(*(b"one %d" % i for i in range(8)))
    twos = verdict_log(*(b"two %d" % i for i in range(9)))
    anchor(node, verdict_log(*ones.entries[:5]))
    assert alfa.shown(ones, 5)
    anchor(node, verdict_log(*twos.entries[:7]))
    assert not beta.shown(twos, 7), "it does not follow from the head before, which beta was never shown"
    anchor(node, ones, verdict_log(*ones.entries[:5]))
    anchor(node, twos, verdict_log(*twos.entries[:7]))
    assert not alfa.shown(ones)
    assert not beta.shown(twos)
    assert {case.kind for bank in banks for case in bank.cases} == {"contradiction"}


def test_a_forged_proof_on_the_chain(node: MemoryNode, banks: tuple[Bank, Bank]) -> None:
    alfa, _ = banks
    true = verdict_log(b"v1", b"v2")
    anchor(node, true)
    false = verdict_log(b"x1", b"x2", b"x3")
    content = anchor_content(3, false.checkpoint().root, 2, true.proof(1))
    payload = canonical.dumps({"format": "counterfoil/note/1", "topic": "verdicts", **content})
    node.transact(DESK, "CaseLog", "append", [(CaseKind.NOTE, CASE, sha256(payload).digest(), payload)])
    assert not alfa.shown(false)
    assert "contradict each other" in alfa.cases[0].what


def test_a_head_between_those_on_the_chain_was_never_shown_to_all(
    node: MemoryNode, banks: tuple[Bank, Bank]
) -> None:
    alfa, _ = banks
    log = verdict_log(b"v1", b"v2", b"v3")
    anchor(node, log)
    assert not alfa.shown(log, 2)
    (case,) = alfa.cases
    assert "expected no head of this size" in case.what


def test_the_desk_rolls_its_verdicts_back(node: MemoryNode, banks: tuple[Bank, Bank]) -> None:
    alfa, beta = banks
    log = verdict_log(b"v1", b"v2", b"v3")
    shorter = verdict_log(b"v1", b"v2")
    anchor(node, log)
    assert alfa.shown(log)
    anchor(node, shorter)
    assert not alfa.shown(shorter)
    assert not beta.shown(shorter), "also a witness that never saw the longer log"


def test_another_account_that_may_write_notes_is_the_desk_too(
    node: MemoryNode, banks: tuple[Bank, Bank]
) -> None:
    """The contract lets only accounts with the desk's role write notes; a second one changes nothing."""
    alfa, _ = banks
    log, false = verdict_log(b"v1"), verdict_log(b"x1")
    anchor(node, log)
    anchor(node, false, key=secret("another account"))
    assert not alfa.shown(false)
    assert [case.kind for case in alfa.cases] == ["contradiction"]


def test_the_empty_verdict_log_needs_no_head(banks: tuple[Bank, Bank]) -> None:
    alfa, beta = banks
    assert alfa.shown(verdict_log())
    assert beta.shown(verdict_log())


def test_a_witness_with_a_readers_key_compares_the_verdicts_too(
    node: MemoryNode, banks: tuple[Bank, Bank]
) -> None:
    alfa, beta = banks
    said, right = verdict_log(b"accepted"), verdict_log(b"kept apart")
    beta.derived = {}
    anchor(node, said)
    assert alfa.shown(said), "without a reader's key a witness cannot say whether a verdict is right"
    assert not beta.shown(said)
    assert beta.cases == [], "it has not derived as many yet"
    beta.derived = {1: right.checkpoint().root}
    assert not beta.shown(said)
    assert "the rows give another root" in beta.cases[0].what


# -- the node -------------------------------------------------------------------------------------------


def test_a_chain_that_replaced_final_blocks_gets_no_cosignature(
    node: MemoryNode, banks: tuple[Bank, Bank]
) -> None:
    alfa, _ = banks
    assert alfa.shown(on_chain(node))
    node.salt = b"another chain"
    node.mine(b"batch 3")
    assert not alfa.shown(on_chain(node))
    assert "replaced a block" in alfa.said[-1]


def test_a_node_that_leaves_out_an_entry_is_no_evidence_against_the_desk(
    node: MemoryNode, banks: tuple[Bank, Bank], monkeypatch: pytest.MonkeyPatch
) -> None:
    alfa, _ = banks
    batch = bytes([EntryKind.BATCH]) + b" the third batch"
    node.mine(batch)
    true, entries = on_chain(node), MemoryNode.ledger_entries
    monkeypatch.setattr(
        MemoryNode, "ledger_entries", lambda *blocks: (e for e in entries(*blocks) if e != batch)
    )
    assert not alfa.shown(true)
    assert "left out entries" in alfa.said[-1]
    assert alfa.cases == []
    monkeypatch.undo()
    assert alfa.shown(true)


def test_a_node_that_lies_to_one_bank_is_found_by_the_other(
    node: MemoryNode, banks: tuple[Bank, Bank]
) -> None:
    """Whoever controls a bank's node controls its witness; a quorum of more than one is for that."""
    alfa, beta = banks
    beta.node = MemoryNode(b"false")
    beta.node.mine(b"admission of A", b"admission of B", b"batch 1", b"another batch 2")
    false = on_chain(beta.node)
    assert beta.shown(false)
    assert not alfa.shown(false)
    assert [case.kind for case in alfa.cases] == ["contradiction"]

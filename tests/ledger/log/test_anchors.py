"""Heads of the verdict log on the chain: each follows from the one before, or none counts any more."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from ledger.caselog import CaseKind
from ledger.commitment import merkle
from ledger.gateway import CaseEntry, Gateway
from ledger.log.anchors import CASE, FIRST, Anchor, AnchorError, anchor_content, next_anchor
from ledger.log.follow import ChainLogs
from tests.support.logs import SmallLog, secret
from tests.support.node import MemoryNode

LOG = SmallLog.of(20)


def note(content: Any, kind: int = CaseKind.NOTE) -> CaseEntry:
    payload = canonical.dumps(content)
    return CaseEntry(0, kind, CASE, "0x", sha256(payload).digest(), bytes(32), 7, payload)


def head(size_: int, before_: int, log: SmallLog = LOG, **changed: Any) -> CaseEntry:
    content = anchor_content(size_, log.checkpoint(size_).root, before_, log.proof(before_, size_))
    return note({"format": "counterfoil/note/1", "topic": "verdicts", **content, **changed})


@given(st.sets(st.integers(1, 20), min_size=1))
def test_heads_of_one_history_follow_from_each_other(sizes: set[int]) -> None:
    last = FIRST
    for size in sorted(sizes):
        last = next_anchor(last, head(size, last.size))
        assert last == Anchor(size, LOG.checkpoint(size).root, 7)


def test_layout() -> None:
    entry = head(3, 2)
    root, proof = LOG.checkpoint(3).root.hex(), LOG.proof(2, 3)
    assert entry.payload.decode() == (
        f'{{"before":2,"format":"counterfoil/note/1","proof":["{proof[0].hex()}"],"root":"{root}",'
        '"size":3,"topic":"verdicts"}'
    )


def test_other_entries_of_the_case_log_do_not_count() -> None:
    last = next_anchor(FIRST, head(5, 0))
    others = [
        note({"format": "counterfoil/note/1", "topic": "training", "model": "x"}),
        note({"format": "counterfoil/note/1", "topic": "verdicts", "size": 1}, CaseKind.FLAG),
        note(["verdicts"]),
        CaseEntry(0, CaseKind.NOTE, CASE, "0x", bytes(32), bytes(32), 7, b"no JSON"),
        CaseEntry(0, CaseKind.NOTE, CASE, "0x", bytes(32), bytes(32), 7, head(9, 5).payload + b" "),
    ]
    for entry in others:
        assert next_anchor(last, entry) == last


FORK = SmallLog([*LOG.entries[:4], *(b"other %d" % i for i in range(16))])
BAD_HASH = head(9, 5)


@pytest.mark.parametrize(
    "entry",
    [
        head(5, 0),  # the same head again
        head(5, 0, FORK),  # another root of the same size
        head(3, 0),  # smaller
        head(9, 0),  # as if nothing was recorded before
        head(9, 5, FORK),  # a history that does not begin with the one before
        head(9, 4, FORK),
        head(9, 5, proof=[]),
        head(9, 5, proof=["00" * 32]),
        head(9, 5, root="00" * 32),
        head(9, 5, size=6),
        head(9, 5, size="9"),
        head(9, 5, size=True),
        head(9, 5, size=9.5),
        head(9, 5, more=1),
        note({"format": "counterfoil/note/1", "topic": "verdicts"}),
        CaseEntry(0, CaseKind.NOTE, CASE, "0x", bytes(32), bytes(32), 7, BAD_HASH.payload),
    ],
)
def test_a_head_that_does_not_follow_is_a_contradiction(entry: CaseEntry) -> None:
    last = next_anchor(FIRST, head(5, 0))
    assert next_anchor(last, head(9, 5)).size == 9
    with pytest.raises(AnchorError):
        next_anchor(last, entry)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20), st.integers(0, 20)), min_size=1, max_size=8))
def test_whatever_is_recorded_all_heads_that_count_are_of_one_history(
    notes: list[tuple[bool, int, int]],
) -> None:
    last, counted = FIRST, []
    for forked, size, before in notes:
        log = FORK if forked else LOG
        try:
            last = next_anchor(last, head(max(size, before), min(size, before), log))
        except AnchorError:
            continue
        counted.append(last)
    for log in (LOG, FORK):
        if all(log.checkpoint(anchor.size).root == anchor.root for anchor in counted):
            return
    pytest.fail("two histories count")


# -- following a chain ----------------------------------------------------------------------------------


def record(node: MemoryNode, entry: CaseEntry) -> None:
    node.transact(
        secret("desk"), "CaseLog", "append", [(entry.kind, CASE, entry.content_hash, entry.payload)]
    )


def test_after_a_contradiction_no_head_counts(tmp_path: Path) -> None:
    node = MemoryNode()
    gateway = cast(Gateway, node)
    record(node, head(5, 0))
    with ChainLogs(tmp_path / "logs.sqlite", tmp_path / "tiles") as logs:
        logs.follow(gateway, node.height())
        assert (logs.last_anchor.size, logs.contradiction) == (5, None)
        record(node, head(9, 4, FORK))
        record(node, head(9, 5))
        logs.follow(gateway, node.height())
        assert logs.last_anchor.size == 5
        assert logs.contradiction is not None
        record(node, head(12, 5))
        logs.follow(gateway, node.height())
        assert logs.anchor_at(12) is None
        assert logs.anchor_at(5) == Anchor(5, LOG.checkpoint(5).root, 1)
        assert logs.anchor_at(0) == FIRST
        assert logs.size == 4, "the ledger log goes on"


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_in_whatever_steps_a_chain_is_followed_the_logs_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], data: st.DataObject
) -> None:
    node, heads = MemoryNode(), 0
    for number, count in enumerate(counts):
        node.mine(*(b"%d.%d" % (number, i) for i in range(count)))
        if count == 2 and heads < 20:
            record(node, head(heads + 1, heads))
            heads += 1
    gateway, folder = cast(Gateway, node), tmp_path_factory.mktemp("follow")
    with ChainLogs(folder / "logs.sqlite", folder / "tiles") as logs:
        reached = 0
        while reached < node.height():
            reached = data.draw(st.integers(reached + 1, node.height()))
            logs.follow(gateway, reached)
            logs.follow(gateway, max(0, reached - 1))
            entries = list(node.ledger_entries(1, reached))
            assert logs.size == len(entries)
            assert logs.tiles().root() == merkle.root([merkle.leaf_hash(entry) for entry in entries])
        assert logs.last_anchor.size == heads
    with ChainLogs(folder / "logs.sqlite", folder / "tiles") as logs:
        assert list(logs.tiles().entries()) == list(node.ledger_entries(1, node.height()))

"""A chain that replaces its last blocks: what was not final leaves no trace, and what was is missed aloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from counterfoil import processes
from ledger.audit.fsck import fsck
from ledger.errors import ChainError
from ledger.gateway import Gateway
from ledger.home import DeskHome, Home
from ledger.member.requesting import Requester
from ledger.reader.desk import SyncReport, sync
from ledger.reader.mirror import Mirror, ReorganisedError
from ledger.segment import Manifest
from localchain.rewind import rewind
from tests.support.consortium import EPOCH, ChainProcess, Poster, SmallConsortium, founded
from tests.support.rows import BANKS, OUTSIDER, row, write_csv

DEPTH = 2
ROWS = 3


@dataclass
class Branches:
    """A consortium on a chain of its own, which a test can stop, cut short and start again."""

    consortium: SmallConsortium
    chain: Home
    pid: int
    posted: int = 0

    def post(self, bank: str) -> bytes:
        """Let a bank post a batch, which makes one block; returns its hash."""
        before = self.height
        poster = Poster(self.consortium, bank)
        start = datetime.now(UTC) - timedelta(days=2, minutes=-ROWS * self.posted)
        numbers = range(ROWS * self.posted, ROWS * (self.posted + 1))
        rows = [
            row(n, start + timedelta(minutes=n), bank, OUTSIDER, bank=bank, **_accounts(bank))
            for n in numbers
        ]
        self.consortium.take_in(bank, write_csv(self.consortium.home.root / f"{bank}-{numbers[0]}.csv", rows))
        self.posted += 1
        poster.seal()
        poster.post()
        assert self.height == before + 1
        return self.hashes()[-1]

    def ask(self, bank: str) -> None:
        """Let a bank ask for the pseudonyms of all its rows: the request has a block of its own."""
        poster, wanted = Poster(self.consortium, bank), {*_accounts(bank).values()}
        with poster.vault() as vault:

            def missing() -> list[str]:
                held = vault.connection.execute("SELECT identifier FROM pseudonym").fetchall()
                return sorted(wanted - {identifier for (identifier,) in held})

            member = poster.gateway.member(poster.keys.address)
            requester = Requester(vault, poster.keys, poster.gateway, member)
            asked = requester.pseudonymise(self.consortium.pseudonymiser(bank), EPOCH, missing)
        assert asked == len(wanted)

    def post_again(self, bank: str, number: int) -> bytes:
        """Send a bank's signed transaction once more, as a pool does with what fell out of a block."""
        raw = Poster(self.consortium, bank).raws()[number]
        assert self.consortium.gateway.send([raw]) == [None]
        return self.hashes()[-1]

    def replace_blocks(self, count: int) -> None:
        """Drop the last blocks; what is sent from now on makes another branch."""
        processes.stop(self.pid)
        rewind(self.chain.chain, count)
        url, pid = processes.ensure_chain(self.chain)
        assert pid is not None
        self.pid = pid
        gateway = Gateway(url, self.consortium.gateway.deployment)
        self.consortium = replace(self.consortium, url=url, gateway=gateway)

    def sync(self, desk: str = "desk", depth: int = DEPTH) -> SyncReport:
        """Run a desk's round; desks of different names keep folders of their own."""
        return sync(self.desk(desk), self.consortium.gateway, self.consortium.desk_keys, depth=depth)

    def desk(self, name: str) -> DeskHome:
        """A desk's folder."""
        return DeskHome(self.consortium.home.root / name)

    def hashes(self) -> list[bytes]:
        """Every batch hash that the chain holds now, in log order."""
        gateway = self.consortium.gateway
        return [b.batch_hash for b in gateway.batches(gateway.deployment.block, gateway.height())]

    @property
    def height(self) -> int:
        """The newest block."""
        return self.consortium.gateway.height()


def _accounts(bank: str) -> dict[str, str]:
    """Return what identifies somebody in each of a bank's rows."""
    return {
        "debtor_account": f"acct:{bank}:1",
        "creditor_account": f"acct:{OUTSIDER}:2",
        "party_id": f"person:XX-TIN:{bank}3",
    }


@pytest.fixture
def branches(tmp_path: Path) -> Iterator[Branches]:
    chain = Home(tmp_path / "chain")
    url, pid = processes.ensure_chain(chain)
    assert pid is not None
    made = Branches(founded(ChainProcess(url, chain.chain, pid), tmp_path / "consortium"), chain, pid)
    try:
        for bank in BANKS:
            made.ask(bank)
        yield made
    finally:
        processes.stop(made.pid)


def _mirrored(desk: DeskHome) -> tuple[list[bytes], set[tuple[int, int, bytes]]]:
    """Batch hashes and (log index, block, record root) of every row that a desk's mirror holds."""
    mirror = Mirror(desk.mirror)
    try:
        hashes, entries = [batch.verdict.batch_hash for batch in mirror.batches()], mirror.segments()
    finally:
        mirror.close()
    rows = set()
    for entry in entries:
        table = pq.read_table(desk.mirror / entry.name, columns=["log_index", "block", "record_root"])
        rows |= {tuple(row.values()) for row in table.to_pylist()}
    return list(hashes), rows


def _bytes_anywhere(desk: DeskHome, needle: bytes) -> list[Path]:
    return [p for p in desk.root.rglob("*") if p.is_file() and needle in p.read_bytes()]


@pytest.mark.parametrize("dropped", [1, DEPTH])
def test_replaced_blocks_above_the_depth_leave_no_trace(branches: Branches, dropped: int) -> None:
    first, second, third = BANKS
    kept = [branches.post(first), branches.post(second)]
    doomed = [branches.post(bank) for bank in (first, second)][DEPTH - dropped :]
    assert branches.sync().counts.batches == 2  # two blocks lie on top of them
    assert _mirrored(branches.desk("desk"))[0] == kept

    branches.replace_blocks(dropped)
    survivors = branches.hashes()
    branches.post(third)  # in the place of the first that fell out, which comes later or never
    if dropped == DEPTH:
        assert branches.post_again(first, 1) == doomed[0]
    branches.post(third)
    assert branches.sync().position.block == branches.height - DEPTH
    branches.post(third)
    branches.post(third)
    branches.sync()

    desk = branches.desk("desk")
    hashes, rows = _mirrored(desk)
    gone = doomed[-1]
    assert gone not in branches.hashes()
    assert hashes == branches.hashes()[: len(hashes)]
    assert hashes[: len(survivors)] == survivors
    assert len(hashes) == len(branches.hashes()) - DEPTH
    assert len(rows) == ROWS * len(hashes)
    assert _bytes_anywhere(desk, hashes[0])  # the search finds what is there
    assert _bytes_anywhere(desk, gone) == []
    # A desk that never saw the first branch has the same: rows, places and verdicts.
    branches.sync("newcomer")
    newcomer = branches.desk("newcomer")
    assert _mirrored(newcomer) == (hashes, rows)
    report = fsck(
        branches.consortium.gateway,
        desk.mirror,
        branches.consortium.desk_keys.readers.values(),
    )
    assert not report.differences


@pytest.mark.parametrize(("depth", "dropped"), [(DEPTH, DEPTH + 1), (0, 1)])
def test_a_reorganisation_deeper_than_the_depth_is_told(branches: Branches, depth: int, dropped: int) -> None:
    first, second, third = BANKS
    for bank in (first, second, first, second):
        branches.post(bank)
    branches.sync(depth=depth)
    desk = branches.desk("desk")
    before = _mirrored(desk), Manifest.read(desk.mirror)

    branches.replace_blocks(dropped)
    # As long as the other branch is shorter, the node could as well lag behind.
    with pytest.raises(ChainError, match="does not have block") as shorter:
        branches.sync(depth=depth)
    assert "deeper" in str(shorter.value.next_step)
    for _ in range(dropped + 1):
        branches.post(third)
    with pytest.raises(ReorganisedError, match="replaced a block that was treated as final") as told:
        branches.sync(depth=depth)
    assert "greater --depth" in str(told.value.next_step)
    assert (_mirrored(desk), Manifest.read(desk.mirror)) == before

    # What the message says helps: a mirror made anew follows the branch that is there.
    branches.sync("again", depth=0)
    assert _mirrored(branches.desk("again"))[0] == branches.hashes()

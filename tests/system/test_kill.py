"""kill -9 of poster, chain, mirror and the desk's flags, then the same command: nothing lost or doubled.

The short form hits the gaps between two durable steps, each fourth one, and adds a few seeded random kills.
The long form, ``COUNTERFOIL_CRASH_ROUNDS=200`` (`make crash`), hits each gap and makes so many random kills.
The counts are printed at the end of the run; see docs/hardening.md.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from cli.keyholder import serving
from counterfoil import processes
from counterfoil.connection import connect
from ledger.audit.cases import check_cases
from ledger.audit.fsck import fsck
from ledger.batch import BatchHeader
from ledger.caselog import FLAG_KINDS
from ledger.home import Home
from ledger.member.inbox import read_inbox
from ledger.member.vault import Vault
from ledger.reader.cases import CaseBook
from ledger.reader.mirror import Mirror
from ledger.schema import FIELDS, MatchState
from ledger.segment import Manifest, load
from localchain import status
from tests.support.consortium import ChainProcess, Poster, SmallConsortium, founded, run_everything
from tests.support.rows import BANKS, OUTSIDER, Book, book, row, write_csv
from tests.system.drivers import FLAGS, KILLS, post, raise_flags, start, sync

pytestmark = pytest.mark.crash

ROUNDS = int(os.environ.get("COUNTERFOIL_CRASH_ROUNDS", "6"))
#: The short form hits every fourth gap, the long form each.
STRIDE = 1 if "COUNTERFOIL_CRASH_ROUNDS" in os.environ else 4
SEED = int(os.environ.get("COUNTERFOIL_CRASH_SEED", "20260302"))
NOW = datetime.now(UTC)


def finish(process: Any) -> int:
    """Wait for a driver and return its exit code; minus nine when it was killed."""
    process.join(120)
    assert process.exitcode is not None, "it hangs"
    return int(process.exitcode)


# every gap of the poster


POSTED_ROWS, ROWS_PER_BATCH = 12, 4


@pytest.fixture(scope="module")
def banks(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Poster]:
    names = [f"KILL{n:04d}" for n in range(60 // STRIDE)]
    made = founded(chain, tmp_path_factory.mktemp("kill"), banks=names)
    return iter([Poster(made, name) for name in names])


def test_the_poster_killed_at_each_of_its_steps_posts_every_row_once(banks: Iterator[Poster]) -> None:
    deaths = 0
    for bank in banks:
        home = bank.consortium.home.root
        start_at = NOW - timedelta(days=2)
        rows = [
            row(n, start_at + timedelta(minutes=n), bank.agent, OUTSIDER, bank=bank.agent)
            for n in range(POSTED_ROWS)
        ]
        work = (post, home, bank.agent, write_csv(home / f"{bank.agent}.csv", rows), NOW, ROWS_PER_BATCH)
        code = finish(start(*work, die_at=deaths))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        KILLS["poster, at a step"] += 1
        acknowledged = posted_rows(bank)
        assert finish(start(*work)) == 0
        assert acknowledged.keys() <= posted_rows(bank).keys()
        check_posted_once(bank, {r["transaction_id"] for r in rows})
        deaths += STRIDE
    else:
        pytest.fail("more steps than banks")
    assert deaths >= 25


def posted_rows(bank: Poster) -> dict[str, tuple[int, int]]:
    """Return the place of every row that the vault says is on the chain."""
    with bank.vault() as vault:
        cursor = vault.connection.execute(
            "SELECT transaction_id, batch, row_index FROM record JOIN batch b ON b.sequence = batch "
            "WHERE b.block IS NOT NULL"
        )
        return {key: (batch, index) for key, batch, index in cursor}


def check_posted_once(bank: Poster, expected: set[str]) -> None:
    """Vault and chain agree on every row's one place, and the chain holds nothing else."""
    places = posted_rows(bank)
    assert places.keys() == expected
    on_chain = bank.on_chain()
    assert sum(posted.header.row_count for posted in on_chain) == len(expected)
    assert set(places.values()) == {
        (posted.header.sequence, index) for posted in on_chain for index in range(posted.header.row_count)
    }
    with bank.vault() as vault:
        headers = [h.encode() for (h,) in vault.connection.execute("SELECT header FROM batch")]
    assert [posted.header for posted in on_chain] == [BatchHeader.from_bytes(h) for h in headers]


# every gap of the mirror


def test_the_mirror_killed_at_each_of_its_steps_ends_as_if_it_had_not_been(
    chain: ChainProcess, tmp_path: Path
) -> None:
    consortium = founded(chain, tmp_path / "origin")
    run_everything(consortium, book(NOW, pairs=6), now=NOW)

    def fresh(name: str) -> SmallConsortium:
        made = consortium.copy(tmp_path / name)
        for path in sorted(made.home.desk.root.rglob("*"), reverse=True):
            if path.is_file() and path != made.home.desk.keys:
                path.unlink()
        (tmp_path / name / "chain").symlink_to(consortium.home.chain.resolve())
        return made

    undisturbed = fresh("undisturbed")
    assert finish(start(sync, undisturbed.home.root)) == 0
    expected = opened(undisturbed)
    assert len(Manifest.read(undisturbed.home.desk.mirror).segments) > 2
    deaths = 0
    while True:
        killed = fresh(f"killed-{deaths}")
        code = finish(start(sync, killed.home.root, die_at=deaths))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        KILLS["mirror, at a step"] += 1
        assert finish(start(sync, killed.home.root)) == 0
        assert opened(killed) == expected
        check_fsck(killed)
        files = {path.name for path in killed.home.desk.mirror.iterdir()}
        manifest = Manifest.read(killed.home.desk.mirror)
        assert not [name for name in files if name.endswith(".tmp")]
        assert {name for name in files if name.startswith("rows-")} == {s.name for s in manifest.segments}
        deaths += STRIDE
    assert deaths >= 30


def opened(consortium: SmallConsortium) -> tuple[Any, Any, list[bytes]]:
    """Return the mirror's rows, its transfers and its verdicts."""
    folder = consortium.home.desk.mirror
    manifest = Manifest.read(folder)
    assert manifest.transfers is not None
    rows = [r for entry in manifest.segments for r in load(folder, entry).to_pylist()]
    with closing(Mirror(folder)) as mirror:
        verdicts = mirror.verdict_entries()
    return rows, load(folder, manifest.transfers).to_pylist(), verdicts


def check_fsck(consortium: SmallConsortium) -> None:
    desk = consortium.home.desk
    report = fsck(
        connect(consortium.home),
        desk.mirror,
        consortium.desk_keys.readers.values(),
    )
    assert report.differences == ()
    assert report.rejected == 0


# every gap of the desk's flags


def test_the_desk_killed_at_each_step_of_raising_flags_anchors_each_once(
    chain: ChainProcess, tmp_path: Path
) -> None:
    made = founded(chain, tmp_path / "home", banks=BANKS[:1])
    deaths = 0
    while (code := finish(start(raise_flags, made.home.root, deaths, die_at=deaths))) != 0:
        assert code == -signal.SIGKILL
        KILLS["desk's flags, at a step"] += 1
        assert finish(start(raise_flags, made.home.root, deaths)) == 0
        check_flags(made, [*range(0, deaths + 1, STRIDE)])
        deaths += STRIDE
    assert deaths >= 12


def check_flags(made: SmallConsortium, scans: Sequence[int]) -> None:
    """The book has every scan's flags, the chain has each once, each opens, and no number is missing."""
    with CaseBook(made.home.desk.cases) as book:
        kept, stored = list(book.each()), book.stored()
    found = Counter(k.flag.source.parameters["scan"] for k in kept)
    assert found == Counter(dict.fromkeys(scans, FLAGS))
    gateway = connect(made.home)
    entries = [entry for entry in gateway.case_entries() if entry.kind in FLAG_KINDS]
    on_chain = {entry.content_hash: entry for entry in entries}
    assert len(on_chain) == len(entries) == len(kept)
    assert {k.flag_id: k.block for k in kept} == {key: entry.block for key, entry in on_chain.items()}
    inbox = read_inbox(gateway, made.keys[made.banks[0]])
    assert [r.problem for r in inbox.flags] == [None] * len(kept)
    assert sorted(r.sequence for r in inbox.flags if r.sequence is not None) == [*range(len(kept))]
    assert (inbox.sent, inbox.problems) == (len(kept), ())
    desk = made.desk_keys
    report = check_cases(gateway, private_keys=desk.readers.values(), book=stored, desk=desk.address)
    assert report.differences == ()


# random moments, of all of them


class Machine:
    """A whole consortium whose processes can be killed: its chain, its posters, its desk."""

    def __init__(self, root: Path, rows: Book) -> None:
        self.root, self.rows = root, rows
        url, pid = processes.ensure_chain(Home(root))
        assert pid is not None
        self.consortium = founded(ChainProcess(url, Home(root).chain, pid), root)
        for bank in BANKS:
            rows.rows[bank].sort(key=itemgetter("timestamp"))
        self.files = rows.write(root / "files")
        self.pid = pid

    def kill_chain(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def restart_chain(self) -> None:
        assert not status(self.consortium.home.chain)["running"]
        _, pid = processes.ensure_chain(self.consortium.home)
        assert pid is not None
        self.pid = pid

    def work(self, what: str, share: float = 1.0, number: int = 0) -> Any:
        """Start the desk's round, its scan of a number, or a bank's posting of the first part of its rows."""
        if what == "desk":
            return start(sync, self.root)
        if what == "flags":
            return start(raise_flags, self.root, number)
        rows = self.rows.rows[what]
        write_csv(self.files[what], rows[: int(len(rows) * share)])
        return start(post, self.root, what, self.files[what], NOW, 7)

    def acknowledged(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return the places of all rows that a vault was told are on the chain."""
        gateway = connect(self.consortium.home)
        self.consortium.gateway = gateway
        return {
            (bank, key): place
            for bank in BANKS
            for key, place in posted_rows(Poster(self.consortium, bank)).items()
        }

    def stop(self) -> None:
        processes.stop(self.pid)


def test_random_kills_of_poster_chain_and_mirror_leave_the_state_of_an_undisturbed_run(
    chain: ChainProcess, tmp_path: Path
) -> None:
    rows = book(NOW, pairs=90)
    chance = random.Random(SEED)
    machine = Machine(tmp_path / "killed", rows)
    kills = 0
    scans = set()
    try:
        for number in range(4 * ROUNDS):
            what = (*BANKS, "desk", "flags")[number % 5]
            victim = chance.choice(["process", "process", "chain"])
            before = machine.acknowledged()
            scans |= {number} if what == "flags" else set()
            process = machine.work(what, (kills + 1) / ROUNDS, number)
            time.sleep(chance.uniform(0.01, 0.6))
            if victim == "chain":
                machine.kill_chain()
                killed = True
                assert finish(process) in (0, 2)  # it was done already, or says that the chain is gone
                machine.restart_chain()
            else:
                process.kill()
                killed = finish(process) == -signal.SIGKILL  # or it was done already
            if killed:
                kills += 1
                during = {"desk": "sync", "flags": "raising flags"}.get(what, "posting")
                KILLS[f"{victim}, at random, while {during}"] += 1
            assert before.items() <= machine.acknowledged().items()
            if kills == ROUNDS:
                break
        for number in scans:
            assert finish(machine.work("flags", number=number)) == 0
        check_flags(machine.consortium, sorted(scans))
        for what in (*BANKS, "desk"):
            assert finish(machine.work(what)) == 0
        places = machine.acknowledged()
        for bank in BANKS:
            poster = Poster(machine.consortium, bank)
            check_posted_once(poster, {r["transaction_id"] for r in rows.rows[bank]})
        assert len(places) == sum(map(len, rows.rows.values()))
        check_fsck(machine.consortium)
        disturbed = by_transaction(machine.consortium)
    finally:
        machine.stop()
    calm = founded(chain, tmp_path / "calm")
    run_everything(calm, rows, now=NOW)
    assert disturbed == by_transaction(calm)
    assert Counter(MatchState(state) for state, *_ in disturbed.values()) == Counter(rows.truth.values())
    assert kills == ROUNDS


def by_transaction(consortium: SmallConsortium) -> dict[str, tuple[Any, ...]]:
    """Return what the desk knows of each transfer, by the UETR in the banks' vaults."""
    vaults = {code: consortium.vault(bank) for code, bank in enumerate(consortium.banks, 1)}
    _, transfers, _ = opened(consortium)
    found: dict[str, tuple[Any, ...]] = {}
    for transfer in transfers:
        uetrs = set()
        for half in ("debit", "credit"):
            if transfer[f"{half}_member"] >= 0:
                vault: Vault = vaults[transfer[f"{half}_member"]]
                record = vault.record_at(transfer[f"{half}_sequence"], transfer[f"{half}_index"])
                assert record is not None
                uetrs.add(record.values[FIELDS.index("uetr")])
        (uetr,) = uetrs
        told = ("state", "conflict", "amount_low", "amount_high", "time_low", "time_high", "currency")
        told += ("flags", "lag_class", "channel", "business_date", "debtor_agent", "creditor_agent")
        assert uetr not in found
        found[str(uetr)] = tuple(transfer[name] for name in told)
    for vault in vaults.values():
        vault.close()
    return found


# the commands themselves


def command(root: Path, *arguments: str) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "cli.main", "--home", str(root), "--json", *arguments]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def test_the_commands_killed_and_run_again_lose_nothing(tmp_path: Path) -> None:
    """`counterfoil member post` and `counterfoil desk sync`, as a person types them."""
    rows = book(NOW, pairs=20)
    machine = Machine(tmp_path / "home", rows)
    chance = random.Random(SEED)
    try:
        holder = machine.consortium.holder()
        _, keyholder = holder.ensure_running(serving(holder.home, machine.consortium.url))
        bank = BANKS[0]
        posting = ("member", "post", "--member", bank, str(machine.files[bank]))
        try:
            for arguments in (posting, ("desk", "sync")):
                killed = command(machine.root, *arguments)
                time.sleep(chance.uniform(0.8, 2.0))
                killed.kill()
                killed.communicate()
                KILLS["command, at random"] += killed.returncode == -signal.SIGKILL
                again = command(machine.root, *arguments)
                out, problem = again.communicate(timeout=120)
                assert again.returncode == 0, problem.decode()
                json.loads(out)
        finally:
            if keyholder is not None:
                processes.stop(keyholder)
        poster = Poster(machine.consortium, bank)
        check_posted_once(poster, {r["transaction_id"] for r in rows.rows[bank]})
        check_fsck(machine.consortium)
    finally:
        machine.stop()

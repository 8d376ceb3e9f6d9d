"""Peak memory and cost per row of posting, mirror, scan and fsck, as the ledger grows.

``python -m bench.memory`` posts two banks' halves of interbank payments at several sizes: the same number of
payments per day, for more days. Each step runs in a separate process. The table shows its peak resident
memory, its rate, and the processor time per row, which depends little on other work on the machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.report import machine
from cli.output import say, show_table
from counterfoil.processes import ensure_chain, stop
from ledger.home import Home

_AGENTS = ("ALFAXX00", "BRAVXX00")
_ACCOUNTS = 5_000
_ROWS_A_DAY = 2_500
_LAST_SECOND = 1_767_225_600  # 2026-01-01
_SCANS = {"scan of 40 days": 40, "scan of 400 days": 400}
_STEPS = ("intake", "pseudonyms", "seal", "post", "mirror and match", *_SCANS, "fsck")


class _Figure(NamedTuple):
    ledger_rows: int
    step: str
    rows: int
    peak_mib: float
    rows_per_second: float
    cpu_microseconds_per_row: float


def _write_files(folder: Path, rows: int) -> None:
    """Write both banks' files: `rows` halves in total, 2,500 per day to a fixed day, 5,000 accounts each."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    payments = rows // 2
    span = rows * 86_400 // _ROWS_A_DAY
    files = [(folder / f"{agent}.csv").open("w", encoding="ascii") for agent in _AGENTS]
    parties = "debtor_agent,debtor_account,creditor_agent,creditor_account"
    header = f"uetr,transaction_id,timestamp,{parties},amount,currency,channel\n"
    for file in files:
        file.write(header)
    for start in range(0, payments, 100_000):
        size = min(100_000, payments - start)
        seconds = _LAST_SECOND - span + (start + np.sort(random.random(size)) * size) * span // payments
        stamps = np.datetime_as_string(seconds.astype("datetime64[s]"), unit="s")
        accounts = random.integers(0, _ACCOUNTS, (size, 2))
        cents = np.maximum(1, random.lognormal(9, 1.5, size)).astype(np.int64)
        there = random.random(size) < 0.5
        for i in range(size):
            n = start + i
            a, b = _AGENTS if there[i] else _AGENTS[::-1]
            tail = f"{stamps[i]}Z,{a},{accounts[i, 0]},{b},{accounts[i, 1]},{cents[i] / 100:.2f},EUR,wire\n"
            uetr = f"00000000-0000-4000-8000-{n:012x}"
            for side, file in enumerate(files):
                file.write(f"{uetr},T{side}-{n},{tail}")
    for file in files:
        file.close()


def _member_step(name: str, home: Home) -> int:
    from datetime import UTC, datetime

    from counterfoil.connection import connect
    from counterfoil.holders import holders_in, pseudonymiser_for
    from ledger.member.intake import open_source
    from ledger.member.keys import MemberKeys
    from ledger.member.outbox import Outbox
    from ledger.member.quarantine import take_in
    from ledger.member.vault import Vault

    rows = 0
    for agent in _AGENTS:
        keys = MemberKeys.load(home.member(agent).keys)
        with Vault(home.member(agent).vault) as vault:
            if name == "intake":
                source = open_source(home.root / "banks" / f"{agent}.csv")
                rows += take_in(vault, source, agent, home.member(agent).quarantine)[0].accepted
                continue
            gateway = connect(home)
            outbox = Outbox(vault, keys, gateway)
            epoch = gateway.epoch()
            if name == "pseudonyms":
                pseudonymiser = pseudonymiser_for(home, keys, epoch, holders_in(home, gateway.url))
                rows += outbox.pseudonymise(pseudonymiser, epoch.number)
            elif name == "seal":
                rows += outbox.seal(closed_before=datetime.now(UTC)).rows
            else:
                outbox.post()
                rows += vault.count() - vault.count_waiting()
    return rows


def _mirror_step(home: Home) -> int:
    from counterfoil.connection import connect
    from ledger.reader import desk
    from ledger.reader.keys import DeskKeys

    return desk.sync(home.desk, connect(home), DeskKeys.load(home.desk.keys)).counts.rows


def _scan_step(home: Home, days: int) -> int:
    from anomaly.scan import ScanParameters, scan
    from counterfoil.connection import connect
    from counterfoil.scanning import period_to_scan
    from ledger.transfers.mirror import load_mirror

    period = period_to_scan(connect(home), home.desk.mirror, days=days)
    transfers, position = load_mirror(home.desk.mirror, period=period)
    scan(transfers, position, parameters=ScanParameters(period=period))
    return int(transfers.num_rows)


def _fsck_step(home: Home) -> int:
    from counterfoil.connection import connect
    from ledger.audit.fsck import fsck
    from ledger.reader.keys import DeskKeys

    report = fsck(
        connect(home),
        home.desk.mirror,
        DeskKeys.load(home.desk.keys).readers.values(),
    )
    report.raise_if_different()
    return report.rows


def _step(name: str, home: Home) -> tuple[int, int, float]:
    """Run one step in this process; return (rows, peak resident KiB, seconds of processor time)."""
    if name in _SCANS:
        rows = _scan_step(home, _SCANS[name])
    elif name == "mirror and match":
        rows = _mirror_step(home)
    elif name == "fsck":
        rows = _fsck_step(home)
    else:
        rows = _member_step(name, home)
    return rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()


def _measure(root: Path, size: int) -> list[_Figure]:
    from compliance.rulebook import model_ruleset
    from counterfoil.founding import establish
    from ledger.gateway import Limits
    from ledger.member.keys import MemberKeys

    home = Home(root)
    _write_files(root / "banks", size)
    url, pid = ensure_chain(home)
    try:
        for agent in _AGENTS:
            MemberKeys.generate(agent).save(home.member(agent).keys)
        members = [MemberKeys.load(home.member(agent).keys) for agent in _AGENTS]
        establish(home, url, model_ruleset(), members, limits=Limits(evaluations=10**9))
        found = []
        for name in _STEPS:
            started = time.perf_counter()
            command = [sys.executable, "-m", "bench.memory", "--step", name, "--root", str(root)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows, peak, busy = json.loads(done.stdout.splitlines()[-1])
            seconds = time.perf_counter() - started
            found.append(_Figure(size, name, rows, peak / 1024, rows / seconds, 1e6 * busy / rows))
            say(f"  {size:,} rows, {name}: {peak / 1024:,.0f} MiB, {1e6 * busy / rows:,.1f} µs per row")
        return found
    finally:
        if pid is not None:
            stop(pid)


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 3_000_000])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(_step(arguments.step, Home(arguments.root))))
        return
    figures = []
    for size in arguments.sizes:
        root = Path(tempfile.mkdtemp(prefix="counterfoil-memory-"))
        try:
            figures += _measure(root, size)
        finally:
            shutil.rmtree(root, ignore_errors=True)
    columns = ["rows on the ledger", "step", "rows or transfers", "peak MiB", "rows/s", "CPU µs a row"]
    table = [(*f[:3], round(f.peak_mib), round(f.rows_per_second), round(f[-1], 1)) for f in figures]
    show_table(f"{machine()}; start-up included", columns, table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2))


if __name__ == "__main__":
    main()

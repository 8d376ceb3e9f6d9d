"""Memory and time of a scan of a fixed period, while the ledger grows over years.

``python -m bench.scan_period`` writes mirrors of matched transfers directly, 1,250 per day for an increasing
number of days, and scans the newest 40 and 400 days of each in a separate process. `bench.memory` measures
the whole path to a mirror; here the ledger can be longer, because nothing is posted.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.report import machine
from cli.output import show_table
from ledger.flag import Position
from ledger.schema import MatchState
from ledger.segment import Manifest, write_batches
from ledger.tables import TRANSFER

_ACCOUNTS = 5_000
_A_DAY = 1_250
_LAST_SECOND = 1_767_225_600  # 2026-01-01
_HOUR = 3_600
_PART = 65_536
_POSITION = Position(1, "0x" + "0" * 40, 1, 1)


def _transfers(count: int) -> Iterator[pa.Table]:
    """Yield transfers between two banks in order of time, evenly spread, the last at a fixed hour."""
    random = np.random.default_rng(7)
    pseudonyms = np.frombuffer(random.bytes(16 * 2 * _ACCOUNTS), dtype="V16")
    span = count * 86_400 // _A_DAY
    for start in range(0, count, _PART):
        numbers = np.arange(start, min(start + _PART, count))
        size = len(numbers)
        cents = np.maximum(1, random.lognormal(9, 1.5, size)).astype(np.int64)
        hours = (_LAST_SECOND - span + numbers * span // count) // _HOUR * _HOUR
        ends = random.integers(0, _ACCOUNTS, (2, size)) + np.array([[0], [_ACCOUNTS]])
        columns: dict[str, np.ndarray] = {
            "state": np.full(size, int(MatchState.MATCHED)),
            "debtor_agent": np.full(size, 1),
            "creditor_agent": np.full(size, 2),
            "currency": np.full(size, 978),
            "amount_low": cents,
            "amount_high": cents * 5 // 4,
            "time_low": hours,
            "time_high": hours + _HOUR,
            "debit_member": np.full(size, 1),
            "debit_index": numbers,
            "credit_member": np.full(size, 2),
            "credit_index": numbers,
        }
        accounts = {
            name: pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(16), size, [None, pa.py_buffer(pseudonyms[ends[side]].tobytes())]
            )
            for side, name in enumerate(("debtor_account", "creditor_account"))
        }
        nothing = np.zeros(size, np.int64)
        yield pa.table(
            [
                accounts[f.name]
                if f.name in accounts
                else pa.nulls(size, f.type)
                if f.type == pa.binary(16)
                else pa.array(columns.get(f.name, nothing)).cast(f.type)
                for f in TRANSFER
            ],
            schema=TRANSFER,
        )


def _scan(mirror: Path, days: int) -> tuple[int, int, int, float]:
    """Scan in this process; return (transfers, flags, peak resident KiB, seconds of processor time)."""
    from anomaly.scan import ScanParameters, scan
    from ledger.transfers.mirror import load_mirror, usual_period

    period = usual_period(mirror, as_of=_LAST_SECOND, days=days)
    transfers, position = load_mirror(mirror, period=period)
    flags = scan(transfers, position, parameters=ScanParameters(period=period))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return transfers.num_rows, len(flags), peak, time.process_time()


def main() -> None:
    """Measure every length and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.scan_period", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 500_000, 1_500_000, 5_000_000])
    parser.add_argument("--days", type=int, nargs="+", default=[40, 400])
    parser.add_argument("--mirror", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mirror:
        print(json.dumps(_scan(options.mirror, options.days[0])))
        return
    rows = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory(prefix="counterfoil-scan-") as folder:
            mirror = Path(folder)
            entry = write_batches(
                mirror / "transfers.parquet", _transfers(size), TRANSFER, log_from=0, log_to=1
            )
            Manifest(_POSITION, (), entry).write(mirror)
            for days in options.days:
                command = [sys.executable, "-m", "bench.scan_period", "--mirror", folder, "--days", str(days)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                scanned, flags, peak, busy = json.loads(done.stdout.splitlines()[-1])
                rows.append((size, days, scanned, flags, round(peak / 1024), round(busy, 1)))
    columns = ["transfers on the ledger", "days", "scanned", "flags", "peak MiB", "CPU s, start-up included"]
    show_table(machine(), columns, rows)


if __name__ == "__main__":
    main()

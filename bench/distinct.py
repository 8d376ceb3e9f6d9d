"""``python -m bench.distinct``: the distinct numbers of an array by `numpy.unique` and by `ledger.arrays`.

In one run, the best of several, on what detection asks for: the rows of places (each row has two halves), the
accounts that pay, the pairs of accounts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.report import machine
from cli.output import say, show_table
from ledger.arrays import distinct
from ledger.flag import RowRef
from ledger.transfers import places
from ledger.transfers.places import CREDIT, DEBIT, Places


def best(run: Callable[[], object], times: int = 3) -> float:
    """Return the least seconds of several runs."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        run()
        found.append(time.perf_counter() - begun)
    return min(found)


def inputs(size: int) -> dict[str, npt.NDArray[np.int64]]:
    """Return arrays of one size, as detection makes them."""
    draw = np.random.default_rng(7)
    accounts = max(size // 10, 1)
    payer, payee = draw.integers(0, accounts, (2, size))
    return {
        "rows of both halves": draw.permutation(np.repeat(np.arange(max(size // 2, 1)), 2)),
        "accounts that pay": payer,
        "pairs of accounts": payer * accounts + payee,
    }


def transfers(size: int) -> tuple[pa.Table, list[RowRef]]:
    """Return a table of transfers between two banks, and the places of all its halves."""
    index = np.arange(size)
    columns = {}
    for code, names in enumerate((DEBIT, CREDIT), 1):
        columns |= dict(zip(names, (np.full(size, code), index // 800, index % 800), strict=True))
    halves = [(code, i // 800, i % 800) for code in (1, 2) for i in range(size)]
    return pa.table(columns), [RowRef(*half) for half in halves]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.distinct", description=__doc__.splitlines()[0])
    parser.add_argument("--places", type=int, default=100_000, help="transfers whose rows are looked up")
    lines: list[tuple[str, str, str, str]] = []

    def note(name: str, slow: float, fast: float) -> None:
        lines.append((name, f"{slow * 1e3:.3f}", f"{fast * 1e3:.3f}", f"{slow / fast:.1f}"))

    size = parser.parse_args().places
    for count in (100, 10_000, 100_000, 1_000_000):
        for name, values in inputs(count).items():
            note(f"{name}, {count:,}", best(partial(np.unique, values)), best(partial(distinct, values)))
    table, refs = transfers(size)
    looked_up = Places(table)
    looked_up.rows(refs[:1])  # sorts its keys once
    fast = best(lambda: looked_up.rows(refs))
    places.distinct = np.unique
    slow = best(lambda: looked_up.rows(refs))
    note(f"Places.rows, {len(refs):,}", slow, fast)
    columns = ["distinct numbers", "numpy.unique, ms", "ledger.arrays, ms", "times faster"]
    show_table(machine(), columns, lines)
    say(f"NumPy {np.__version__}.")


if __name__ == "__main__":
    main()

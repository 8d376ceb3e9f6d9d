"""Compares counts of fans, degrees, scatter-gather and cycles with the peer's, row by row.

Both systems receive one payment at a time, so that neither looks ahead. They differ for payments in the same
second: in the peer, the later payment in the file sees the earlier one; in the engine, all of them see each
other, or none. A row differs "by equal times" if the engine's two settings also differ on it. In a
scatter-gather, the peer counts an account that pays itself as an intermediary; without such payments, there
is no other difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly.engine import DAY
from bench.graph_inputs import AML
from bench.graph_process import Bench
from bench.graph_worker import FAMILIES
from cli.output import say

__all__ = ["agreement"]

Counts = npt.NDArray[np.float32]

_WEEK = {"window": 7 * DAY, "scatter_gather": 7 * DAY, "hop_length": 6}
#: Title, stream, windows, whether the first half only warms up, maximum number of rows (0: all).
_RUNS = (
    ("tide, published windows", "tide", AML, False, 0),
    ("tide, all windows 7 days, hop cycles up to 6", "tide", _WEEK, False, 0),
    ("the same, no payments to oneself", "tide_without_loops", _WEEK, False, 0),
    ("hubs, published windows", "hub", AML, True, 1_000),
)


def agreement(bench: Bench, folder: Path) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table."""
    head = ["stream", "family", "rows", "rows with a pattern: peer", "ours", "equal", "differ by equal times",
            "cut by our budget", "differ otherwise"]  # fmt: skip
    return head, [line for run in _RUNS for line in _compare(bench, folder, *run)]


def _compare(
    bench: Bench, folder: Path, words: str, part: str, windows: dict[str, int], half: bool, most: int
) -> Iterator[list[str]]:
    warm = bench.size(part) // 2 if half else 0
    common = {"windows": windows, "warm": warm, "most": most, "counts_only": True}

    def counts(system: str, batch: int, ties: str = "exclude") -> Counts:
        say(f"{words}: {system}, payments of one second {ties}d ...")
        keep = folder / "counts.npy"
        bench.run(bench.file(part), system=system, batch=batch, ties=ties, keep=str(keep), **common)
        return np.asarray(np.load(keep), dtype=np.float32)

    apart = counts("ours", 4_096)
    together = counts("ours", bench.size(part), "include")
    peer = counts("peer", 1)
    cut = (apart[:, -1] > 0) | (together[:, -1] > 0)
    begin = 0
    for family, width in _widths(windows):
        a, t, p = (found[:, begin : begin + width] for found in (apart, together, peer))
        begin += width
        different, tied = (a != p).any(axis=1), (a != t).any(axis=1)
        by_ties = different & ~cut & tied
        figures: list[Any] = [
            len(p), (p > 0).any(axis=1).sum(), (a > 0).any(axis=1).sum(), (~different).sum(), by_ties.sum(),
            (different & cut).sum(), (different & ~cut & ~by_ties).sum(),
        ]  # fmt: skip
        yield [words, family.replace("_", "-"), *(f"{int(figure):,}" for figure in figures)]


def _widths(windows: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Yield each family with its number of columns, which is the same in both systems."""
    for family in FAMILIES:
        width = windows["hop_length"] - 1 if family == "hop_cycle" else 29
        if width > 0:
            yield family, width

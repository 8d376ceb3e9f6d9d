"""Streams of payments for the benchmarks of graph features: files without their labels, and random graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anomaly.engine import DAY, HOUR

__all__ = ["AML", "CASES", "LONG", "SIZES", "Case", "curve", "stream"]

#: Windows in seconds; maximum payments of hop-constrained cycles, 0: no such cycles.
AML = {"window": DAY, "scatter_gather": 6 * HOUR, "hop_length": 10}
LONG = {"window": 14 * DAY, "scatter_gather": DAY, "hop_length": 0}

#: Numbers of edges at which the cost per edge is measured.
SIZES = (100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000)


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes
    ----------
    part : str
        Name of the stream, and of the value of the option that selects it.
    words : str
    batch : int
        Payments per batch.
    windows : dict
    """

    part: str
    words: str
    batch: int
    windows: dict[str, int]


CASES = (
    Case("tide", "tide", 128, AML),
    Case("tide", "tide", 2_048, AML),
    Case("uniform", "uniform random, 200,000 edges, 50,000 accounts", 128, AML),
    Case("hub", "hubs (Zipf 0.6, 4 days), 200,000 edges, 50,000 accounts", 128, AML),
    Case("amlgentex", "amlgentex with its super-hubs", 2_048, AML),
    Case("amlgentex", "amlgentex with its super-hubs, windows of 14 days, no hop cycles", 2_048, LONG),
)


def stream(part: str, data: Path) -> dict[str, npt.NDArray[Any]]:
    """Return `src`, `dst`, `time` (seconds) and `amount` in order of time.

    "tide_without_loops" is the file tide without payments of an account to itself.
    """
    if part == "uniform":
        return _random(200_000, 50_000, 10, 0.0)
    if part == "hub":
        return _random(200_000, 50_000, 4, 0.6)
    name = part.removesuffix("_without_loops")
    frame = pd.read_parquet(data / f"{name}.parquet", columns=["timestamp", "src", "dst", "amount"])
    if name != part:
        frame = frame[frame["src"] != frame["dst"]]
    time = pd.to_datetime(frame["timestamp"]).astype("datetime64[s]").astype("int64").to_numpy()
    ends = pd.factorize(pd.concat([frame["src"], frame["dst"]]).astype(str))[0].reshape(2, -1)
    order = np.argsort(time, kind="stable")
    amount = frame["amount"].to_numpy(dtype=np.float64)
    return {"src": ends[0][order], "dst": ends[1][order], "time": time[order], "amount": amount[order]}


def curve(shape: str, edges: int) -> dict[str, npt.NDArray[Any]]:
    """Return a random stream of 20,000 edges per day between 50,000 accounts, made longer or wider.

    "longer": more days. "wider": ten days with more accounts, each with as many payments as before.
    """
    if shape == "longer":
        return _random(edges, 50_000, edges / 20_000, 0.0)
    return _random(edges, edges // 4, 10, 0.0)


def _random(edges: int, accounts: int, days: float, skew: float) -> dict[str, npt.NDArray[Any]]:
    """Draw both ends by Zipf's law (skew 0: uniform); the same accounts are hubs for both ends."""
    random = np.random.default_rng(0)
    if skew:
        weight = 1 / np.arange(1, accounts + 1) ** skew
        weight /= weight.sum()
        src, dst = (random.choice(accounts, edges, p=weight) for _ in range(2))
    else:
        src, dst = random.integers(0, accounts, edges), random.integers(0, accounts, edges)
    dst[src == dst] = (dst[src == dst] + 1) % accounts
    time = np.sort(random.integers(0, int(days * DAY), edges))
    return {"src": src, "dst": dst, "time": time, "amount": random.lognormal(5, 2, edges)}

"""Parts that all searches share: limits, working arrays, and functions that count a pattern for a row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anomaly.engine.bins import bin_of
from anomaly.engine.graph import LiveGraph, latest_of_pair
from anomaly.kernels.jit import jit

__all__ = ["Family", "Limits", "Room", "is_seen", "room", "tell_cycle", "tell_size"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Deepest path of any search, in edges.
DEPTH = 66


class Limits(NamedTuple):
    """Limits of a search; see `EngineParameters`."""

    ties: bool
    budget: int
    hub_degree: int
    keep_low: float
    keep_high: float
    under: float
    threshold: float


class Family(NamedTuple):
    """One family of patterns.

    Attributes
    ----------
    column : int
        First column, or -1 if the family is left out.
    window : int
        Seconds.
    longest : int
        Maximum edges of a cycle.
    bins : (m,) int64
        Size to bin (-1: no bin); empty for plain numbers.
    """

    column: int
    window: int
    longest: int
    bins: Ints


class Room(NamedTuple):
    """Working arrays of one thread.

    Attributes
    ----------
    token : (2,) int64
        The current token, which marks accounts; the number of steps of the current search.
    mark : (accounts,) int64
        Accounts on the current path.
    ahead_mark, ahead, back_mark, back : (accounts,) int64
        Labels of accounts, valid if marked with the token: from the payee, from the payer.
    span : (accounts, 2) int64
        Begin and end of each account's entries in `link`.
    found, queue, link, link_edge : (budget + 2,) int64
        Accounts found, and edges between them.
    path, edge, bound, looked, fresh : (DEPTH,) int64
        Depth-first search: account, next edge to examine, time that the edge must precede, edges examined,
        whether the path contains an edge for which the pattern must also be counted.
    low, high : (DEPTH,) float64
        Smallest and largest amount on the path.
    """

    token: Ints
    mark: Ints
    ahead_mark: Ints
    ahead: Ints
    back_mark: Ints
    back: Ints
    span: Ints
    found: Ints
    queue: Ints
    link: Ints
    link_edge: Ints
    path: Ints
    edge: Ints
    bound: Ints
    looked: Ints
    fresh: Ints
    low: Floats
    high: Floats


def room(accounts: int, budget: int) -> Room:
    """Return working arrays for a graph of so many accounts."""

    def zeros(*shape: int) -> Ints:
        return np.zeros(shape, dtype=np.int64)

    return Room(
        token=zeros(2),
        mark=zeros(accounts),
        ahead_mark=zeros(accounts),
        ahead=zeros(accounts),
        back_mark=zeros(accounts),
        back=zeros(accounts),
        span=zeros(accounts, 2),
        found=zeros(budget + 2),
        queue=zeros(budget + 2),
        link=zeros(budget + 2),
        link_edge=zeros(budget + 2),
        path=zeros(DEPTH),
        edge=zeros(DEPTH),
        bound=zeros(DEPTH),
        looked=zeros(DEPTH),
        fresh=zeros(DEPTH),
        low=np.zeros(DEPTH),
        high=np.zeros(DEPTH),
    )


@jit
def is_seen(graph: LiveGraph, debtor: int, creditor: int, low: int, limit: int) -> bool:
    """Return whether a payment from debtor to creditor has a time from `low` to before `limit`."""
    ring = len(graph.time) - 1
    edge = latest_of_pair(graph, debtor, creditor, limit)
    return edge >= 0 and graph.time[edge & ring] >= low


@jit
def tell_size(out: Floats, row: int, family: Family, size: int) -> None:
    """Count a pattern of this size for a row: in a histogram, or as number, largest and paths beyond one."""
    if len(family.bins):
        found = bin_of(family.bins, size)
        if found >= 0:
            out[row, family.column + found] += 1.0
    else:
        out[row, family.column] += 1.0
        out[row, family.column + 1] = max(out[row, family.column + 1], size)
        out[row, family.column + 2] += size - 1


@jit
def tell_cycle(out: Floats, row: int, family: Family, length: int, agreement: float) -> None:
    """Count a cycle for a row: in a histogram, or as number, shortest, longest and, if given, agreement."""
    if len(family.bins):
        found = bin_of(family.bins, length)
        if found >= 0:
            out[row, family.column + found] += 1.0
    else:
        first = family.column
        out[row, first] += 1.0
        out[row, first + 1] = length if out[row, first + 1] == 0 else min(out[row, first + 1], length)
        out[row, first + 2] = max(out[row, first + 2], length)
        if agreement >= 0.0:
            out[row, first + 3] = max(out[row, first + 3], agreement)

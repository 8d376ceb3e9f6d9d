"""Pair the halves of equal payments that have one token, because their banks give them no UETR.

The token of such a payment is computed of its accounts, currency and amount, so equal payments share it. Two
halves can belong together if their time intervals are at most the tolerance apart, and if their amounts can
be equal. Each half takes the earliest half of the other side that is still free: this joins as many halves as
can be joined. So a bank that posts more halves never leaves fewer halves of the other bank joined, and no two
halves are joined that contradict each other.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from ledger.schema import Side

__all__ = ["Half", "pair"]


class Half(NamedTuple):
    """One half of a payment.

    Parameters
    ----------
    group : int
        Halves of different groups never belong together.
    side : int
        `Side.DEBIT` or `Side.CREDIT`.
    amount_low, amount_high : int
        Both included.
    time_low, time_high : int
        Unix seconds, the upper end excluded.
    place : int
        Names the half.
    """

    group: int
    side: int
    amount_low: int
    amount_high: int
    time_low: int
    time_high: int
    place: int


class _Free:
    """Halves of one side with one amount interval, in order of time; taken ones are skipped.

    Each half needs 24 bytes, so that many halves with one token cannot exhaust the memory.
    """

    def __init__(self) -> None:
        self._ends = array("q")
        self._places = array("q")
        self._next = array("q", [0])

    def add(self, end: int, place: int) -> None:
        """Add a half; halves are added in order of their ends."""
        self._ends.append(end)
        self._places.append(place)
        self._next.append(len(self._ends))

    def earliest(self, end: int) -> tuple[int, int] | None:
        """Return end and position of the first free half that ends at this time or later."""
        position = self._free(bisect_left(self._ends, end))
        return None if position == len(self._ends) else (self._ends[position], position)

    def take(self, position: int) -> int:
        """Return the place of the half at a position, which is no longer free."""
        self._next[position] = position + 1
        return self._places[position]

    def _free(self, position: int) -> int:
        """Return the first free position from this one on; shorten the way for the next time."""
        found = position
        while self._next[found] != found:
            found = self._next[found]
        while self._next[position] != found:
            self._next[position], position = found, self._next[position]
        return found


_OTHER: Final[dict[int, int]] = {Side.DEBIT: Side.CREDIT, Side.CREDIT: Side.DEBIT}


def pair(halves: Iterable[Half], tolerance: int) -> Iterator[tuple[int, int]]:
    """Yield the places of two halves that belong together: of the debit half, and of the credit half.

    Parameters
    ----------
    halves : iterable of Half
        In the order of their groups, and within a group in the order of `time_high`.
    tolerance : int
        Maximum number of seconds between the time intervals.
    """
    for _, group in groupby(halves, key=itemgetter(0)):
        free: dict[int, dict[tuple[int, int], _Free]] = {Side.DEBIT: {}, Side.CREDIT: {}}
        for half in group:
            found = _partner(free[_OTHER[half.side]], half, tolerance)
            if found is None:
                interval = half.amount_low, half.amount_high
                free[half.side].setdefault(interval, _Free()).add(half.time_high, half.place)
            else:
                yield (half.place, found) if half.side == Side.DEBIT else (found, half.place)


def _partner(others: dict[tuple[int, int], _Free], half: Half, tolerance: int) -> int | None:
    """Take the earliest free half of the other side that can belong to a half, if there is one."""
    best: tuple[int, int, _Free] | None = None
    for (low, high), free in others.items():
        if low <= half.amount_high and half.amount_low <= high:
            found = free.earliest(half.time_low - tolerance)
            if found is not None and (best is None or found[0] < best[0]):
                best = (*found, free)
    return None if best is None else best[2].take(best[1])

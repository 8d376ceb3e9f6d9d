"""Fair order: whoever used least is served next, so that nobody waits for what another one has queued.

References
----------
Goyal, Vin and Cheng (1996), "Start-time fair queuing", SIGCOMM.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

__all__ = ["FairQueue", "Gate"]

T = TypeVar("T")

#: Owners that are remembered although nothing of theirs waits; those charged longest ago are forgotten.
_REMEMBERED = 256


class FairQueue(Generic[T]):
    """Items of several owners; the owner that was charged least is served first, each owner's items in order.

    An owner of whom nothing waited saves nothing up: it starts level with the one that was served last. A new
    name starts behind all that wait, so that it is worth no more than an old one.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[T]] = {}
        self._charged: dict[Hashable, float] = {}
        self._level = 0.0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, owner: Hashable, item: T) -> None:
        """Add an item after those of its owner."""
        self._line(owner).append(item)
        self._count += 1

    def put_back(self, owner: Hashable, item: T) -> None:
        """Add an item before those of its owner."""
        self._line(owner).appendleft(item)
        self._count += 1

    def take(self) -> tuple[Hashable, T]:
        """Remove and return the next item, with its owner; of owners that are level, the first to wait."""
        owner = min(self._waiting, key=self._charged.__getitem__)
        self._level = max(self._level, self._charged[owner])
        line = self._waiting[owner]
        item = line.popleft()
        self._count -= 1
        if not line:
            del self._waiting[owner]
        return owner, item

    def charge(self, owner: Hashable, cost: float) -> None:
        """Charge an owner for what was done for it."""
        self._charged[owner] = max(self._charged.get(owner, 0.0), self._level) + cost
        self._charged[owner] = self._charged.pop(owner)  # the last in the order is the one charged last
        if len(self._charged) > _REMEMBERED + len(self._waiting):
            oldest = [known for known in self._charged if known not in self._waiting]
            for known in oldest[: _REMEMBERED // 2]:
                del self._charged[known]

    def level_all(self) -> None:
        """Forget what was used while nobody had to wait for it; call it when nothing waits."""
        self._level = max(self._charged.values(), default=self._level)

    def _line(self, owner: Hashable) -> deque[T]:
        if owner not in self._waiting:
            if owner in self._charged:
                self._charged[owner] = max(self._charged[owner], self._level)
            else:
                waiting = (self._charged[other] for other in self._waiting)
                self._charged[owner] = max(waiting, default=self._level)
            self._waiting[owner] = deque()
        return self._waiting[owner]


class Gate:
    """A lock for one or more threads at a time; whose owner used least time inside enters next.

    It may not be entered again from inside.

    Parameters
    ----------
    width : int
        Number of threads inside at the same time.
    """

    def __init__(self, width: int = 1) -> None:
        self._width = self._free = width
        self._queue: FairQueue[threading.Event] = FairQueue()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, owner: Hashable) -> Iterator[None]:
        """Wait for a turn, and hold it inside the `with`."""
        called = threading.Event()
        with self._lock:
            if self._free:
                if self._free == self._width:
                    self._queue.level_all()
                self._free -= 1
                called.set()
            else:
                self._queue.put(owner, called)
        called.wait()
        entered = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._queue.charge(owner, time.perf_counter() - entered)
                if len(self._queue):
                    self._queue.take()[1].set()
                else:
                    self._free += 1

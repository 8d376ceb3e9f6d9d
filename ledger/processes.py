"""Worker processes and signals: a Ctrl-C reaches no worker, and who started them at a safe place only."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

__all__ = ["Workers", "deferring"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Workers(ProcessPoolExecutor):
    """A pool of spawned processes that never hear SIGINT, from their first instruction on.

    A terminal sends it to its whole group. A handler that a worker sets itself comes too late for one that
    arrives while the worker starts, and is told as a traceback; a mask is inherited.

    Parameters
    ----------
    count : int
        Processes at most; they start as work comes in.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count, mp_context=get_context("spawn"))

    def submit(
        self,
        fn: Callable[_Arguments, _Result],
        /,
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> Future[_Result]:
        """Schedule a call, as `concurrent.futures.Executor.submit` does."""
        with _held_back(signal.SIGINT):
            return super().submit(fn, *args, **kwargs)


@contextmanager
def deferring() -> Iterator[Callable[[], None]]:
    """Let SIGINT and SIGTERM wait until the function that this gives is called, or the end.

    What their handlers raise in the middle of `concurrent.futures` would leave a future's lock held for ever,
    and with it a process that never ends; between the start of a process and the note of its number it would
    leave that process behind. In other threads than the main one, which hear no signal, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    arrived: list[int] = []
    before = {
        number: signal.signal(number, lambda came, _frame: arrived.append(came))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }

    def heed() -> None:
        if arrived:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.raise_signal(arrived.pop(0))

    try:
        yield heed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    heed()


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """Let a signal wait; processes started meanwhile keep it waiting for good."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

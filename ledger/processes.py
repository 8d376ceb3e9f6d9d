"""Worker processes that ignore Ctrl-C, and a parent process that handles it only at safe points."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from ledger.keystore.passphrase import known_secrets, use_secrets

__all__ = ["Workers", "deferring"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Workers(ProcessPoolExecutor):
    """A pool of spawned processes in which SIGINT is blocked from the start.

    A terminal sends SIGINT to all processes of its group. If a worker set a handler itself, a signal during
    its start would still print a traceback; a signal mask is inherited, so it works from the start.

    A worker has the passphrase and the PIN of this process, as far as they were read or a descriptor was
    given: a worker that opens a key file has no terminal to ask.

    Parameters
    ----------
    count : int
        Maximum number of processes; they start when there is work.
    """

    def __init__(self, count: int) -> None:
        super().__init__(
            count, mp_context=get_context("spawn"), initializer=use_secrets, initargs=known_secrets()
        )

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
    """Defer SIGINT and SIGTERM until the yielded function is called, or until the end of the block.

    If a handler raised an error inside `concurrent.futures`, a future's lock could stay held, and the process
    would never end; between the start of a process and the storing of its number, that process would be
    left running. In a thread other than the main one, which receives no signals, this does nothing.
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
    """Block a signal in this block; processes started in the block keep it blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

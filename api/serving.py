"""Run a small service: the one of a key holder, or of a witness."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

__all__ = ["server"]


def server(application: FastAPI) -> uvicorn.Server:
    """Return a server for a service; call its `run`."""
    return _Server(uvicorn.Config(application, log_level="warning"))


class _Server(uvicorn.Server):
    """A server that stops at the first signal, and then completes its clean-up.

    Ctrl-C also reaches the process that started this one, which then sends a second signal. The second signal
    must not interrupt the clean-up; uvicorn's own handler would raise both signals again.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a shell ignores them for background jobs
                signal.signal(number, self.handle_exit)
        yield

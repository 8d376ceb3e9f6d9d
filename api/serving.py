"""Run a service: the desk's API, the one of a key holder, or of a witness."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from api.connections import LIMITS, Limits, watched

__all__ = ["configuration", "server"]


def configuration(application: Any, *, limits: Limits = LIMITS, **settings: Any) -> uvicorn.Config:
    """Return the configuration of a service, which closes slow clients.

    Parameters
    ----------
    application : ASGI application
    limits : Limits
        What one client may take from the others.
    settings
        Other settings of uvicorn.
    """
    return uvicorn.Config(
        application,
        http=watched(limits),
        ws="none",
        h11_max_incomplete_event_size=limits.head_bytes,
        log_level="warning",
        access_log=False,
        server_header=False,
        **settings,
    )


def server(application: Any, *, limits: Limits = LIMITS) -> uvicorn.Server:
    """Return a server for a service; call its `run`."""
    return _Server(configuration(application, limits=limits))


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

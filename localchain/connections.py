"""The open connections of the server: each has a deadline for what it does now, and there are not too many.

A client that sends or reads slowly keeps a thread and its memory. So a connection that is late is closed, and
a new one takes the place of the one that has kept the server waiting longest.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from localchain.budget import Budget

__all__ = ["Connection", "Connections", "Phase"]


class Phase(Enum):
    """What a connection does, in the order in which connections are closed for a new one."""

    IDLE = 0
    READING = 1
    WRITING = 2
    WORKING = 3


class Connection:
    """One connection, and since when it does what it does.

    Parameters
    ----------
    client : socket
        The connection's socket.
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(self, client: socket.socket, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self.phase = Phase.READING
        self.since = clock()

    def enter(self, phase: Phase) -> None:
        """Say what the connection does from now on."""
        self.since = self._clock()
        self.phase = phase

    def close(self) -> None:
        """End it: the thread that reads from it or writes to it goes on at once."""
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)


class Connections:
    """All open connections.

    Parameters
    ----------
    budget : Budget
        The limits.
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = budget.connections
        self._seconds = {
            Phase.IDLE: budget.idle_seconds,
            Phase.READING: budget.request_seconds,
            Phase.WRITING: budget.answer_seconds,
        }
        self._clock = clock
        self._open: dict[socket.socket, Connection] = {}
        self._lock = threading.Lock()

    def admit(self, client: socket.socket) -> Connection | None:
        """Take a new connection; close the slowest other one if there are too many.

        Returns
        -------
        Connection or None
            None if there are too many, and the server works for all of them at this moment.
        """
        with self._lock:
            if len(self._open) >= self._most:
                waiting = [one for one in self._open.values() if one.phase is not Phase.WORKING]
                if not waiting:
                    return None
                self._drop(min(waiting, key=lambda one: (one.phase.value, one.since)))
            connection = Connection(client, self._clock)
            self._open[client] = connection
            return connection

    def of(self, client: socket.socket) -> Connection:
        """Return the connection of a socket; one that was closed meanwhile gets a new, unlisted one."""
        with self._lock:
            return self._open.get(client) or Connection(client, self._clock)

    def release(self, client: socket.socket) -> None:
        """Forget a connection that has ended."""
        with self._lock:
            self._open.pop(client, None)

    def close_late(self) -> None:
        """Close each connection whose deadline is over."""
        now = self._clock()
        with self._lock:
            for one in list(self._open.values()):
                if now - one.since > self._seconds.get(one.phase, float("inf")):
                    self._drop(one)

    def _drop(self, connection: Connection) -> None:
        self._open = {client: one for client, one in self._open.items() if one is not connection}
        connection.close()

"""The connections of an HTTP service: slow clients are closed, and there are not too many at once.

uvicorn limits how long a connection may be idle between two requests. It waits for ever for a request that
arrives slowly, and for a client that does not read its answer. `watched` makes the protocol that does not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["LIMITS", "Limits", "watched"]

_BUSY_TEXT: Final = b"the service has too many connections; try again in 1 s\n"
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_BUSY_TEXT), _BUSY_TEXT)
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take from the others.

    Attributes
    ----------
    connections : int
        Open connections. One more closes the one that has kept the service waiting longest.
    request_seconds : float
        Time for a whole request to arrive, from the connection or from its first byte.
    answer_seconds : float
        Time for a client to take what is written to it.
    head_bytes : int
        Largest head of a request; each service limits the body.
    """

    connections: int = 256
    request_seconds: float = 30.0
    answer_seconds: float = 60.0
    head_bytes: int = 16_384


#: The limits of every service that is started without others.
LIMITS: Final = Limits()


class _Phase(Enum):
    """What a connection does, in the order in which connections are closed for a new one."""

    IDLE = 0
    READING = 1
    WRITING = 2
    WORKING = 3


class _Watched(H11Protocol):
    """A connection that is looked at from time to time, and closed when it is late."""

    limits: ClassVar[Limits] = LIMITS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to watch; make room, if this is one connection too many."""
        super().connection_made(transport)
        self._asked = False
        self._answers = 0
        self._seen: tuple[_Phase, int] = (_Phase.READING, 0)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(self._interval(), self._watch)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to watch."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note when the first byte of a request comes."""
        if self._phase() is _Phase.IDLE:
            self._since = self.loop.time()
            self._seen = (_Phase.READING, self._answers)
        self._asked = False
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Note that what follows is another request."""
        self._answers += 1
        self._asked = True
        super().on_response_complete()

    def _phase(self) -> _Phase:
        if self.transport.get_write_buffer_size():
            return _Phase.WRITING
        if self.cycle is not None and not self.cycle.response_complete:
            arriving = self.cycle.more_body and not self.flow.read_paused
            return _Phase.READING if arriving else _Phase.WORKING
        return _Phase.IDLE if self._asked else _Phase.READING

    def _look(self) -> tuple[_Phase, float]:
        """Return what the connection does, and since when."""
        seen = self._phase(), self._answers
        if seen != self._seen:
            self._seen, self._since = seen, self.loop.time()
        return seen[0], self._since

    def _watch(self) -> None:
        phase, since = self._look()
        late = {_Phase.READING: self.limits.request_seconds, _Phase.WRITING: self.limits.answer_seconds}
        if self.loop.time() - since > late.get(phase, float("inf")):
            self.transport.abort()  # close() would wait until the client has read everything
            return
        self._timer = self.loop.call_later(self._interval(), self._watch)

    def _interval(self) -> float:
        return min(1.0, self.limits.request_seconds / 4, self.limits.answer_seconds / 4)

    def _make_room(self) -> None:
        others: list[tuple[int, float, Any]] = []
        for other in self.connections:
            if isinstance(other, _Watched) and other is not self:
                phase, since = other._look()
                if phase is not _Phase.WORKING:
                    others.append((phase.value, since, other))
        if others:
            min(others, key=lambda one: one[:2])[2].transport.abort()
        else:
            self.transport.write(_BUSY)
            self.transport.close()


def watched(limits: Limits) -> type[asyncio.Protocol]:
    """Return the protocol of a service with these limits, for uvicorn's setting ``http``."""
    return type("Watched", (_Watched,), {"limits": limits})

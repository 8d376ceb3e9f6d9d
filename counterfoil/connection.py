"""Connections to the chain: to a given endpoint, or to the embedded chain of the state folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import ChainUnreachableError, CounterfoilError, VerificationError
from ledger.home import Home

if TYPE_CHECKING:
    from ledger.gateway import Gateway, Member

__all__ = ["DEFAULT_HOME", "Connection", "as_home", "chain_errors", "chain_url", "connect"]

#: Default path of the state folder.
DEFAULT_HOME: Final = ".counterfoil"

#: Seconds for which an answer of the chain about the consortium is reused.
_FRESH_SECONDS: Final = 5.0


def as_home(home: Home | Path | str) -> Home:
    """Return the state folder that a path names."""
    return home if isinstance(home, Home) else Home(Path(home))


@contextmanager
def chain_errors() -> Iterator[None]:
    """Raise the errors of the embedded chain as errors of `ledger.errors`.

    Raises
    ------
    VerificationError
        When a chain or a backup is damaged.
    CounterfoilError
        For every other error of the embedded chain.
    """
    from localchain.errors import DamagedChainError, LocalChainError

    try:
        yield
    except DamagedChainError as error:
        raise VerificationError(error.what, next_step=error.next_step) from error
    except LocalChainError as error:
        raise CounterfoilError(error.what, next_step=error.next_step) from error


def chain_url(home: Home) -> str:
    """Return the endpoint of the embedded chain that runs on this state folder.

    Raises
    ------
    ChainUnreachableError
        When the embedded chain is not running.
    """
    from localchain import status

    with chain_errors():
        state = status(home.chain)
    if not state["running"] or state["url"] is None:
        raise ChainUnreachableError(
            "the embedded chain is not running",
            where=str(home.chain),
            next_step="Start it with `counterfoil chain start`, or give an endpoint with --chain.",
        )
    return str(state["url"])


def connect(home: Home, chain: str | None = None) -> Gateway:
    """Connect to the consortium of a state folder.

    Parameters
    ----------
    home : Home
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.

    Raises
    ------
    ConfigurationError
        When the state folder holds no consortium.
    ChainUnreachableError
        When the chain does not answer.
    """
    return Connection(home, chain).gateway()


class Connection:
    """The connection of one party to its consortium, safe to use from several threads.

    If the embedded chain restarts on another port, the connection uses the new port.

    Parameters
    ----------
    home : Home
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    timeout : float, optional
        Seconds to wait for an answer of the chain; the default of `Gateway` if not given.
    """

    def __init__(self, home: Home, chain: str | None = None, *, timeout: float | None = None) -> None:
        self._home = home
        self._chain = chain
        self._timeout = timeout
        self._lock = threading.Lock()
        self._gateway: tuple[float, Gateway] | None = None
        self._members: tuple[float, list[Member]] | None = None

    def gateway(self) -> Gateway:
        """Return a gateway to the consortium's contracts; it is reused for a few seconds.

        Raises
        ------
        ConfigurationError
            When the state folder holds no consortium.
        ChainError
            When the chain does not answer, or it is not the chain of this consortium.
        """
        from ledger.deployment import Deployment

        deployment = Deployment.load(self._home.deployment)
        url = self._chain or chain_url(self._home)
        with self._lock:
            kept = self._gateway
        if kept is not None and kept[1].url == url and time.monotonic() - kept[0] < _FRESH_SECONDS:
            return kept[1]
        from ledger.gateway import Gateway

        options = {} if self._timeout is None else {"timeout": self._timeout}
        gateway = Gateway(url, deployment, **options)
        with self._lock:
            self._gateway = (time.monotonic(), gateway)
        return gateway

    def members(self) -> list[Member]:
        """Return the members, read from the chain at most a few seconds ago."""
        with self._lock:
            kept = self._members
        if kept is not None and time.monotonic() - kept[0] < _FRESH_SECONDS:
            return kept[1]
        members = self.gateway().members()
        with self._lock:
            self._members = (time.monotonic(), members)
        return members

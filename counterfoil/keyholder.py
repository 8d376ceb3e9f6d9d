"""A holder of the pseudonym key: it evaluates blinded points for active members."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.extras import needs
from counterfoil.processes import started
from ledger.errors import ChainUnreachableError, ConfigurationError, KeyHolderError
from ledger.home import Home
from ledger.installation import check_extra
from ledger.storage import write_atomically

if TYPE_CHECKING:
    from ledger.encoding.keyholder import LocalKeyHolder

__all__ = ["DEFAULT_QUOTA", "KeyHolder", "keyholder_url", "running_keyholder"]

#: Evaluations per member, epoch and day; each guess of an account number needs one evaluation.
DEFAULT_QUOTA: Final = 200_000

#: File in which a running key holder writes its address.
_ENDPOINT: Final = "endpoint.json"


@needs("operator")
class KeyHolder:
    """A key holder on this machine. It must not be run by the desk.

    Parameters
    ----------
    home : Home or path
        The state folder.
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    name : str
        Name of the key holder in this state folder.
    """

    def __init__(
        self, home: Home | Path | str = DEFAULT_HOME, *, chain: str | None = None, name: str = "1"
    ) -> None:
        self.home = as_home(home)
        self.folder = self.home.keyholder(name)
        self._chain = chain
        self._connection = Connection(self.home, chain)
        self._active: tuple[int, Collection[str]] = (-1, ())

    def holder(self, *, quota: int = DEFAULT_QUOTA) -> LocalKeyHolder:
        """Return the object that evaluates blinded points with the keys, and counts the evaluations.

        Raises
        ------
        ConfigurationError
            When there is no key yet, or the quota is not positive.
        """
        from ledger.encoding.keyholder import LocalKeyHolder, epochs

        if not epochs(self.folder):
            raise ConfigurationError(
                "the key holder has no key",
                where=str(self.folder),
                next_step="Run `counterfoil consortium init`, which creates the first key.",
            )
        return LocalKeyHolder(self.folder, quota=quota)

    def create_epoch(self, epoch: int) -> bytes:
        """Create the key of an epoch; return its public key (32 bytes), which the operator publishes."""
        from ledger.encoding.keyholder import create_epoch

        return create_epoch(self.folder, epoch)

    def active_members(self) -> Collection[str]:
        """Return the addresses of the active members at the newest block of the chain."""
        try:
            return self._ask_members()
        except ChainUnreachableError:
            self._connection = Connection(self.home, self._chain)  # the chain may have restarted elsewhere
            return self._ask_members()

    def _ask_members(self) -> Collection[str]:
        gateway = self._connection.gateway()
        height = gateway.height()
        if height != self._active[0]:
            accounts = {member.account for member in gateway.members() if member.status == "active"}
            self._active = (height, accounts)
        return self._active[1]

    @contextmanager
    def announced(self, url: str) -> Iterator[None]:
        """Write the address of the key holder to a file while it runs, for members on this machine.

        Raises
        ------
        ConfigurationError
            When this key holder is already running.
        """
        serving = running_keyholder(self.folder)
        if serving is not None:
            raise ConfigurationError(
                f"this key holder is already running at {serving}",
                where=str(self.folder),
                next_step="Stop the running key holder first.",
            )
        endpoint = self.folder / _ENDPOINT
        try:
            write_atomically(endpoint, json.dumps({"url": url, "pid": os.getpid()}).encode(), mode=0o600)
            yield
        finally:
            endpoint.unlink(missing_ok=True)

    def ensure_running(self, serve: Sequence[str]) -> tuple[str, int | None]:
        """Return the address of the key holder, and its new process (None if it was already running).

        Parameters
        ----------
        serve : sequence of str
            The module, with its arguments, that serves this key holder.
        """
        url = running_keyholder(self.folder)
        if url is not None:
            return url, None
        check_extra("operator")
        log = self.home.root / "keyholder.log"
        return started(serve, log, lambda: running_keyholder(self.folder), "the key holder")


def keyholder_url(folder: Path) -> str:
    """Return the address of the key holder that serves a folder.

    Raises
    ------
    KeyHolderError
        When it is not running.
    """
    url = running_keyholder(folder)
    if url is None:
        raise KeyHolderError(
            "the key holder is not running",
            where=str(folder),
            next_step="Start it with `counterfoil keyholder serve`, or give its URL with --keyholder.",
        )
    return url


def running_keyholder(folder: Path) -> str | None:
    """Return the address of the key holder that serves a folder; None if it is not running."""
    import httpx

    try:
        endpoint: dict[str, Any] = json.loads((folder / _ENDPOINT).read_text("utf-8"))
        url = str(endpoint["url"])
        httpx.get(f"{url}/healthz", timeout=2).raise_for_status()
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url

"""A holder of the pseudonym key: it evaluates blinded points for active members."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.endpoint import announced, running
from counterfoil.extras import needs
from counterfoil.processes import started
from ledger.errors import ChainUnreachableError, ConfigurationError, KeyHolderError
from ledger.home import Home
from ledger.installation import check_extra

if TYPE_CHECKING:
    from ledger.encoding.keyholder import LocalKeyHolder

__all__ = ["DEFAULT_QUOTA", "KeyHolder", "keyholder_url"]

#: Evaluations per member, epoch and day; each guess of an account number needs one evaluation.
DEFAULT_QUOTA: Final = 200_000


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

    def announced(self, url: str) -> AbstractContextManager[None]:
        """Write the address of the key holder to a file while it runs, for members on this machine.

        Raises
        ------
        ConfigurationError
            When this key holder is already running.
        """
        return announced(self.folder, url, "key holder")

    def ensure_running(self, serve: Sequence[str]) -> tuple[str, int | None]:
        """Return the address of the key holder, and its new process (None if it was already running).

        Parameters
        ----------
        serve : sequence of str
            The module, with its arguments, that serves this key holder.
        """
        url = running(self.folder)
        if url is not None:
            return url, None
        check_extra("operator")
        log = self.home.root / "keyholder.log"
        return started(serve, log, lambda: running(self.folder), "the key holder")


def keyholder_url(folder: Path) -> str:
    """Return the address of the key holder that serves a folder.

    Raises
    ------
    KeyHolderError
        When it is not running.
    """
    url = running(folder)
    if url is None:
        raise KeyHolderError(
            "the key holder is not running",
            where=str(folder),
            next_step="Start it with `counterfoil keyholder serve`, or give its URL with --keyholder.",
        )
    return url

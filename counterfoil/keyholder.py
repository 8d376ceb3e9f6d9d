"""A holder of a share of the pseudonym key: it takes part in ceremonies, and evaluates."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from counterfoil.ceremonies import HolderIdentity
from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.endpoint import announced, running
from counterfoil.extras import needs
from counterfoil.processes import started
from ledger.errors import ChainUnreachableError, CounterfoilError, KeyHolderError
from ledger.home import Home
from ledger.installation import check_extra
from ledger.storage import private_folder

if TYPE_CHECKING:
    from ledger.gateway import Gateway
    from ledger.holder.evaluating import ShareHolder
    from ledger.holder.keys import HolderKeys

__all__ = ["KeyHolder", "keyholder_urls"]

#: Seconds between two looks at the chain for a ceremony.
_LOOK_SECONDS: Final = 0.5


@needs("operator")
class KeyHolder:
    """A key holder on this machine. It must not be run by the desk.

    Parameters
    ----------
    home : Home or path
        Its state folder; the consortium's deployment file is in it.
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    """

    def __init__(self, home: Home | Path | str = DEFAULT_HOME, *, chain: str | None = None) -> None:
        self.home = as_home(home)
        self.folder = self.home.holder
        self._chain = chain
        self._connection = Connection(self.home, chain)
        self._idle_at = -1

    def create(self) -> HolderIdentity:
        """Create the holder's keys, unless they exist; return what the members must know to name it."""
        from ledger.holder.keys import HolderKeys

        path = self.folder / "keys.json"
        if not path.exists():
            private_folder(self.folder)
            HolderKeys.generate().save(path)
        return self.identity()

    def identity(self) -> HolderIdentity:
        """Return the holder's account, and its encryption key for the next ceremony.

        Raises
        ------
        ConfigurationError
            When there is no key holder in this state folder.
        """
        keys = self._keys()
        return HolderIdentity(keys.address, keys.encryption_public)

    def gateway(self) -> Gateway:
        """Return a connection to the contracts; a chain that restarted elsewhere is found again."""
        try:
            return self._connection.gateway()
        except ChainUnreachableError:
            self._connection = Connection(self.home, self._chain)
            return self._connection.gateway()

    def check(self) -> None:
        """Raise an error if the chain cannot be read."""
        self.gateway()

    def holder(self) -> ShareHolder:
        """Return the object that evaluates blinded points with the holder's share."""
        from ledger.holder.evaluating import ShareHolder

        return ShareHolder(self.folder, self.gateway)

    def take_part(self, note: Callable[[str], None] | None = None) -> bool:
        """Do what this holder can do next in a key ceremony; return whether there was anything.

        When nothing is left to do, the history is not read again until another ceremony starts.
        """
        from ledger.holder.taking_part import take_part

        gateway = self.gateway()
        count = gateway.ceremony_count()
        if count == self._idle_at:
            return False
        records = gateway.ceremonies()
        done = take_part(self.folder, gateway, note=note, records=records)
        if not done and not any(record.status == "running" for record in records):
            self._idle_at = count
        return done

    def approve_link(self, number: int) -> None:
        """Agree on the chain that a member links the accounts of one request across two epochs."""
        self.gateway().transact(self._keys().account, "EvaluationLog", "approveLink", number)

    @contextmanager
    def taking_part(self, note: Callable[[str], None]) -> Iterator[None]:
        """Take part in ceremonies in a thread, as long as the context lasts; errors are noted."""
        stop = threading.Event()

        def look() -> None:
            told = ""
            while not stop.wait(_LOOK_SECONDS):
                try:
                    while self.take_part(note) and not stop.is_set():
                        told = ""
                except CounterfoilError as error:
                    if str(error) != told:
                        told = str(error)
                        note(told)

        thread = threading.Thread(target=look, name="key ceremonies", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=10)

    @contextmanager
    def announced(self, url: str) -> Iterator[None]:
        """Write the address of the key holder to a file while it runs, for members on this machine.

        Raises
        ------
        ConfigurationError
            When this key holder is already running.
        """
        with announced(self.folder, url, "key holder"):
            yield

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
        if (self.folder / "keys.json").exists():
            self._keys()  # a passphrase that is asked for is asked here: the new process has no terminal
        return started(serve, log, lambda: running(self.folder), "the key holder", opens_keys=True)

    def _keys(self) -> HolderKeys:
        from ledger.holder.keys import HolderKeys

        return HolderKeys.load(self.folder / "keys.json")


def keyholder_urls(home: Home) -> list[str]:
    """Return the addresses of the key holders of this machine that run.

    Raises
    ------
    KeyHolderError
        When none runs.
    """
    places = [home, *home.keyholders()]
    found = [url for place in places if (url := running(place.holder)) is not None]
    if not found:
        raise KeyHolderError(
            "no key holder is running",
            where=str(home.root),
            next_step="Start them with `counterfoil keyholder serve`, or give their URLs with --keyholder.",
        )
    return found

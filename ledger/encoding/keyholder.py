"""A holder of the pseudonym key: one secret key per epoch on disk, and a count of every evaluation.

The state is a folder: ``epoch-<number>.json`` holds the key of an epoch (mode 0600, written once, never
overwritten), ``usage.sqlite`` the evaluations used per member, epoch and day (UTC). A guess of an identifier
costs one evaluation, so the quota limits the number of guesses. Evaluations are durably counted before they
are answered: after a crash, an evaluation may be counted without an answer, but never answered without being
counted.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledger import documents
from ledger.documents import Count, Document, Hash
from ledger.encoding import oprf, ristretto
from ledger.encoding.answers import Answer, evaluate_in_batches
from ledger.errors import (
    ConfigurationError,
    InputError,
    KeyHolderError,
    QuotaExceededError,
    VerificationError,
)

__all__ = [
    "MAX_ELEMENTS",
    "LocalKeyHolder",
    "UnknownEpochError",
    "create_epoch",
    "epochs",
]

#: Maximum number of elements in one request.
MAX_ELEMENTS = 1024

_FORMAT = "counterfoil/keyholder-epoch/1"
_FILE = re.compile(r"epoch-(0|[1-9][0-9]{0,8})\.json", re.ASCII)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
    member TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    day TEXT NOT NULL,
    used INTEGER NOT NULL CHECK (used >= 0),
    PRIMARY KEY (member, epoch, day)
) STRICT, WITHOUT ROWID
"""


class EpochDocument(Document, tag_field="format", tag=_FORMAT):
    """The key of an epoch in JSON."""

    epoch: Count
    private_key: Hash
    public_key: Hash


class UnknownEpochError(KeyHolderError):
    """Raised when a holder has no key for an epoch."""


def create_epoch(home: Path, epoch: int) -> bytes:
    """Generate and store the key of a new epoch.

    Parameters
    ----------
    home : Path
        Folder of the holder; created, readable by its owner only, if it does not exist.
    epoch : int
        Number of the epoch.

    Returns
    -------
    bytes
        The public key, which is to be registered on the chain.

    Raises
    ------
    ConfigurationError
        When the epoch already has a key: a new key would make every pseudonym of that epoch useless.
    """
    if not 0 <= epoch < 10**9:
        raise ConfigurationError(f"{epoch} is not the number of an epoch", next_step="Use 0 to 999999999.")
    from ledger.storage import private_folder  # imported here because it loads SQLite, which is slow

    private_folder(home)
    private = oprf.generate_key()
    public = oprf.public_key(private)
    document = EpochDocument(epoch=epoch, private_key=private.hex(), public_key=public.hex())
    target = _path(home, epoch)
    try:
        _write_once(target, documents.write(document))
    except FileExistsError as error:
        raise ConfigurationError(
            f"epoch {epoch} has a key already, and keys are never overwritten",
            where=str(target),
            next_step="Use the existing key, or choose another epoch.",
        ) from error
    return public


def epochs(home: Path) -> list[int]:
    """List the epochs for which `home` has a key, in order."""
    names = (_FILE.fullmatch(path.name) for path in home.glob("epoch-*.json"))
    return sorted(int(name[1]) for name in names if name)


class LocalKeyHolder:
    """A holder with its keys in a local folder.

    Parameters
    ----------
    home : Path
        Folder of the keys that `create_epoch` made.
    quota : int
        Maximum number of evaluations per member, epoch and day (UTC).
    clock : callable
        Returns the Unix time in seconds.

    Notes
    -----
    Any number of threads and processes may share one folder: usage is counted in one SQLite transaction.
    """

    def __init__(self, home: Path, *, quota: int, clock: Callable[[], float] = time.time) -> None:
        if quota < 1:
            raise ConfigurationError(
                f"a quota of {quota} evaluations a day is too low", next_step="Use 1 or more."
            )
        if not home.is_dir():
            raise ConfigurationError(
                "there is no key holder in this folder",
                where=str(home),
                next_step="Create its first epoch.",
            )
        self._home = home
        self._quota = quota
        self._clock = clock
        self._keys: dict[int, tuple[bytes, bytes]] = {}
        with self._usage():
            pass  # report a problem with the folder now, not at the first request

    def epochs(self) -> list[int]:
        """List the epochs for which the holder has a key, in order."""
        return epochs(self._home)

    def public_key(self, epoch: int) -> bytes:
        """Return the public key of an epoch.

        Raises
        ------
        UnknownEpochError
            When the holder has no key for the epoch.
        VerificationError
            When the key on disk is damaged.
        """
        return self._key(epoch)[1]

    def evaluate(self, epoch: int, blinded: Sequence[bytes], member: str = "local") -> Answer:
        """Count blinded elements and evaluate them, with a proof for each `PROOF_BATCH` of them.

        Parameters
        ----------
        epoch : int
        blinded : sequence of bytes
            1 to `MAX_ELEMENTS` elements of 32 bytes.
        member : str
            The member whose quota is used.

        Raises
        ------
        InputError
            When there are no elements, or too many.
        ElementError
            When something is not a blinded element; in this case nothing is counted.
        QuotaExceededError
            When the batch exceeds the member's quota; in this case nothing is counted.
        UnknownEpochError
            When the holder has no key for the epoch.
        """
        if not 1 <= len(blinded) <= MAX_ELEMENTS:
            raise InputError(f"a request has 1 to {MAX_ELEMENTS} elements, not {len(blinded)}")
        private, _ = self._key(epoch)
        for number, element in enumerate(blinded):
            ristretto.check_element(element, f"blinded element {number}")
        self._count(member, epoch, len(blinded))
        return evaluate_in_batches(private, blinded)

    def used(self, member: str, epoch: int) -> int:
        """Return the number of a member's evaluations today with the key of an epoch."""
        with self._usage() as database:
            return _used(database, member, epoch, self._now().date().isoformat())

    def resets_at(self) -> datetime:
        """Return the time when the quotas are reset: the next midnight, UTC."""
        midnight = self._now().replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=1)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _count(self, member: str, epoch: int, wanted: int) -> None:
        day = self._now().date().isoformat()
        with self._usage() as database:
            database.execute("BEGIN IMMEDIATE")
            used = _used(database, member, epoch, day)
            if used + wanted > self._quota:
                database.execute("ROLLBACK")
                raise QuotaExceededError(
                    f"{wanted} evaluations requested; {used} of {self._quota} used today in epoch {epoch}",
                    where=f"member {member}",
                    next_step=f"The quota resets at {self.resets_at():%Y-%m-%d %H:%M} UTC; run again then.",
                )
            database.execute(
                "INSERT INTO usage (member, epoch, day, used) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (member, epoch, day) DO UPDATE SET used = used + excluded.used",
                (member, epoch, day, wanted),
            )
            database.execute("COMMIT")

    @contextmanager
    def _usage(self) -> Iterator[sqlite3.Connection]:
        from ledger.storage import open_database  # see `create_epoch`

        # One connection per request: it costs far less than an evaluation and belongs to no thread.
        opened = open_database(
            self._home / "usage.sqlite",
            what="the count of evaluations",
            remedy="Restore it from a backup; without it, today's quotas are counted from zero.",
            tables=_SCHEMA,
        )
        with closing(opened) as database:
            yield database

    def _key(self, epoch: int) -> tuple[bytes, bytes]:
        known = self._keys.get(epoch)
        if known is None:
            known = self._keys[epoch] = _load(self._home, epoch)
        return known


def _used(database: sqlite3.Connection, member: str, epoch: int, day: str) -> int:
    row = database.execute(
        "SELECT used FROM usage WHERE member = ? AND epoch = ? AND day = ?", (member, epoch, day)
    ).fetchone()
    return 0 if row is None else int(row[0])


def _path(home: Path, epoch: int) -> Path:
    return home / f"epoch-{epoch}.json"


def _load(home: Path, epoch: int) -> tuple[bytes, bytes]:
    path = _path(home, epoch)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        known = ", ".join(map(str, epochs(home))) or "none"
        raise UnknownEpochError(
            f"the key holder has no key for epoch {epoch}", next_step=f"It has keys for epochs: {known}."
        ) from error
    document = documents.read(data, EpochDocument, what="key file", where=str(path))
    if document.epoch != epoch:
        raise VerificationError(
            f"this is not the key file of epoch {epoch}",
            where=str(path),
            next_step="Restore the file from a backup.",
        )
    private, public = bytes.fromhex(document.private_key), bytes.fromhex(document.public_key)
    derived = oprf.public_key(private)
    if derived != public:
        raise VerificationError(
            "the key file is damaged",
            expected=public,
            got=derived,
            where=str(path),
            next_step="Restore it from a backup.",
        )
    return private, public


def _write_once(target: Path, data: bytes) -> None:
    """Write a private file completely or not at all; raise FileExistsError if it exists."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, target)  # unlike a rename, this fails if the target exists
    finally:
        temporary.unlink()
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

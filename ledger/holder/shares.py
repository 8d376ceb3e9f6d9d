"""A holder's shares on disk: one file for each epoch and generation, written once, erased when it is replaced."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from ledger import documents
from ledger.documents import Count, Document, Hash
from ledger.encoding import oprf
from ledger.errors import KeyHolderError, VerificationError
from ledger.storage import write_atomically

__all__ = ["HeldShare", "UnknownShareError", "erase", "erase_older", "held_shares", "load_share", "save_share"]

_FORMAT: Final = "counterfoil/key-share/1"
_FILE: Final = re.compile(r"share-(0|[1-9][0-9]{0,9})-(0|[1-9][0-9]{0,9})\.json", re.ASCII)


class ShareFile(Document, tag_field="format", tag=_FORMAT):
    """A share in JSON."""

    epoch: Count
    generation: Count
    ceremony: Count
    index: Annotated[int, Meta(ge=1, le=255)]
    share: Hash
    public: Hash


class UnknownShareError(KeyHolderError):
    """Raised when a holder has no share of a key."""


@dataclass(frozen=True, slots=True)
class HeldShare:
    """A share of a pseudonym key.

    Parameters
    ----------
    epoch, generation, ceremony : int
    index : int
        The holder's index, from 1.
    secret : bytes
        The share: a scalar, 32 bytes.
    """

    epoch: int
    generation: int
    ceremony: int
    index: int
    secret: bytes

    @property
    def public(self) -> bytes:
        """The share commitment: the public key that verifies this holder's evaluations."""
        return oprf.public_key(self.secret)


def save_share(folder: Path, share: HeldShare) -> None:
    """Store a share durably, readable by its owner only; a ceremony that is repeated may replace it."""
    document = ShareFile(
        epoch=share.epoch,
        generation=share.generation,
        ceremony=share.ceremony,
        index=share.index,
        share=share.secret.hex(),
        public=share.public.hex(),
    )
    write_atomically(_path(folder, share.epoch, share.generation), documents.write(document), mode=0o600)


def held_shares(folder: Path) -> list[tuple[int, int]]:
    """List (epoch, generation) of the shares in a folder, in order."""
    names = (_FILE.fullmatch(path.name) for path in folder.glob("share-*.json"))
    return sorted((int(name[1]), int(name[2])) for name in names if name)


def load_share(folder: Path, epoch: int, generation: int) -> HeldShare:
    """Read a share.

    Raises
    ------
    UnknownShareError
        When the holder has no share of this generation.
    VerificationError
        When the file is damaged.
    """
    path = _path(folder, epoch, generation)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UnknownShareError(
            f"the key holder has no share of epoch {epoch}, generation {generation}",
            next_step="Ask another holder; this one has not taken part in the ceremony.",
        ) from error
    document = documents.read(data, ShareFile, what="share", where=str(path))
    share = HeldShare(
        document.epoch, document.generation, document.ceremony, document.index, bytes.fromhex(document.share)
    )
    if (share.epoch, share.generation) != (epoch, generation) or share.public.hex() != document.public:
        raise VerificationError(
            "the share is damaged", where=str(path), next_step="Restore the file from a backup."
        )
    return share


def erase_older(folder: Path, epoch: int, generation: int) -> list[int]:
    """Delete the shares of earlier generations of an epoch; return the generations that were erased.

    As long as t holders keep shares of one generation, these shares give the key.
    """
    gone = [known for number, known in held_shares(folder) if number == epoch and known < generation]
    for known in gone:
        erase(folder, epoch, known)
    return gone


def erase(folder: Path, epoch: int, generation: int) -> None:
    """Overwrite and delete a share."""
    path = _path(folder, epoch, generation)
    size = path.stat().st_size
    with path.open("r+b") as file:  # a copy-on-write file system may keep the old blocks
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _path(folder: Path, epoch: int, generation: int) -> Path:
    return folder / f"share-{epoch}-{generation}.json"

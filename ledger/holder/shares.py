"""A holder's shares on disk: one file for each epoch and generation, erased when it is replaced."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from ledger.encoding import oprf
from ledger.errors import ConfigurationError, KeyHolderError
from ledger.holder.keys import read_holder_keys
from ledger.keystore.keyfile import (
    KeyFileDocument,
    Kind,
    document_of,
    open_keys,
    read_document,
    write_document,
)
from ledger.keystore.passphrase import PASSPHRASE

__all__ = [
    "HeldShare",
    "UnknownShareError",
    "ceremony_of",
    "erase",
    "erase_older",
    "held_shares",
    "load_share",
    "save_share",
]

_FORMAT: Final = "counterfoil/key-share/1"
_RESTORE: Final = "Restore the file from a backup."

_Number = Annotated[str, Meta(pattern=r"\A(0|[1-9][0-9]{0,19})\Z")]
_FILE: Final = re.compile(r"share-(0|[1-9][0-9]{0,9})-(0|[1-9][0-9]{0,9})\.json", re.ASCII)


class ShareFile(KeyFileDocument, tag_field="format", tag=_FORMAT):
    """A share in JSON: a key file with one key, whose public part is the share commitment."""

    NAMES: ClassVar[Mapping[str, Kind]] = {"share": "ristretto255"}

    epoch: _Number
    generation: _Number
    ceremony: _Number
    index: _Number


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
    """Store a share durably, encrypted if the holder's keys are; a repeated ceremony may replace it."""
    encrypted = read_holder_keys(folder / "keys.json").encrypted
    document = document_of(
        ShareFile,
        {"share": share.secret},
        passphrase=PASSPHRASE.read() if encrypted else None,
        epoch=str(share.epoch),
        generation=str(share.generation),
        ceremony=str(share.ceremony),
        index=str(share.index),
    )
    write_document(_path(folder, share.epoch, share.generation), document)


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
    ConfigurationError
        When the file is damaged.
    PassphraseError
        When the passphrase is missing or wrong.
    """
    path, document = _read(folder, epoch, generation)
    secret = open_keys(document, where=path)["share"]
    if not isinstance(secret, bytes):
        raise TypeError("a share is never on a token")
    return HeldShare(epoch, generation, int(document.ceremony), int(document.index), secret)


def ceremony_of(folder: Path, epoch: int, generation: int) -> int:
    """Return the number of the ceremony that made a share; the secret is not read."""
    return int(_read(folder, epoch, generation)[1].ceremony)


def erase_older(folder: Path, epoch: int, generation: int) -> list[int]:
    """Erase the shares of earlier generations of an epoch; return the generations that were erased.

    As long as t holders keep shares of one generation, these shares give the key.
    """
    gone = [known for number, known in held_shares(folder) if number == epoch and known < generation]
    for known in gone:
        erase(_path(folder, epoch, known))
    return gone


def erase(path: Path) -> None:
    """Overwrite and delete the file of a secret."""
    size = path.stat().st_size
    with path.open("r+b") as file:  # a copy-on-write file system may keep the old blocks
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _read(folder: Path, epoch: int, generation: int) -> tuple[Path, ShareFile]:
    path = _path(folder, epoch, generation)
    if not path.exists():
        raise UnknownShareError(
            f"the key holder has no share of epoch {epoch}, generation {generation}",
            next_step="Ask another holder; this one has not taken part in the ceremony.",
        )
    document = read_document(
        path, ShareFile, missing="the share is gone", missing_step=_RESTORE, next_step=_RESTORE
    )
    if (int(document.epoch), int(document.generation)) != (epoch, generation):
        raise ConfigurationError("this is the file of another share", where=str(path), next_step=_RESTORE)
    return path, document


def _path(folder: Path, epoch: int, generation: int) -> Path:
    return folder / f"share-{epoch}-{generation}.json"

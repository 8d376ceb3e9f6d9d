"""The desk's store of models: files named by their SHA-256, and a register that records the champion.

A file is one NumPy archive of plain arrays and one JSON value, so that reading it runs no code. A file whose
hash differs from its name is refused.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from anomaly.learning.model import Model, ModelDocument
from ledger import documents
from ledger.documents import Count, Document, Hash
from ledger.errors import VerificationError
from ledger.storage import private_folder, write_atomically

__all__ = ["Entry", "ModelError", "Shelf"]

REGISTER_FORMAT: Final = "counterfoil/models/1"

_VALUE: Final = "value.json"

_ANEW: Final = "Restore it from a backup; the chain's notes name every champion and its hash."


class ModelError(VerificationError):
    """Raised when a model is missing, altered, or cannot be used by this version."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A champion in the register: its version (from 1), and the SHA-256 (hex) of its file."""

    version: Count
    hash: Hash


class RegisterDocument(Document, tag_field="format", tag=REGISTER_FORMAT):
    """The register of models in JSON: every champion there was, oldest first."""

    champions: list[Entry]


class Shelf:
    """The models of one desk.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, model: Model) -> str:
        """Store a model; return its hash. It is champion only when `crown` says so."""
        document, arrays = model.to_arrays()
        text = documents.write(document)
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **{_VALUE: np.frombuffer(text, np.uint8)}, **arrays)
        data = file.getvalue()
        digest = sha256(data).hexdigest()
        private_folder(self.folder)
        write_atomically(self._path(digest), data)
        return digest

    def crown(self, digest: str) -> Entry:
        """Make a stored model the champion; earlier champions stay, because flags name them."""
        entries = self.entries()
        entry = Entry(len(entries) + 1, digest)
        register = RegisterDocument(champions=[*entries, entry])
        write_atomically(self.folder / "register.json", documents.write(register))
        return entry

    def entries(self) -> list[Entry]:
        """Return all champions, oldest first.

        Raises
        ------
        ModelError
            When the register is damaged.
        """
        path = self.folder / "register.json"
        if not path.exists():
            return []
        register = documents.read(
            path.read_bytes(),
            RegisterDocument,
            what="register of models",
            error=ModelError,
            where=str(path),
            next_step=_ANEW,
        )
        if [entry.version for entry in register.champions] != list(range(1, len(register.champions) + 1)):
            raise ModelError(
                "the register of models is damaged: its versions are not numbered from 1 on",
                where=str(path),
                next_step=_ANEW,
            )
        return register.champions

    def champion(self) -> tuple[Entry, Model] | None:
        """Return the champion, or None if there is none yet; raises as `load` does."""
        entries = self.entries()
        return (entries[-1], self.load(entries[-1].hash)) if entries else None

    def load(self, digest: str) -> Model:
        """Read a model by its hash.

        Raises
        ------
        ModelError
            When the file is missing, or its hash differs from its name.
        """
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except (OSError, ValueError) as error:
            raise ModelError(
                "the model's file is missing",
                where=str(path),
                next_step="Restore the file from a backup: the replay of flags that name the model needs it.",
            ) from error
        found = sha256(data).hexdigest()
        if found != digest:
            raise ModelError(
                "the model's file was altered and is not used",
                expected=digest,
                got=found,
                where=str(path),
                next_step="Restore the file from a backup.",
            )
        return Model.from_arrays(*_unpacked(data, path))

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.npz"


def _unpacked(data: bytes, path: Path) -> tuple[ModelDocument, dict[str, Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        text = arrays.pop(_VALUE).tobytes()
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"the model cannot be read: {error!r}", where=str(path)) from error
    return documents.read(text, ModelDocument, what="model", error=ModelError, where=str(path)), arrays

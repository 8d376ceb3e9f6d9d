"""The desk's store of models: files named by their SHA-256, and a register that records the champion.

A file is one NumPy archive of plain arrays and one JSON value, so that reading it runs no code. A file whose
hash differs from its name is refused.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from anomaly.learning.model import Model
from ledger import canonical
from ledger.errors import VerificationError
from ledger.storage import private_folder, write_atomically

__all__ = ["Entry", "ModelError", "Shelf"]

MODEL_FORMAT: Final = "counterfoil/model/1"
REGISTER_FORMAT: Final = "counterfoil/models/1"

_VALUE: Final = "value.json"


class ModelError(VerificationError):
    """Raised when a model is missing, altered, or cannot be used by this version."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A champion in the register: its version (from 1), and the SHA-256 (hex) of its file."""

    version: int
    hash: str


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
        value, arrays = model.to_arrays()
        text = canonical.dumps({"format": MODEL_FORMAT, **value})
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
        champions = [{"version": e.version, "hash": e.hash} for e in (*entries, entry)]
        register = {"format": REGISTER_FORMAT, "champions": champions}
        write_atomically(self.folder / "register.json", canonical.dumps(register))
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
        try:
            value: Any = canonical.loads(path.read_bytes(), what="register of models")
            entries = [Entry(int(e["version"]), str(e["hash"])) for e in value["champions"]]
            numbered = [e.version for e in entries] == list(range(1, len(entries) + 1))
            if value["format"] != REGISTER_FORMAT or not numbered:
                raise ValueError("it is not numbered from 1 on")
        except (KeyError, TypeError, ValueError, VerificationError) as error:
            raise ModelError(
                f"the register of models is damaged: {error}",
                where=str(path),
                next_step="Restore it from a backup; the chain's notes name every champion and its hash.",
            ) from error
        return entries

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
        value, arrays = _unpacked(data, path)
        return Model.from_arrays(value, arrays)

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.npz"


def _unpacked(data: bytes, path: Path) -> tuple[Mapping[str, Any], dict[str, Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        value = canonical.loads(arrays.pop(_VALUE).tobytes(), what="model")
        if value["format"] != MODEL_FORMAT:
            raise VerificationError("unknown model format", expected=MODEL_FORMAT, got=value["format"])
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"the model cannot be read: {error!r}", where=str(path)) from error
    return value, arrays

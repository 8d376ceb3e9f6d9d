"""The mirror's files: immutable Parquet, each named with its SHA-256 in a manifest that every reader checks.

A scan never opens a file that the manifest does not name, and never believes one whose bytes changed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from ledger import canonical
from ledger.errors import ConfigurationError, VerificationError
from ledger.flag import Position
from ledger.storage import replacing, write_atomically

__all__ = [
    "FileEntry",
    "Manifest",
    "SegmentError",
    "check",
    "load",
    "opened",
    "write_batches",
    "write_table",
]

MANIFEST = "manifest.json"
MANIFEST_FORMAT = "counterfoil/mirror/1"


class SegmentError(VerificationError):
    """Raised when a file of the mirror is missing or is not what the manifest says."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One Parquet file of the mirror: name, SHA-256 (hex), rows, and the log range it covers."""

    name: str
    sha256: str
    rows: int
    log_from: int
    log_to: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the mirror holds at one ledger position: its segments of rows and its table of transfers."""

    position: Position
    segments: tuple[FileEntry, ...]
    transfers: FileEntry | None

    @classmethod
    def read(cls, mirror: Path) -> Manifest:
        """Read the manifest of a mirror folder.

        Raises
        ------
        ConfigurationError
            When there is no mirror there yet.
        SegmentError
            When the manifest itself is damaged.
        """
        path = mirror / MANIFEST
        if not path.exists():
            raise ConfigurationError(
                "there is no mirror yet", where=str(path), next_step="Run `counterfoil desk sync` first."
            )
        try:
            value: Mapping[str, Any] = canonical.loads(path.read_bytes(), what="mirror's manifest")
            digest = value["digest"]
            body = {key: item for key, item in value.items() if key != "digest"}
            if sha256(canonical.dumps(body)).hexdigest() != digest:
                raise SegmentError("the mirror's manifest does not match its own digest", where=str(path))
            return cls(
                position=_typed(Position(**value["position"])),
                segments=tuple(_typed(FileEntry(**entry)) for entry in value["segments"]),
                transfers=None if value["transfers"] is None else _typed(FileEntry(**value["transfers"])),
            )
        except (KeyError, TypeError, ValueError, AttributeError, VerificationError) as error:
            raise SegmentError(
                f"the mirror's manifest is damaged: {error}",
                where=str(path),
                next_step="Run `counterfoil fsck` to compare with the chain, "
                "or remove the mirror folder and sync again: the chain holds everything.",
            ) from error

    def write(self, mirror: Path) -> None:
        """Replace the manifest durably and at once: a reader sees the old one or the new one."""
        body: dict[str, Any] = {
            "format": MANIFEST_FORMAT,
            "position": _plain(self.position),
            "segments": [_plain(entry) for entry in self.segments],
            "transfers": None if self.transfers is None else _plain(self.transfers),
        }
        body["digest"] = sha256(canonical.dumps(body)).hexdigest()
        write_atomically(mirror / MANIFEST, canonical.dumps(body))


def write_table(path: Path, table: pa.Table, *, log_from: int, log_to: int) -> FileEntry:
    """Write a Parquet file durably under its final name and describe it for the manifest."""
    return write_batches(path, iter((table,)), table.schema, log_from=log_from, log_to=log_to)


def write_batches(
    path: Path, tables: Iterator[pa.Table], schema: pa.Schema, *, log_from: int, log_to: int
) -> FileEntry:
    """Write tables as one Parquet file, holding one of them at a time; see `write_table`."""
    rows = 0
    with replacing(path) as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table)
                rows += table.num_rows
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(path.name, digest, rows, log_from, log_to)


def load(mirror: Path, entry: FileEntry, *, columns: list[str] | None = None) -> pa.Table:
    """Read one file of the mirror after checking its bytes.

    Raises
    ------
    SegmentError
        When the file is missing or one byte of it differs from what was written.
    """
    with _checked(mirror, entry) as file:
        return pq.read_table(file, columns=columns)


@contextmanager
def opened(mirror: Path, entry: FileEntry) -> Iterator[pq.ParquetFile]:
    """Open one file of the mirror after checking its bytes, to read it in parts; raises as `load` does."""
    with _checked(mirror, entry) as file:
        yield pq.ParquetFile(file)


def check(mirror: Path, entry: FileEntry) -> None:
    """Check the bytes of one file of the mirror; raises as `load` does."""
    with _checked(mirror, entry):
        pass


@contextmanager
def _checked(mirror: Path, entry: FileEntry) -> Iterator[io.BufferedReader]:
    path = mirror / entry.name
    try:
        file = path.open("rb")
    except OSError as error:
        raise SegmentError(f"a segment cannot be read: {error.strerror}", where=str(path)) from error
    with file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != entry.sha256:
            raise SegmentError(
                "a segment's bytes changed after it was written",
                expected=entry.sha256,
                got=digest,
                where=str(path),
                next_step="Run `counterfoil fsck`; remove the mirror folder and sync again to restore it.",
            )
        file.seek(0)
        yield file


_Stated = TypeVar("_Stated", Position, FileEntry)


def _typed(stated: _Stated) -> _Stated:
    """Check that each value has its type, and that a name is one of a file in this folder."""
    for name, kind in type(stated).__annotations__.items():
        value = getattr(stated, name)
        wrong = type(value) is not int or value < 0 if kind == "int" else not isinstance(value, str)
        if wrong or (name == "name" and Path(value).name != value):
            raise ValueError(f"{name} is {value!r}")
    return stated


def _plain(value: Position | FileEntry) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}

"""The mirror's files: immutable Parquet files, listed with their SHA-256 in a manifest.

A scan opens only files that the manifest lists, and refuses a file whose bytes have changed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from ledger import canonical, documents
from ledger.documents import Count, Document, Hash
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
MANIFEST_FORMAT = "counterfoil/mirror/2"

_ANEW: Final = (
    "Run `counterfoil fsck` to compare the mirror with the chain, "
    "or remove the mirror folder and sync again: the chain holds all its data."
)


class SegmentError(VerificationError):
    """Raised when a file of the mirror is missing or does not match the manifest."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One Parquet file of the mirror: name, SHA-256 (hex), number of rows, and log range."""

    name: Annotated[str, Meta(pattern=r"\A(?!\.\.?\Z)[^/\x00]+\Z")]
    sha256: Hash
    rows: Count
    log_from: Count
    log_to: Count


class ManifestDocument(Document, tag_field="format", tag=MANIFEST_FORMAT):
    """A manifest in JSON; `digest` is the SHA-256 (hex) of the canonical JSON without this field."""

    position: Position
    segments: list[FileEntry]
    transfers: FileEntry | None
    digest: str

    def own_digest(self) -> str:
        """Return the digest of the manifest's content."""
        body = documents.plain(self)
        del body["digest"]
        return sha256(canonical.dumps(body)).hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of the mirror at one ledger position: segments of rows, and a table of transfers."""

    position: Position
    segments: tuple[FileEntry, ...]
    transfers: FileEntry | None

    @classmethod
    def read(cls, mirror: Path) -> Manifest:
        """Read the manifest of a mirror folder.

        Raises
        ------
        ConfigurationError
            When the folder has no manifest yet.
        SegmentError
            When the manifest is damaged.
        """
        path = mirror / MANIFEST
        if not path.exists():
            raise ConfigurationError(
                "there is no mirror yet", where=str(path), next_step="Run `counterfoil desk sync` first."
            )
        document = documents.read(
            path.read_bytes(),
            ManifestDocument,
            what="mirror's manifest",
            error=SegmentError,
            where=str(path),
            next_step=_ANEW,
        )
        if document.digest != document.own_digest():
            raise SegmentError(
                "the mirror's manifest does not match its own digest", where=str(path), next_step=_ANEW
            )
        return cls(document.position, tuple(document.segments), document.transfers)

    def write(self, mirror: Path) -> None:
        """Replace the manifest atomically and durably: a reader sees the old one or the new one."""
        document = ManifestDocument(
            position=self.position, segments=list(self.segments), transfers=self.transfers, digest=""
        )
        document.digest = document.own_digest()
        write_atomically(mirror / MANIFEST, documents.write(document))


def write_table(path: Path, table: pa.Table, *, log_from: int, log_to: int) -> FileEntry:
    """Write a Parquet file durably under its final name and describe it for the manifest."""
    return write_batches(path, iter((table,)), table.schema, log_from=log_from, log_to=log_to)


def write_batches(
    path: Path, tables: Iterator[pa.Table], schema: pa.Schema, *, log_from: int, log_to: int
) -> FileEntry:
    """Write tables as one Parquet file, with one table in memory at a time; see `write_table`."""
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
        When the file is missing or its bytes have changed.
    """
    with _checked(mirror, entry) as file:
        return pq.read_table(file, columns=columns)


@contextmanager
def opened(mirror: Path, entry: FileEntry) -> Iterator[pq.ParquetFile]:
    """Check the bytes of a file of the mirror and open it, to read it in parts; raises errors as `load`."""
    with _checked(mirror, entry) as file:
        yield pq.ParquetFile(file)


def check(mirror: Path, entry: FileEntry) -> None:
    """Check the bytes of one file of the mirror; raises errors as `load`."""
    with _checked(mirror, entry):
        pass


@contextmanager
def _checked(mirror: Path, entry: FileEntry) -> Iterator[io.BufferedReader]:
    path = mirror / entry.name
    try:
        file = path.open("rb")
    except OSError as error:
        raise SegmentError(
            f"a segment cannot be read: {error.strerror}", where=str(path), next_step=_ANEW
        ) from error
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

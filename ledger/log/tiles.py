"""A log in files that only grow: tiles of hashes, and bundles of entries, as C2SP tlog-tiles defines them.

A tile holds up to 256 hashes. The hashes of a tile at level 0 are of entries; each hash at a higher level is
the root of a full tile below it. A bundle holds the entries of one tile at level 0. A full tile never
changes; the last tile of each level is stored under another name for each of its widths. So a reader that
knows a checkpoint can compute every proof from a few files, and whoever serves them can cache them forever.

`Tiles` reads a log; `append` adds entries to a log in a folder, and writes only the last tiles.

References
----------
.. [1] C2SP tlog-tiles, https://c2sp.org/tlog-tiles
.. [2] RFC 6962, section 2.1.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ledger.commitment.merkle import EMPTY_ROOT, leaf_hash, node_hash
from ledger.commitment.merkle import root as tree_root
from ledger.errors import VerificationError
from ledger.storage import PUBLISHED, write_atomically

__all__ = ["ENTRIES", "WIDTH", "TileError", "Tiles", "append", "tile_path"]

#: Number of hashes in a full tile.
WIDTH: Final = 256
#: The level of bundles in the path of a tile.
ENTRIES: Final = "entries"

_HEIGHT: Final = 8
_HASH: Final = 32
_MAX_ENTRY: Final = 2**16 - 1
_CACHED: Final = 4096


class TileError(VerificationError):
    """Raised when a tile of a log is missing or has the wrong size, or a bundle is malformed."""


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Return the path of a tile below the folder or URL of its log.

    Parameters
    ----------
    level : int or str
        The level, or `ENTRIES` for a bundle.
    index : int
        Index of the tile in its level.
    width : int
        Number of hashes; fewer than `WIDTH` for a partial tile.
    """
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


class Tiles:
    """A reader of the log whose first `size` entries are in tiles.

    Parameters
    ----------
    fetch : callable
        Returns the bytes at a path (see `tile_path`), and None if there is nothing.
    size : int
        Number of entries, from a checkpoint.
    """

    def __init__(self, fetch: Callable[[str], bytes | None], size: int) -> None:
        self.size = size
        self._fetch = fetch
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    @classmethod
    def in_folder(cls, folder: Path, size: int) -> Tiles:
        """Return a reader of the tiles in a folder."""

        def fetch(path: str) -> bytes | None:
            try:
                return (folder / path).read_bytes()
            except FileNotFoundError:
                return None

        return cls(fetch, size)

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first `size` entries; of all, if no size is given.

        Raises
        ------
        IndexError
            When the log has fewer entries.
        TileError
            When a tile is missing or damaged.
        """
        end = self._within(self.size if size is None else size)
        return self._range(0, end) if end else EMPTY_ROOT

    def inclusion_path(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the path from an entry to the root of the first `size` entries; raises as `root`."""
        end = self._within(self.size if size is None else size)
        if not 0 <= index < end:
            raise IndexError(f"entry {index} of a log of {end} entries")
        start, path = 0, []
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        return path[::-1]

    def consistency_path(self, old: int, size: int | None = None) -> list[bytes]:
        """Return the proof that the first `old` entries begin the first `size` entries; raises as `root`."""
        end = self._within(self.size if size is None else size)
        if not 0 <= old <= end:
            raise IndexError(f"{old} entries of a log of {end} entries")
        if old in (0, end):
            return []
        start, whole, path = 0, True, []
        while old != end:
            middle = start + _split(end - start)
            if old <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start, whole = middle, False
        return path[::-1] if whole else [self._range(start, end), *path[::-1]]

    def entries(self, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Yield the entries from `first` up to, but without, `last`; they are checked against their tile."""
        end = self._within(self.size if last is None else last)
        for tile in range(first // WIDTH, -(-end // WIDTH)):
            width = min(WIDTH, self.size - tile * WIDTH)
            found = _unbundled(self._read(ENTRIES, tile, width), tile_path(ENTRIES, tile, width))
            hashes = self._tile(0, tile)
            if [leaf_hash(entry) for entry in found[: len(hashes)]] != hashes:
                raise TileError("entries of the log differ from their hashes", where=tile_path(0, tile))
            yield from found[max(0, first - tile * WIDTH) : end - tile * WIDTH]

    def leaf_hashes(self, first: int, last: int) -> list[bytes]:
        """Return the hashes of the entries from `first` up to, but without, `last`."""
        tiles = range(first // WIDTH, -(-last // WIDTH))
        found = [value for tile in tiles for value in self._tile(0, tile)]
        return found[first - first // WIDTH * WIDTH :][: last - first]

    def _within(self, size: int) -> int:
        if not 0 <= size <= self.size:
            raise IndexError(f"{size} entries of a log of {self.size} entries")
        return size

    def _range(self, start: int, end: int) -> bytes:
        """Return the root of a subtree that RFC 6962 splits off; only its last part may be incomplete."""
        width = end - start
        if width & (width - 1):
            middle = start + _split(width)
            return node_hash(self._range(start, middle), self._range(middle, end))
        level, depth = divmod(width.bit_length() - 1, _HEIGHT)
        tile, first = divmod(start >> (level * _HEIGHT), WIDTH)
        return tree_root(self._tile(level, tile)[first : first + (1 << depth)])

    def _tile(self, level: int, index: int) -> list[bytes]:
        kept = self._tiles.get((level, index))
        if kept is None:
            width = min(WIDTH, (self.size >> (level * _HEIGHT)) - index * WIDTH)
            data = self._read(level, index, width)
            if len(data) < width * _HASH or len(data) % _HASH:
                raise TileError("a tile of the log has the wrong size", where=tile_path(level, index, width))
            if len(self._tiles) >= _CACHED:
                self._tiles.clear()
            kept = [data[i * _HASH : (i + 1) * _HASH] for i in range(width)]
            self._tiles[level, index] = kept
        return kept

    def _read(self, level: int | str, index: int, width: int) -> bytes:
        for wide in dict.fromkeys((width, WIDTH)):  # a partial tile may go when the tile is full
            data = self._fetch(tile_path(level, index, wide))
            if data is not None:
                return data
        raise TileError(
            "a tile of the log is missing",
            where=tile_path(level, index, width),
            next_step="Run `counterfoil desk sync` at the desk; if the tile is still missing, restore it.",
        )


def append(folder: Path, size: int, entries: Sequence[bytes], *, mode: int = PUBLISHED) -> int:
    """Add entries to the log of `size` entries in a folder; return its new size.

    Tiles of the first `size` entries are not changed. The caller stores the new size when this returns. If
    the process dies before, the same call again writes the same files. `mode` says who may read the tiles.

    Raises
    ------
    ValueError
        When an entry has more than 65,535 bytes.
    TileError
        When a tile of the log is missing or damaged.
    StorageError
        When the disk is full or cannot be written.
    """
    if any(len(entry) > _MAX_ENTRY for entry in entries):
        raise ValueError(f"an entry of a log has at most {_MAX_ENTRY:,} bytes")
    before = Tiles.in_folder(folder, size)
    kept = list(before.entries(size - size % WIDTH)) if size % WIDTH else []
    bundled = [struct.pack(">H", len(entry)) + entry for entry in [*kept, *entries]]
    _write(folder, ENTRIES, size, size + len(entries), bundled, mode)
    level, added = 0, [leaf_hash(entry) for entry in entries]
    while added:
        first = size >> (level * _HEIGHT)
        start = first - first % WIDTH
        hashes = [*(before._tile(level, first // WIDTH) if first > start else []), *added]
        _write(folder, level, first, first + len(added), hashes, mode)
        full = range(0, len(hashes) - WIDTH + 1, WIDTH)
        added = [tree_root(hashes[i : i + WIDTH]) for i in full]
        level += 1
    return size + len(entries)


def _write(folder: Path, level: int | str, first: int, last: int, values: Sequence[bytes], mode: int) -> None:
    """Write the tiles of a level that items `first` to `last` are in; `values` begins with the first tile."""
    start = first // WIDTH
    for tile in range(start, -(-last // WIDTH) if last > first else start):
        part = values[(tile - start) * WIDTH :][:WIDTH]
        path = folder / tile_path(level, tile, len(part))
        write_atomically(path, b"".join(part), mode=mode)
        if len(part) == WIDTH:
            shutil.rmtree(path.with_name(path.name + ".p"), ignore_errors=True)


def _unbundled(data: bytes, where: str) -> list[bytes]:
    entries, place = [], 0
    while place < len(data):
        (length,) = struct.unpack_from(">H", data, place) if place + 2 <= len(data) else (0,)
        place += 2
        if place + length > len(data):
            raise TileError("a bundle of entries of the log is malformed", where=where)
        entries.append(data[place : place + length])
        place += length
    return entries


def _split(width: int) -> int:
    """Return the largest power of two that is less than `width`."""
    return 1 << (width - 1).bit_length() - 1

"""Find rows that were posted before, with 8 bytes of memory for each key of the accepted ledger.

Two keys of a row occur only once: its record root, and, if its token is of a UETR, the token on that side of
that member. Nothing that one member posts takes part in the second rule for another member. Rows that are
padding take part in neither.

The index holds 40 bits of a hash of each key, and 24 bits of the number of the batch that has it. The hash
has a key of its own in each process, so nobody can choose rows whose hashes are equal. A hash that is found
again is only a suspicion: the rows of that batch are read again and compared.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ledger.schema import Flags, TokenKind

__all__ = ["KEYED", "Duplicate", "Duplicates", "KeyedRows", "keyed"]

_PLACE_BITS: Final = 24
_PLACES: Final = 1 << _PLACE_BITS
_HASH: Final = ~np.uint64(_PLACES - 1)
_HALF: Final = np.uint64(32)
_WORD: Final = 4
_MOST_WORDS: Final = 8

#: What is compared of a row, with its place.
KEYED: Final = np.dtype(
    [
        ("log_index", "<u4"),
        ("row_index", "<u4"),
        ("member", "<u2"),
        ("side", "u1"),
        ("token_kind", "u1"),
        ("match_token", "V16"),
        ("record_root", "V32"),
    ]
)

#: The columns of each key: a token counts for one side of one member only.
_KEYS: Final = {
    "record_root": ("record_root",),
    "match_token": ("member", "side", "token_kind", "match_token"),
}

#: Rows of dtype `KEYED`, shape (n,).
KeyedRows = npt.NDArray[np.void]
#: The bytes of keys, shape (n, size).
Octets = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row that repeats a key of an earlier row.

    Parameters
    ----------
    column : {"record_root", "match_token"}
    row : int
        The later row's index in its batch.
    log_index, earlier : int
        Log index of the batch that has the earlier row, and the earlier row's index in it.
    """

    column: str
    row: int
    log_index: int
    earlier: int


def keyed(rows: npt.NDArray[np.void], code: int, log_index: int) -> KeyedRows:
    """Return what is compared of a batch's rows (`ledger.encoding.rows.ROW`), without padding.

    Parameters
    ----------
    rows : ndarray, shape (n,)
    code : int
        Code of the member that posted them.
    log_index : int
    """
    real = np.flatnonzero((rows["flags"] & Flags.DECOY) == 0)
    made = np.zeros(len(real), KEYED)
    made["log_index"], made["row_index"], made["member"] = log_index, real, code
    for name in ("side", "token_kind", "match_token", "record_root"):
        made[name] = rows[name][real]
    return made


class Duplicates:
    """The keys of all accepted rows.

    Parameters
    ----------
    read_again : callable
        Returns the rows of an accepted batch by its log index; no rows if there is no such batch.
    """

    def __init__(self, read_again: Callable[[int], KeyedRows]) -> None:
        self._read_again = read_again
        self._known = {column: _Index() for column in _KEYS}
        self._batches = 0

    def find(self, rows: KeyedRows) -> Duplicate | None:
        """Return the first row of a batch that repeats an earlier one, if any: roots first, then tokens."""
        for column in _KEYS:
            taking = _taking_part(column, rows)
            keys = _packed(taking, column)
            found = self._within(column, taking, keys) or self._before(column, taking, keys)
            if found is not None:
                return found
        return None

    def add(self, rows: KeyedRows) -> None:
        """Add the rows of accepted batches."""
        for column, index in self._known.items():
            taking = _taking_part(column, rows)
            index.add(_packed(taking, column), taking["log_index"])
        if len(rows):
            self._batches = max(self._batches, int(rows["log_index"].max()) + 1)

    def _within(self, column: str, rows: KeyedRows, keys: Octets) -> Duplicate | None:
        octets = _each(keys)
        if len(set(octets)) == len(octets):
            return None
        seen: dict[bytes, int] = {}
        numbers = rows["row_index"].tolist()
        for row, key in zip(numbers, octets, strict=True):
            earlier = seen.setdefault(key, row)
            if earlier != row:
                return Duplicate(column, row, int(rows["log_index"][0]), earlier)
        return None

    def _before(self, column: str, rows: KeyedRows, keys: Octets) -> Duplicate | None:
        for position, place in self._known[column].suspicions(keys):
            for log_index in range(place, self._batches, _PLACES):
                before = _taking_part(column, self._read_again(log_index))
                held, wanted = _each(_packed(before, column)), keys[position].tobytes()
                if wanted in held:
                    earlier = int(before["row_index"][held.index(wanted)])
                    return Duplicate(column, int(rows["row_index"][position]), log_index, earlier)
        return None


class _Index:
    """Hashes in sorted arrays, of which each is more than twice as long as the next: few are searched."""

    def __init__(self) -> None:
        drawn = np.frombuffer(secrets.token_bytes(2 * 8 * (_MOST_WORDS + 1)), np.uint64)
        self._offsets, self._factors = drawn[:2], drawn[2:].reshape(2, _MOST_WORDS)
        self._levels: list[Hashes] = []

    def add(self, keys: Octets, places: npt.NDArray[np.uint32]) -> None:
        if not len(keys):
            return
        new = np.sort(self._hashes(keys) | (places.astype(np.uint64) & ~_HASH))
        while self._levels and len(self._levels[-1]) <= 2 * len(new):
            new = np.sort(np.concatenate([self._levels.pop(), new]), kind="stable")  # merges sorted runs
        self._levels.append(new)

    def suspicions(self, keys: Octets) -> Iterator[tuple[int, int]]:
        """Yield (position of the key, place of the batch) of each hash that is known, by position."""
        if not len(keys):
            return
        hashes = self._hashes(keys)
        order = np.argsort(hashes)
        wanted = hashes[order]  # in order, so that neighbours are found in the same part of the memory
        found: list[tuple[int, int]] = []
        for level in self._levels:
            first = np.searchsorted(level, wanted)
            there = level[np.minimum(first, len(level) - 1)]
            for hit in np.flatnonzero(there & _HASH == wanted).tolist():
                last = np.searchsorted(level, wanted[hit] | ~_HASH, side="right")
                found += [(int(order[hit]), int(known & ~_HASH)) for known in level[first[hit] : last]]
        yield from sorted(found)

    def _hashes(self, keys: Octets) -> Hashes:
        """Return 40 bits of a hash of each key, in the upper bits; the lower bits are free for the place.

        Two multilinear hashes of 32 bits each: for any two keys that are chosen without the random factors,
        both are equal with probability 2**-64 (Lemire and Kaser, Strongly universal string hashing is fast).
        """
        words = keys.view(f"<u{_WORD}").astype(np.uint64)
        first, second = (
            ((words * factors[: words.shape[1]]).sum(axis=1, dtype=np.uint64) + offset) >> _HALF
            for factors, offset in zip(self._factors, self._offsets, strict=True)
        )
        return np.asarray(((first << _HALF) | second) & _HASH)


def _taking_part(column: str, rows: KeyedRows) -> KeyedRows:
    return rows[rows["token_kind"] == TokenKind.UETR] if column == "match_token" else rows


def _packed(rows: KeyedRows, column: str) -> Octets:
    """Return the bytes of a key of each row."""
    key = np.zeros(len(rows), [(name, KEYED[name]) for name in _KEYS[column]])
    for name in _KEYS[column]:
        key[name] = rows[name]
    return key.view(np.uint8).reshape(len(rows), key.dtype.itemsize)


def _each(keys: Octets) -> list[bytes]:
    packed, size = keys.tobytes(), keys.shape[1]
    return [packed[i : i + size] for i in range(0, len(packed), size)]

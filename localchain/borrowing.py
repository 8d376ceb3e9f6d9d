"""Stores the part of a log's data that is also in its transaction only once; the log refers to it.

A posted batch is in the chain twice, as calldata and as the data of its event. Sealed data cannot be
compressed, so the event stores the bytes around the payload and a reference to the payload.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Borrowed", "borrow", "restore"]

#: Shorter data is stored completely: a reference would cost more reads than it saves bytes.
_LEAST = 512

#: Number of bytes searched for in the transaction; long enough to occur only once.
_PROBE = 64


@dataclass(frozen=True, slots=True)
class Borrowed:
    """Data without the piece that is in the transaction.

    Attributes
    ----------
    kept : bytes
        The rest of the data.
    gap : int
        Offset in `kept` at which the piece belongs, in bytes.
    start, length : int
        Offset and length of the piece in the transaction, in bytes; length 0 if no piece was removed.
    """

    kept: bytes
    gap: int = 0
    start: int = 0
    length: int = 0


def borrow(data: bytes, raw: bytes) -> Borrowed:
    """Remove from a log's data the piece around its middle that is also in the transaction.

    Parameters
    ----------
    data : bytes
        Data of a log.
    raw : bytes
        The signed transaction that emitted it.

    Returns
    -------
    Borrowed
        The rest, and the place of the piece; all of the data if no long enough piece is found.
    """
    if len(data) < _LEAST:
        return Borrowed(data)
    middle = (len(data) - _PROBE) // 2
    found = raw.find(data[middle : middle + _PROBE])
    if found < 0:
        return Borrowed(data)
    before = _common(data[:middle][::-1], raw[:found][::-1])
    length = before + _common(data[middle:], raw[found:])
    if length < _LEAST:
        return Borrowed(data)
    gap = middle - before
    return Borrowed(data[:gap] + data[gap + length :], gap, found - before, length)


def restore(kept: bytes, gap: int, piece: bytes | None) -> bytes:
    """Insert the piece again and return the data that was passed to `borrow`."""
    return kept if piece is None else kept[:gap] + piece + kept[gap:]


def _common(left: bytes, right: bytes) -> int:
    """Return the length of the longest common prefix."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        length = (low + high + 1) // 2
        if left[low:length] == right[low:length]:
            low = length
        else:
            high = length - 1
    return low

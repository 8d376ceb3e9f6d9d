"""Keeps the part of a log's data that stands in its own transaction once: the log says where it stands.

A posted batch is in the chain twice, as calldata and as the data of its event. What is sealed cannot be
compressed, so the event keeps the bytes around the payload and a reference to the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Borrowed", "borrow", "restore"]

#: Shorter data is kept whole: a reference would cost more reads than it saves bytes.
_LEAST = 512

#: Bytes looked for in the transaction; long enough to stand there once.
_PROBE = 64


@dataclass(frozen=True, slots=True)
class Borrowed:
    """Data with a piece taken out.

    Attributes
    ----------
    kept : bytes
        What is left of the data.
    gap : int
        Offset in `kept` at which the piece belongs, in bytes.
    start, length : int
        Where the piece stands in the transaction, in bytes; length 0 if nothing was taken out.
    """

    kept: bytes
    gap: int = 0
    start: int = 0
    length: int = 0


def borrow(data: bytes, raw: bytes) -> Borrowed:
    """Take out of a log's data the piece around its middle that stands in the transaction.

    Parameters
    ----------
    data : bytes
        Data of a log.
    raw : bytes
        The signed transaction that emitted it.

    Returns
    -------
    Borrowed
        The rest, and where the piece is; all of the data if nothing worth it is found.
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
    """Put a piece back: the data that `borrow` was given."""
    return kept if piece is None else kept[:gap] + piece + kept[gap:]


def _common(left: bytes, right: bytes) -> int:
    """Length of the longest common prefix."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        length = (low + high + 1) // 2
        if left[low:length] == right[low:length]:
            low = length
        else:
            high = length - 1
    return low

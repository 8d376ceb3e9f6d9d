"""Canonical JSON (RFC 8785): one byte string for one value, and refusal of every other spelling."""

from __future__ import annotations

import json
from typing import Any, Final

import rfc8785

from ledger.errors import VerificationError
from ledger.nesting import MOST_DEPTH, nesting

__all__ = ["MOST_BYTES", "dumps", "loads"]

#: Bytes of a document that is parsed; the largest, a mirror's manifest, takes 200 for each segment.
MOST_BYTES: Final = 16 * 2**20


def dumps(value: Any) -> bytes:
    """Serialise `value` as canonical JSON.

    Parameters
    ----------
    value : JSON value
        Integers beyond 2**53 and non-finite floats have no canonical form; write them as strings.

    Returns
    -------
    bytes
        UTF-8, keys sorted, no white space (RFC 8785).
    """
    return rfc8785.dumps(value)


def loads(data: bytes, *, what: str = "document") -> Any:
    """Parse canonical JSON, and nothing else.

    A flipped byte that still parses (white space, an escape, a duplicate key, another order) is refused,
    so that a document and its bytes stand for each other.

    Raises
    ------
    VerificationError
        When the bytes are not JSON, not the canonical form of what they say, or larger or deeper nested than
        any document is.
    """
    if len(data) > MOST_BYTES:
        raise VerificationError(f"the {what} is larger than {MOST_BYTES} bytes", got=f"{len(data)} bytes")
    if nesting(data) > MOST_DEPTH:
        raise VerificationError(f"the {what} is nested deeper than {MOST_DEPTH} levels")
    try:
        value = json.loads(data.decode("utf-8"))
        again = rfc8785.dumps(value)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise VerificationError(f"the {what} is not canonical JSON: {error}") from error
    if again != data:
        raise VerificationError(
            f"the {what} is not in canonical form (RFC 8785)",
            next_step="Use the file exactly as it was issued; do not reformat it.",
        )
    return value

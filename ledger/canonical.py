"""Canonical JSON (RFC 8785): each value has exactly one byte string; any other form is refused."""

from __future__ import annotations

import json
from typing import Any, Final

import rfc8785

from ledger.errors import VerificationError
from ledger.nesting import MOST_DEPTH, nesting

__all__ = ["MOST_BYTES", "dumps", "loads"]

#: Maximum size of a document in bytes; the largest, a mirror's manifest, has about 200 for each segment.
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
    """Parse canonical JSON; refuse any other form.

    JSON that differs from the canonical form (white space, an escape, a duplicate key, another order) is
    refused, so that a value has only one byte string.

    Raises
    ------
    VerificationError
        When the bytes are not JSON, not in canonical form, or exceed the limits of size or depth.
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
            next_step="Use the original file; do not edit or reformat it.",
        )
    return value

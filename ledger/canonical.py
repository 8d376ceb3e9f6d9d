"""Canonical JSON (RFC 8785): each value has exactly one byte string; any other form is refused."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import rfc8785

from ledger.errors import VerificationError
from ledger.nesting import MOST_DEPTH, nesting

__all__ = ["MOST_BYTES", "dumps", "loads"]

#: Maximum size of a document in bytes; the largest, a mirror's manifest, has about 200 for each segment.
MOST_BYTES: Final = 16 * 2**20

#: An integer that may be beyond 2**53.
_LONG: Final = re.compile(rb"[0-9]{16}")
#: A string, with its escapes.
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
#: The first bytes of characters beyond U+FFFF, of which RFC 8785 sorts the UTF-16 form.
_BEYOND_BMP: Final = tuple(bytes([first]) for first in range(0xF0, 0xF5))


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


def is_plain(data: bytes) -> bool:
    """Return whether JSON has only what every serialiser with sorted keys writes as RFC 8785 does.

    It may then be written by a serialiser in C. The delicate cases are fractions, integers beyond 2**53, and
    the order of keys with characters beyond U+FFFF.
    """
    if any(first in data for first in _BEYOND_BMP):
        return False
    numbers = _STRING.sub(b"", data).replace(b"true", b"").replace(b"false", b"")
    return not any(sign in numbers for sign in (b".", b"e", b"E")) and not _LONG.search(numbers)


def loads(data: bytes, *, what: str = "document", most_bytes: int = MOST_BYTES) -> Any:
    """Parse canonical JSON; refuse any other form.

    JSON that differs from the canonical form (white space, an escape, a duplicate key, another order) is
    refused, so that a value has only one byte string.

    Raises
    ------
    VerificationError
        When the bytes are not JSON, not in canonical form, or exceed the limits of size or depth.
    """
    if len(data) > most_bytes:
        raise VerificationError(f"the {what} is larger than {most_bytes} bytes", got=f"{len(data)} bytes")
    if nesting(data) > MOST_DEPTH:
        raise VerificationError(f"the {what} is nested deeper than {MOST_DEPTH} levels")
    try:
        value = json.loads(data.decode("utf-8"))
        again = _plain_dumps(value) if is_plain(data) else rfc8785.dumps(value)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:  # neither says more than the place
        raise VerificationError(f"the {what} is not canonical JSON: {error}") from None
    except (ValueError, RecursionError):  # the text of these errors may repeat a value
        raise VerificationError(
            f"the {what} is not canonical JSON: it has a number or a text without a canonical form"
        ) from None
    if again != data:
        raise VerificationError(
            f"the {what} is not in canonical form (RFC 8785)",
            next_step="Use the original file; do not edit or reformat it.",
        )
    return value


def _plain_dumps(value: Any) -> bytes:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()

"""Measure the nesting depth of a JSON document before it is parsed.

Python's JSON parser recurses in C. Some libraries for elliptic curves raise Python's recursion limit when
they are imported (py_ecc to 100,000; the embedded chain imports it). Then a document of opening brackets
overflows the stack, which does not raise an error but ends the process.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MOST_DEPTH", "nesting"]

#: Maximum depth; no document of the ledger has half of it.
MOST_DEPTH: Final = 100

_QUOTE_AND_BRACKETS: Final = b'"[]{}'
_OTHERS: Final = bytes(set(range(256)) - set(_QUOTE_AND_BRACKETS))
#: A run of strings, of opening or of closing brackets, after all other characters are removed. Possessive
#: (++), so that a document with only quotes causes no backtracking.
_RUN: Final = re.compile(rb'(?:"[^"]*")++|[\[{]+|[\]}]+')


def nesting(document: bytes) -> int:
    """Return the nesting depth of the arrays and objects in a JSON document.

    Parameters
    ----------
    document : bytes
        JSON in UTF-8. For other bytes the result has no meaning; the parser will refuse them.

    Returns
    -------
    int
        The greatest depth; counting stops above `MOST_DEPTH`.
    """
    if b"\\" in document:
        document = document.replace(b"\\\\", b"").replace(b'\\"', b"")
    depth = deepest = 0
    for run in _RUN.finditer(document.translate(None, _OTHERS)):
        first, last = run.span()
        kind = run.string[first]
        if kind in b"[{":
            depth += last - first
            deepest = max(deepest, depth)
            if deepest > MOST_DEPTH:
                return MOST_DEPTH + 1
        elif kind in b"]}":
            depth -= last - first
    return deepest

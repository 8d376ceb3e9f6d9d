"""How deep a JSON document is nested, found before it is parsed.

Python's JSON parser recurses in C. Libraries for elliptic curves raise Python's recursion limit when they are
imported (py_ecc to 100,000), and then a document of opening brackets overflows the stack: it does not raise,
it ends the process.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MOST_DEPTH", "nesting"]

#: Nothing that the ledger reads is nested half as deep.
MOST_DEPTH: Final = 100

_QUOTE_AND_BRACKETS: Final = b'"[]{}'
_OTHERS: Final = bytes(set(range(256)) - set(_QUOTE_AND_BRACKETS))
_STRING: Final = re.compile(rb'"[^"]*"')


def nesting(document: bytes) -> int:
    """Return how deep arrays and objects of a JSON document are nested.

    Parameters
    ----------
    document : bytes
        JSON in UTF-8, or anything else: then the number means nothing, and the parser says so.

    Returns
    -------
    int
        The greatest depth; counting stops above `MOST_DEPTH`.
    """
    if b"\\" in document:
        document = document.replace(b"\\\\", b"").replace(b'\\"', b"")
    depth = deepest = 0
    for bracket in _STRING.sub(b"", document.translate(None, _OTHERS)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > MOST_DEPTH:
            break
    return deepest

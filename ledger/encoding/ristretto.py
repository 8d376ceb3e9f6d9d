"""The group ristretto255 (RFC 9496) of libsodium, which is loaded on first use and leaves no file behind.

Scalars and elements have 32 bytes; libsodium does all arithmetic on secret scalars in constant time. Two
checks that it does not make are made here: the identity element is refused, and so are scalars that are zero
or not below the group's order.

`rbcl` contains libsodium as text. At each import it writes it to a new temporary file and does not delete it:
2.8 MB for every command and every worker process.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from ledger.errors import VerificationError
from ledger.storage import storing

__all__ = [
    "ELEMENT_SIZE",
    "ORDER",
    "SCALAR_SIZE",
    "ElementError",
    "add",
    "check_element",
    "check_scalar",
    "from_hash",
    "invert_scalar",
    "multiply",
    "multiply_base",
    "multiply_scalars",
    "random_scalar",
    "reduce_scalar",
    "subtract",
    "subtract_scalars",
]


#: Order of the group.
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
ELEMENT_SIZE: Final = 32
SCALAR_SIZE: Final = 32

_IDENTITY: Final = bytes(ELEMENT_SIZE)


class ElementError(VerificationError):
    """Raised when bytes are not a group element, or are the identity, or not a scalar of the group."""


@cache
def _sodium() -> ModuleType:
    """Load libsodium from a temporary folder that is deleted as soon as the library is mapped."""
    before = tempfile.tempdir
    with (
        storing(Path(os.environ.get("TMPDIR", "/tmp"))),  # noqa: S108 - only for the error message
        tempfile.TemporaryDirectory(prefix="counterfoil-") as folder,
    ):
        tempfile.tempdir = folder
        try:
            import rbcl
        finally:
            tempfile.tempdir = before
    module: ModuleType = rbcl
    return module


def multiply(scalar: bytes, element: bytes) -> bytes:
    """Multiply an element by a scalar; raise `RuntimeError` if the product is the identity."""
    product: bytes = _sodium().crypto_scalarmult_ristretto255(scalar, element)
    return product


def multiply_base(scalar: bytes) -> bytes:
    """Multiply the generator by a scalar; raise `RuntimeError` if the product is the identity."""
    product: bytes = _sodium().crypto_scalarmult_ristretto255_base(scalar)
    return product


def add(first: bytes, second: bytes) -> bytes:
    """Add two elements."""
    total: bytes = _sodium().crypto_core_ristretto255_add(first, second)
    return total


def subtract(first: bytes, second: bytes) -> bytes:
    """Subtract the second element from the first."""
    difference: bytes = _sodium().crypto_core_ristretto255_sub(first, second)
    return difference


def check_element(element: bytes, what: str = "the element") -> None:
    """Raise `ElementError` unless `element` is the canonical encoding of a point other than the identity."""
    if len(element) != ELEMENT_SIZE:
        raise ElementError(f"{what} has the wrong size", expected=ELEMENT_SIZE, got=len(element))
    if element == _IDENTITY:
        raise ElementError(f"{what} is the identity of the group")
    if not _sodium().crypto_core_ristretto255_is_valid_point(element):
        raise ElementError(f"{what} is not the canonical encoding of a group element", got=element)


def check_scalar(scalar: bytes, what: str = "the scalar") -> None:
    """Raise `ElementError` unless `scalar` is 32 bytes, little-endian, above zero and below the order."""
    if len(scalar) != SCALAR_SIZE or not 0 < int.from_bytes(scalar, "little") < ORDER:
        raise ElementError(f"{what} is not between 1 and the group order, 32 bytes little-endian")


def from_hash(digest: bytes) -> bytes:
    """Map 64 uniform bytes to an element of unknown discrete logarithm."""
    element: bytes = _sodium().crypto_core_ristretto255_from_hash(digest)
    return element


def random_scalar() -> bytes:
    """Return a random scalar above zero."""
    scalar: bytes = _sodium().crypto_core_ristretto255_scalar_random()
    return scalar


def reduce_scalar(digest: bytes) -> bytes:
    """Reduce 64 bytes modulo the group's order."""
    scalar: bytes = _sodium().crypto_core_ristretto255_scalar_reduce(digest)
    return scalar


def multiply_scalars(first: bytes, second: bytes) -> bytes:
    """Multiply two scalars modulo the group's order."""
    product: bytes = _sodium().crypto_core_ristretto255_scalar_mul(first, second)
    return product


def subtract_scalars(first: bytes, second: bytes) -> bytes:
    """Subtract the second scalar from the first modulo the group's order."""
    difference: bytes = _sodium().crypto_core_ristretto255_scalar_sub(first, second)
    return difference


def invert_scalar(scalar: bytes) -> bytes:
    """Invert a scalar modulo the group's order."""
    inverse: bytes = _sodium().crypto_core_ristretto255_scalar_invert(scalar)
    return inverse

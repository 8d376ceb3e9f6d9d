"""Shares of a secret scalar, of which a threshold gives it back (Shamir), with commitments (Feldman).

The secret is the constant term of a random polynomial of degree ``threshold - 1`` modulo the order of
ristretto255; the share of holder j is its value at j. The commitments are the coefficients times the
generator: whoever has them can check a share, and compute the public key of each share, without the secret.

Holders have the indices 1 to n, n is at most `MOST_HOLDERS`.

References
----------
.. [1] A. Shamir, How to share a secret, 1979.
.. [2] P. Feldman, A practical scheme for non-interactive verifiable secret sharing, 1987.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from math import lcm, prod
from typing import Final, NamedTuple

from ledger.encoding import ristretto
from ledger.encoding.ristretto import ORDER, SCALAR_SIZE, check_element, check_scalar
from ledger.errors import VerificationError

__all__ = [
    "MOST_HOLDERS",
    "Combination",
    "ShareError",
    "check_indices",
    "check_share",
    "check_threshold",
    "combination",
    "combined",
    "combined_scalars",
    "commitments",
    "polynomial",
    "share",
    "share_commitment",
    "sum_with",
    "threshold_of",
    "weights",
]

#: Maximum number of holders of one key.
MOST_HOLDERS: Final = 32

#: Additions that take as long as one multiplication and one addition.
_ADDITIONS: Final = 5

_ONE: Final = (1).to_bytes(SCALAR_SIZE, "little")
_IDENTITY: Final = bytes(ristretto.ELEMENT_SIZE)


class ShareError(VerificationError):
    """Raised when a share, or the public side of shares, is not what the commitments say."""


def check_threshold(threshold: int, count: int) -> None:
    """Raise `ShareError` unless ``1 <= threshold <= count <= MOST_HOLDERS``."""
    if not 1 <= threshold <= count <= MOST_HOLDERS:
        raise ShareError(
            f"{threshold} of {count} holders is not a threshold",
            expected=f"1 to n of n holders, n at most {MOST_HOLDERS}",
        )


def check_indices(indices: Sequence[int], count: int) -> None:
    """Raise `ShareError` unless the indices are of different holders 1 to `count`, in order, at least one."""
    if not indices or list(indices) != sorted({*indices} & {*range(1, count + 1)}):
        raise ShareError(f"the shares are not those of different holders 1 to {count}, in order")


def polynomial(
    threshold: int,
    constant: bytes | None = None,
    *,
    scalars: Callable[[], bytes] = ristretto.random_scalar,
) -> tuple[bytes, ...]:
    """Return the secret coefficients of a random polynomial, constant term first.

    Parameters
    ----------
    threshold : int
        Number of coefficients: as many shares give the constant term back.
    constant : bytes, optional
        The secret to share; random by default.
    scalars : callable
        The source of random scalars; give another one only for test vectors.
    """
    check_threshold(threshold, MOST_HOLDERS)
    if constant is None:
        constant = scalars()
    check_scalar(constant, "the secret to share")
    return (constant, *(scalars() for _ in range(threshold - 1)))


def share(coefficients: Sequence[bytes], index: int) -> bytes:
    """Return the share of a holder: the value of the polynomial at its index.

    Raises
    ------
    ElementError
        When the share is zero; with random coefficients this does not happen.
    """
    _check_index(index)
    total = 0
    for coefficient in reversed(coefficients):
        total = (total * index + int.from_bytes(coefficient, "little")) % ORDER
    value = total.to_bytes(SCALAR_SIZE, "little")
    check_scalar(value, f"the share of holder {index}")
    return value


def commitments(coefficients: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the public commitments of a polynomial, constant term first."""
    return tuple(map(ristretto.multiply_base, coefficients))


def share_commitment(committed: Sequence[bytes], index: int) -> bytes:
    """Return the public key of a holder's share, from the commitments of the polynomial.

    Raises
    ------
    ElementError
        When a commitment is not an element, or the share would be zero.
    """
    _check_index(index)
    for position, element in enumerate(committed):
        check_element(element, f"commitment {position}")
    powers = [pow(index, power, ORDER).to_bytes(SCALAR_SIZE, "little") for power in range(len(committed))]
    total = combined(powers, committed)
    check_element(total, f"the share commitment of holder {index}")
    return total


def check_share(value: bytes, index: int, committed: Sequence[bytes]) -> None:
    """Check a secret share against the commitments of the polynomial.

    Raises
    ------
    ShareError, ElementError
        When it is not the share of this holder.
    """
    check_scalar(value, f"the share of holder {index}")
    if ristretto.multiply_base(value) != share_commitment(committed, index):
        raise ShareError(f"the share of holder {index} does not agree with the dealer's commitments")


@lru_cache(1024)
def weights(indices: tuple[int, ...]) -> tuple[bytes, ...]:
    """Return Lagrange's coefficients at zero: the secret is the sum of the shares with these weights.

    Raises
    ------
    ShareError
        When an index is out of range, or occurs twice.
    """
    factors, divisor = combination(indices)
    inverse = pow(int.from_bytes(divisor, "little"), -1, ORDER)
    return tuple((factor * inverse % ORDER).to_bytes(SCALAR_SIZE, "little") for factor in factors)


def combined(factors: Sequence[bytes], elements: Sequence[bytes]) -> bytes:
    """Return the sum of elements, each multiplied by its factor; it can be the identity.

    Check the elements first: libsodium's addition does not say that something is no element.
    """
    products = (
        element if factor == _ONE else ristretto.multiply(factor, element)
        for factor, element in zip(factors, elements, strict=True)
    )
    total = next(products)
    for product in products:
        total = ristretto.add(total, product)
    return total


def combined_scalars(factors: Sequence[bytes], values: Sequence[bytes]) -> bytes:
    """Return the sum of scalars, each multiplied by its factor."""
    total = sum(
        int.from_bytes(factor, "little") * int.from_bytes(value, "little")
        for factor, value in zip(factors, values, strict=True)
    )
    return (total % ORDER).to_bytes(SCALAR_SIZE, "little")


class Combination(NamedTuple):
    """How elements are combined: their sum with these factors is `divisor` times too large.

    Parameters
    ----------
    factors : tuple of int
        Lagrange's coefficients, each multiplied by the divisor: small numbers, if the indices are small.
    divisor : bytes
        A scalar.
    """

    factors: tuple[int, ...]
    divisor: bytes


@lru_cache(1024)
def combination(indices: tuple[int, ...]) -> Combination:
    """Return how the elements of these holders are combined without a multiplication for each of them.

    Raises
    ------
    ShareError
        When an index is out of range, or occurs twice.
    """
    check_indices(sorted(indices), MOST_HOLDERS)
    fractions = []
    for index in indices:
        others = [other for other in indices if other != index]
        fractions.append(Fraction(prod(others), prod(other - index for other in others)))
    divisor = lcm(*(fraction.denominator for fraction in fractions))
    factors = tuple(int(fraction * divisor) for fraction in fractions)
    return Combination(factors, (divisor % ORDER).to_bytes(SCALAR_SIZE, "little"))


def sum_with(factors: Sequence[int], elements: Sequence[bytes]) -> bytes:
    """Return the sum of valid elements, each multiplied by its factor, a whole number that is not zero.

    Small factors need only additions: for three holders with the indices 1, 2 and 3 the sum is
    3 (a - b) + c, which takes four. Large ones are multiplied as usual.
    """
    sizes = sorted({abs(factor) for factor in factors}, reverse=True)
    bits = sizes[0].bit_length()
    additions = len(factors) - len(sizes) + bits - 2 + sum(size.bit_count() for size in sizes)
    if additions > _ADDITIONS * (len(factors) - 1):
        scalars = [(factor % ORDER).to_bytes(SCALAR_SIZE, "little") for factor in factors]
        return combined(scalars, elements)
    pairs = sorted(zip(factors, elements, strict=True), reverse=True)  # what is added is first
    sums = {size: _signed(_IDENTITY, (pair for pair in pairs if abs(pair[0]) == size)) for size in sizes}
    total = _IDENTITY
    for bit in reversed(range(bits)):
        if total != _IDENTITY:
            total = ristretto.add(total, total)
        total = _signed(total, (pair for pair in sums.items() if pair[0] >> bit & 1))
    return total


def _signed(total: bytes, pairs: Iterable[tuple[int, bytes]]) -> bytes:
    """Add each element whose number is above zero, and subtract the others."""
    for number, element in pairs:
        if number < 0:
            total = ristretto.subtract(total, element)
        else:
            total = element if total == _IDENTITY else ristretto.add(total, element)
    return total


@lru_cache(256)
def threshold_of(public_key: bytes, share_commitments: tuple[bytes, ...]) -> int:
    """Return how many shares give the key back, from the public side alone.

    Raises
    ------
    ShareError, ElementError
        When the shares are not those of one polynomial, or all of them together do not give the key.
    """
    count = len(share_commitments)
    check_threshold(1, count)
    for number, element in enumerate((public_key, *share_commitments)):
        check_element(element, f"the share commitment of holder {number}" if number else "the public key")
    for threshold in range(1, count + 1):
        # If each group of neighbours gives the key, all lie on one polynomial: two groups differ in one.
        groups = [tuple(range(first, first + threshold)) for first in range(1, count - threshold + 2)]
        made = (combined(weights(group), _of(share_commitments, group)) == public_key for group in groups)
        if next(made):
            if all(made):
                return threshold
            break
    raise ShareError("the share commitments are not those of one key", next_step="Audit the key ceremony.")


def _of(share_commitments: Sequence[bytes], indices: Sequence[int]) -> list[bytes]:
    return [share_commitments[index - 1] for index in indices]


def _check_index(index: int) -> None:
    if not 1 <= index <= MOST_HOLDERS:
        raise ShareError(f"{index} is not the index of a holder", expected=f"1 to {MOST_HOLDERS}")

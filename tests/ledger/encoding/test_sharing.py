"""Shares of a secret: any threshold of them give it back, fewer do not, and each can be checked in public."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding import ristretto, sharing
from ledger.encoding.ristretto import ORDER, ElementError
from ledger.encoding.sharing import MOST_HOLDERS, ShareError
from ledger.errors import VerificationError

IDENTITY = bytes(32)


@st.composite
def groups(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    """A threshold, a number of holders, and a subset of exactly the threshold, in any order."""
    count = draw(st.integers(1, 8))
    threshold = draw(st.integers(1, count))
    order = draw(st.permutations(range(1, count + 1)))
    return threshold, count, order[:threshold]


@settings(max_examples=40, deadline=None)
@given(groups())
def test_any_threshold_of_shares_gives_the_secret_and_its_public_key(
    group: tuple[int, int, list[int]],
) -> None:
    threshold, count, chosen = group
    secret = ristretto.random_scalar()
    coefficients = sharing.polynomial(threshold, secret)
    shares = [sharing.share(coefficients, index) for index in range(1, count + 1)]
    committed = sharing.commitments(coefficients)
    for index, share in enumerate(shares, start=1):
        sharing.check_share(share, index, committed)
    public = [sharing.share_commitment(committed, index) for index in range(1, count + 1)]
    assert public == [ristretto.multiply_base(share) for share in shares]
    weights = sharing.weights(tuple(chosen))
    assert sharing.combined_scalars(weights, [shares[index - 1] for index in chosen]) == secret
    assert sharing.combined(weights, [public[index - 1] for index in chosen]) == committed[0]
    assert sharing.threshold_of(committed[0], tuple(public)) == threshold
    fewer = chosen[:-1]
    if fewer:
        found = sharing.combined_scalars(sharing.weights(tuple(fewer)), [shares[i - 1] for i in fewer])
        assert found != secret


def test_fewer_shares_say_nothing_of_the_secret() -> None:
    """For two shares of three, each secret is possible: a polynomial through them and the secret exists."""
    coefficients = sharing.polynomial(3)
    known = {index: int.from_bytes(sharing.share(coefficients, index), "little") for index in (1, 2)}
    for secret in (1, 2, ORDER - 1):
        # through (0, secret), (1, a), (2, b): a polynomial of degree two, whose third share is a scalar
        third = (secret - 3 * known[1] + 3 * known[2]) % ORDER
        shares = [known[1], known[2], third]
        found = sharing.combined_scalars(
            sharing.weights((1, 2, 3)), [share.to_bytes(32, "little") for share in shares]
        )
        assert int.from_bytes(found, "little") == secret


def test_a_share_of_another_holder_or_another_dealing_is_refused() -> None:
    first, second = sharing.polynomial(2), sharing.polynomial(2)
    committed = sharing.commitments(first)
    for index, share in (
        (2, sharing.share(first, 1)),
        (1, sharing.share(second, 1)),
        (1, bytes([1] + [0] * 31)),
    ):
        with pytest.raises(ShareError, match=f"share of holder {index} does not agree"):
            sharing.check_share(share, index, committed)


@pytest.mark.parametrize("share", [bytes(32), ORDER.to_bytes(32, "little"), b"\x01", bytes(33)])
def test_a_share_has_one_spelling_and_is_not_zero(share: bytes) -> None:
    with pytest.raises(ElementError):
        sharing.check_share(share, 1, sharing.commitments(sharing.polynomial(2)))


def test_a_polynomial_with_a_root_at_a_holder_gives_no_share() -> None:
    minus_one = (ORDER - 1).to_bytes(32, "little")
    coefficients = (bytes([2]) + bytes(31), minus_one)  # 2 - x
    with pytest.raises(ElementError, match="share of holder 2"):
        sharing.share(coefficients, 2)
    with pytest.raises(ElementError, match="share commitment of holder 2 is the identity"):
        sharing.share_commitment(sharing.commitments(coefficients), 2)


@pytest.mark.parametrize("bad", [IDENTITY, b"\xff" * 32, b"short", ORDER.to_bytes(32, "little")])
def test_commitments_that_are_no_elements_are_refused(bad: bytes) -> None:
    good = sharing.commitments(sharing.polynomial(3))
    for position in range(3):
        with pytest.raises(ElementError, match=f"commitment {position}"):
            sharing.share_commitment((*good[:position], bad, *good[position + 1 :]), 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sharing.check_threshold(0, 3),
        lambda: sharing.check_threshold(4, 3),
        lambda: sharing.check_threshold(1, 0),
        lambda: sharing.check_threshold(1, MOST_HOLDERS + 1),
        lambda: sharing.polynomial(0),
        lambda: sharing.polynomial(MOST_HOLDERS + 1),
        lambda: sharing.polynomial(2, bytes(32)),
        lambda: sharing.polynomial(2, ORDER.to_bytes(32, "little")),
        lambda: sharing.share(sharing.polynomial(2), 0),
        lambda: sharing.share(sharing.polynomial(2), MOST_HOLDERS + 1),
        lambda: sharing.weights(()),
        lambda: sharing.weights((0, 1)),
        lambda: sharing.weights((1, 1)),
        lambda: sharing.weights((1, MOST_HOLDERS + 1)),
        lambda: sharing.check_indices([2, 1], 3),
        lambda: sharing.check_indices([1, 4], 3),
    ],
)
def test_what_is_out_of_range_is_refused(call: Any) -> None:
    with pytest.raises(VerificationError):
        call()


@pytest.mark.parametrize("where", range(5))
def test_share_commitments_of_several_polynomials_have_no_threshold(where: int) -> None:
    coefficients = sharing.polynomial(3)
    committed = sharing.commitments(coefficients)
    public = [sharing.share_commitment(committed, index) for index in range(1, 6)]
    assert sharing.threshold_of(committed[0], tuple(public)) == 3
    public[where] = ristretto.multiply_base(ristretto.random_scalar())
    with pytest.raises(ShareError, match="not those of one key"):
        sharing.threshold_of(committed[0], tuple(public))


def test_a_group_of_equal_shares_has_the_threshold_one() -> None:
    (secret,) = sharing.polynomial(1)
    public = ristretto.multiply_base(secret)
    assert {sharing.share((secret,), index) for index in range(1, 4)} == {secret}
    assert sharing.threshold_of(public, (public,) * 3) == 1


def test_the_weights_are_those_of_the_textbook() -> None:
    """3, -3, 1 for the first three; the weights of any group sum to one."""
    numbers = [int.from_bytes(weight, "little") for weight in sharing.weights((1, 2, 3))]
    assert numbers == [3, ORDER - 3, 1]
    for group in combinations(range(1, 7), 4):
        assert sum(int.from_bytes(weight, "little") for weight in sharing.weights(group)) % ORDER == 1

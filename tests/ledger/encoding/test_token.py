"""Match tokens: the same on both sides of a transfer, unlike everywhere else, and never guessable."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding.token import PairKeyError, match_token, own_key, pair_key
from ledger.errors import InputError

UETR = "97ed4827-7b6f-4491-a06f-b548d5a7512d"
TUPLE = ("acct:A:1", "acct:B:2", "EUR", 1_000_001, "2026-03-01")

private_keys = st.binary(min_size=32, max_size=32)
epochs = st.integers(0, 2**32)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
tuples = st.tuples(text, text, text, st.integers(-(10**20), 10**20), text)


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


@settings(max_examples=40)
@given(private_keys, private_keys, epochs, st.none() | st.uuids().map(str), tuples)
def test_both_banks_compute_the_same_token(
    one: bytes, other: bytes, epoch: int, uetr: str | None, fallback: tuple[str, str, str, int, str]
) -> None:
    mine, theirs = pair_key(one, public(other), epoch), pair_key(other, public(one), epoch)
    assert mine == theirs
    upper = None if uetr is None else uetr.upper()
    assert match_token(mine, uetr, fallback) == match_token(theirs, upper, fallback)


@settings(max_examples=40)
@given(st.lists(private_keys, min_size=3, max_size=3, unique_by=public), epochs, epochs)
def test_pairs_epochs_and_purposes_have_keys_of_their_own(keys: list[bytes], one: int, two: int) -> None:
    a, b, c = keys
    derived = [pair_key(a, public(b), one), pair_key(a, public(c), one), pair_key(b, public(c), one)]
    derived += [own_key(a, one), own_key(b, one)]
    if one != two:
        derived += [pair_key(a, public(b), two), own_key(a, two)]
    assert len(set(derived)) == len(derived)


def test_the_key_is_that_of_the_specification() -> None:
    """HKDF-SHA256 (RFC 5869) written out, over the X25519 secret of RFC 7748, section 6.1."""
    alice = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    alice_public = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    bob_public = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    secret = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    assert public(alice) == alice_public
    shared = X25519PrivateKey.from_private_bytes(alice).exchange(
        X25519PublicKey.from_public_bytes(bob_public)
    )
    assert shared == secret
    info = b"counterfoil/match-token/v1/pair\x00" + (3).to_bytes(8, "big") + alice_public + bob_public
    extracted = hmac.digest(bytes(32), secret, "sha256")
    assert pair_key(alice, bob_public, 3) == hmac.digest(extracted, info + b"\x01", "sha256")


def test_a_public_key_of_small_order_is_refused() -> None:
    for other in (bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f", b"short"):
        with pytest.raises(PairKeyError, match="key agreement with this public key failed"):
            pair_key(bytes(32), other, 1)


@given(tuples, tuples)
def test_different_transfers_have_different_tokens(
    one: tuple[str, str, str, int, str], two: tuple[str, str, str, int, str]
) -> None:
    """Also where the parts only join to the same text: the encoding keeps them apart."""
    assert (match_token(bytes(32), None, one) == match_token(bytes(32), None, two)) == (one == two)


def test_parts_cannot_flow_into_each_other() -> None:
    moved = ("acct:A:1a", "cct:B:2", "EUR", 1_000_001, "2026-03-01")
    assert match_token(bytes(32), None, moved) != match_token(bytes(32), None, TUPLE)
    key = sha256(b"another pair").digest()
    assert match_token(key, None, TUPLE) != match_token(bytes(32), None, TUPLE)


def test_a_uetr_alone_decides() -> None:
    later = (*TUPLE[:4], "2026-03-02")
    assert match_token(bytes(32), UETR, TUPLE) == match_token(bytes(32), f" {UETR.upper()} ", later)
    assert match_token(bytes(32), UETR, TUPLE) != match_token(bytes(32), None, TUPLE)
    assert len(match_token(bytes(32), UETR, TUPLE)) == 16


@pytest.mark.parametrize(
    "uetr", ["", "97ed4827", UETR.replace("-", ""), "{" + UETR + "}", UETR + "0", "g" + UETR[1:]]
)
def test_what_is_not_a_uetr_is_refused(uetr: str) -> None:
    with pytest.raises(InputError, match="not a UETR"):
        match_token(bytes(32), uetr, TUPLE)

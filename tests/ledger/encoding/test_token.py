"""Match tokens: the same on both sides of a transfer, unlike everywhere else, and never guessable.

The opening of a token shows this token for this UETR, and nothing else.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding.token import (
    Fallback,
    PairKeyError,
    TokenError,
    match_token,
    open_token,
    own_key,
    pair_key,
    token_kind,
    token_opening,
)
from ledger.errors import InputError
from ledger.schema import TokenKind

UETR = "97ed4827-7b6f-4491-a06f-b548d5a7512d"
TUPLE = ("acct:A:1", "acct:B:2", "EUR", 1_000_001)
KEY = sha256(b"pair").digest()

#: Every point of small order on Curve25519 and its twist, and their encodings above the prime (RFC 7748, 7).
PRIME = 2**255 - 19
SMALL_ORDER = [
    *(0, 1, PRIME - 1, PRIME, PRIME + 1),
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
]

private_keys = st.binary(min_size=32, max_size=32)
epochs = st.integers(0, 2**32)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
tuples = st.tuples(text, text, text, st.integers(-(10**20), 10**20))
uetrs = st.uuids().map(str)


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


@settings(max_examples=40)
@given(private_keys, private_keys, epochs, st.none() | st.uuids().map(str), tuples)
def test_both_banks_compute_the_same_token(
    one: bytes, other: bytes, epoch: int, uetr: str | None, fallback: Fallback
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
    info = b"counterfoil/match-token/v2/pair\x00" + (3).to_bytes(8, "big") + alice_public + bob_public
    extracted = hmac.digest(bytes(32), secret, "sha256")
    assert pair_key(alice, bob_public, 3) == hmac.digest(extracted, info + b"\x01", "sha256")


@pytest.mark.parametrize("top", [0, 1])
@pytest.mark.parametrize("number", SMALL_ORDER)
def test_a_public_key_of_small_order_is_refused(number: int, top: int) -> None:
    """With such a key anyone could compute the tokens; the top bit of an encoding is ignored."""
    with pytest.raises(PairKeyError, match="key agreement with this public key failed"):
        pair_key(KEY, (number + top * 2**255).to_bytes(32, "little"), 1)


def test_a_public_key_of_another_size_is_refused() -> None:
    with pytest.raises(PairKeyError, match="key agreement with this public key failed"):
        pair_key(KEY, b"short", 1)


@given(tuples, tuples)
def test_different_transfers_have_different_tokens(one: Fallback, two: Fallback) -> None:
    """Also where the parts only join to the same text: the encoding keeps them apart."""
    assert (match_token(bytes(32), None, one) == match_token(bytes(32), None, two)) == (one == two)


def test_parts_cannot_flow_into_each_other() -> None:
    moved = ("acct:A:1a", "cct:B:2", "EUR", 1_000_001)
    assert match_token(bytes(32), None, moved) != match_token(bytes(32), None, TUPLE)
    key = sha256(b"another pair").digest()
    assert match_token(key, None, TUPLE) != match_token(bytes(32), None, TUPLE)


def test_a_uetr_alone_decides() -> None:
    other = (*TUPLE[:3], 5)
    assert match_token(bytes(32), UETR, TUPLE) == match_token(bytes(32), f" {UETR.upper()} ", other)
    assert match_token(bytes(32), UETR, TUPLE) != match_token(bytes(32), None, TUPLE)
    assert len(match_token(bytes(32), UETR, TUPLE)) == 16


@pytest.mark.parametrize(
    "uetr", ["", "97ed4827", UETR.replace("-", ""), "{" + UETR + "}", UETR + "0", "g" + UETR[1:]]
)
def test_what_is_not_a_uetr_is_refused(uetr: str) -> None:
    for function in (match_token, token_opening):
        with pytest.raises(InputError, match="not a UETR") as caught:
            function(bytes(32), uetr, TUPLE)
        assert not uetr or uetr not in str(caught.value)
    with pytest.raises(TokenError, match="not a UETR"):
        open_token(bytes(32), uetr)


def sized(text: str) -> bytes:
    return len(text.encode()).to_bytes(4, "big") + text.encode()


@pytest.mark.parametrize("uetr", [UETR, None])
def test_the_token_is_that_of_the_specification(uetr: str | None) -> None:
    message = b"counterfoil/match-token/v2/"
    if uetr:
        message += b"uetr\x00" + uetr.encode()
    else:
        message += b"tuple\x00" + sized("acct:A:1") + sized("acct:B:2") + sized("EUR") + sized("1000001")
    opening = hmac.digest(KEY, b"counterfoil/match-token/v2/mac\x00" + message, "sha256")
    token = sha256(b"counterfoil/match-token/v2/open\x00" + opening + message).digest()[:16]
    assert token_opening(KEY, uetr, TUPLE) == opening
    assert match_token(KEY, uetr, TUPLE) == token


def test_tokens_stay_what_they_were() -> None:
    assert (
        token_opening(KEY, UETR, TUPLE).hex()
        == "b659ed55fe5fc40ccb4e2e657c28f4cfd3a4bb06d17655284b83745abd3332f0"
    )
    assert match_token(KEY, UETR, TUPLE).hex() == "e974b7c719d6854beac910133c0c7ce0"
    assert match_token(KEY, None, TUPLE).hex() == "ce333b30bca76455672f60bc4f5fde2e"


def test_the_kind_names_what_the_token_is_of() -> None:
    assert token_kind(UETR, shared=True) is TokenKind.UETR
    assert token_kind(None, shared=True) is TokenKind.TUPLE
    assert token_kind(UETR, shared=False) is token_kind(None, shared=False) is TokenKind.OWN


@given(private_keys, uetrs, tuples)
def test_an_opening_gives_its_token_without_the_key(key: bytes, uetr: str, fallback: Fallback) -> None:
    assert open_token(token_opening(key, uetr, fallback), uetr) == match_token(key, uetr, fallback)


@given(private_keys, uetrs, uetrs)
def test_an_opening_shows_no_other_uetr(key: bytes, uetr: str, other: str) -> None:
    """A bank opens the token of one payment and names another one."""
    shown = open_token(token_opening(key, uetr, TUPLE), other)
    assert (shown == match_token(key, uetr, TUPLE)) == (uetr == other)


def test_an_opening_of_another_pair_or_epoch_does_not_show_a_token() -> None:
    one, two, three = (sha256(name).digest() for name in (b"one", b"two", b"three"))
    token = match_token(pair_key(one, public(two), 1), UETR, TUPLE)
    for key in (pair_key(one, public(two), 2), pair_key(one, public(three), 1), own_key(one, 1)):
        assert open_token(token_opening(key, UETR, TUPLE), UETR) != token


def test_the_opening_of_a_token_without_uetr_shows_no_uetr() -> None:
    token = match_token(KEY, None, TUPLE)
    assert open_token(token_opening(KEY, None, TUPLE), UETR) != token


@given(st.integers(0, 255))
def test_a_changed_opening_shows_nothing(bit: int) -> None:
    changed = int.from_bytes(token_opening(KEY, UETR, TUPLE), "big") ^ (1 << bit)
    assert open_token(changed.to_bytes(32, "big"), UETR) != match_token(KEY, UETR, TUPLE)


def test_an_opening_is_of_no_use_as_a_key_or_for_another_token() -> None:
    """Whoever holds the opening of one payment cannot compute the token of the next one from it."""
    following = "b6f1a1f4-1d1c-4c1e-9e21-5e2f8c0c7f10"
    opening = token_opening(KEY, UETR, TUPLE)
    wanted = match_token(KEY, following, TUPLE)
    assert wanted not in (open_token(opening, following), match_token(opening, following, TUPLE))
    assert token_opening(KEY, following, TUPLE) != token_opening(opening, following, TUPLE)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_an_opening_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(TokenError, match="wrong size"):
        open_token(bytes(size), UETR)


def test_a_uetr_is_opened_only_as_it_is_committed() -> None:
    for spelling in (UETR.upper(), f" {UETR}", f"{UETR}\n", UETR.replace("9", "٩")):
        with pytest.raises(TokenError, match="lower case"):
            open_token(token_opening(KEY, UETR, TUPLE), spelling)

"""Accounts and signed texts, against eth_account: the same addresses, signatures and refusals."""

from __future__ import annotations

import pytest
from coincurve import PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.signing import (
    AccountSigner,
    address_of,
    as_signer,
    canonical_signature,
    new_key,
    public_point_address,
    recover_address,
    sign_digest,
    sign_text,
    text_digest,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

keys = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
words = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.sampled_from([0, 1, ORDER // 2, ORDER // 2 + 1, ORDER - 1, ORDER, ORDER + 1, 2**256 - 1]).map(
        lambda number: number.to_bytes(32, "big")
    ),
)


def recovered_by_the_oracle(text: str, signature: bytes) -> str | None:
    """Return what eth_account recovers, None where it refuses."""
    try:
        return str(Account.recover_message(encode_defunct(text=text), signature=signature))
    except Exception:
        return None


def recovered(text: str, signature: bytes) -> str | None:
    """Return what we recover, None where we refuse."""
    try:
        return recover_address(text, signature)
    except VerificationError:
        return None


@given(keys, texts)
def test_addresses_and_signatures_are_those_of_eth_account(key: bytes, text: str) -> None:
    assert address_of(key) == Account.from_key(key).address
    signed = Account.sign_message(encode_defunct(text=text), key)
    assert text_digest(text) == bytes(signed.message_hash)
    assert sign_text(text, key) == bytes(signed.signature)
    assert recover_address(text, sign_text(text, key)) == address_of(key)


@given(texts, words, words, st.integers(0, 255))
def test_any_65_bytes_recover_to_what_eth_account_recovers(text: str, r: bytes, s: bytes, v: int) -> None:
    signature = r + s + bytes([v])
    assert recovered(text, signature) == recovered_by_the_oracle(text, signature)


@given(keys, texts, st.integers(0, 255))
def test_every_v_and_both_values_of_s_are_read_as_eth_account_reads_them(
    key: bytes, text: str, v: int
) -> None:
    signature = sign_text(text, key)
    low = int.from_bytes(signature[32:64], "big")
    for s in (low, ORDER - low):
        other = signature[:32] + s.to_bytes(32, "big") + bytes([v])
        assert recovered(text, other) == recovered_by_the_oracle(text, other)


@given(keys, texts, st.binary(max_size=80).filter(lambda data: len(data) != 65))
def test_other_lengths_are_refused(key: bytes, text: str, data: bytes) -> None:
    for signature in (data, sign_text(text, key)[:-1], sign_text(text, key) + b"\x00"):
        assert recovered_by_the_oracle(text, signature) is None
        with pytest.raises(VerificationError, match="a signature has 65 bytes, not"):
            recover_address(text, signature)


@given(keys, texts, texts)
def test_another_text_recovers_to_another_account(key: bytes, text: str, other: str) -> None:
    signer = recovered(other, sign_text(text, key))
    assert (signer == address_of(key)) == (text == other)


def test_a_signature_that_is_none_says_why() -> None:
    with pytest.raises(VerificationError, match="v is 29, which is none of 0, 1, 27, 28, and 35 or more"):
        recover_address("text", bytes(64) + b"\x1d")
    with pytest.raises(VerificationError, match="does not recover to a public key"):
        recover_address("text", bytes(64) + b"\x1b")


def test_new_keys_differ_and_make_accounts() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert {len(key) for key in made} == {32}
    assert {Account.from_key(key).address for key in made} == {address_of(key) for key in made}


class Token:
    """What a token does: it signs with any value of s, and tells no v."""

    def __init__(self, key: bytes, *, high: bool) -> None:
        self.address, self._key, self._high = address_of(key), key, high

    def sign_digest(self, digest: bytes) -> bytes:
        pair = sign_digest(digest, self._key)[:64]
        s = int.from_bytes(pair[32:], "big")
        if self._high:
            pair = pair[:32] + (ORDER - s).to_bytes(32, "big")
        return canonical_signature(digest, pair, self.address)


@given(keys, st.binary(min_size=32, max_size=32), st.booleans())
def test_the_two_numbers_of_a_token_become_the_signature_of_the_account(
    key: bytes, digest: bytes, high: bool
) -> None:
    token = Token(key, high=high)
    assert isinstance(token, AccountSigner)
    assert as_signer(token) is token
    assert sign_digest(digest, token) == as_signer(key).sign_digest(digest)
    assert address_of(token) == Account.from_key(key).address


@given(keys, keys, st.binary(min_size=32, max_size=32))
def test_a_signature_of_another_account_is_refused(key: bytes, other: bytes, digest: bytes) -> None:
    assume(key != other)
    with pytest.raises(VerificationError, match="not one of the account"):
        canonical_signature(digest, sign_digest(digest, other)[:64], address_of(key))


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (b"", "64 bytes, not 0"),
        (bytes(65), "64 bytes, not 65"),
        (bytes(64), "not one of the account"),
        (b"\xff" * 64, "not one of the account"),
        (b"\x01" * 32 + ORDER.to_bytes(32, "big"), "not one of the account"),
    ],
)
def test_numbers_that_are_no_signature_are_refused(pair: bytes, told: str) -> None:
    with pytest.raises(VerificationError, match=told):
        canonical_signature(bytes(32), pair, address_of(b"\1" * 32))


@given(keys, st.booleans())
def test_the_address_of_a_point_is_that_of_its_key(key: bytes, compressed: bool) -> None:
    point = PublicKey.from_secret(key).format(compressed=compressed)
    assert public_point_address(point) == Account.from_key(key).address

"""Accounts and signed texts, against eth_account: the same addresses, signatures and refusals."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.signing import address_of, new_key, recover_address, sign_text, text_digest

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

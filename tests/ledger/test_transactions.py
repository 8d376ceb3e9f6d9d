"""Signed transactions: the bytes are those of eth_account, whoever holds the key."""

from __future__ import annotations

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st

from ledger.gateway.transactions import sign_transaction
from ledger.signing import as_signer

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

keys = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
amounts = st.integers(0, 2**64 - 1)
calls = st.fixed_dictionaries(
    {
        "to": st.binary(min_size=20, max_size=20),
        "data": st.binary(max_size=300),
        "value": amounts,
        "nonce": st.integers(0, 2**63),
        "chainId": st.integers(1, 2**63),
        "gas": st.integers(21_000, 2**40),
        "maxFeePerGas": amounts,
        "maxPriorityFeePerGas": amounts,
    }
)


@given(keys, calls)
def test_a_transaction_has_the_bytes_of_eth_account(key: bytes, call: dict[str, object]) -> None:
    expected = Account.sign_transaction(dict(call), key)
    for signer in (key, as_signer(key)):
        made = sign_transaction(call, signer)
        assert made.raw == bytes(expected.raw_transaction)
        assert made.hash == bytes(expected.hash)
        assert made.nonce == call["nonce"]


@given(keys, calls)
def test_the_account_is_recovered_from_the_transaction(key: bytes, call: dict[str, object]) -> None:
    raw = sign_transaction(call, key).raw
    assert Account.recover_transaction(HexBytes(raw)) == Account.from_key(key).address
    read = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    assert {name: read[name] for name in ("nonce", "chainId", "gas", "value")} == {
        name: call[name] for name in ("nonce", "chainId", "gas", "value")
    }

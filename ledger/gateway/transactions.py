"""Transactions of type 2 (EIP-1559), signed by an account whose key may be on a token.

`eth_account` builds and encodes them. It signs only with keys in memory, so the digest goes to the account's
signer instead; with a key in memory the bytes are those of ``eth_account.Account.sign_transaction``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eth_account.typed_transactions.typed_transaction import TypedTransaction

from ledger.gateway.records import SignedTransaction
from ledger.signing import AccountKey, as_signer, keccak256

__all__ = ["sign_transaction"]

#: A signature's v is the parity, 0 or 1, plus this; a transaction of type 2 has the parity alone.
_PARITY: Final = 27


def sign_transaction(fields: Mapping[str, Any], key: AccountKey) -> SignedTransaction:
    """Return a signed transaction.

    Parameters
    ----------
    fields : mapping
        As for ``eth_account.Account.sign_transaction``: to, data, value, nonce, chainId, gas, maxFeePerGas,
        maxPriorityFeePerGas.
    key : AccountKey
    """
    unsigned = {**fields, "type": 2, "accessList": ()}
    signature = as_signer(key).sign_digest(bytes(TypedTransaction.from_dict(unsigned).hash()))
    signed = {
        **unsigned,
        "v": signature[64] - _PARITY,
        "r": int.from_bytes(signature[:32], "big"),
        "s": int.from_bytes(signature[32:64], "big"),
    }
    raw = bytes(TypedTransaction.from_dict(signed).encode())
    return SignedTransaction(raw, keccak256(raw), int(fields["nonce"]))

"""Checks a raw transaction before it is executed; the errors say what to change.

A node with a transaction pool keeps transactions that cannot be mined yet. This chain has no pool and mines
at once, so it refuses a transaction that cannot be mined now; it would block its sender's nonce.
"""

from __future__ import annotations

from eth.abc import SignedTransactionAPI, StateAPI
from eth.vm.forks.prague import PragueVM
from eth_hash.auto import keccak

from localchain.errors import InvalidParamsError, TransactionRefusedError

__all__ = ["calldata_floor", "check", "decode"]

_GAS_TRANSACTION = 21_000
_GAS_PER_TOKEN = 10
_TOKENS_PER_NONZERO_BYTE = 4

#: Legacy, access list, dynamic fee. Blobs and delegations have no use on this chain.
_TYPES = {None, 1, 2}

_AS_SIGNED = "Send the bytes that the signing library returned, unchanged."


def calldata_floor(data: bytes) -> int:
    """Compute the minimum gas limit of a transaction with this calldata.

    Parameters
    ----------
    data : bytes
        Calldata, or creation code.

    Returns
    -------
    int
        Gas.

    References
    ----------
    EIP-7623, "Increase calldata cost".
    """
    zeros = data.count(0)
    tokens = zeros + _TOKENS_PER_NONZERO_BYTE * (len(data) - zeros)
    return _GAS_TRANSACTION + _GAS_PER_TOKEN * tokens


def decode(raw: bytes, *, chain_id: int, most_gas: int) -> SignedTransactionAPI:
    """Decode a signed transaction and check everything that does not depend on the state.

    Parameters
    ----------
    raw : bytes
        The transaction, as passed to `eth_sendRawTransaction`.
    chain_id : int
        Identifier of this chain.
    most_gas : int
        Largest gas limit of a transaction.

    Returns
    -------
    SignedTransactionAPI
        The transaction; its signature is valid.

    Raises
    ------
    InvalidParamsError
        If the bytes are not a transaction, or not in the canonical encoding.
    TransactionRefusedError
        If this chain cannot mine the transaction because of its type, chain id, gas limit or signature.
    """
    try:
        transaction = PragueVM.get_transaction_builder().decode(raw)
        canonical = transaction.hash == keccak(raw)
        type_id = transaction.type_id
        own_chain_id = transaction.chain_id
    except Exception as problem:  # py-evm raises a dozen unrelated kinds for bytes that are no transaction
        raise InvalidParamsError(f"not a signed transaction: {problem}", next_step=_AS_SIGNED) from problem
    if not canonical:
        raise InvalidParamsError(
            "not a signed transaction: the encoding is not canonical", next_step=_AS_SIGNED
        )
    if type_id not in _TYPES:
        raise TransactionRefusedError(
            f"transaction type {type_id} is not supported", next_step="Use type 2, 1 or legacy."
        )
    if own_chain_id != chain_id:
        named = "no chain" if own_chain_id is None else f"chain {own_chain_id}"
        raise TransactionRefusedError(
            f"invalid chain id: signed for {named}, this is chain {chain_id}",
            next_step="Sign it for this chain, or send it to the other one.",
        )
    needed = max(transaction.intrinsic_gas, calldata_floor(transaction.data))
    if transaction.gas < needed:
        raise TransactionRefusedError(
            f"intrinsic gas too low: have {transaction.gas}, want at least {needed} "
            "(21,000 + 40 for each nonzero and 10 for each zero byte of data, EIP-7623)",
            next_step="Sign it again with a higher gas limit.",
        )
    if transaction.gas > most_gas:
        raise TransactionRefusedError(
            f"exceeds the gas limit of a transaction: have {transaction.gas}, limit {most_gas} (EIP-7825)",
            next_step="Sign it again with a lower gas limit, or split it.",
        )
    try:
        transaction.validate()
        transaction.check_signature_validity()
    except Exception as problem:  # see above
        raise TransactionRefusedError(
            f"invalid signature or fields: {problem}", next_step="Check its fields and sign it again."
        ) from problem
    return transaction


def check(transaction: SignedTransactionAPI, state: StateAPI) -> None:
    """Check sender, nonce, fee and funds against the state on which the transaction would run.

    Parameters
    ----------
    transaction : SignedTransactionAPI
        A decoded transaction.
    state : StateAPI
        State before the transaction, inside the block that is being built.

    Raises
    ------
    TransactionRefusedError
        If the transaction cannot be mined now.
    """
    sender = transaction.sender
    nonce = state.get_nonce(sender)
    if transaction.nonce != nonce:
        word = "low" if transaction.nonce < nonce else "high"
        raise TransactionRefusedError(
            f"nonce too {word}: next nonce {nonce}, tx nonce {transaction.nonce} (0x{sender.hex()})",
            next_step="Sign it again with the next nonce, as eth_getTransactionCount says it.",
        )
    base_fee = state.base_fee
    if transaction.max_fee_per_gas < base_fee:
        raise TransactionRefusedError(
            f"max fee per gas less than block base fee: {transaction.max_fee_per_gas} < {base_fee}",
            next_step="Sign it again with a higher maxFeePerGas.",
        )
    balance = state.get_balance(sender)
    cost = transaction.value + transaction.gas * transaction.max_fee_per_gas
    if balance < cost:
        raise TransactionRefusedError(
            f"insufficient funds for gas * price + value: 0x{sender.hex()} has {balance}, wants {cost}",
            next_step="Fund the account from the faucet.",
        )
    if state.get_code(sender):
        raise TransactionRefusedError(
            f"sender 0x{sender.hex()} is a contract", next_step="Send it from an account without code."
        )

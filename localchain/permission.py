"""Who may do what on the embedded chain: only contracts of known deployers exist, and only they are called.

The faucet is the root. Its key is in the chain's folder, which only the operator can read. Everything else
follows from the chain itself, so it is the same after a restart and in a backup:

- An account is known if it has ether, because only the faucet may send ether to an account.
- An account is a deployer if the faucet sent it `DEPLOYER` as calldata.
- A contract is known because it exists: only the faucet and deployers may create one.
"""

from __future__ import annotations

from eth.abc import SignedTransactionAPI, StateAPI

from localchain.errors import TransactionRefusedError
from localchain.index import Index

__all__ = ["DEPLOYER", "check", "made_deployer"]

#: Calldata of the faucet's transfer that lets an account create contracts.
DEPLOYER = b"counterfoil/deployer/1"


def check(transaction: SignedTransactionAPI, state: StateAPI, *, faucet: bytes, index: Index) -> None:
    """Check that the sender may make this transaction.

    Parameters
    ----------
    transaction : SignedTransactionAPI
        A transaction whose signature was checked.
    state : StateAPI
        State before the transaction.
    faucet : bytes
        Address of the chain's faucet.
    index : Index
        The mined transactions.

    Raises
    ------
    TransactionRefusedError
        If it creates a contract and the sender is no deployer, or if it is for an account that is no
        contract and the sender is not the faucet.
    """
    if transaction.sender == faucet:
        return
    if not transaction.to:
        if not index.is_deployer(transaction.sender):
            raise TransactionRefusedError(
                f"0x{transaction.sender.hex()} may not create contracts on this chain",
                next_step="Ask the operator to let the chain's faucet fund the account as a deployer.",
            )
    elif not state.get_code(transaction.to):
        raise TransactionRefusedError(
            f"0x{transaction.to.hex()} is not a contract of a consortium on this chain",
            next_step="Check the address of the contract. Only the faucet sends ether to accounts.",
        )


def made_deployer(transaction: SignedTransactionAPI, faucet: bytes) -> bytes | None:
    """Return the account that a transaction makes a deployer, or None."""
    permits = transaction.sender == faucet and transaction.to and transaction.data == DEPLOYER
    return bytes(transaction.to) if permits else None

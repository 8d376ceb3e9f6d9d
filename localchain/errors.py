"""Errors of the embedded chain, with the JSON-RPC error code of each.

This package may not import `ledger`, so its errors do not derive from those of `ledger`; they have the same
attributes `what` and `next_step`.
"""

from __future__ import annotations

import math

__all__ = [
    "AllowanceUsedError",
    "BackupError",
    "CallRevertedError",
    "ChainInUseError",
    "DamagedChainError",
    "InvalidParamsError",
    "LocalChainError",
    "RpcError",
    "TooMuchDataError",
    "TransactionRefusedError",
    "WrongGenesisError",
]


class LocalChainError(Exception):
    """Base class of the errors of this package.

    Parameters
    ----------
    what : str
        What happened, as a sentence without its full stop.
    next_step : str
        What the reader can do about it, as sentences.
    """

    def __init__(self, what: str, *, next_step: str) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.what}. {self.next_step}"


class ChainInUseError(LocalChainError):
    """Raised when another process serves this chain, because two writers would damage it."""


class WrongGenesisError(LocalChainError):
    """Raised when a stored chain has another chain id or a format that this version does not read."""


class BackupError(LocalChainError):
    """Raised when a backup cannot be made, is not valid, or would replace an existing chain."""


class DamagedChainError(LocalChainError):
    """Raised when a chain's file is incomplete: a block, a transaction or a part of the state is missing."""


class RpcError(LocalChainError):
    """Raised when a request cannot be answered; becomes a JSON-RPC error object.

    References
    ----------
    JSON-RPC 2.0, section 5.1; EIP-1474, "Error codes".
    """

    code = -32603
    data: str | dict[str, int] | None = None


class InvalidParamsError(RpcError):
    """Raised when the parameters of a request do not fit its method."""

    code = -32602

    def __init__(
        self, what: str, *, next_step: str = "Correct the request; see the Ethereum JSON-RPC specification."
    ) -> None:
        super().__init__(what, next_step=next_step)


class TooMuchDataError(RpcError):
    """Raised when an answer would be too large; the client should request fewer blocks."""

    code = -32005


class TransactionRefusedError(RpcError):
    """Raised when a transaction cannot be mined; it changed nothing."""

    code = -32000


class AllowanceUsedError(RpcError):
    """Raised when an account used up what it may use now; the transaction changed nothing.

    The error object's data is ``{"retryAfterSeconds": n}``.

    Parameters
    ----------
    account : bytes
        The account, 20 bytes.
    seconds : float
        Time until it may send again.
    """

    code = -32005

    def __init__(self, account: bytes, seconds: float) -> None:
        wait = max(1, math.ceil(seconds))
        super().__init__(
            f"0x{account.hex()} has used up its share of this chain for now",
            next_step=f"Send the same transaction again in {wait} s.",
        )
        self.data = {"retryAfterSeconds": wait}


class CallRevertedError(RpcError):
    """Raised when a contract reverts a call.

    Parameters
    ----------
    what : str
        What happened.
    output : bytes
        The contract's own error, ABI-encoded.
    """

    code = 3

    def __init__(self, what: str, output: bytes) -> None:
        super().__init__(what, next_step="Decode the error's data with the contract's ABI.")
        self.data = "0x" + output.hex()

    def __str__(self) -> str:
        return self.what  # clients compare it with what other nodes say

"""Errors of the embedded chain: what happened, and the JSON-RPC code it is answered with.

The room stands beside `ledger` and may not import it, so these do not descend from its errors; they carry the
same `what` and `next_step`.
"""

from __future__ import annotations

__all__ = [
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
    """Root of the errors of this room.

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
    """Raised when another process serves this chain: two writers would tear it apart."""


class WrongGenesisError(LocalChainError):
    """Raised when a stored chain is not the one asked for, or not of a format this version reads."""


class BackupError(LocalChainError):
    """Raised when a backup cannot be made, is not one, or would replace a chain that is there."""


class DamagedChainError(LocalChainError):
    """Raised when a chain's file is not whole: a block, a transaction or a part of the state is missing."""


class RpcError(LocalChainError):
    """Raised when a request cannot be answered; becomes a JSON-RPC error object.

    References
    ----------
    JSON-RPC 2.0, section 5.1; EIP-1474, "Error codes".
    """

    code = -32603
    data: str | None = None


class InvalidParamsError(RpcError):
    """Raised when the parameters of a request are not what its method takes."""

    code = -32602

    def __init__(
        self, what: str, *, next_step: str = "Correct the request; see the Ethereum JSON-RPC specification."
    ) -> None:
        super().__init__(what, next_step=next_step)


class TooMuchDataError(RpcError):
    """Raised when an answer would be too large to build; ask for fewer blocks."""

    code = -32005


class TransactionRefusedError(RpcError):
    """Raised when a transaction could never be mined as it stands; nothing was changed by it."""

    code = -32000


class CallRevertedError(RpcError):
    """Raised when a contract refuses a call.

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

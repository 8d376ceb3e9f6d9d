"""The errors of Counterfoil; each says what happened, where, and what to do next.

`CounterfoilError` is the base class. `InputError` is for wrong input from a person or a file,
`ConfigurationError` for the state folder and its settings, `ChainError` for the JSON-RPC node, and
`VerificationError` for a proof that is not valid. Verification raises an error; it never returns a bool.
"""

from __future__ import annotations

__all__ = [
    "ChainError",
    "ChainUnreachableError",
    "ConfigurationError",
    "CounterfoilError",
    "InputError",
    "KeyHolderError",
    "QuotaExceededError",
    "TransactionRejectedError",
    "VerificationError",
    "WrongChainError",
]


class CounterfoilError(Exception):
    """Base class of the errors that are shown to a user.

    Parameters
    ----------
    what : str
        What happened: a sentence without a full stop.
    where : str, optional
        File, line, field, batch or block, as precisely as it is known.
    next_step : str, optional
        What the reader can do about it.
    """

    #: Exit code of the command line: 2 for wrong usage or input, 1 for a failed check.
    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.what} ({self.where})"
        return text if self.next_step is None else f"{text}. {self.next_step}"


class InputError(CounterfoilError):
    """Raised when a file, a row or an argument cannot be used as it is."""


class ConfigurationError(CounterfoilError):
    """Raised when the state folder or a setting is missing or unreadable, or contradicts the chain."""


class ChainError(CounterfoilError):
    """Raised when the chain's node does not answer, or answers with an error or an invalid response."""


class ChainUnreachableError(ChainError):
    """Raised when no JSON-RPC node answers at the endpoint."""


class WrongChainError(ChainError):
    """Raised when the endpoint serves a chain or a consortium other than the configured one."""


class TransactionRejectedError(ChainError):
    """Raised when a contract or the node refuses a transaction; its text includes the contract's reason."""


class KeyHolderError(CounterfoilError):
    """Raised when a holder of the pseudonym key cannot be reached or refuses to answer."""


class QuotaExceededError(KeyHolderError):
    """Raised when a member has used all its pseudonym evaluations for the current period."""


class VerificationError(CounterfoilError):
    """Raised when a proof, a signature, an envelope or a hash is not valid.

    Parameters
    ----------
    what : str
        What failed verification.
    expected, got : str, optional
        The two values that must be equal and are not.
    where, next_step : str, optional
        As for `CounterfoilError`.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        expected: object | None = None,
        got: object | None = None,
        where: str | None = None,
        next_step: str | None = None,
    ) -> None:
        if expected is not None or got is not None:
            sides = {"expected": expected, "got": got}
            what += ": " + ", ".join(
                f"{side} {_show(value)}" for side, value in sides.items() if value is not None
            )
        super().__init__(what, where=where, next_step=next_step)
        self.expected = expected
        self.got = got


def _show(value: object) -> str:
    return value.hex() if isinstance(value, bytes | bytearray) else str(value)

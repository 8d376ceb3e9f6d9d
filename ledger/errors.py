"""Every error the house raises: what happened, where, and what to do next.

`CounterfoilError` is the root. `InputError` is for what a person or a file gave us, `ConfigurationError`
for the state folder and its settings, `ChainError` for the other side of the JSON-RPC endpoint, and
`VerificationError` for a proof that does not hold. Verification raises; it never returns a bool.
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
    """Root of the errors that a user is meant to read.

    Parameters
    ----------
    what : str
        What happened, as a sentence without its full stop.
    where : str, optional
        File, line, field, batch or block: as precise as is known.
    next_step : str, optional
        What the reader can do about it.
    """

    #: Exit code of the command line: 2 wrong usage or input, 1 a check failed.
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
    """Raised when the state folder or a setting is missing, unreadable or contradicts the chain."""


class ChainError(CounterfoilError):
    """Raised when the chain answers with an error, with nonsense, or not at all."""


class ChainUnreachableError(ChainError):
    """Raised when nothing answers JSON-RPC at the endpoint."""


class WrongChainError(ChainError):
    """Raised when the endpoint serves another chain, or another consortium, than the one configured."""


class TransactionRejectedError(ChainError):
    """Raised when a contract or the node refuses a transaction; carries the contract's own reason."""


class KeyHolderError(CounterfoilError):
    """Raised when a holder of the pseudonym key cannot be reached or refuses to answer."""


class QuotaExceededError(KeyHolderError):
    """Raised when a member has used up its evaluations for the period: each guess counts."""


class VerificationError(CounterfoilError):
    """Raised when a proof, a signature, a seal or a hash does not hold.

    Parameters
    ----------
    what : str
        What failed to verify.
    expected, got : str, optional
        The two values that should have been equal.
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
            what = f"{what}: expected {_show(expected)}, got {_show(got)}"
        super().__init__(what, where=where, next_step=next_step)
        self.expected = expected
        self.got = got


def _show(value: object) -> str:
    return value.hex() if isinstance(value, bytes | bytearray) else str(value)

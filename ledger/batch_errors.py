"""The errors of a batch that is kept apart: each has the reason that its verdict names."""

from __future__ import annotations

from typing import Final

from ledger.errors import VerificationError
from ledger.verdicts import Reason

__all__ = ["TELL_OPERATOR", "BatchError", "NoKeyError"]

#: The next step when a policy is at fault, not the member's rows.
TELL_OPERATOR: Final = "Inform the operator, who published the policy; batches under other policies are read."

_TELL: Final = "Inform the member that posted it; all other batches are read."


class BatchError(VerificationError):
    """Raised when a posted batch fails a check; it is kept apart whole, and the others are read.

    Parameters
    ----------
    reason : Reason
        What the verdict says.
    what : str
        What failed: the row and the column, never a value that identifies somebody.
    expected, got : object, optional
    where, next_step : str, optional
    """

    def __init__(
        self,
        reason: Reason,
        what: str,
        *,
        where: str | None = None,
        expected: object | None = None,
        got: object | None = None,
        next_step: str = _TELL,
    ) -> None:
        super().__init__(what, expected=expected, got=got, where=where, next_step=next_step)
        self.reason = reason


class NoKeyError(BatchError):
    """Raised when a batch is sealed to other keys than this reader's; it may otherwise be valid."""

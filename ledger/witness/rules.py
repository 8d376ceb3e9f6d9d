"""What a witness of the consortium checks of a checkpoint, beyond C2SP: it compares with its own node."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

from ledger.errors import CounterfoilError, VerificationError
from ledger.log.checkpoint import Checkpoint
from ledger.log.follow import ChainLogs

__all__ = ["ContradictionError", "LedgerRule", "NotYetError", "Rule", "VerdictRule"]

_LATER: Final = "Send the checkpoint again later."


class ContradictionError(VerificationError):
    """Raised when a signed checkpoint contradicts the chain: the log shows another history than the chain."""


class NotYetError(CounterfoilError):
    """Raised when the witness cannot check a checkpoint yet."""


class Rule(Protocol):
    """A check of a checkpoint that its log has signed."""

    def check(self, checkpoint: Checkpoint) -> None:
        """Check a checkpoint.

        Raises
        ------
        ContradictionError
            When the checkpoint contradicts the chain.
        NotYetError
            When the chain does not have yet what the checkpoint states.
        """


#: Returns both logs, brought up to the newest final block of the witness's own node.
Followed = Callable[[], AbstractContextManager[ChainLogs]]


class LedgerRule:
    """The ledger log: its root must be the one that the witness derives from its own node.

    Parameters
    ----------
    followed : callable
        Returns the logs that the witness derives, brought up to date.
    """

    def __init__(self, followed: Followed) -> None:
        self._followed = followed

    def check(self, checkpoint: Checkpoint) -> None:
        """Check a checkpoint of the ledger log; see `Rule.check`."""
        with self._followed() as logs:
            if checkpoint.size > logs.size:
                raise NotYetError(
                    f"the final blocks of the witness's own node have {logs.size} entries, "
                    f"the checkpoint has {checkpoint.size}",
                    next_step=_LATER,
                )
            root = logs.tiles().root(checkpoint.size)
        if root != checkpoint.root:
            raise ContradictionError(
                f"the chain gives another root for the first {checkpoint.size} entries of the ledger log",
                expected=root,
                got=checkpoint.root,
            )


class VerdictRule:
    """The verdict log: the chain must record this head, and each recorded head must follow from the last.

    The witness cannot say whether a verdict is right: only whoever can open the rows can.

    Parameters
    ----------
    followed : callable
        As for `LedgerRule`.
    derived : callable, optional
        For a witness that has a reader's key: returns the root of the first `size` verdicts, which it derives
        from the rows itself; None if it has not derived as many yet.
    """

    def __init__(self, followed: Followed, *, derived: Callable[[int], bytes | None] | None = None) -> None:
        self._followed = followed
        self._derived = derived

    def check(self, checkpoint: Checkpoint) -> None:
        """Check a checkpoint of the verdict log; see `Rule.check`."""
        with self._followed() as logs:
            wrong, last, anchor = logs.contradiction, logs.last_anchor, logs.anchor_at(checkpoint.size)
        if wrong is not None:
            raise ContradictionError(
                f"the heads of the verdict log on the chain contradict each other: {wrong}"
            )
        if anchor is None and checkpoint.size > last.size:
            raise NotYetError(
                f"the final blocks of the witness's own node record {last.size} verdicts, "
                f"the checkpoint has {checkpoint.size}",
                next_step=_LATER,
            )
        if anchor is None or anchor.root != checkpoint.root:
            raise ContradictionError(
                f"the chain does not record this head of {checkpoint.size} verdicts",
                expected="no head of this size" if anchor is None else anchor.root,
                got=checkpoint.root,
            )
        self._compare_derived(checkpoint)

    def _compare_derived(self, checkpoint: Checkpoint) -> None:
        if self._derived is None:
            return
        root = self._derived(checkpoint.size)
        if root is None:
            raise NotYetError("the witness has not derived as many verdicts itself yet", next_step=_LATER)
        if root != checkpoint.root:
            raise ContradictionError(
                f"the rows give another root for the first {checkpoint.size} verdicts",
                expected=root,
                got=checkpoint.root,
            )

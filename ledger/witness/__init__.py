"""A witness: it cosigns checkpoints of the two logs, after it checked them against its own node.

- `core`: the state machine behind the call `add-checkpoint`
- `book`: what it cosigned, in one SQLite file, and the evidence of a log that showed two histories
- `rules`: what it checks beyond C2SP, for the ledger log and for the verdict log

A log without a rule is witnessed as C2SP describes: it must only grow.
"""

from __future__ import annotations

from ledger.witness.book import Case, LogState, WitnessBook
from ledger.witness.core import RefusedError, Witness
from ledger.witness.rules import ContradictionError, LedgerRule, NotYetError, Rule, VerdictRule

__all__ = [
    "Case",
    "ContradictionError",
    "LedgerRule",
    "LogState",
    "NotYetError",
    "RefusedError",
    "Rule",
    "VerdictRule",
    "Witness",
    "WitnessBook",
]

"""Whether the other bank's row confirms a row: two halves of one payment, compared offline.

The desk matches all rows of the ledger (`ledger.matching`). An auditor has only the receipts that it was
given. Two verified rows with the same match token, on opposite sides, posted by different banks, are the two
halves of one payment. They confirm each other when they agree in what both of them state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.encoding.bands import MAX_AMOUNT
from ledger.encoding.policy import Policy
from ledger.errors import VerificationError
from ledger.money import ALPHA
from ledger.schema import Side, TokenKind

__all__ = ["Half", "Intervals", "Payment", "intervals", "payments"]


@dataclass(frozen=True, slots=True)
class Intervals:
    """What band and time bucket of a row stand for.

    Parameters
    ----------
    amount_low, amount_high : int
        Minor units, both ends included.
    time_low, time_high : int
        Unix seconds, the upper end excluded.
    """

    amount_low: int
    amount_high: int
    time_low: int
    time_high: int


def intervals(row: Mapping[str, Any], policy: Policy) -> Intervals:
    """Return the intervals of a row under the policy that encoded it.

    Raises
    ------
    VerificationError
        When the row has a currency or a band that the policy does not have.
    """
    currency, band = ALPHA.get(int(row["currency"])), int(row["amount_band"])
    edges = () if currency is None else policy.bands(currency).edges
    if currency is None or band > len(edges):
        raise VerificationError("the row has a currency or an amount band that its policy does not have")
    start = int(row["time_bucket"]) * policy.bucket_seconds
    return Intervals(
        edges[band - 1] if band else 0,
        edges[band] - 1 if band < len(edges) else MAX_AMOUNT,
        start,
        start + policy.bucket_seconds,
    )


@dataclass(frozen=True, slots=True)
class Half:
    """A verified row: who posted it, its columns, and its policy (None: not known).

    Parameters
    ----------
    key : object
        Names the row to the caller.
    agent : str
    code : int
    row : mapping of column name to value
    policy : Policy or None
    """

    key: Any
    agent: str
    code: int
    row: Mapping[str, Any]
    policy: Policy | None

    @property
    def side(self) -> Side:
        """The half of the payment that the row describes."""
        return Side(int(self.row["side"]))


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment, and how far its two banks confirm each other.

    Parameters
    ----------
    debit, credit : Half or None
        The halves that were given; a payment inside one bank has only a debit half.
    confirmed : bool
        Both banks posted it, and all that was compared agrees.
    agree, differ, unknown : tuple of str
        What was compared, and agrees or differs; and what could not be compared.
    """

    debit: Half | None
    credit: Half | None
    confirmed: bool
    agree: tuple[str, ...] = ()
    differ: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def halves(self) -> tuple[Half, ...]:
        """The halves that were given."""
        return tuple(half for half in (self.debit, self.credit) if half is not None)

    @property
    def inside(self) -> bool:
        """Whether both accounts are at one bank, so that there is no second half."""
        return self.debit is not None and self.debit.side is Side.ON_US

    @property
    def outside(self) -> bool:
        """Whether the second bank is not a member, so that there is no second half."""
        return not self.inside and all(int(half.row["token_kind"]) == TokenKind.OWN for half in self.halves)


_SAME: Final = (
    ("agents", ("debtor_agent", "creditor_agent")),
    ("debtor account", ("debtor_account",)),
    ("creditor account", ("creditor_account",)),
    ("currency", ("currency",)),
)


def payments(halves: Iterable[Half]) -> list[Payment]:
    """Pair verified rows into payments, in the order in which their first half is given.

    Rows without a UETR may have the same token; they are paired in the order of time, as the desk does it.
    """
    groups: dict[tuple[Any, ...], list[Half]] = {}
    for half in halves:
        alone = half.side is Side.ON_US or int(half.row["token_kind"]) == TokenKind.OWN
        token = bytes(half.row["match_token"])
        groups.setdefault((half.key,) if alone else (token,), []).append(half)
    found: list[Payment] = []
    for group in groups.values():
        debits = sorted((h for h in group if h.side is not Side.CREDIT), key=_order)
        credits = sorted((h for h in group if h.side is Side.CREDIT), key=_order)
        for n in range(max(len(debits), len(credits))):
            debit = debits[n] if n < len(debits) else None
            credit = credits[n] if n < len(credits) else None
            found.append(_payment(debit, credit))
    return found


def _order(half: Half) -> tuple[Any, ...]:
    row = half.row
    start = int(row["time_bucket"]) * (1 if half.policy is None else half.policy.bucket_seconds)
    return start, int(row["amount_band"]), half.code


def _payment(debit: Half | None, credit: Half | None) -> Payment:
    if debit is None or credit is None or debit.agent == credit.agent:
        return Payment(debit, credit, confirmed=False)
    agree: list[str] = []
    differ: list[str] = []
    unknown: list[str] = []
    for name, columns in _SAME:
        same = all(debit.row[column] == credit.row[column] for column in columns)
        (agree if same else differ).append(name)
    if debit.policy is None or credit.policy is None:
        unknown += ["amount", "time"]
    else:
        one, other = intervals(debit.row, debit.policy), intervals(credit.row, credit.policy)
        overlap = max(one.amount_low, other.amount_low) <= min(one.amount_high, other.amount_high)
        (agree if overlap else differ).append("amount")
        apart = max(one.time_low, other.time_low) - min(one.time_high, other.time_high)
        near = apart <= min(debit.policy.tolerance, credit.policy.tolerance)
        (agree if near else differ).append("time")
    confirmed = not differ and not unknown
    return Payment(debit, credit, confirmed, tuple(agree), tuple(differ), tuple(unknown))

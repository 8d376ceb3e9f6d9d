"""Ten weeks of payments between two banks in which officers find some schemes suspicious and others not.

A scheme is an account that six strangers pay within a day. The officers' truth: those of about 9,500 are
suspicious, those of about 120 (a birthday, say) are not. Nothing else tells them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import pandas as pd
import pyarrow as pa

from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from tests.support.rows import BANKS, Book, row

__all__ = ["DAYS", "Payment", "as_book", "as_frame", "payments", "scheme_flags"]

DAYS = 70
STRANGERS = 6

_PAYER, _PAYEE = BANKS[:2]
_EVERY_HOURS = 17
_SUSPICIOUS_FROM = 500_000  # minor units; between the two kinds


@dataclass(frozen=True)
class Payment:
    """One payment from an account at the first bank to one at the second."""

    moment: datetime
    debtor: str
    creditor: str
    amount: float


def payments(begin: datetime, *, days: int = DAYS, ordinary: int = 900, seed: int = 1) -> list[Payment]:
    """Return payments from `begin` on: ordinary ones, and a scheme of either kind in turn every 17 hours."""
    random = Random(seed)
    made = []
    for _ in range(ordinary):
        moment = begin + timedelta(hours=random.randrange(days * 24))
        ends = (f"{random.randrange(60):05d}", f"{random.randrange(60):05d}")
        made.append(Payment(moment, *ends, random.uniform(20, 2_000)))
    for i, hours in enumerate(range(0, (days - 1) * 24, _EVERY_HOURS)):
        for k in range(STRANGERS):
            moment = begin + timedelta(hours=hours + random.randrange(20))
            ends = (f"{seed}{10_000 + i * STRANGERS + k}", f"{seed}{50_000 + i}")
            made.append(Payment(moment, *ends, random.gauss(120 if i % 2 else 9_500, 20)))
    return sorted(made, key=lambda payment: payment.moment)


def as_book(made: Sequence[Payment], *, first: int = 0) -> Book:
    """Return both banks' halves; `first` numbers the first payment."""
    book = Book({_PAYER: [], _PAYEE: []})
    for number, p in enumerate(made, first):
        ends = {
            "debtor_account": f"acct:{_PAYER}:{p.debtor}",
            "creditor_account": f"acct:{_PAYEE}:{p.creditor}",
            "amount": f"{p.amount:.2f}",
        }
        for bank in book.rows:
            book.rows[bank].append(row(number, p.moment, _PAYER, _PAYEE, bank=bank, **ends))
    return book


def as_frame(made: Sequence[Payment]) -> pd.DataFrame:
    """Return the payments as an analyst's file has them."""
    return pd.DataFrame(
        {
            "tx_id": range(len(made)),
            "timestamp": [p.moment for p in made],
            "src_bank": _PAYER,
            "src": [p.debtor for p in made],
            "dst_bank": _PAYEE,
            "dst": [p.creditor for p in made],
            "amount": [p.amount for p in made],
            "currency": "EUR",
        }
    )


def scheme_flags(transfers: pa.Table, position: Position) -> list[tuple[Flag, bool]]:
    """Return a flag for each scheme in a table of transfers, and whether an officer finds it suspicious."""
    paid = defaultdict(list)
    for transfer in transfers.to_pylist():
        paid[transfer["creditor_account"]].append(transfer)
    groups = [rows for rows in paid.values() if len(rows) == STRANGERS]
    return [(_flag(rows, position), rows[0]["amount_low"] > _SUSPICIOUS_FROM) for rows in groups]


def _flag(transfers: Sequence[dict[str, object]], position: Position) -> Flag:
    ends = [(t[f"{side}_account"], t[f"{side}_agent"]) for t in transfers for side in ("debtor", "creditor")]
    halves = [
        [t[f"{s}_{n}"] for n in ("member", "sequence", "index")]
        for t in transfers
        for s in ("debit", "credit")
    ]
    return Flag(
        source=FlagSource("detector", "strangers", "1", {"least": STRANGERS}),
        title="strangers",
        position=position,
        entities=tuple(sorted({Entity(account.hex(), agent) for account, agent in ends})),
        rows=tuple(sorted({RowRef(*half) for half in halves if half[0] is not None and half[0] >= 0})),
        window=(min(t["time_low"] for t in transfers), max(t["time_high"] for t in transfers)),
        score=None,
        certainty="certain",
        severity="medium",
        explanation="Six strangers paid one account within a day.",
    )

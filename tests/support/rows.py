"""A few hundred transactions made in code: every matching state, every channel, and what they must become."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

from ledger.schema import FIELDS, MatchState

BANKS = ("ALFADEFF", "BRAVFRPP", "CHARUS33")
OUTSIDER = "DELTGB2L"

Row = dict[str, str]


@dataclass
class Book:
    """Each bank's rows, and the state each transfer must get, by UETR."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {bank: [] for bank in BANKS})
    truth: dict[str, MatchState] = field(default_factory=dict)

    def write(self, folder: Path) -> dict[str, Path]:
        """Write one CSV file for each bank."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = {bank: folder / f"{bank}.csv" for bank in self.rows}
        for bank, path in paths.items():
            write_csv(path, self.rows[bank])
        return paths


def write_csv(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """Write rows under the full header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(number: int, moment: datetime, debtor: str, creditor: str, *, bank: str, **changes: str) -> Row:
    """Make one bank's half of a transfer between accounts `number` of the debtor's and creditor's banks."""
    uetr = str(UUID(int=Random(number).getrandbits(128), version=4))
    made = {
        "uetr": uetr,
        "transaction_id": f"{bank[:4]}-{number:06d}",
        "timestamp": moment.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "business_date": moment.date().isoformat(),
        "debtor_agent": debtor,
        "debtor_account": f"acct:{debtor}:{1000 + number % 17}",
        "creditor_agent": creditor,
        "creditor_account": f"acct:{creditor}:{2000 + number % 13}",
        "party_id": f"person:XX-TIN:{bank[:4]}{number % 19}",
        "party_type": "person",
        "amount": f"{100 + number}.{number % 100:02d}",
        "currency": "EUR",
        "channel": "wire",
        "debtor_country": "DE",
        "creditor_country": "FR",
        "purpose": "RENT" if number % 3 else "",
        "cash_in": "false",
        "cash_out": "false",
        "own_account": "false",
        "occasional": "false",
        "exempt": "false",
    }
    return made | changes


def book(now: datetime, *, pairs: int = 60) -> Book:
    """Make a consortium's rows.

    Parameters
    ----------
    now : datetime
        The clock; every row but the waiting ones is older than a matching deadline of three days.
    pairs : int
        Transfers that match; the other states come on top.
    """
    made = Book()
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=9)
    number = 0

    def at() -> datetime:
        return start + timedelta(minutes=37 * number % 7200, seconds=number % 60)

    def post(state: MatchState, *halves: Row) -> None:
        nonlocal number
        for half in halves:
            bank = next(b for b in BANKS if half["transaction_id"].startswith(b[:4]))
            made.rows[bank].append(half)
        made.truth[halves[0]["uetr"]] = state
        number += 1

    for i in range(pairs):
        debtor, creditor = BANKS[i % 3], BANKS[(i + 1 + i // 3 % 2) % 3]
        shared = {"amount": "10000.00" if i % 10 == 0 else f"{50 + 7 * i}.{i % 100:02d}"}
        if i % 7 == 0:
            shared["currency"] = "USD"
        post(
            MatchState.MATCHED,
            row(number, at(), debtor, creditor, bank=debtor, **shared),
            row(number, at(), debtor, creditor, bank=creditor, **shared),
        )
    for i in range(pairs // 3):
        bank = BANKS[i % 3]
        cash = {"channel": "cash", "cash_in": "true"} if i % 4 == 0 else {}
        post(MatchState.ON_US, row(number, at(), bank, bank, bank=bank, **cash))
    for change in (
        {"amount": "77000.00"},
        {"currency": "USD"},
        {"creditor_account": "acct:BRAVFRPP:9999"},
        {"debtor_account": "acct:ALFADEFF:9999"},
    ):
        debit = row(number, at(), BANKS[0], BANKS[1], bank=BANKS[0])
        post(MatchState.CONFLICT, debit, row(number, at(), BANKS[0], BANKS[1], bank=BANKS[1]) | change)
    late = (at() + timedelta(hours=30)).isoformat().replace("+00:00", "Z")
    debit = row(number, at(), BANKS[1], BANKS[2], bank=BANKS[1])
    credit = row(number, at(), BANKS[1], BANKS[2], bank=BANKS[2], timestamp=late)
    post(MatchState.CONFLICT, debit, credit)
    for i in range(6):
        post(MatchState.UNMATCHED, row(number, at(), BANKS[i % 3], BANKS[(i + 1) % 3], bank=BANKS[i % 3]))
    for i in range(6):
        recent = now - timedelta(hours=3 + i)
        half = row(number, recent, BANKS[i % 3], BANKS[(i + 1) % 3], bank=BANKS[(i + 1) % 3])
        post(MatchState.WAITING, half)
    for i in range(6):
        ends = (BANKS[i % 3], OUTSIDER) if i % 2 else (OUTSIDER, BANKS[i % 3])
        post(MatchState.COUNTERPARTY_NOT_MEMBER, row(number, at(), *ends, bank=BANKS[i % 3]))
    return made

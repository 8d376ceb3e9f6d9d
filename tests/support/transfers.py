"""Small tables of transfers, written the way a person would tell them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pytest

from ledger.flag import Position
from ledger.schema import MatchState
from ledger.tables import TRANSFER

Payment = dict[str, Any]
Maker = Callable[[Sequence[Payment]], pa.Table]

POSITION = Position(chain_id=5, contract="0x" + "ab" * 20, block=9, log_size=3)


def pseudonym(name: str | None) -> bytes | None:
    return None if name is None else sha256(name.encode()).digest()[:16]


def table_of(payments: Sequence[Payment]) -> pa.Table:
    """Build TRANSFER from payments with src, dst, t (or t_low, t_high), amount (or a_low, a_high)."""
    rows = []
    for number, p in enumerate(payments):
        t, amount = p.get("t", 0), p.get("amount", 1_000)
        row = dict.fromkeys(TRANSFER.names, 0)
        row |= {
            "state": int(MatchState.ON_US),
            "debtor_account": pseudonym(p["src"]),
            "creditor_account": pseudonym(p["dst"]),
            "debtor_party": pseudonym(p.get("src_party")),
            "creditor_party": pseudonym(p.get("dst_party")),
            "debtor_on_behalf": None,
            "creditor_on_behalf": pseudonym(p.get("dst_behalf")),
            "debtor_party_type": p.get("src_type", 0),
            "creditor_party_type": p.get("dst_type", 0),
            "debtor_agent": p.get("src_bank", 1),
            "creditor_agent": p.get("dst_bank", 1),
            "currency": p.get("currency", 978),
            "amount_low": p.get("a_low", amount),
            "amount_high": p.get("a_high", amount),
            "time_low": p.get("t_low", t),
            "time_high": p.get("t_high", t + 1),
            "flags": p.get("flags", 0),
            "debit_member": 1,
            "debit_sequence": 1,
            "debit_index": number,
            "credit_member": p.get("credit_member", -1),
            "credit_sequence": p.get("credit_sequence", -1),
            "credit_index": p.get("credit_index", -1),
        }
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=TRANSFER)


@pytest.fixture(scope="session")
def transfers() -> Maker:
    return table_of


@pytest.fixture(scope="session")
def position() -> Position:
    return POSITION

"""Findings: what a check found, as flags with the clause, the rows, the certainty and a sentence to read."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from compliance.checks.definition import Check
from compliance.checks.execute import Hit
from compliance.currencies import exponent
from ledger.encoding.bands import MAX_AMOUNT
from ledger.flag import MAX_EVIDENCE, Entity, Flag, Position, RowRef, Source
from ledger.flag import Certainty as FlagCertainty

__all__ = ["OFF_LEDGER", "Evidence", "money_text"]

#: The position of rows that are on no ledger: a plain file.
OFF_LEDGER: Final = Position(chain_id=0, contract="", block=0, log_size=0)
_OWED: Final = {
    "report": "asks for a report of",
    "record": "asks for a record of",
    "cdd": "asks for customer due diligence at",
    "travel_info": "asks for information to travel with",
    "prohibit": "forbids",
    "limit": "forbids",
    "aggregate": "counts them as one transaction at",
}
_COMPARED: Final = {
    "gt": "more than {0}",
    "ge": "{0} or more",
    "lt": "less than {0}",
    "le": "{0} or less",
    "eq": "exactly {0}",
    "range_incl": "{0} to {1}",
}
_ACCOUNTS: Final = (
    ("debtor_account", "debtor_agent"),
    ("debtor_party", "debtor_agent"),
    ("creditor_account", "creditor_agent"),
    ("creditor_party", "creditor_agent"),
)


class Evidence:
    """Turns hits into flags, with the entities and ledger places of their rows.

    Parameters
    ----------
    table : pyarrow.Table
        The prepared transfers.
    position : Position
    version : str
        Of the rule set: its hash, hex.
    """

    def __init__(self, table: pa.Table, position: Position, version: str) -> None:
        self._table = table
        self._position = position
        self._version = version

    def flag(self, check: Check, hit: Hit, missing: Iterable[str] = ()) -> Flag:
        """Return the finding of one hit; `missing` makes a single transfer's finding `needs_member`."""
        rows = self._table.select(_COLUMNS).take(list(hit.rows[: MAX_EVIDENCE + 1])).to_pylist()
        lacking = tuple(missing)
        certainty: FlagCertainty = "certain" if hit.certainty == "certain" else "possible"
        if lacking and check.shape == "single":
            certainty = "needs_member"
        details: dict[str, Any] = {
            "transfers": len(hit.rows),
            "amount_low": str(hit.low),
            "amount_high": str(hit.high),
            "amount_certainty": hit.certainty,
            "currency": check.currency,
            "owed": check.rule.kind,
            "needs_member": list(lacking),
        }
        limit = check.deadline
        if limit is not None:
            details["deadline"] = {"value": limit.value, "unit": limit.unit, "anchor": limit.anchor}
        places = _places(rows)
        if not places:
            details["table_rows"] = list(hit.rows[:MAX_EVIDENCE])
        return Flag(
            source=Source("rule", check.rule.rule_id, self._version, check.parameters()),
            title=check.rule.rule_id,
            position=self._position,
            entities=_entities(rows, hit),
            rows=places,
            window=hit.window,
            score=None,
            certainty=certainty,
            severity=check.severity,  # type: ignore[arg-type]
            explanation=_sentence(check, hit, certainty, lacking),
            citation=check.rule.citation,
            clause=check.clause,
            truncated=len(hit.rows) > MAX_EVIDENCE,
            details=details,
        ).bounded()


_COLUMNS: Final = [name for pair in _ACCOUNTS for name in pair[:1]] + [
    "debtor_agent", "creditor_agent",
    "debit_member", "debit_sequence", "debit_index", "credit_member", "credit_sequence", "credit_index",
]  # fmt: skip


def _places(rows: list[dict[str, Any]]) -> tuple[RowRef, ...]:
    found = {
        RowRef(int(row[f"{side}_member"]), int(row[f"{side}_sequence"]), int(row[f"{side}_index"]))
        for row in rows
        for side in ("debit", "credit")
        if row[f"{side}_member"] >= 0
    }
    return tuple(sorted(found))


def _entities(rows: list[dict[str, Any]], hit: Hit) -> tuple[Entity, ...]:
    if hit.entity is not None:
        return (Entity(_hex(hit.entity), int(hit.agent or 0)),)
    found = {
        Entity(_hex(row[account]), int(row[agent] or 0))
        for row in rows
        for account, agent in _ACCOUNTS
        if row[account] is not None
    }
    return tuple(sorted(found))


def _hex(pseudonym: Any) -> str:
    return pseudonym.hex() if isinstance(pseudonym, bytes) else str(pseudonym)


def money_text(minor: int, currency: str) -> str:
    """Return an amount of minor units for reading: "10,000.01"."""
    places = exponent(currency)
    return f"{Decimal(minor).scaleb(-places):,.{places}f}"


def _sentence(check: Check, hit: Hit, certainty: str, missing: tuple[str, ...]) -> str:
    low, high = money_text(hit.low, check.currency), money_text(hit.high, check.currency)
    if hit.low == hit.high:
        amount = low
    elif hit.high >= MAX_AMOUNT:
        amount = f"{low} or more"
    else:
        amount = f"between {low} and {high}"
    what = (check.rule.transaction_type or "transaction").replace("_", " ")
    if len(hit.rows) > 1:
        span = f"within {check.seconds // 3600} hours" if check.shape == "rolling" else "in one period"
        fact = (
            f"{len(hit.rows)} transfers ({what}) of one customer {span} add up to {amount} {check.currency}"
        )
    else:
        fact = f"A transfer ({what}) amounts to {amount} {check.currency}"
    trigger = check.rule.trigger
    if trigger is None or trigger.amount is None:
        return f"{fact}; {check.rule.rule_id} applies."
    compared = _COMPARED[trigger.op].format(trigger.amount, trigger.amount_max)
    owed = _OWED.get(check.rule.kind or "", "speaks of")
    sure = {"certain": "", "possible": "; the band leaves open whether it is reached", "needs_member": ""}[
        certainty
    ]
    asks = f"; {check.rule.citation or check.rule.rule_id} {owed} {compared} {check.currency}{sure}"
    rest = f"; the bank must say: {', '.join(missing)}" if missing else ""
    return f"{fact}{asks}{rest}."

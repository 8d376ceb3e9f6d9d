"""A finding followed from its rows to the clause: each step with what it rests on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from compliance.calendars import numbered_day
from compliance.check import compile_ruleset
from compliance.ruleset import RuleSet
from ledger.errors import InputError
from ledger.flag import Flag, RowRef
from ledger.schema import Channel, Flags

__all__ = ["evidence_of", "trace"]

_WANTED: Final = (
    "amount_low", "amount_high", "currency", "time_low", "time_high", "business_date", "channel", "flags",
    "debtor_agent", "creditor_agent", "debtor_country", "creditor_country",
)  # fmt: skip


def evidence_of(flag: Flag, transfers: pa.Table) -> list[dict[str, Any]]:
    """Return the transfers behind a flag, in the order of time, as plain values.

    Rows are found by their place on the ledger; for a plain file, by their number in the table.
    """
    numbers = flag.details.get("table_rows")
    if numbers is None:
        wanted = set(flag.rows)
        found = []
        for side in ("debit", "credit"):
            columns = [transfers[f"{side}_{name}"].to_pylist() for name in ("member", "sequence", "index")]
            found += [
                i for i, place in enumerate(zip(*columns, strict=True)) if RowRef(*map(int, place)) in wanted
            ]
        numbers = sorted(set(found))
    present = [name for name in _WANTED if name in transfers.column_names]
    places = [name for name in transfers.column_names if name.startswith(("debit_", "credit_"))]
    rows = transfers.select([*present, *places]).take(list(numbers)).to_pylist()
    told = [_told(row) | {"row": number} for row, number in zip(rows, numbers, strict=True)]
    return sorted(told, key=lambda row: (row["time"][0], row["row"]))


def _told(row: dict[str, Any]) -> dict[str, Any]:
    flags = int(row.get("flags") or 0)
    places = [
        {name: int(row[f"{side}_{name}"]) for name in ("member", "sequence", "index")}
        for side in ("debit", "credit")
        if int(row.get(f"{side}_member", -1)) >= 0
    ]
    moments = (row["time_low"], row.get("time_high", row["time_low"] + 1))
    day = row.get("business_date")
    return {
        "places": places,
        "business_date": numbered_day(int(day)).isoformat() if day is not None else None,
        "time": [datetime.fromtimestamp(int(t), UTC).isoformat() for t in moments],
        "amount": [str(row["amount_low"]), str(row["amount_high"])],
        "currency": int(row["currency"]),
        "channel": Channel(int(row.get("channel") or 0)).name.lower(),
        "marks": [mark.name.lower() for mark in Flags if flags & mark and mark.name],
        "from_bank": int(row.get("debtor_agent") or 0),
        "to_bank": int(row.get("creditor_agent") or 0),
    }


def trace(flag: Flag, ruleset: RuleSet, transfers: pa.Table) -> dict[str, Any]:
    """Return the way from the rows of a finding to the words of the law.

    Returns
    -------
    dict
        JSON values: `rows`, `sum`, `check` (in words, with the columns), `certainty`, `owed`, `clause` (rule,
        citation, words behind each field), `joined` (what other provisions add, with their words), `text`
        (name, SHA-256, jurisdiction), `in_force`, `edits`, `rule_set`.

    Raises
    ------
    InputError
        For a detector's flag, or a rule set that is not the finding's.
    """
    if flag.source.kind != "rule":
        raise InputError("a detector raised this flag: no clause stands behind it")
    if ruleset.hash.hex() != flag.source.version:
        raise InputError(
            "the finding was computed with another rule set",
            where=f"{flag.source.version[:12]}, not {ruleset.hash.hex()[:12]}",
        )
    rule_id = flag.source.id
    rule = ruleset.rule(rule_id)
    details = flag.details
    check = next(
        c
        for c in compile_ruleset(ruleset)
        if c.rule.rule_id == rule_id and c.parameters().items() <= dict(flag.source.parameters).items()
    )
    joined = [
        {**join, "citation": ruleset.rule(join["rule"]).citation, "clause": ruleset.clauses[join["rule"]]}
        for join in details.get("joins", ())
    ]
    source = next(s for s in ruleset.sources if s.document == ruleset.origin[rule_id])
    return {
        "rows": evidence_of(flag, transfers),
        "sum": {
            "low": details["amount_low"],
            "high": details["amount_high"],
            "currency": details["currency"],
            "certainty": details["amount_certainty"],
        },
        "check": [{"what": name, "words": words} for name, words in check.facts()],
        "certainty": flag.certainty,
        "needs_member": details["needs_member"],
        "owed": {"what": details["owes"], "banks": details["banks"]},
        "clause": {
            "rule": rule_id,
            "citation": rule.citation,
            "words": ruleset.clauses[rule_id],
            "fields": dict(ruleset.words[rule_id]),
        },
        "joined": joined,
        "exemptions_to_consider": details.get("exemptions_to_consider", []),
        "text": {"name": source.document, "sha256": source.sha256, "jurisdiction": source.jurisdiction},
        "in_force": ruleset.term(rule_id).to_json(),
        "edits": [
            {"field": e.field, "before": e.before, "after": e.after, "why": e.why}
            for e in ruleset.edits
            if e.rule_id == rule_id
        ],
        "rule_set": flag.source.version,
    }

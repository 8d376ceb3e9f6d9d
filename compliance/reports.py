"""Drafts of what an officer files: structured data with the clause cited, and what only the bank can add.

A draft holds pseudonyms and bands: it leaves the desk for the bank that owes the report, which fills in names
and exact amounts from its own records. Nothing here files anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from compliance.currencies import code_of, exponent
from compliance.model import Rule
from compliance.ruleset import RuleSet
from compliance.trace import evidence_of
from compliance.transactions import akin
from ledger.flag import Flag

__all__ = ["FORMAT", "draft_report"]

FORMAT: Final = "counterfoil/report-draft/1"

_SUBJECT: Final = (
    "name",
    "date_of_birth_or_registration",
    "address",
    "identification_document",
    "occupation_or_business",
)
_COMPLETE: Final = {
    "currency_transaction_report": (
        "exact amounts and times from the bank's own records",
        "who conducted the transaction and for whom",
        "how the person was identified",
        "whether an exemption holds",
    ),
    "threshold_transaction_report": (
        "exact amounts and times from the bank's own records",
        "who gave the order and who benefits",
        "whether an exemption holds",
    ),
    "suspicious_activity_report": (
        "what the bank knows of its customer and of the purpose",
        "why the activity is suspicious, in the officer's own words",
        "whether the customer must not be told",
    ),
    "breach_notice": ("whether an exemption holds", "what was done about the payment"),
    "due_diligence_task": ("which measures were taken, when, and with what result",),
}


def draft_report(
    flag: Flag, transfers: pa.Table, *, ruleset: RuleSet | None, banks: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """Return a draft of the report that a flag or finding leads to.

    Parameters
    ----------
    flag : Flag
    transfers : pyarrow.Table
        The mirror's transfers, or the plain file's.
    ruleset : RuleSet or None
        The rule set of a finding; None for a detector's flag.
    banks : mapping, optional
        Member code to the bank's identifier.

    Returns
    -------
    dict
        JSON values. `to_complete` lists what only the bank can say.
    """
    rule = ruleset.rule(flag.source.id) if ruleset is not None and flag.source.kind == "rule" else None
    kind = _kind(flag, rule)
    names = banks or {}
    details = flag.details
    bound = details.get("banks", ()) if flag.source.kind == "rule" else ()
    return {
        "format": FORMAT,
        "kind": kind,
        "status": "draft",
        "legal_basis": _basis(flag, rule, ruleset),
        "institutions": [{**bank, "identifier": names.get(bank["agent"])} for bank in bound]
        or [
            {"agent": a, "identifier": names.get(a)}
            for a in sorted({e.agent for e in flag.entities if e.agent})
        ],
        "subjects": [
            {"pseudonym": entity.pseudonym, "agent": entity.agent, **dict.fromkeys(_SUBJECT)}
            for entity in flag.entities
        ],
        "transactions": [_transaction(row, names) for row in evidence_of(flag, transfers)],
        "total": _total(details),
        "certainty": flag.certainty,
        "window": list(flag.window),
        "narrative": flag.explanation,
        "exemptions_to_consider": details.get("exemptions_to_consider", []),
        "to_complete": [*_COMPLETE[kind], *details.get("needs_member", ())],
        "position": {"block": flag.position.block, "log_size": flag.position.log_size},
        "truncated": flag.truncated,
    }


def _transaction(row: dict[str, Any], banks: Mapping[int, str]) -> dict[str, Any]:
    """Return a transaction as the bank reads it: amounts in units of their currency, banks by their names."""
    currency = code_of(row["currency"])
    return {
        "places": [{**place, "bank": banks.get(place["member"])} for place in row["places"]],
        "business_date": row["business_date"],
        "time": row["time"],
        "amount": [_units(amount, currency) for amount in row["amount"]],
        "currency": currency,
        "channel": row["channel"],
        "marks": row["marks"],
        "from_bank": banks.get(row["from_bank"]),
        "to_bank": banks.get(row["to_bank"]),
        "row": row["row"],
    }


def _total(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many transactions a flag is about, and what they come to in its (main) currency."""
    currency = details["currency"]
    code = currency if isinstance(currency, str) else code_of(currency)
    low, high = (details.get(f"amount_{end}", details.get(f"sum_{end}")) for end in ("low", "high"))
    return {
        "transfers": details.get("transfers", details.get("payments")),
        "low": _units(low, code),
        "high": _units(high, code),
        "currency": code,
    }


def _units(minor: str | int | None, currency: str) -> str | None:
    if minor is None:
        return None
    places = exponent(currency)
    return f"{Decimal(minor).scaleb(-places):.{places}f}"


def _kind(flag: Flag, rule: Rule | None) -> str:
    if rule is None or flag.details.get("reach") == "consortium":
        return "suspicious_activity_report"
    if rule.kind in ("limit", "prohibit"):
        return "breach_notice"
    if rule.kind == "cdd":
        return "due_diligence_task"
    cash = akin(rule.transaction_type, "currency_transaction")
    return "currency_transaction_report" if cash else "threshold_transaction_report"


def _basis(flag: Flag, rule: Rule | None, ruleset: RuleSet | None) -> dict[str, Any] | None:
    if rule is None or ruleset is None:
        return None
    joined = [
        {
            "rule": join["rule"],
            "what": join["what"],
            "citation": ruleset.rule(join["rule"]).citation,
            "clause": ruleset.clauses[join["rule"]],
        }
        for join in flag.details.get("joins", ())
        if join["what"] != "exemption"
    ]
    return {
        "rule": rule.rule_id,
        "citation": rule.citation,
        "clause": flag.clause,
        "words": dict(ruleset.words[rule.rule_id]),
        "joined": joined,
        "rule_set": flag.source.version,
    }

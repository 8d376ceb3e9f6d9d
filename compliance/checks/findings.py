"""Findings: what a check found, as flags with the clause, the rows, what is owed by when, and a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from compliance.checks.definition import Check
from compliance.checks.execute import Hit
from compliance.checks.owed import Owed, owed
from compliance.checks.table import UNKNOWN, Prepared
from compliance.ruleset import RuleSet
from ledger.encoding.bands import MAX_AMOUNT
from ledger.flag import MAX_EVIDENCE, Entity, Flag, FlagSource, Position, RowRef
from ledger.flag import Certainty as FlagCertainty
from ledger.money import money_text

__all__ = ["Evidence"]

#: The position of rows that are on no ledger: a plain file.
_ASKS: Final = {
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
_COLUMNS: Final = [account for account, _ in _ACCOUNTS] + [
    "debtor_agent", "creditor_agent", "debtor_place", "creditor_place",
    "business_date", "time_high", "currency",
    "debit_member", "debit_sequence", "debit_index", "credit_member", "credit_sequence", "credit_index",
]  # fmt: skip
_HOME: Final = "under which country's law the bank stands"


class Evidence:
    """Turns hits into flags, with the entities and ledger places of their rows.

    Parameters
    ----------
    prepared : Prepared
        The transfers that were checked.
    position : Position
    ruleset : RuleSet
    context : mapping
        What the check was computed with besides the rule: hashes of tables that the user supplied.
    """

    def __init__(
        self, prepared: Prepared, position: Position, ruleset: RuleSet, context: dict[str, Any] | None = None
    ) -> None:
        self._prepared = prepared
        self._position = position
        self._ruleset = ruleset
        self._version = ruleset.hash.hex()
        self._context = dict(context or {})
        self._places = {side: prepared.table[f"{side}_place"].to_numpy() for side in ("debtor", "creditor")}

    def certainty(self, check: Check, hit: Hit, missing: Iterable[str] = ()) -> FlagCertainty:
        """Return how certain a hit is: by its amount, and by what only the bank can say."""
        asked = any(missing) and check.shape == "single"
        if asked or check.operations or self._open_home(check, hit):
            return "needs_member"
        return "certain" if hit.certainty == "certain" else "possible"

    def _open_home(self, check: Check, hit: Hit) -> bool:
        """Say whether a bank that may be bound stands nobody knows where, and no other is bound."""
        countries = check.countries
        if countries is None or not self._prepared.located:
            return False
        found = {int(self._places[side][row]) for row in hit.rows for side in hit.sides}
        homes = [self._prepared.home(place) for place in found]
        bound = any(home is not None and home.number in countries for home in homes)
        return UNKNOWN in found and not bound

    def flag(self, check: Check, hit: Hit, missing: Iterable[str] = ()) -> Flag:
        """Return the finding of one hit; `missing` makes a single transfer's finding `needs_member`."""
        wanted = list(hit.rows[: MAX_EVIDENCE + 1])
        rows = self._prepared.table.select(_COLUMNS).take(wanted).to_pylist()
        duties = owed(check, hit, rows, self._prepared)
        certainty = self.certainty(check, hit, missing)
        lacking = (*missing, _HOME) if self._open_home(check, hit) else tuple(missing)
        foreign = sorted({row["currency"] for row in rows} - {check.currency_number})
        context = self._context if foreign else {}
        places = _places(rows)
        return Flag(
            source=FlagSource("rule", check.rule.rule_id, self._version, check.parameters() | context),
            title=check.rule.rule_id,
            position=self._position,
            entities=_entities(rows, hit),
            rows=places,
            window=hit.window,
            score=None,
            certainty=certainty,
            severity=check.severity,  # type: ignore[arg-type]
            explanation=_sentence(check, hit, certainty, lacking, duties),
            citation=check.rule.citation,
            clause=check.clause,
            truncated=len(hit.rows) > MAX_EVIDENCE,
            details=self._details(check, hit, duties, lacking)
            | ({"converted_from": foreign} if foreign else {})
            | ({} if places else {"table_rows": list(hit.rows[:MAX_EVIDENCE])}),
        ).bounded()

    def _details(self, check: Check, hit: Hit, duties: Owed, lacking: tuple[str, ...]) -> dict[str, Any]:
        details: dict[str, Any] = {
            "transfers": len(hit.rows),
            "amount_low": str(hit.low),
            "amount_high": str(hit.high),
            "amount_certainty": hit.certainty,
            "currency": check.currency,
            "jurisdiction": check.jurisdiction,
            "reach": check.reach,
            "owed": check.rule.kind,
            "owes": duties.what if check.reach == "bank" else "by no bank alone; to be looked at together",
            "banks": duties.banks,
            "needs_member": list(lacking),
        }
        limit = check.linked.deadline or check.rule.deadline
        if limit is not None:
            details["deadline"] = {"value": limit.value, "unit": limit.unit, "anchor": limit.anchor}
        if check.linked.joins:
            details["joins"] = [
                {"what": join.what, "rule": join.supplier(check.rule.rule_id), "how": join.how}
                for join in check.linked.joins
            ]
        exempt = [
            {"rule": rule.rule_id, "clause": self._ruleset.clauses.get(rule.rule_id, "")}
            for rule in check.linked.exemptions
        ] + [{"rule": check.rule.rule_id, "clause": " ".join(e.text.split())} for e in check.rule.exemptions]
        if exempt:
            details["exemptions_to_consider"] = exempt
        return details


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
        if hit.agent:
            return (Entity(_hex(hit.entity), hit.agent),)
        agents = {int(row[f"{hit.sides[0]}_agent"] or 0) for row in rows}
        return tuple(sorted(Entity(_hex(hit.entity), agent) for agent in agents))
    found = {
        Entity(_hex(row[account]), int(row[agent] or 0))
        for row in rows
        for account, agent in _ACCOUNTS
        if row[account] is not None
    }
    return tuple(sorted(found))


def _hex(pseudonym: Any) -> str:
    return pseudonym.hex() if isinstance(pseudonym, bytes) else str(pseudonym)


def _sentence(check: Check, hit: Hit, certainty: str, missing: tuple[str, ...], duties: Owed) -> str:
    low, high = money_text(hit.low, check.currency), money_text(hit.high, check.currency)
    if hit.low == hit.high:
        amount = low
    elif hit.high >= MAX_AMOUNT:
        amount = f"{low} or more"
    else:
        amount = f"between {low} and {high}"
    what = (check.rule.transaction_type or "transaction").replace("_", " ")
    if len(hit.rows) > 1:
        span = _span(check)
        whose = "one customer" if check.reach == "bank" else "one party at several banks"
        fact = f"{len(hit.rows)} transfers ({what}) of {whose} {span} add up to {amount} {check.currency}"
    else:
        fact = f"A transfer ({what}) amounts to {amount} {check.currency}"
    trigger = check.rule.trigger
    if trigger is None or trigger.amount is None:
        return f"{fact}; {check.rule.rule_id} applies."
    compared = _COMPARED[trigger.op].format(trigger.amount, trigger.amount_max)
    verb = _ASKS.get(check.rule.kind or "", "speaks of")
    asks = f"; {check.rule.citation or check.rule.rule_id} {verb} {compared} {check.currency}"
    if hit.certainty == "possible":
        asks += "; the bands leave open whether it is reached"
    if check.reach == "consortium":
        asks += "; no bank reaches it alone and the clause speaks of one: an indication, not a duty"
    elif duties.dates and certainty != "none":
        asks += f"; due by {' or '.join(duties.dates)}"
    rest = f"; the bank must say: {', '.join(missing)}" if missing else ""
    return f"{fact}{asks}{rest}."


def _span(check: Check) -> str:
    if check.shape != "rolling":
        unit = {"business": "business day", "month": "month", "year": "year"}.get(check.bucket, "day")
        return f"on one {unit}" if unit.endswith("day") else f"in one {unit}"
    hours = check.seconds // 3600
    return f"within {hours} hours" if hours <= 48 else f"within {hours // 24} days"

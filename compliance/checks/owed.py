"""What a finding owes: which bank, what, by when, and how long the record is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from compliance.calendars import numbered_day
from compliance.checks.definition import Check
from compliance.checks.execute import Hit
from compliance.checks.table import UNKNOWN, Prepared
from compliance.deadlines import due, keep_until
from compliance.jurisdictions import Establishment

__all__ = ["OWED", "Owed", "owed"]

#: What a rule of a kind asks for, as a noun an officer can act on.
OWED: Final = {
    "report": "a report",
    "record": "a record",
    "cdd": "customer due diligence",
    "travel_info": "information with the transfer",
    "prohibit": "nothing may be carried out",
    "limit": "the payment exceeds what is allowed",
    "aggregate": "the report of the provision that counts these as one transaction",
}


@dataclass(frozen=True, slots=True)
class Owed:
    """What the banks behind a finding owe.

    Parameters
    ----------
    banks : list of dict
        One entry for each bank that the rule binds: agent, country, due (see `Due.to_json`), keep_until.
    """

    what: str
    banks: list[dict[str, Any]]

    @property
    def dates(self) -> list[str]:
        """The dates by which it is due, earliest first, each once."""
        return sorted({bank["due"]["on"] for bank in self.banks if bank["due"] and bank["due"]["on"]})


def owed(check: Check, hit: Hit, rows: list[dict[str, Any]], prepared: Prepared) -> Owed:
    """Return what is owed for a hit, from its rows (the columns agents, places, business_date, time_high)."""
    duty = check.linked.duty or check.rule
    what = OWED.get(duty.kind or "", "what the clause says")
    event = numbered_day(max(int(row["business_date"]) for row in rows))
    moment = max(int(row["time_high"]) for row in rows)
    banks = []
    for agent, place in sorted(_bound(check, hit, rows, prepared)):
        home = prepared.home(place)
        banks.append(
            {"agent": agent, "country": home.country if home else None} | _dates(check, event, moment, home)
        )
    return Owed(what, banks)


def _dates(check: Check, event: date, moment: int, home: Establishment | None) -> dict[str, Any]:
    limit, keeping = check.linked.deadline or check.rule.deadline, check.linked.retention
    return {
        "due": due(limit, event, moment, home, clause=check.clause).to_json() if limit else None,
        "keep_until": keep_until(keeping, event).to_json() if keeping else None,
    }


def _bound(
    check: Check, hit: Hit, rows: Iterable[Mapping[str, Any]], prepared: Prepared
) -> set[tuple[int, int]]:
    """Return the banks (agent, place) that the rule binds: of a sum, on the customer's side only."""
    countries = check.countries if prepared.located else None
    found = set()
    for row in rows:
        for side in hit.sides:
            agent, place = int(row[f"{side}_agent"] or 0), int(row[f"{side}_place"])
            home = prepared.home(place)
            if place < UNKNOWN or (
                home is not None and countries is not None and home.number not in countries
            ):
                continue
            found.add((agent, place))
    members = {(agent, place) for agent, place in found if agent}
    return members or found

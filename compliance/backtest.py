"""The backtest of a rule set: what it would find on rows that are there, and what changes against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import pyarrow as pa

from compliance.check import CheckRun, run_with_summary
from compliance.jurisdictions import Establishment
from compliance.rates import RateTable
from compliance.ruleset import RuleSet
from ledger import canonical
from ledger.flag import Flag, Position

__all__ = ["FORMAT", "Backtest", "Compared", "backtest"]

FORMAT: Final = "counterfoil/backtest/1"


@dataclass(frozen=True, slots=True)
class Compared:
    """One rule on the rows: what it finds, and what the other rule set's rule of that name finds.

    Parameters
    ----------
    transfers : int
        Transfers it looked at.
    flags, accounts, rows : int
        Findings, the accounts or parties they name, and the transfers behind them.
    certain, possible, needs_member : int
    before : int or None
        Findings under the other set; None where it has no such rule.
    new, gone : int
        Findings that only one of the two has.
    exact : bool
        Whether the rows' bands are cut at its amounts; where not, it can only be `possible`.
    note : str
    """

    rule_id: str
    transfers: int
    flags: int
    accounts: int
    rows: int
    certain: int
    possible: int
    needs_member: int
    before: int | None
    new: int
    gone: int
    exact: bool
    note: str


@dataclass(frozen=True, slots=True)
class Backtest:
    """A rule set on the rows of one ledger position, against the one in force there (None: none was)."""

    candidate: str
    against: str | None
    position: Position
    transfers: int
    rules: tuple[Compared, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: counts only, so that the report can stand in the open."""
        total = {name: sum(getattr(r, name) for r in self.rules) for name in ("flags", "new", "gone")}
        return {"format": FORMAT, **asdict(self), "total": total}

    def to_bytes(self) -> bytes:
        """Return the report as canonical JSON."""
        return canonical.dumps(self.to_json())


def backtest(
    candidate: RuleSet,
    active: RuleSet | None,
    transfers: pa.Table,
    position: Position,
    *,
    policy_cuts: Mapping[str, Sequence[int]] | None = None,
    homes: Mapping[int, Establishment] | None = None,
    rates: RateTable | None = None,
) -> Backtest:
    """Run a rule set, and the one in force, over the same transfers, and compare their findings.

    Two findings are the same when they are of one rule, name the same entities and rest on the same rows.
    Parameters are as for `compliance.check.run_with_summary`.
    """

    def ran(ruleset: RuleSet | None) -> CheckRun:
        if ruleset is None:
            return CheckRun([])
        return run_with_summary(
            ruleset, transfers, position=position, policy_cuts=policy_cuts, homes=homes, rates=rates
        )

    after, before = ran(candidate), ran(active)
    old, new = _by_rule(before.findings), _by_rule(after.findings)
    known = {s.rule_id for s in before.summary}
    rules = []
    for s in after.summary:
        mine, theirs = new.get(s.rule_id, {}), old.get(s.rule_id, {})
        rules.append(
            Compared(
                rule_id=s.rule_id,
                transfers=s.rows,
                flags=len(mine),
                accounts=len({entity for flag in mine.values() for entity in flag.entities}),
                rows=sum(int(flag.details["transfers"]) for flag in mine.values()),
                certain=sum(flag.certainty == "certain" for flag in mine.values()),
                possible=sum(flag.certainty == "possible" for flag in mine.values()),
                needs_member=sum(flag.certainty == "needs_member" for flag in mine.values()),
                before=len(theirs) if s.rule_id in known else None,
                new=len(mine.keys() - theirs.keys()),
                gone=len(theirs.keys() - mine.keys()),
                exact=s.exact,
                note=s.not_checked or "",
            )
        )
    here = {s.rule_id for s in after.summary}
    for s in before.summary:
        if s.rule_id not in here:
            theirs = old.get(s.rule_id, {})
            counts = len(theirs)
            gone = Compared(s.rule_id, 0, 0, 0, 0, 0, 0, 0, counts, 0, counts, True, "no longer in the set")
            rules.append(gone)
    against = active.hash.hex() if active else None
    return Backtest(candidate.hash.hex(), against, position, transfers.num_rows, tuple(rules))


def _by_rule(flags: Sequence[Flag]) -> dict[str, dict[Any, Flag]]:
    found: dict[str, dict[Any, Flag]] = {}
    for flag in flags:
        places = flag.rows or tuple(flag.details.get("table_rows", ()))
        key = (flag.entities, places, flag.details.get("reach"))
        found.setdefault(flag.title, {})[key] = flag
    return found

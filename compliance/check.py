"""The check of a rule set: every rule in force over the ledger's transfers, or over a plain file's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from compliance.checks.definition import Check, NotCheckableError, compile_rules
from compliance.checks.execute import Engine, Outcome, Runner
from compliance.checks.findings import Evidence
from compliance.checks.interval import cut_points
from compliance.checks.table import Prepared, prepare
from compliance.jurisdictions import Establishment
from compliance.linking import joins, linked
from compliance.model import Rule
from compliance.rates import RateTable
from compliance.ruleset import RuleSet
from compliance.transactions import describe
from ledger.flag import OFF_LEDGER, Flag, Position

__all__ = ["RAISED", "CheckRun", "RuleSummary", "compile_ruleset", "run_with_summary"]

#: Kinds whose hits become findings. What is owed for every payment of a kind (keep a record, send the payer's
#: name along) is counted in the summary instead: it says nothing about one payment among thousands.
RAISED: Final = frozenset({"report", "prohibit", "limit", "aggregate", "cdd"})


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """What one rule's checks came to.

    Parameters
    ----------
    rows : int
        Transfers of the rule's type, currency and jurisdiction, in its time.
    certain, possible, needs_member, exempted : int
        Hits (transfers, or groups of transfers within one bank) by outcome.
    across_banks : int
        Sums of one party that no bank reaches alone.
    unconverted : int
        Transfers in another currency that the rule extends to, without a rate: no rate, no guess.
    exact : bool
        Whether the bands were cut at this rule's amounts, so that single transfers have no "possible".
    missing : tuple of str
        What the rows do not carry.
    not_checked : str or None
        Why there is no check for the rule.
    """

    rule_id: str
    citation: str | None
    kind: str | None
    rows: int = 0
    certain: int = 0
    possible: int = 0
    needs_member: int = 0
    exempted: int = 0
    across_banks: int = 0
    unconverted: int = 0
    exact: bool = True
    missing: tuple[str, ...] = ()
    not_checked: str | None = None


@dataclass(frozen=True, slots=True)
class CheckRun:
    """Findings in the order of rules and rows, and the summary of each rule."""

    findings: list[Flag]
    summary: list[RuleSummary] = field(default_factory=list)


def compile_ruleset(ruleset: RuleSet) -> list[Check]:
    """Return the checks of the rules that have one, joined with what other provisions add to them."""
    return [
        check for checks in _compiled(ruleset).values() if not isinstance(checks, str) for check in checks
    ]


def _compiled(ruleset: RuleSet) -> dict[str, tuple[Check, ...] | str]:
    """Return each rule's checks, or why it has none."""
    found = joins(ruleset.rules, ruleset.clauses)
    compiled: dict[str, tuple[Check, ...] | str] = {}
    for rule in ruleset.rules:
        try:
            compiled[rule.rule_id] = compile_rules(
                rule,
                ruleset.clauses[rule.rule_id],
                linked=linked(rule, ruleset.rules, found),
                jurisdiction=ruleset.jurisdiction(rule.rule_id),
                term=ruleset.term(rule.rule_id),
                linked_days=ruleset.linked_days,
            )
        except NotCheckableError as error:
            compiled[rule.rule_id] = error.what
    return compiled


def run_with_summary(
    ruleset: RuleSet,
    transfers: pa.Table | pd.DataFrame,
    *,
    position: Position | None = None,
    policy_cuts: Mapping[str, Sequence[int]] | None = None,
    raised: Collection[str] = RAISED,
    homes: Mapping[int, Establishment] | None = None,
    rates: RateTable | None = None,
    engine: Engine | None = None,
) -> CheckRun:
    """Check every rule of a set over transfers.

    Parameters
    ----------
    ruleset : RuleSet
    transfers : pyarrow.Table or pandas.DataFrame
        Columns of `ledger.tables.TRANSFER`; exact rows have intervals of no width.
    position : Position, optional
        The ledger position the transfers were read at; none for a plain file.
    policy_cuts : mapping, optional
        Currency to the band edges of the policy the rows were posted under, for the summary's `exact`.
    raised : collection of str
        Kinds of rules whose hits become findings.
    homes : mapping of member code to Establishment, optional
        Where banks stand; a rule is then checked for the banks of its jurisdiction only. Without it, for all.
    rates : RateTable, optional
        For rules that extend to the equivalent in other currencies.
    engine : Engine, optional
        What runs the SQL; DuckDB in memory by default.

    Returns
    -------
    CheckRun
        Transfers marked exempt trip nothing and are counted.

    Raises
    ------
    InputError
        When the transfers lack amounts, currency or time.
    """
    prepared = prepare(transfers, homes)
    runner = Runner(prepared, rates, engine)
    context: dict[str, Any] = {"rates": rates.hash} if rates else {}
    evidence = Evidence(prepared, position or OFF_LEDGER, ruleset, context)
    run = CheckRun([])
    for rule_id, checks in _compiled(ruleset).items():
        rule = ruleset.rule(rule_id)
        if isinstance(checks, str):
            run.summary.append(RuleSummary(rule_id, rule.citation, rule.kind, not_checked=checks))
        else:
            run.summary.append(
                _ran(rule, checks, runner, evidence, prepared, policy_cuts, raised, run.findings)
            )
    return run


def _ran(
    rule: Rule,
    checks: tuple[Check, ...],
    runner: Runner,
    evidence: Evidence,
    prepared: Prepared,
    policy_cuts: Mapping[str, Sequence[int]] | None,
    raised: Collection[str],
    findings: list[Flag],
) -> RuleSummary:
    """Run the checks of one rule, add their findings and return what they came to."""
    counts = dict.fromkeys(("certain", "possible", "needs_member", "exempted", "across_banks"), 0)
    first: Outcome | None = None
    missing: tuple[str, ...] = ()
    for check in checks:
        outcome = runner.run(check)
        first = first or outcome
        missing = (*check.missing, *(prepared.missing if check.where != "TRUE" else ()))
        asks = missing if _undecided(check, prepared.absent) else ()
        for hit in outcome.hits:
            if hit.exempted:
                counts["exempted"] += 1
                continue
            unsaid = asks or (missing if check.shape != "single" else ())
            if rule.kind in raised:
                findings.append(evidence.flag(check, hit, unsaid))
            across = check.reach == "consortium"
            counts["across_banks" if across else evidence.certainty(check, hit, unsaid)] += 1
    own = checks[0]
    edges = set((policy_cuts or {}).get(own.currency, ()))
    assert first is not None, "a rule that compiles has a check"  # noqa: S101
    return RuleSummary(
        rule.rule_id,
        rule.citation,
        rule.kind,
        rows=first.rows,
        unconverted=first.unconverted,
        exact=policy_cuts is None or cut_points(own.interval) <= edges,
        missing=missing,
        not_checked=None if own.where != "FALSE" else "no column of a row decides what the rule is about",
        **counts,
    )


def _undecided(check: Check, absent: tuple[str, ...]) -> bool:
    """Say whether a single transfer's hit still needs its bank: the type is not told by a column."""
    return bool(describe(check.rule.transaction_type).missing) or ("channel" in absent and "flags" in absent)

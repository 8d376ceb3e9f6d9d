"""The check of a rule set: every rule in force over the ledger's transfers, or over a plain file's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pandas as pd
import pyarrow as pa

from compliance.checks.definition import Check, NotCheckableError, compile_rule
from compliance.checks.execute import Runner
from compliance.checks.findings import OFF_LEDGER, Evidence
from compliance.checks.interval import cut_points
from compliance.checks.table import prepare
from compliance.linking import deadline_for
from compliance.ruleset import RuleSet
from compliance.transactions import describe
from ledger.flag import Flag, Position

__all__ = ["RAISED", "CheckRun", "RuleSummary", "compile_ruleset", "run", "run_with_summary"]

#: Kinds whose hits become findings. What is owed for every payment of a kind (keep a record, send the payer's
#: name along) is counted in the summary instead: it says nothing about one payment among thousands.
RAISED: Final = frozenset({"report", "prohibit", "limit", "aggregate", "cdd"})


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """What one rule's check came to.

    Parameters
    ----------
    rows : int
        Transfers of the rule's type and currency.
    certain, possible, needs_member, exempted : int
        Hits (transfers, or groups of transfers) by outcome.
    unconverted : int
        Transfers in another currency that the rule extends to: no rate, no guess.
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
    """Return the checks of the rules that have one."""
    checks = []
    for rule in ruleset.rules:
        try:
            checks.append(
                compile_rule(rule, ruleset.clauses[rule.rule_id], deadline=deadline_for(rule, ruleset.rules))
            )
        except NotCheckableError:
            continue
    return checks


def run(
    ruleset: RuleSet,
    transfers: pa.Table | pd.DataFrame,
    *,
    position: Position | None = None,
    policy_cuts: Mapping[str, Sequence[int]] | None = None,
) -> list[Flag]:
    """Return the findings of a rule set; see `run_with_summary`."""
    return run_with_summary(ruleset, transfers, position=position, policy_cuts=policy_cuts).findings


def run_with_summary(
    ruleset: RuleSet,
    transfers: pa.Table | pd.DataFrame,
    *,
    position: Position | None = None,
    policy_cuts: Mapping[str, Sequence[int]] | None = None,
    raised: Collection[str] = RAISED,
) -> CheckRun:
    """Check every rule of a set over transfers.

    Parameters
    ----------
    ruleset : RuleSet
    transfers : pyarrow.Table or pandas.DataFrame
        Columns of `ledger.schema.TRANSFER`; exact rows have intervals of no width.
    position : Position, optional
        The ledger position the transfers were read at; none for a plain file.
    policy_cuts : mapping, optional
        Currency to the band edges of the policy the rows were posted under, for the summary's `exact`.
    raised : collection of str
        Kinds of rules whose hits become findings.

    Returns
    -------
    CheckRun
        Transfers marked exempt trip nothing and are counted.

    Raises
    ------
    InputError
        When the transfers lack amounts, currency or time.
    """
    prepared = prepare(transfers)
    runner = Runner(prepared)
    evidence = Evidence(prepared.table, position or OFF_LEDGER, ruleset.hash.hex())
    findings: list[Flag] = []
    summary: list[RuleSummary] = []
    for rule in ruleset.rules:
        try:
            check = compile_rule(
                rule, ruleset.clauses[rule.rule_id], deadline=deadline_for(rule, ruleset.rules)
            )
        except NotCheckableError as error:
            summary.append(RuleSummary(rule.rule_id, rule.citation, rule.kind, not_checked=error.what))
            continue
        outcome = runner.run(check)
        missing = (*check.missing, *(prepared.missing if check.where != "TRUE" else ()))
        asks = missing if _undecided(check, prepared.absent) else ()
        counts = dict.fromkeys(("certain", "possible", "needs_member", "exempted"), 0)
        for hit in outcome.hits:
            if hit.exempted:
                counts["exempted"] += 1
                continue
            if rule.kind in raised:
                findings.append(
                    evidence.flag(check, hit, asks or (missing if check.shape != "single" else ()))
                )
            counts["needs_member" if asks and check.shape == "single" else hit.certainty] += 1
        edges = set((policy_cuts or {}).get(check.currency, ()))
        summary.append(
            RuleSummary(
                rule.rule_id,
                rule.citation,
                rule.kind,
                rows=outcome.rows,
                unconverted=outcome.unconverted,
                exact=policy_cuts is None or cut_points(check.interval) <= edges,
                missing=missing,
                not_checked=None
                if check.where != "FALSE"
                else "no column of a row decides what the rule is about",
                **counts,
            )
        )
    return CheckRun(findings, summary)


def _undecided(check: Check, absent: tuple[str, ...]) -> bool:
    """Say whether a single transfer's hit still needs its bank: the type is not told by a column."""
    return bool(describe(check.rule.transaction_type).missing) or ("channel" in absent and "flags" in absent)

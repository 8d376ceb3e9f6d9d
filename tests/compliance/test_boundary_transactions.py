"""Generated boundary transactions: every executable rule gives the answer that its words give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from compliance.check import run_with_summary
from compliance.checks.boundary import BANK, Case, bank_of, boundaries
from compliance.extract import extract_file
from compliance.jurisdictions import home_of
from compliance.reading import read_file
from compliance.rulebook import model_ruleset
from compliance.ruleset import RuleSet, Term, build, cuts
from ledger.encoding import band_arrays
from ledger.encoding.bands import Bands, logarithmic_grid

ANNOTATED = Path(__file__).resolve().parents[2] / "../shared/regulations/annotated"
EVERY = frozenset({"report", "record", "cdd", "travel_info", "prohibit", "limit", "aggregate"})
TERM = Term(date(2026, 3, 3), date(2026, 9, 1))
JAPAN = home_of("JP")
#: What rows cannot decide: asked of the bank, and said so in the summary.
UNDECIDED = {"extension_of_credit", "foreign_account", "gambling", "trade", None}


@dataclass(frozen=True)
class Answered:
    rule_id: str
    wrong: list[str]
    cases: int


def annotated() -> RuleSet:
    if not ANNOTATED.is_dir():
        pytest.skip("the annotated provisions are not beside this checkout")
    files = sorted(ANNOTATED.glob("*.txt"))
    return build("annotated", [(extract_file(path), read_file(path)) for path in files])


def answers(ruleset: RuleSet, *, encoded: bool, bucket: int = 1) -> list[Answered]:
    """Run every rule alone on its boundary cases, each with customers of its own; compare with the law."""
    found = []
    for rule in ruleset.rules:
        if rule.status != "executable":
            continue
        alone = ruleset.keeping([rule.rule_id])
        cases = boundaries(
            rule,
            jurisdiction=ruleset.jurisdiction(rule.rule_id),
            linked_days=ruleset.linked_days,
            term=TERM,
        )
        dated = [case for case in cases if "in force" in case.name or "longer" in case.name]
        others = [case for case in cases if case not in dated]
        wrong = ran(alone, others, ruleset, encoded, bucket)
        wrong += ran(replace(alone, terms={rule.rule_id: TERM}), dated, ruleset, encoded, bucket)
        found.append(Answered(rule.rule_id, wrong, len(cases)))
        undecided = rule.transaction_type in UNDECIDED
        assert undecided == (not cases), rule
        if undecided:
            empty = pa.Table.from_pylist(
                [{"amount_low": 1, "amount_high": 1, "currency": 840, "time_low": 0}]
            )
            assert run_with_summary(alone, empty).summary[0].not_checked
    return found


def ran(alone: RuleSet, cases: list[Case], ruleset: RuleSet, encoded: bool, bucket: int) -> list[str]:
    rows, owner = [], []
    for i, case in enumerate(cases):
        for row in case.rows:
            names = {side: f"{row[side]}{i}" for side in ("debtor_account", "creditor_account")}
            rows.append(row | names)
            owner.append(i)
    if not rows:
        return []
    if encoded:
        encode(rows, cuts(ruleset), bucket)
    homes = {BANK: bank_of(alone.jurisdiction(alone.rules[0].rule_id))}
    run = run_with_summary(alone, pa.Table.from_pylist(rows), homes=homes | {BANK + 1: JAPAN}, raised=EVERY)
    got: dict[int, set[str]] = {i: set() for i in range(len(cases))}
    for flag in run.findings:
        owners = {owner[number] for number in flag.details["table_rows"]}
        assert len(owners) == 1, "a finding mixes the customers of two cases"
        got[owners.pop()].add(flag.certainty)
    wrong = []
    for i, case in enumerate(cases):
        want = {"needs_member" if case.asks else "certain"} if case.trips else set()
        if got[i] != want:
            wrong.append(f"{case.name}: {sorted(got[i])} instead of {sorted(want)}")
    return wrong


def encode(rows: list[dict], edges: dict[str, list[int]], bucket: int) -> None:
    """Tell bands and buckets instead of amounts and seconds, as a bank's rows do."""
    codes = {840: "USD", 124: "CAD", 978: "EUR"}
    for row in rows:
        bands = Bands([*logarithmic_grid(), *edges[codes[row["currency"]]]])
        low, high = band_arrays.decode(bands, [bands.band(row["amount_low"])])
        row["amount_low"], row["amount_high"] = int(low[0]), int(high[0])
        row["time_low"] -= row["time_low"] % bucket
        row["time_high"] = row["time_low"] + bucket


def test_every_executable_rule_of_the_annotated_set_gets_the_legally_right_answer():
    found = answers(annotated(), encoded=False)
    assert [(a.rule_id, a.wrong) for a in found if a.wrong] == []
    assert len(found) == 32, "31 amounts, and the one that Art. 80(4) takes from Art. 80(1)"
    assert sum(a.cases for a in found) > 250


def test_every_rule_of_the_model_rulebook_too():
    found = answers(model_ruleset(), encoded=False)
    assert [(a.rule_id, a.wrong) for a in found if a.wrong] == []
    assert all(a.cases for a in found)


def test_single_transactions_are_answered_on_encoded_rows_exactly_as_on_exact_ones():
    """Bands are cut at the thresholds: no `possible` for a single transfer of the policy's own rules."""
    ruleset = model_ruleset()
    single = [
        rule.rule_id
        for rule in ruleset.rules
        if rule.trigger is not None
        and (rule.aggregation is None or rule.aggregation.window_unit == "single_transaction")
    ]
    found = answers(ruleset.keeping(single), encoded=True, bucket=3600)
    assert len(found) == len(single)
    assert [(a.rule_id, a.wrong) for a in found if a.wrong] == []

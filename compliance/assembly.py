"""Assembly: the clauses of a provision to its rules; each amount and period ends as a rule or a rejection."""

from __future__ import annotations

import re
from typing import Any, Final

from compliance import counting, grammar, limits, periods
from compliance.atoms import Atom
from compliance.clauses import Clause, Read
from compliance.currencies import resolve
from compliance.definitions import defined_period, defined_term, sets_amount
from compliance.grammar import Comparison
from compliance.judgement import reason_against, sentence_reason
from compliance.kinds import kind_of, plainly_demands
from compliance.modals import OWING
from compliance.model import Rejected, Rule, Trigger
from compliance.money import decimal_text
from compliance.writing import Writer

__all__ = ["Assembler"]


class Assembler:
    """Judges provision after provision; the rules and rejections are in the order of the text."""

    def __init__(self, jurisdiction: str | None, instrument: str | None, text: str) -> None:
        self.jurisdiction = jurisdiction
        self._write = Writer(jurisdiction, instrument, text)

    @property
    def rules(self) -> list[Rule]:
        """The rules so far."""
        return self._write.rules

    @property
    def rejected(self) -> list[Rejected]:
        """What was read so far and is no rule."""
        return self._write.rejected

    def add(self, provision: Read) -> None:
        """Judge every amount, period and exemption of a provision."""
        for clause in provision.clauses:
            self._clause(clause, provision)

    def _clause(self, clause: Clause, provision: Read) -> None:
        amounts = self._amounts(clause)
        durations = list(clause.of("DURATION"))
        against = sentence_reason(clause)
        if against is not None:
            for comparison in amounts:
                self._write.reject(clause, comparison.first, comparison.last, against)
                if against == "definition":
                    self._parameter(clause, comparison)
            for atom in durations:
                self._write.reject(clause, atom.first, atom.last, against)
            return
        summed = amounts or any(clause.of("A_AGGREGATE", "C_AGGREGATED"))
        window = counting.window(clause.passage, clause.within) if summed else None
        limit = limits.deadline(clause, window)
        if limit is not None and window is not None and _overlap(limit, window):
            limit = None
        made = self._thresholds(clause, amounts, window, limit, provision)
        used = [(period.first, period.last) for period in (window, limit) if period is not None]
        for atom in durations:
            made += self._period(clause, atom, used, provision)
        if not made and not amounts:
            made += self._by_reference(clause, limit)
        if limit is not None and not made and limit.unit != "before":
            made += self._deadline(clause, limit)
        if not made:
            self._without_amount(clause, amounts, limit, window, provision)

    def _amounts(self, clause: Clause) -> list[Comparison]:
        """Return the amounts of a sentence; one without a comparison may take it from the words above."""
        found = grammar.comparisons(clause.passage, clause.within)
        if not clause.above or all(c.op is not None for c in found):
            return found
        above = clause.above[0]
        return [
            grammar.inherited(c, clause.passage, clause.within, above.passage, above.within) for c in found
        ]

    def _thresholds(
        self,
        clause: Clause,
        amounts: list[Comparison],
        window: counting.Window | None,
        limit: periods.StatedPeriod | None,
        provision: Read,
    ) -> int:
        made = 0
        told: list[tuple[Comparison, tuple[Any, ...]]] = []
        for comparison in amounts:
            reason = reason_against(clause, comparison)
            if reason in ("no_comparison", "no_duty", "definition") and sets_amount(clause, comparison):
                reason = "parameter_definition"
            what = self._what(comparison)
            if reason in (None, "no_comparison") and _restates(clause, comparison, what, told):
                reason = "restated"
            if reason is not None:
                self._write.reject(clause, comparison.first, comparison.last, reason)
                if reason in ("definition", "parameter_definition"):
                    self._parameter(clause, comparison)
                continue
            told.append((comparison, what))
            made += self._threshold(clause, comparison, window, limit, provision)
        return made

    def _what(self, comparison: Comparison) -> tuple[Any, ...]:
        """Return what makes two amounts of a sentence the same: the sum and its currencies."""
        money = comparison.amount.money
        if money is None:
            return (comparison.amount.first,)
        return (money.amount, *(resolve(sign, self.jurisdiction) for sign in money.written))

    def _threshold(
        self,
        clause: Clause,
        comparison: Comparison,
        window: counting.Window | None,
        limit: periods.StatedPeriod | None,
        provision: Read,
    ) -> int:
        kind, modality, duty = kind_of(clause, comparison, provision)
        if duty is None or comparison.op is None:
            return 0
        questions = [comparison.open_question] if comparison.open_question else []
        if kind is None:
            questions.append("What is to be done: report, record, check the customer, or something else?")
        if modality in ("may", None):
            questions.append("The words permit something; is anything owed?")
        op = "gt" if kind == "limit" and comparison.op == "le" else comparison.op
        triggers = self._triggers(clause, comparison, op)
        for trigger, asked in triggers:
            reasons = [*questions, *asked]
            self._write.rule(
                clause,
                duty,
                kind=kind,
                modality=modality,
                trigger=trigger,
                at=comparison.first,
                aggregation=self._write.aggregation(clause, window),
                deadline=self._write.deadline(clause, limit),
                status="needs_review" if reasons else "executable",
                reasons=reasons,
            )
        return len(triggers)

    def _triggers(self, clause: Clause, comparison: Comparison, op: str) -> list[tuple[Trigger, list[str]]]:
        """Return a trigger for each currency an amount is told in, with what is to be asked about it."""
        span = clause.span(comparison.first, comparison.last)
        atom = comparison.amount
        written = self._write.words(clause, atom.first, atom.last)
        money = atom.money
        if money is None:
            asked = f"How much money is “{written}”?"
            return [(Trigger(op=op, amount=None, currency=None, span=span), [asked])]  # type: ignore[arg-type]
        upper = comparison.upper.money if comparison.upper is not None else None
        found = []
        for sign in money.written:
            currency = resolve(sign, self.jurisdiction)
            questions = [] if currency else [f"Which currency is “{written}” in?"]
            if money.contradicts:
                questions.append("The amount in words and the amount in figures differ; which one holds?")
            trigger = Trigger(
                op=op,  # type: ignore[arg-type]
                amount=decimal_text(money.amount),
                amount_max=decimal_text(upper.amount) if upper is not None else None,
                currency=currency,
                equivalent_currency=grammar.equivalent(clause.passage, comparison, clause.within),
                span=span,
            )
            found.append((trigger, questions))
        return found

    def _parameter(self, clause: Clause, comparison: Comparison) -> None:
        """Write an amount that a definition sets for a duty that stands elsewhere."""
        term = defined_term(clause)
        if term is None:
            return
        for trigger, asked in self._triggers(clause, comparison, comparison.op or "eq"):
            self._write.rule(
                clause,
                clause,
                kind="parameter",
                modality=None,
                trigger=trigger,
                at=comparison.first,
                aggregation=self._write.aggregation(clause, counting.window(clause.passage, clause.within)),
                status="informational",
                reasons=asked,
                subject=term,
            )

    def _deadline(self, clause: Clause, limit: periods.StatedPeriod) -> int:
        governing = clause.governing()
        if governing is None:
            return 0
        owed = governing.modality in OWING
        self._write.rule(
            clause,
            governing,
            kind="deadline",
            modality=governing.modality if owed else "must",
            deadline=self._write.deadline(clause, limit),
            status="informational",
        )
        return 1

    def _period(self, clause: Clause, atom: Atom, used: list[tuple[int, int]], provision: Read) -> int:
        if any(first <= atom.first and atom.last <= last for first, last in used):
            return 0
        reason = periods.period_reason(clause, atom)
        governing = clause.governing()
        limited = limits.limiting(clause, atom) is not None
        kept = periods.retention(clause, atom) if reason is None and not limited else None
        if reason in (None, "no_duty") and kept is None:
            defined = defined_period(clause, provision)
            if defined is not None:
                governing = defined
                kept = periods.defined(clause, atom, "at least" in defined.text or "minimum" in defined.text)
        if kept is None or governing is None or kept.value is None:
            self._write.reject(clause, atom.first, atom.last, reason or "condition")
            return 0
        self._write.rule(
            clause,
            governing,
            kind="retain",
            modality=governing.modality,
            status="informational",
            at=atom.first,
            retention=self._write.retention(clause, kept),
        )
        return 1

    def _by_reference(self, clause: Clause, limit: periods.StatedPeriod | None) -> int:
        """Read "above the limit shall be reported": a comparison with an amount that stands elsewhere."""
        for named in clause.of("C_THRESHOLD"):
            op = next((a for a in clause.of("GT", "GE", "LT", "LE") if a.end == named.start), None)
            kind, modality, duty = kind_of(clause, None, Read([], {}))
            if modality == "must_not":
                kind = "prohibit"
            owed = modality in ("must", "must_not") and clause.authority() is None
            if op is None or duty is None or kind is None or not owed:
                continue
            trigger = Trigger(
                op=op.label.lower(),  # type: ignore[arg-type]
                amount=None,
                currency=None,
                span=clause.span(op.first, named.last),
            )
            words = self._write.words(clause, named.first, named.last)
            self._write.rule(
                clause,
                duty,
                kind=kind,
                modality=modality,
                trigger=trigger,
                deadline=self._write.deadline(clause, limit),
                status="needs_review",
                reasons=[f"Which amount is “{words}”?"],
            )
            return 1
        return 0

    def _without_amount(
        self,
        clause: Clause,
        amounts: list[Comparison],
        limit: periods.StatedPeriod | None,
        window: counting.Window | None,
        provision: Read,
    ) -> None:
        """Write what a sentence forbids, demands or exempts from whatever the amount is."""
        if clause.modal is None or clause.authority() is not None:
            return
        if clause.modality == "not_required":
            self._write.rule(clause, clause, kind="exempt", modality="not_required", status="informational")
            return
        kind, modality, _ = kind_of(clause, None, provision)
        aggregates = kind == "aggregate"
        demands = not amounts and not clause.sentence.node.children and plainly_demands(clause)
        if modality not in OWING or not (aggregates or demands):
            return
        self._write.rule(
            clause,
            clause,
            kind="prohibit" if modality == "must_not" and not aggregates else kind,
            modality=modality,
            deadline=self._write.deadline(clause, limit),
            aggregation=self._write.aggregation(clause, window) if aggregates else None,
            status="informational",
        )


def _overlap(one: periods.StatedPeriod, other: counting.Window) -> bool:
    return one.first < other.last and other.first < one.last


#: "each check in excess of $100, each item in excess of $100": told anew of something else.
_ANEW: Final = re.compile(
    r"(?:\band|\bor|,) (?:of )?(?:each|every|any|all|for|in the case of)\b|; ?\(?[0-9a-z]{1,3}\)"
)


def _restates(
    clause: Clause,
    comparison: Comparison,
    what: tuple[Any, ...],
    told: list[tuple[Comparison, tuple[Any, ...]]],
) -> bool:
    """Say whether an amount only repeats one that the sentence has told before."""
    for before, same in told:
        if same != what or comparison.op not in (None, before.op):
            continue
        if comparison.op is None or not _ANEW.search(clause.words(before.last, comparison.first)):
            return True
    return False

"""Assembly: the clauses of a provision to its rules; each amount and period ends as a rule or a rejection."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from compliance import grammar, periods, windows
from compliance.atoms import Atom
from compliance.citations import cite, references, slug
from compliance.clauses import Clause, Read
from compliance.currencies import resolve
from compliance.grammar import Comparison
from compliance.judgement import kind_of, reason_against, sentence_reason
from compliance.model import Aggregation, Deadline, Exemption, Rejected, Retention, Rule, Trigger
from compliance.money import decimal_text
from compliance.transactions import TYPES, find_type

__all__ = ["Assembler"]

_EXEMPTION = re.compile(
    r"\b(?:except(?: as| for| where| when| if| in)?|other than|with the exception of|unless|excluding)\b"
    r"[^;.:]*",
    re.IGNORECASE,
)
_ACTION_END = re.compile(
    r"[,;.:—(](?![0-9])"
    r"|\b(?:of each|of every|in respect of|with respect to|when|if|where|within|on or before|as required)\b"
    r"|\b(?:that|which|who|of more|of at least|exceeding|in excess)\b"
)
_CONDITION_OPENS: Final = re.compile(r"\b(?:if|where|when|provided that|and)\b|[,;]", re.IGNORECASE)


class Assembler:
    """Collects rules and rejections in the order of the text."""

    def __init__(self, jurisdiction: str | None, instrument: str | None, text: str) -> None:
        self.jurisdiction = jurisdiction
        self.instrument = instrument
        self.text = text
        self.rules: list[Rule] = []
        self.rejected: list[Rejected] = []
        self._numbers: Counter[str] = Counter()

    def add(self, provision: Read) -> None:
        """Judge every amount, period and exemption of a provision."""
        for clause in provision.clauses:
            self._clause(clause, provision)

    def _clause(self, clause: Clause, provision: Read) -> None:
        amounts = grammar.comparisons(clause.passage, clause.within)
        durations = list(clause.of("DURATION"))
        against = sentence_reason(clause)
        if against is not None:
            for comparison in amounts:
                self._reject(clause, comparison.first, comparison.last, against)
            for atom in durations:
                self._reject(clause, atom.first, atom.last, against)
            return
        window = windows.window(clause.passage, clause.within)
        used: list[tuple[int, int]] = [(window.first, window.last)] if window else []
        limit = periods.deadline(clause)
        if (
            limit is not None
            and window is not None
            and limit.first < window.last
            and window.first < limit.last
        ):
            limit = None
        if limit is not None:
            used.append((limit.first, limit.last))
        made = 0
        told: set[tuple[Any, ...]] = set()
        for comparison in amounts:
            reason = reason_against(clause, comparison)
            same = (comparison.amount.money.amount if comparison.amount.money else None, comparison.op)
            if reason is None and same in told:
                reason = "restated"
            if reason == "no_comparison" and any(same[0] == t[0] for t in told):
                reason = "restated"
            if reason is not None:
                self._reject(clause, comparison.first, comparison.last, reason)
                continue
            told.add(same)
            made += self._threshold(clause, comparison, window, limit, provision)
        for atom in durations:
            made += self._period(clause, atom, used, provision)
        if not made and not amounts:
            made += self._by_reference(clause, limit)
        if limit is not None and not made:
            made += self._deadline(clause, limit)
        if (
            not made
            and clause.modal is not None
            and clause.modality == "not_required"
            and clause.authority() is None
        ):
            self._emit(clause, clause, kind="exempt", modality="not_required", status="informational")

    def _threshold(
        self,
        clause: Clause,
        comparison: Comparison,
        window: windows.Window | None,
        limit: periods.Period | None,
        provision: Read,
    ) -> int:
        kind, modality, duty = kind_of(clause, comparison, provision)
        money = comparison.amount.money
        if duty is None or money is None or comparison.op is None:
            return 0
        questions = [comparison.open_question] if comparison.open_question else []
        if kind is None:
            questions.append("What is to be done: report, record, check the customer, or something else?")
        if money.contradicts:
            questions.append("The amount in words and the amount in figures differ; which one holds?")
        if modality in ("may", None):
            questions.append("The words permit something; is anything owed?")
        op = "gt" if kind == "limit" and comparison.op == "le" else comparison.op
        upper = comparison.upper.money if comparison.upper is not None else None
        span = clause.span(comparison.first, comparison.last)
        for written in money.written:
            currency = resolve(written, self.jurisdiction)
            asked = list(questions)
            if currency is None:
                asked.append(f"Which currency is “{self._as_written(clause, comparison.amount)}” in?")
            trigger = Trigger(
                op=op,  # type: ignore[arg-type]
                amount=decimal_text(money.amount),
                amount_max=decimal_text(upper.amount) if upper is not None else None,
                currency=currency,
                equivalent_currency=grammar.equivalent(clause.passage, comparison, clause.within),
                span=span,
            )
            self._emit(
                clause,
                duty,
                kind=kind,
                modality=modality,
                trigger=trigger,
                at=comparison.first,
                aggregation=self._aggregation(clause, window),
                deadline=self._deadline_of(clause, limit),
                status="needs_review" if asked else "executable",
                reasons=asked,
            )
        return len(money.written)

    def _as_written(self, clause: Clause, atom: Atom) -> str:
        first, last = clause.span(atom.first, atom.last)
        return self.text[first:last]

    def _aggregation(self, clause: Clause, window: windows.Window | None) -> Aggregation | None:
        if window is None:
            return None
        knows = _knowledge(clause)
        timed = window.unit not in (
            "single_transaction",
            "linked_transactions",
            "one_time",
            "contemporaneous",
            "request",
        )
        first, last = clause.span(window.first, window.last)
        return Aggregation(
            scope=self.text[first:last],
            window_value=window.value if timed else None,
            window_unit=window.unit,  # type: ignore[arg-type]
            condition=self._words(clause, *knows) if knows and timed else None,
            span=(first, last),
        )

    def _deadline_of(self, clause: Clause, limit: periods.Period | None) -> Deadline | None:
        if limit is None:
            return None
        return Deadline(
            value=limit.value,
            unit=limit.unit,  # type: ignore[arg-type]
            anchor=self._words(clause, *limit.anchor) if limit.anchor else None,
            span=clause.span(limit.first, limit.last),
        )

    def _deadline(self, clause: Clause, limit: periods.Period) -> int:
        governing = clause.governing()
        if governing is None:
            return 0
        self._emit(
            clause,
            governing,
            kind="deadline",
            modality=governing.modality if governing.modality in ("must", "must_not", "deem") else "must",
            deadline=self._deadline_of(clause, limit),
            status="informational",
        )
        return 1

    def _period(self, clause: Clause, atom: Atom, used: list[tuple[int, int]], provision: Read) -> int:
        if any(first <= atom.first and atom.last <= last for first, last in used):
            return 0
        reason = periods.period_reason(clause, atom)
        governing = clause.governing()
        kept = periods.retention(clause, atom) if reason is None else None
        minimum = kept.minimum if kept else False
        defined = None
        if reason in (None, "no_duty") and kept is None:
            defined = _defined_period(clause, provision)
            if defined is not None:
                governing, minimum = defined, "at least" in defined.text or "minimum" in defined.text
                kept = periods.Period(
                    atom.duration.value if atom.duration else None,
                    atom.duration.unit if atom.duration else "year",
                    minimum,
                    atom.first,
                    atom.last,
                    periods.anchor(clause, atom.last),
                )
        if kept is None or governing is None or kept.value is None:
            self._reject(clause, atom.first, atom.last, reason or "condition")
            return 0
        self._emit(
            clause,
            governing,
            kind="retain",
            modality=governing.modality,
            status="informational",
            at=atom.first,
            retention=Retention(
                value=kept.value,
                unit=kept.unit,  # type: ignore[arg-type]
                minimum=minimum,
                anchor=self._words(clause, *kept.anchor) if kept.anchor else None,
                span=clause.span(kept.first, kept.last),
            ),
        )
        return 1

    def _by_reference(self, clause: Clause, limit: periods.Period | None) -> int:
        """Read "above the limit shall be reported": a comparison with an amount that stands elsewhere."""
        for named in clause.of("C_THRESHOLD"):
            op = next((a for a in clause.of("GT", "GE", "LT", "LE") if a.end == named.start), None)
            kind, modality, duty = kind_of(clause, None, Read([], {}))
            if (
                op is None
                or duty is None
                or kind is None
                or modality != "must"
                or clause.authority() is not None
            ):
                continue
            trigger = Trigger(
                op=op.label.lower(),  # type: ignore[arg-type]
                amount=None,
                currency=None,
                span=clause.span(op.first, named.last),
            )
            words = self._words(clause, named.first, named.last)
            self._emit(
                clause,
                duty,
                kind=kind,
                modality=modality,
                trigger=trigger,
                deadline=self._deadline_of(clause, limit),
                status="needs_review",
                reasons=[f"Which amount is “{words}”?"],
            )
            return 1
        return 0

    def _emit(
        self,
        clause: Clause,
        duty: Clause,
        *,
        kind: str | None,
        modality: str | None,
        status: str,
        trigger: Trigger | None = None,
        aggregation: Aggregation | None = None,
        deadline: Deadline | None = None,
        retention: Retention | None = None,
        reasons: list[str] | None = None,
        at: int | None = None,
    ) -> None:
        node = clause.sentence.node
        citation = cite(node, self.instrument)
        stem = slug(self.jurisdiction, citation, node)
        self._numbers[stem] += 1
        spans: dict[str, tuple[int, int]] = {}
        subject = duty.subject()
        if subject is not None:
            spans["subject"] = duty.span(*subject)
        if duty.modal is not None:
            spans["modality"] = duty.span(duty.modal.first, duty.modal.last)
            action = _action(duty)
            if action is not None:
                spans["action"] = duty.span(*action)
        found = find_type(clause.chain, at) if kind not in ("retain", "deadline") else None
        if found is not None:
            spans["transaction_type"] = found[2].span(*found[1])
        read = {name: self.text[slice(*spans[name])] for name in ("subject", "action") if name in spans}
        code = found[0] if found else None
        self.rules.append(
            Rule(
                rule_id=f"{stem}-{self._numbers[stem]}",
                citation=citation,
                kind=kind,  # type: ignore[arg-type]
                span=clause.span(*clause.within),
                subject=read.get("subject"),
                modality=modality,  # type: ignore[arg-type]
                action=read.get("action"),
                transaction_type=code if code in TYPES else None,
                trigger=trigger,
                aggregation=aggregation,
                deadline=deadline,
                retention=retention,
                exemptions=tuple(self._exemptions(clause))
                if kind not in ("exempt", "deadline", "retain")
                else (),
                references=references(clause.text),
                inherits=tuple(
                    link.span(*link.within) for link in clause.above if link is duty or link.modal is not None
                ),
                spans=spans,
                status=status,  # type: ignore[arg-type]
                reasons=tuple(reasons or ()),
            )
        )

    def _exemptions(self, clause: Clause) -> list[Exemption]:
        found = []
        for match in _EXEMPTION.finditer(clause.passage.text, *clause.within):
            last = match.end()
            while clause.passage.text[last - 1] in " ,":
                last -= 1
            span = clause.span(match.start(), last)
            found.append(Exemption(text=self.text[slice(*span)], span=span))
        return found

    def _reject(self, clause: Clause, first: int, last: int, reason: str) -> None:
        self.rejected.append(
            Rejected(span=clause.span(first, last), text=self._words(clause, first, last), reason=reason)
        )

    def _words(self, clause: Clause, first: int, last: int) -> str:
        return self.text[slice(*clause.span(first, last))]


def _knowledge(clause: Clause) -> tuple[int, int] | None:
    """Return the characters of a condition such as "if the bank has knowledge"."""
    cue = next(clause.of("C_KNOWLEDGE"), None)
    if cue is None:
        return None
    opens = list(_CONDITION_OPENS.finditer(clause.passage.text, clause.within[0], cue.first))
    first = opens[-1].start() if opens else cue.first
    while clause.passage.text[first] in " ,;":
        first += 1
    return first, cue.last


def _action(clause: Clause) -> tuple[int, int] | None:
    """Return the characters of what the main clause demands, up to its object's conditions."""
    if clause.modal is None:
        return None
    first, last = clause.modal.last, clause.within[1]
    text = clause.passage.text
    while first < last and text[first] in " ,":
        first += 1
    end = _ACTION_END.search(text, first + 1, last)
    stop = end.start() if end else last
    while stop > first and text[stop - 1] in " ,.;:":
        stop -= 1
    return (first, stop) if first < stop else None


_THE_PERIOD = re.compile(
    r"\b(?:the|that) (?:retention )?period (?:is|shall be|must be|of time is)\b", re.IGNORECASE
)
_BY_REFERENCE = re.compile(
    r"\bperiod (?:specified|referred to|set out|mentioned|prescribed|described|laid down|provided for) in "
    r"(?:sub)?(?:paragraph|section|subsection|regulation|article)",
    re.IGNORECASE,
)


def _defined_period(clause: Clause, provision: Read) -> Clause | None:
    """Return the duty that a sentence such as "the period is five years" completes."""
    if not _THE_PERIOD.search(clause.text):
        return None
    for other in provision.clauses:
        if _BY_REFERENCE.search(other.text) and other.modality == "must" and any(other.of("A_RECORD")):
            return other
    return None

"""Writing: what was read in a clause, as rules and rejections in the interchange format."""

from __future__ import annotations

from collections import Counter

from compliance import wording
from compliance.citations import cite, references, slug
from compliance.clauses import Clause
from compliance.counting import TIMED, Window
from compliance.model import Aggregation, Deadline, Exemption, Rejected, Retention, Rule, Trigger
from compliance.periods import StatedPeriod
from compliance.transactions import TYPES, find_type

__all__ = ["Writer"]

Span = tuple[int, int]


class Writer:
    """Collects rules and rejections in the order of the text; every field carries the span it was read from.

    Parameters
    ----------
    jurisdiction : str or None
    instrument : str or None
        How the text as a whole is cited.
    text : str
        The decoded file.
    """

    def __init__(self, jurisdiction: str | None, instrument: str | None, text: str) -> None:
        self.jurisdiction = jurisdiction
        self.instrument = instrument
        self.text = text
        self.rules: list[Rule] = []
        self.rejected: list[Rejected] = []
        self._numbers: Counter[str] = Counter()

    def words(self, clause: Clause, first: int, last: int) -> str:
        """Return the file's words for characters of a clause's block."""
        return self.text[slice(*clause.span(first, last))]

    def reject(self, clause: Clause, first: int, last: int, reason: str) -> None:
        """Note an amount or a period that is no rule, and why."""
        span = clause.span(first, last)
        self.rejected.append(Rejected(span=span, text=self.text[slice(*span)], reason=reason))

    def aggregation(self, clause: Clause, window: Window | None) -> Aggregation | None:
        """Return what is counted together, in the interchange format."""
        if window is None:
            return None
        knows = wording.knowledge(clause)
        timed = window.unit in TIMED
        first, last = clause.span(window.first, window.last)
        return Aggregation(
            scope=self.text[first:last],
            window_value=window.value if timed else None,
            window_unit=window.unit,  # type: ignore[arg-type]
            condition=self.words(clause, *knows) if knows and timed else None,
            span=(first, last),
        )

    def deadline(self, clause: Clause, limit: StatedPeriod | None) -> Deadline | None:
        """Return a time limit in the interchange format."""
        if limit is None:
            return None
        return Deadline(
            value=limit.value,
            unit=limit.unit,  # type: ignore[arg-type]
            anchor=self.words(clause, *limit.anchor) if limit.anchor else None,
            span=clause.span(limit.first, limit.last),
        )

    def retention(self, clause: Clause, kept: StatedPeriod) -> Retention | None:
        """Return a period of keeping in the interchange format."""
        if kept.value is None:
            return None
        return Retention(
            value=kept.value,
            unit=kept.unit,  # type: ignore[arg-type]
            minimum=kept.minimum,
            anchor=self.words(clause, *kept.anchor) if kept.anchor else None,
            span=clause.span(kept.first, kept.last),
        )

    def rule(
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
        subject: tuple[Clause, Span] | None = None,
    ) -> None:
        """Write one rule: `clause` holds the amount or period, `duty` is where subject and modality stand."""
        node = clause.sentence.node
        citation = cite(node, self.instrument)
        stem = slug(self.jurisdiction, citation, node)
        self._numbers[stem] += 1
        spans = _spans(duty, subject)
        read = {name: self.text[slice(*spans[name])] for name in ("subject", "action") if name in spans}
        found = find_type(clause.chain, at) if kind not in ("retain", "deadline") else None
        if found is not None:
            spans["transaction_type"] = found[2].span(*found[1])
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
                exemptions=self._exemptions(clause, kind),
                references=references(clause.text),
                inherits=tuple(
                    link.span(*link.within) for link in clause.above if link is duty or link.modal is not None
                ),
                spans=spans,
                status=status,  # type: ignore[arg-type]
                reasons=tuple(reasons or ()),
            )
        )

    def _exemptions(self, clause: Clause, kind: str | None) -> tuple[Exemption, ...]:
        if kind in ("exempt", "deadline", "retain", "parameter"):
            return ()
        spans = [clause.span(*place) for place in wording.exemptions(clause)]
        return tuple(Exemption(text=self.text[slice(*span)], span=span) for span in spans)


def _spans(duty: Clause, subject: tuple[Clause, Span] | None) -> dict[str, Span]:
    """Return where subject, modality and action stand: of a duty, or only the subject that is given."""
    if subject is not None:
        return {"subject": subject[0].span(*subject[1])}
    spans: dict[str, Span] = {}
    who = duty.subject()
    if who is not None:
        spans["subject"] = duty.span(*who)
    if duty.modal is not None:
        spans["modality"] = duty.span(duty.modal.first, duty.modal.last)
        what = wording.action(duty)
        if what is not None:
            spans["action"] = duty.span(*what)
    return spans

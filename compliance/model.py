"""The rule, as it is written down and exchanged: frozen models, strict parsing, deterministic bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from ledger.errors import InputError

__all__ = [
    "Aggregation",
    "Deadline",
    "Exemption",
    "Rejected",
    "Retention",
    "Rule",
    "RuleDocument",
    "RuleFormatError",
    "Span",
    "Trigger",
    "dumps",
    "parse_rule",
]

Kind = Literal[
    "report",
    "record",
    "retain",
    "cdd",
    "travel_info",
    "prohibit",
    "limit",
    "aggregate",
    "deadline",
    "exempt",
    "parameter",
]
Modality = Literal["must", "must_not", "may", "should", "not_required", "deem"]
Op = Literal["gt", "ge", "lt", "le", "eq", "range_incl"]
WindowUnit = Literal[
    "single_transaction",
    "linked_transactions",
    "one_time",
    "contemporaneous",
    "request",
    "consecutive_hour",
    "business_day",
    "calendar_day",
    "gaming_day",
    "calendar_month",
    "calendar_year",
]
DeadlineUnit = Literal[
    "hour",
    "day",
    "calendar_day",
    "business_day",
    "working_day",
    "month",
    "calendar_date",
    "before",
    "at_time_of",
    "external",
]
Status = Literal["executable", "needs_review", "informational"]

DecimalText = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$")]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class RuleFormatError(InputError):
    """Raised when a rule document is not in the interchange format; names document, rule and field."""


def _ordered(span: Any) -> Any:
    pair = isinstance(span, list | tuple) and len(span) == 2 and all(type(x) is int for x in span)
    if pair and 0 <= span[0] <= span[1]:
        return (span[0], span[1])
    raise ValueError("a span is two character offsets, [start, end], start not after end")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


#: A half-open pair of character offsets into the decoded file, header lines included.
Span = Annotated[tuple[int, int], BeforeValidator(_ordered)]


class Trigger(_Model):
    """The comparison that sets a rule off; `span` covers comparison and amount.

    `amount` is null where the text refers to an amount that stands elsewhere ("above the limit").
    """

    op: Op
    amount: DecimalText | None
    amount_max: DecimalText | None = None
    currency: CurrencyCode | None
    equivalent_currency: bool = False
    span: Span


class Aggregation(_Model):
    """Which transactions are counted together, over what window."""

    scope: str | None
    window_value: int | None
    window_unit: WindowUnit | None
    condition: str | None
    span: Span


class Deadline(_Model):
    """By when the duty is to be done; `anchor` is the event the time runs from, in the text's words."""

    value: int | None
    unit: DeadlineUnit
    anchor: str | None
    span: Span


class Retention(_Model):
    """How long records are to be kept; `minimum` where the text says "at least"."""

    value: int
    unit: Literal["year", "month", "day"]
    minimum: bool
    anchor: str | None
    span: Span


class Exemption(_Model):
    """An exception that stands in the rule's own sentence."""

    text: str
    span: Span


class Rejected(_Model):
    """An amount or a period that was read and is no rule, with the reason."""

    span: Span
    text: str
    reason: str


class Rule(_Model):
    """One rule. `spans` holds where subject, modality, action and transaction type were read."""

    rule_id: str
    citation: str | None
    kind: Kind | None
    span: Span
    subject: str | None
    modality: Modality | None
    action: str | None
    transaction_type: str | None
    trigger: Trigger | None
    aggregation: Aggregation | None
    deadline: Deadline | None
    retention: Retention | None
    exemptions: Annotated[tuple[Exemption, ...], Field(strict=False)] = ()
    references: Annotated[tuple[str, ...], Field(strict=False)] = ()
    inherits: Annotated[tuple[Span, ...], Field(strict=False)] = ()
    spans: dict[str, Span] = Field(default_factory=dict)
    status: Status
    reasons: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @property
    def window_unit(self) -> WindowUnit | None:
        """What the rule counts together; None where it says nothing of it."""
        return self.aggregation.window_unit if self.aggregation else None

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        trigger = self.trigger
        if trigger is not None and (trigger.op == "range_incl") != (trigger.amount_max is not None):
            raise ValueError("trigger: amount_max goes with op range_incl and with no other")
        if self.status == "needs_review" and not self.reasons:
            raise ValueError("reasons: a rule that needs review says why")
        if self.status == "executable" and (self.kind is None or self.modality is None):
            raise ValueError("status: a rule without kind or modality is not executable")
        return self


class RuleDocument(_Model):
    """The rules of one file, and what was rejected in it."""

    document: str
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    jurisdiction: str | None
    rules: Annotated[tuple[Rule, ...], Field(strict=False)]
    rejected: Annotated[tuple[Rejected, ...], Field(strict=False)]
    notes: Annotated[tuple[str, ...], Field(strict=False)] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the interchange object: JSON values, keys in the order of the format."""
        value: dict[str, Any] = self.model_dump(mode="json")
        return value


def parse_rule(value: Any, *, document: str) -> Rule:
    """Parse one rule object strictly.

    Parameters
    ----------
    value : JSON value
    document : str
        What the rule stands in, for the error.

    Raises
    ------
    RuleFormatError
        On a missing, unknown or ill-typed field; `where` names document, rule_id and field.
    """
    try:
        return Rule.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = value.get("rule_id") if isinstance(value, dict) else None
        where = [f"document {document}"]
        where += [f"rule {name}"] if isinstance(name, str) else []
        where += [f"field {'.'.join(map(str, first['loc']))}"] if first["loc"] else []
        raise RuleFormatError(
            f"not a rule document: {first['msg'][:1].lower()}{first['msg'][1:]}",
            where=", ".join(where),
            next_step="Correct the field, or extract the rules again.",
        ) from error


def dumps(documents: RuleDocument | Sequence[RuleDocument]) -> str:
    """Serialise one document as an object, several as a list; the same rules give the same bytes."""
    value = documents.to_json() if isinstance(documents, RuleDocument) else [d.to_json() for d in documents]
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"

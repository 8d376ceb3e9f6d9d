"""Flags and findings: all of them for who reviews them, its own share for a member that one concerns."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, Officer, member_code, route
from api.problems import ProblemError
from api.state import ServedDesk
from counterfoil.caseload import FlagView
from counterfoil.types import FlagFilter
from counterfoil.types import FlagSummary as ListedFlag
from ledger.decision import Verdict
from ledger.flag import Certainty, Severity

__all__ = ["router"]

router: Final = APIRouter(tags=["flags"])

Kind = Literal["detector", "rule"]

FlagId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{64}$", description="The flag's identifier, as it stands on the chain's case log."
    ),
]


class RaisedBy(BaseModel):
    """What raised the flag; the same source on the same rows raises it again."""

    kind: Kind
    id: str
    version: str
    parameters: dict[str, Any]
    parameters_hash: str


class DecisionEntry(BaseModel):
    """What an officer decided about a flag."""

    verdict: Verdict
    reason: str
    decided_at: int = Field(description="Unix seconds, by the officer's clock.")
    author: str = Field(description="The officer's address on the chain.")
    block: int


class FlagSummary(BaseModel):
    """A flag in a list."""

    flag_id: str
    kind: Kind = Field(description="A detector's flag or a rule's finding.")
    source: str = Field(description="Which detector or rule.")
    title: str = Field(description="The typology, or the rule's identifier.")
    citation: str | None
    certainty: Certainty
    severity: Severity
    score: float | None = Field(description="A calibrated probability; null: there is none.")
    latest_score: float | None = Field(
        description="What the last scan with a champion made of it; null: none did, or a member asks."
    )
    verdict: Verdict | None = Field(description="The last decision's; null: undecided, or a member asks.")
    window: tuple[int, int] = Field(description="Unix seconds, the upper end excluded.")
    explanation: str
    entity_count: int
    row_count: int
    truncated: bool = Field(description="Whether a budget or a limit cut the evidence.")
    block: int | None = Field(description="The block that anchors it; null: not anchored yet.")


class Flags(BaseModel):
    """A page of flags in the order they were raised."""

    items: list[FlagSummary]
    next: str | None = Field(description="Give it as `after` for the next page; null: this is the last.")


class Position(BaseModel):
    """The ledger position the flag was computed at."""

    chain_id: int
    contract: str
    block: int
    log_size: int


class Entity(BaseModel):
    """An account or party, by its pseudonym: pseudonymised, still personal data."""

    pseudonym: str
    agent: int = Field(description="Code of the member that keeps it; 0: no member does.")


class Row(BaseModel):
    """A row's place on the ledger."""

    member: int
    sequence: int
    index: int


class Flag(BaseModel):
    """A flag with its evidence: what the token may see of it."""

    flag_id: str
    block: int | None = Field(description="The block that anchors it; null: not anchored yet.")
    source: RaisedBy
    title: str
    citation: str | None
    clause: str | None
    position: Position
    window: tuple[int, int]
    score: float | None
    certainty: Certainty
    severity: Severity
    explanation: str
    truncated: bool
    details: dict[str, Any]
    entity_count: int = Field(description="Of the whole flag; `entities` may be fewer.")
    row_count: int = Field(description="Of the whole flag; `rows` may be fewer.")
    entities: list[Entity]
    rows: list[Row]
    latest_score: float | None = Field(description="As in the list.")
    decisions: list[DecisionEntry] | None = Field(
        description="Oldest first, the last one counts; officers decide with their own key, by "
        "`counterfoil flag decide`. Null: not shown to members."
    )
    view: dict[str, Any] = Field(
        description="The same fields with what proves them against `flag_id` (`ledger.flag.verify_view`)."
    )


@router.get(
    "/v1/flags",
    summary="What was flagged?",
    **route("bad-request", "not-a-member", "chain-unreachable", "chain-failed"),
)
def list_flags(
    desk: Desk,
    token: Anyone,
    title: Annotated[str | None, Query(max_length=200, description="Typology or rule identifier.")] = None,
    severity: Severity | None = None,
    certainty: Certainty | None = None,
    kind: Kind | None = None,
    undecided: Annotated[bool, Query(description="Only what no officer decided yet.")] = False,
    after: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$", description="Flag to go on after.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Flags:
    """List flags. A member's token sees those that concern the member; the other roles see all."""
    code = member_code(desk, token)
    page = desk.flag_page(
        FlagFilter(
            title=title,
            severity=severity,
            certainty=certainty,
            kind=kind,
            undecided=undecided and code is None,  # a member learns nothing of decisions
            addressee=code,
        ),
        after=after,
        limit=limit,
    )
    return Flags(items=[_summary(flag, reviewer=code is None) for flag in page.flags], next=page.next)


@router.get(
    "/v1/flags/{flag_id}",
    summary="One flag with its evidence",
    **route("not-found", "not-a-member", "desk-damaged", "chain-unreachable", "chain-failed"),
)
def get_flag(desk: Desk, token: Anyone, flag_id: FlagId) -> Flag:
    """Show one flag. A member's token sees only its own entities and rows, of a flag that concerns it."""
    code = member_code(desk, token)
    file, view, shown = _found(desk.flag_view(flag_id, addressee=code))
    reviewed: dict[str, Any] = {"latest_score": None, "decisions": None}
    if code is None:
        decisions = [decision.to_json() for decision in file.decisions]
        reviewed = {"latest_score": file.kept.latest_score, "decisions": decisions}
    return Flag(flag_id=flag_id, block=file.kept.block, view=view, **reviewed, **shown)


@router.get(
    "/v1/flags/{flag_id}/graph.svg",
    summary="The evidence, drawn",
    response_class=Response,
    **route("not-found", "desk-damaged", "chain-unreachable", roles=("officer",)),
)
def get_flag_drawing(desk: Desk, _: Officer, flag_id: FlagId) -> Response:
    """Draw the accounts and payments of a flag as SVG. For officers."""
    return Response(_drawing(desk, flag_id, "svg"), media_type="image/svg+xml")


@router.get(
    "/v1/flags/{flag_id}/graph.graphml",
    summary="The evidence as a graph",
    response_class=Response,
    **route("not-found", "desk-damaged", "chain-unreachable", roles=("officer",)),
)
def get_flag_graph(desk: Desk, _: Officer, flag_id: FlagId) -> Response:
    """Give the accounts and payments of a flag as GraphML. For officers."""
    attachment = {"Content-Disposition": f'attachment; filename="flag-{flag_id[:12]}.graphml"'}
    return Response(_drawing(desk, flag_id, "graphml"), media_type="application/xml", headers=attachment)


def _found(view: FlagView | None) -> FlagView:
    """Return what was found; of a flag that is hidden from a member, say what is said of no flag."""
    if view is None:
        raise ProblemError("not-found", "there is no such flag", next_step="GET /v1/flags lists them.")
    return view


def _summary(flag: ListedFlag, *, reviewer: bool) -> FlagSummary:
    """Return a flag for a list; scores and verdicts are for reviewers."""
    return FlagSummary(
        flag_id=flag.flag_id.hex(),
        kind=flag.kind,
        source=flag.source,
        title=flag.title,
        citation=flag.citation,
        certainty=flag.certainty,
        severity=flag.severity,
        score=flag.score,
        latest_score=flag.latest_score if reviewer else None,
        verdict=flag.verdict if reviewer else None,
        window=flag.window,
        explanation=flag.explanation,
        entity_count=flag.entity_count,
        row_count=flag.row_count,
        truncated=flag.truncated,
        block=flag.block,
    )


def _drawing(desk: ServedDesk, flag_id: str, form: Literal["svg", "graphml"]) -> bytes:
    file, *_ = _found(desk.flag_view(flag_id))
    banks = {member.code: member.agent for member in desk.members()}
    return desk.drawing(file.flag, form, banks=banks)

"""Flags and findings: reviewers see all of them; a member sees its own part of flags that concern it."""

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
    Path(pattern="^[0-9a-f]{64}$", description="Identifier of the flag, as in the case log on the chain."),
]


class RaisedBy(BaseModel):
    """The detector or rule that raised the flag; on the same rows it raises the same flag again."""

    kind: Kind
    id: str
    version: str
    parameters: dict[str, Any]
    parameters_hash: str


class DecisionEntry(BaseModel):
    """The decision of an officer on a flag."""

    verdict: Verdict
    reason: str
    decided_at: int = Field(description="Unix time in seconds, from the officer's clock.")
    author: str = Field(description="The officer's address on the chain.")
    block: int


class FlagSummary(BaseModel):
    """A flag in a list."""

    flag_id: str
    kind: Kind = Field(description="Whether a detector or a rule raised it.")
    source: str = Field(description="Identifier of the detector or rule.")
    title: str = Field(description="Typology, or identifier of the rule.")
    citation: str | None
    certainty: Certainty
    severity: Severity
    score: float | None = Field(description="Calibrated probability; null if the flag has none.")
    latest_score: float | None = Field(
        description="Score by the last scan with a champion model; null if there is none, and for members."
    )
    verdict: Verdict | None = Field(
        description="Verdict of the last decision; null if undecided, and for members."
    )
    window: tuple[int, int] = Field(description="Begin and end in Unix seconds; the end is excluded.")
    explanation: str
    entity_count: int
    row_count: int
    truncated: bool = Field(description="Whether a limit cut the evidence.")
    block: int | None = Field(description="Block that anchors the flag; null if it is not anchored yet.")


class Flags(BaseModel):
    """A page of flags, in the order in which they were raised."""

    items: list[FlagSummary]
    next: str | None = Field(description="Value of `after` for the next page; null on the last page.")


class Position(BaseModel):
    """The ledger position at which the flag was computed."""

    chain_id: int
    contract: str
    block: int
    log_size: int


class Entity(BaseModel):
    """An account or party by its pseudonym, which is still personal data."""

    pseudonym: str
    agent: int = Field(description="Code of the member that keeps the account; 0 if no member does.")


class Row(BaseModel):
    """The place of a row on the ledger."""

    member: int
    sequence: int
    index: int


class Flag(BaseModel):
    """A flag with its evidence, as far as the token may see it."""

    flag_id: str
    block: int | None = Field(description="Block that anchors the flag; null if it is not anchored yet.")
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
    entity_count: int = Field(
        description="Number of entities of the whole flag; `entities` may contain fewer."
    )
    row_count: int = Field(description="Number of rows of the whole flag; `rows` may contain fewer.")
    entities: list[Entity]
    rows: list[Row]
    latest_score: float | None = Field(description="As in the list of flags.")
    decisions: list[DecisionEntry] | None = Field(
        description="Oldest first; the last one is valid. Officers decide with `counterfoil flag decide`. "
        "Null for members."
    )
    view: dict[str, Any] = Field(
        description="The same fields with their proof against `flag_id` (`ledger.flag.verify_view`)."
    )


@router.get(
    "/v1/flags",
    summary="List the flags",
    **route("bad-request", "not-a-member", "chain-unreachable", "chain-failed"),
)
def list_flags(
    desk: Desk,
    token: Anyone,
    title: Annotated[
        str | None, Query(max_length=200, description="Typology, or identifier of the rule.")
    ] = None,
    severity: Severity | None = None,
    certainty: Certainty | None = None,
    kind: Kind | None = None,
    undecided: Annotated[bool, Query(description="Only flags that no officer has decided on.")] = False,
    after: Annotated[
        str | None, Query(pattern="^[0-9a-f]{64}$", description="List the flags after this one.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Flags:
    """List flags. A member sees only the flags that concern it; the other roles see all."""
    code = member_code(desk, token)
    page = desk.flag_page(
        FlagFilter(
            title=title,
            severity=severity,
            certainty=certainty,
            kind=kind,
            undecided=undecided and code is None,  # members must not learn of decisions
            addressee=code,
        ),
        after=after,
        limit=limit,
    )
    return Flags(items=[_summary(flag, reviewer=code is None) for flag in page.flags], next=page.next)


@router.get(
    "/v1/flags/{flag_id}",
    summary="Show one flag with its evidence",
    **route("not-found", "not-a-member", "desk-damaged", "chain-unreachable", "chain-failed"),
)
def get_flag(desk: Desk, token: Anyone, flag_id: FlagId) -> Flag:
    """Show one flag. A member sees only flags that concern it, with its own entities and rows."""
    code = member_code(desk, token)
    file, view, shown = _found(desk.flag_view(flag_id, addressee=code))
    reviewed: dict[str, Any] = {"latest_score": None, "decisions": None}
    if code is None:
        decisions = [decision.to_json() for decision in file.decisions]
        reviewed = {"latest_score": file.kept.latest_score, "decisions": decisions}
    return Flag(flag_id=flag_id, block=file.kept.block, view=view, **reviewed, **shown)


@router.get(
    "/v1/flags/{flag_id}/graph.svg",
    summary="Draw the evidence of a flag as SVG",
    response_class=Response,
    **route("not-found", "desk-damaged", "chain-unreachable", roles=("officer",)),
)
def get_flag_drawing(desk: Desk, _: Officer, flag_id: FlagId) -> Response:
    """Draw the accounts and payments of a flag. For officers."""
    return Response(_drawing(desk, flag_id, "svg"), media_type="image/svg+xml")


@router.get(
    "/v1/flags/{flag_id}/graph.graphml",
    summary="Return the evidence of a flag as GraphML",
    response_class=Response,
    **route("not-found", "desk-damaged", "chain-unreachable", roles=("officer",)),
)
def get_flag_graph(desk: Desk, _: Officer, flag_id: FlagId) -> Response:
    """Return the accounts and payments of a flag as a graph. For officers."""
    attachment = {"Content-Disposition": f'attachment; filename="flag-{flag_id[:12]}.graphml"'}
    return Response(_drawing(desk, flag_id, "graphml"), media_type="application/xml", headers=attachment)


def _found(view: FlagView | None) -> FlagView:
    """Return a found flag; a flag that a member may not see is reported like a missing flag."""
    if view is None:
        raise ProblemError("not-found", "there is no such flag", next_step="GET /v1/flags lists the flags.")
    return view


def _summary(flag: ListedFlag, *, reviewer: bool) -> FlagSummary:
    """Return a flag for a list; only reviewers see scores and verdicts."""
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

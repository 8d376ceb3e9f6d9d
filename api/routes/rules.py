"""The rules in force, which two officers approved on the chain."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, route
from api.problems import ProblemError
from api.state import ServedDesk
from counterfoil.desk_state import ActiveRules
from counterfoil.types import Rule

__all__ = ["router"]

router: Final = APIRouter(tags=["rules"])


class RuleEntry(BaseModel):
    """A rule, and the words of its clause."""

    rule: Rule
    clause: str


class RuleSource(BaseModel):
    """A text from which rules were extracted."""

    document: str
    sha256: str


class Rules(BaseModel):
    """The rule set in force."""

    name: str
    version: int = Field(description="Number of rule sets that have been in force so far.")
    hash: str = Field(description="SHA-256 of the rule set document on the chain.")
    author: str = Field(description="Officer who proposed the rule set; two other officers approved it.")
    sources: list[RuleSource]
    items: list[RuleEntry]


def _active(desk: ServedDesk) -> ActiveRules:
    active = desk.active_rules()
    if active is None:
        raise ProblemError(
            "not-found",
            "no rule set is in force yet",
            next_step="Officers approve one with `counterfoil rules approve`.",
        )
    return active


@router.get(
    "/v1/rules", summary="List the rules in force", **route("not-found", "chain-unreachable", "chain-failed")
)
def list_rules(desk: Desk, _: Anyone) -> Rules:
    """Show the rule set in force with its rules. For every role."""
    active = _active(desk)
    found = active.ruleset
    return Rules(
        name=found.name,
        version=active.version,
        hash=active.hash.hex(),
        author=active.author,
        sources=[RuleSource(document=s.document, sha256=s.sha256) for s in found.sources],
        items=[RuleEntry(rule=rule, clause=found.clauses[rule.rule_id]) for rule in found.rules],
    )


@router.get(
    "/v1/rules/{rule_id}",
    summary="Show one rule in force",
    **route("not-found", "chain-unreachable", "chain-failed"),
)
def get_rule(desk: Desk, _: Anyone, rule_id: Annotated[str, Path(max_length=200)]) -> RuleEntry:
    """Show one rule with the words of its clause. For every role."""
    found = _active(desk).ruleset
    for rule in found.rules:
        if rule.rule_id == rule_id:
            return RuleEntry(rule=rule, clause=found.clauses[rule_id])
    raise ProblemError(
        "not-found", "no rule in force has this identifier", next_step="GET /v1/rules lists the rules."
    )

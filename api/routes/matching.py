"""Counts of transfers by the state of their match."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, member_code, route
from counterfoil.mirrored import match_counts

__all__ = ["Matching", "router"]

router: Final = APIRouter(tags=["ledger"])


class States(BaseModel):
    """Number of transfers by state. Unmatched: the deadline has passed and only one bank has posted."""

    on_us: int
    matched: int
    conflict: int
    waiting: int
    unmatched: int
    counterparty_not_member: int


class Matching(BaseModel):
    """The transfers of the whole consortium, or of the member whose token is used."""

    member: int | None = Field(
        description="Code of the member whose transfers are counted; null if all are counted."
    )
    block: int = Field(description="Number of the newest block that was read.")
    log_size: int = Field(description="Number of batches that were read.")
    transfers: int
    states: States


@router.get(
    "/v1/matching",
    summary="Count the transfers by state",
    **route("not-a-member", "desk-damaged", "chain-unreachable", "chain-failed"),
)
def get_matching(desk: Desk, token: Anyone) -> Matching:
    """Count transfers by state. For every role; for a member, only transfers of which it posted a half."""
    code = member_code(desk, token)
    found = match_counts(desk.home.desk.mirror, code)
    return Matching(
        member=code,
        block=found.block,
        log_size=found.log_size,
        transfers=found.transfers,
        states=States(**found.states),
    )

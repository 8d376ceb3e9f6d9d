"""How the halves of transfers have met."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, member_code, route
from counterfoil.mirrored import match_counts

__all__ = ["Matching", "router"]

router: Final = APIRouter(tags=["ledger"])


class States(BaseModel):
    """Transfers by state. An unmatched half is past its deadline; it blames nobody."""

    on_us: int
    matched: int
    conflict: int
    waiting: int
    unmatched: int
    counterparty_not_member: int


class Matching(BaseModel):
    """The transfers of the whole consortium, or of the member who asks."""

    member: int | None = Field(description="Code of the member whose transfers are counted; null: all.")
    block: int = Field(description="Newest block that was read.")
    log_size: int = Field(description="Batches that were read.")
    transfers: int
    states: States


@router.get(
    "/v1/matching",
    summary="How many halves have met?",
    **route("not-a-member", "desk-damaged", "chain-unreachable", "chain-failed"),
)
def get_matching(desk: Desk, token: Anyone) -> Matching:
    """Count transfers by state. For every role; a member's token counts those it posted a half of."""
    code = member_code(desk, token)
    found = match_counts(desk.home.desk.mirror, code)
    return Matching(
        member=code,
        block=found.block,
        log_size=found.log_size,
        transfers=found.transfers,
        states=States(**found.states),
    )

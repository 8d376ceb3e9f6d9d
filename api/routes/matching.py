"""How the halves of transfers have met."""

from __future__ import annotations

from typing import Final

import pyarrow.compute as pc
from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, member_code, route
from ledger.matching import states

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
    manifest, transfers = desk.transfers()
    if code is not None:
        own = pc.or_(
            pc.equal(transfers.column("debit_member"), code),
            pc.equal(transfers.column("credit_member"), code),
        )
        transfers = transfers.filter(own)
    return Matching(
        member=code,
        block=manifest.position.block,
        log_size=manifest.position.log_size,
        transfers=transfers.num_rows,
        states=States(**states(transfers)),
    )

"""The batches of the log, as the mirror accepted or rejected them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, route
from counterfoil.mirrored import list_batches as mirrored_batches

__all__ = ["router"]

router: Final = APIRouter(tags=["ledger"])


class Batch(BaseModel):
    """One batch of the log."""

    log_index: int = Field(description="Position in the log, from 0.")
    member: int | None = Field(
        description="Code of the member that posted it; null if the account is no member's."
    )
    sequence: int = Field(description="Number of the batch among the member's batches, from 0.")
    rows: int
    block: int
    state: Literal["mirrored", "rejected"]
    reason: str | None = Field(default=None, description="Why the desk rejected the batch.")


class Batches(BaseModel):
    """A page of batches in log order."""

    items: list[Batch]
    next: int | None = Field(description="Value of `after` for the next page; null on the last page.")


@router.get("/v1/batches", summary="List the posted batches", **route("desk-damaged"))
def list_batches(
    desk: Desk,
    _: Anyone,
    after: Annotated[int, Query(ge=-1, le=2**53, description="List the batches after this log index.")] = -1,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Batches:
    """List the batches that the mirror has read, rejected batches with the reason. For every role."""
    with desk.mirror() as mirror:
        found, following = mirrored_batches(mirror, after=after, limit=limit)
    return Batches(items=[Batch(**asdict(batch)) for batch in found], next=following)

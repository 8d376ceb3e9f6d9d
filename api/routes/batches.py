"""The batches of the log, as the mirror took them or refused them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, route
from api.state import DeskState
from ledger.segment import FileEntry, load

__all__ = ["router"]

router: Final = APIRouter(tags=["ledger"])


class Batch(BaseModel):
    """One batch of the log."""

    log_index: int = Field(description="Its place in the log, from 0.")
    member: int | None = Field(description="Code of the member that posted it; null: it was never one.")
    sequence: int = Field(description="Counts the member's own batches from 0.")
    rows: int
    block: int
    state: Literal["mirrored", "rejected"]
    reason: str | None = Field(default=None, description="Why the desk could not take it.")


class Batches(BaseModel):
    """A page of batches in log order."""

    items: list[Batch]
    next: int | None = Field(description="Give it as `after` for the next page; null: this is the last.")


@router.get("/v1/batches", summary="What was posted?", **route("desk-damaged"))
def list_batches(
    desk: Desk,
    _: Anyone,
    after: Annotated[int, Query(ge=-1, le=2**53, description="Log index to continue after.")] = -1,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Batches:
    """List the batches that the mirror has read, rejected ones with the reason. For every role."""
    last = after + limit
    with desk.mirror() as mirror:
        segments, rejected = mirror.segments(), mirror.rejected()
    found = [
        batch
        for entry in segments
        if entry.log_from <= last and entry.log_to > after
        for batch in _taken(desk.home.desk.mirror, entry)
        if after < batch.log_index <= last
    ]
    refused = [entry for entry in rejected if after < entry.log_index <= last]
    codes = _codes(desk) if refused else {}
    found += [
        Batch(
            log_index=entry.log_index,
            member=codes.get(entry.member.lower()),
            sequence=entry.sequence,
            rows=entry.row_count,
            block=entry.block,
            state="rejected",
            reason=entry.reason,
        )
        for entry in refused
    ]
    end = max([entry.log_to for entry in segments] + [entry.log_index + 1 for entry in rejected], default=0)
    found.sort(key=lambda batch: batch.log_index)
    return Batches(items=found, next=last if last < end - 1 else None)


def _codes(desk: DeskState) -> dict[str, int]:
    return {member.account.lower(): member.code for member in desk.members()}


@lru_cache(maxsize=256)
def _taken(folder: Path, entry: FileEntry) -> tuple[Batch, ...]:
    """Return the batches of one segment; it never changes, so neither do they."""
    places = load(folder, entry, columns=["log_index", "member", "sequence", "block"])
    counted = places.group_by(["log_index", "member", "sequence", "block"]).aggregate([([], "count_all")])
    return tuple(
        Batch(
            log_index=row["log_index"],
            member=row["member"],
            sequence=row["sequence"],
            rows=row["count_all"],
            block=row["block"],
            state="mirrored",
        )
        for row in counted.to_pylist()
    )

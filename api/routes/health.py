"""Is the desk alive, and is it ready: does the chain answer, and how far behind is the mirror."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import Desk
from api.problems import ProblemError, documented
from api.state import ServedDesk

__all__ = ["Readiness", "readiness", "router"]

router: Final = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """How far the desk has followed the chain."""

    status: Literal["ready", "behind"] = Field(
        description="Behind: batches wait to be mirrored, and the lag is over the limit."
    )
    height: int = Field(description="Number of the chain's newest block.")
    mirrored_block: int = Field(description="Number of the newest block the mirror has read.")
    lag_blocks: int = Field(description="Blocks the mirror has not read; most blocks carry no batch.")
    lag_batches: int = Field(description="Batches in the log that the mirror does not hold.")
    log_size: int = Field(description="Batches the mirror holds.")


def readiness(desk: ServedDesk) -> Readiness:
    """Return how far the desk has followed the chain."""
    return Readiness(**asdict(desk.readiness(max_lag=desk.max_lag)))


@router.get("/healthz", summary="Does the process answer?")
def get_health() -> Health:
    """Say that the desk is alive. Open to everyone."""
    return Health()


@router.get(
    "/readyz",
    summary="Can the desk be worked with?",
    responses=documented("not-ready", "not-set-up", "chain-unreachable", "chain-failed"),
)
def get_readiness(desk: Desk) -> Readiness:
    """Say whether the chain answers and the mirror keeps up with it. Open to everyone."""
    state = readiness(desk)
    if state.status == "behind":
        raise ProblemError(
            "not-ready",
            f"{state.lag_batches} batches in {state.lag_blocks} blocks wait to be mirrored",
            next_step="The operator runs `counterfoil desk sync`.",
            readiness=state.model_dump(),
        )
    return state

"""Health and readiness: whether the process answers, and how far the mirror is behind the chain."""

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
    """The answer of a running process."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """The block and batch numbers of the chain and of the desk's mirror."""

    status: Literal["ready", "behind"] = Field(
        description="'behind' if batches wait to be mirrored and the lag exceeds the limit."
    )
    height: int = Field(description="Number of the chain's newest block.")
    mirrored_block: int = Field(description="Number of the newest block that the mirror has read.")
    lag_blocks: int = Field(
        description="Number of blocks that the mirror has not read; most blocks contain no batch."
    )
    lag_batches: int = Field(description="Number of batches in the log that the mirror does not hold.")
    log_size: int = Field(description="Number of batches that the mirror holds.")


def readiness(desk: ServedDesk) -> Readiness:
    """Compare the desk's mirror with the chain."""
    return Readiness(**asdict(desk.readiness(max_lag=desk.max_lag)))


@router.get("/healthz", summary="Report that the process answers")
def get_health() -> Health:
    """Report that the process answers. No token is needed."""
    return Health()


@router.get(
    "/readyz",
    summary="Report whether the desk is ready",
    responses=documented("not-ready", "not-set-up", "chain-unreachable", "chain-failed"),
)
def get_readiness(desk: Desk) -> Readiness:
    """Report whether the chain answers and the mirror is up to date with it. No token is needed."""
    state = readiness(desk)
    if state.status == "behind":
        raise ProblemError(
            "not-ready",
            f"{state.lag_batches} batches in {state.lag_blocks} blocks wait to be mirrored",
            next_step="The operator runs `counterfoil desk sync`.",
            readiness=state.model_dump(),
        )
    return state

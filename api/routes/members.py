"""The members of the consortium, as the chain knows them."""

from __future__ import annotations

from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, route

__all__ = ["router"]

router: Final = APIRouter(tags=["consortium"])


class Member(BaseModel):
    """One member. Its keys are public: the chain is where others take them from."""

    code: int = Field(description="The short number that rows, flags and batches name it by.")
    agent: str = Field(description="The bank's identifier.")
    status: Literal["active", "suspended", "revoked"]
    account: str = Field(description="The Ethereum account that posts.")
    x25519_key: str = Field(description="For match tokens, hex.")
    hpke_key: str = Field(description="What flags are sealed to, hex.")


class Members(BaseModel):
    """Every member ever admitted, in the order of its code."""

    items: list[Member]


@router.get("/v1/members", summary="Who is in the consortium?", **route("chain-unreachable", "chain-failed"))
def list_members(desk: Desk, _: Anyone) -> Members:
    """List every member ever admitted with its status. For every role."""
    return Members(
        items=[
            Member(
                code=member.code,
                agent=member.agent,
                status=member.status,  # type: ignore[arg-type]  # pydantic checks it
                account=member.account,
                x25519_key=member.x25519_key.hex(),
                hpke_key=member.hpke_key.hex(),
            )
            for member in desk.members()
        ]
    )

"""The members of the consortium, read from the chain."""

from __future__ import annotations

from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, route

__all__ = ["router"]

router: Final = APIRouter(tags=["consortium"])


class Member(BaseModel):
    """One member with its public keys, which the chain publishes."""

    code: int = Field(description="Number of the member in rows, flags and batches.")
    agent: str = Field(description="Identifier of the bank (BIC).")
    status: Literal["active", "suspended", "revoked"]
    account: str = Field(description="Ethereum account that posts the batches.")
    x25519_key: str = Field(description="Public key for match tokens, hex.")
    hpke_key: str = Field(description="Public key to which flags are encrypted, hex.")


class Members(BaseModel):
    """Every member that was ever admitted, in the order of the codes."""

    items: list[Member]


@router.get("/v1/members", summary="List the members", **route("chain-unreachable", "chain-failed"))
def list_members(desk: Desk, _: Anyone) -> Members:
    """List every member that was ever admitted, with its status. For every role."""
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

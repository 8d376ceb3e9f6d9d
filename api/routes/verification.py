"""Verifying a receipt or a disclosure against the desk's trust file.

Who does not trust the desk verifies offline with `counterfoil verify`: it is the same code.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, route
from api.problems import ProblemError, not_verified
from ledger.audit.trust import Trust
from ledger.audit.verify import Verified, verify
from ledger.errors import VerificationError

__all__ = ["MAX_BODY", "router"]

router: Final = APIRouter(tags=["verification"])

MAX_BODY: Final = 1 << 20


class ProvenCheckpoint(BaseModel):
    """The signed state of the log that holds the row."""

    origin: str
    size: int
    root: str
    block: int
    block_hash: str


class Proof(BaseModel):
    """What is proven by what was sent; anything that is not here is not."""

    kind: Literal["receipt", "disclosure"]
    agent: str = Field(description="The bank that posted the row.")
    member: str = Field(description="The account it posted it from.")
    sequence: int = Field(description="The bank's batch that holds the row.")
    row_index: int = Field(description="The row's place in that batch.")
    log_index: int = Field(description="The batch's place in the log.")
    batch_hash: str
    record_root: str
    checkpoint: ProvenCheckpoint
    fields: dict[str, str | None] = Field(description="Opened fields; null: the record has no such value.")
    purpose: str | None = Field(description="What the fields were opened for.")


_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "A receipt or a disclosure, byte for byte as it was issued.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_DOCUMENTED: Final = route("too-large", "unsupported-media-type", "not-verified")


@router.post(
    "/v1/verify",
    summary="Does this receipt or disclosure hold?",
    response_model=Proof,
    responses=_DOCUMENTED["responses"],
    openapi_extra={**_DOCUMENTED["openapi_extra"], **_BODY},
)
async def verify_proof(request: Request, desk: Desk, _: Anyone) -> Proof:
    """Verify a receipt or a disclosure. For every role; nothing of it is kept."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(
            "unsupported-media-type",
            f"the body is said to be {media_type or 'of no type'}",
            next_step="Send the file unchanged with Content-Type: application/json.",
        )
    body = await _read(request)
    trust = await run_in_threadpool(desk.trust)
    return await run_in_threadpool(_proof, body, trust)


def _proof(body: bytes, trust: Trust) -> Proof:
    try:
        proven = verify(body, trust)
    except VerificationError as error:
        raise not_verified(error) from error
    return Proof(**_said(proven))


def _said(proven: Verified) -> dict[str, Any]:
    receipt, checkpoint = proven.receipt, proven.checkpoint
    return {
        "kind": "receipt" if proven.purpose is None else "disclosure",
        "agent": proven.agent,
        "member": "0x" + receipt.header.member.hex(),
        "sequence": receipt.header.sequence,
        "row_index": receipt.index,
        "log_index": receipt.log_index,
        "batch_hash": receipt.header.hash.hex(),
        "record_root": bytes(proven.row["record_root"]).hex(),
        "checkpoint": {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "block": checkpoint.block,
            "block_hash": checkpoint.block_hash.hex(),
        },
        "fields": dict(proven.fields),
        "purpose": proven.purpose,
    }


async def _read(request: Request) -> bytes:
    """Read the body, and no more of it than a receipt may have."""
    too_large = ProblemError("too-large", f"a receipt or disclosure has at most {MAX_BODY} bytes")
    if int(request.headers.get("content-length", "0")) > MAX_BODY:  # the server checked that it is a number
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)

"""Verification of a receipt or a disclosure against the desk's trust file.

A party that does not trust the desk runs `counterfoil verify` offline, which uses the same code.
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
    """The facts that a receipt or a disclosure proves; it proves nothing else."""

    kind: Literal["receipt", "disclosure"]
    agent: str = Field(description="Bank that posted the row.")
    member: str = Field(description="Ethereum account of the bank.")
    sequence: int = Field(description="Number of the bank's batch that contains the row.")
    row_index: int = Field(description="Position of the row in the batch.")
    log_index: int = Field(description="Position of the batch in the log.")
    batch_hash: str
    record_root: str
    checkpoint: ProvenCheckpoint
    fields: dict[str, str | None] = Field(description="Disclosed fields; null if the record has no value.")
    purpose: str | None = Field(description="Purpose of the disclosure; null for a receipt.")


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
    summary="Verify a receipt or a disclosure",
    response_model=Proof,
    responses=_DOCUMENTED["responses"],
    openapi_extra={**_DOCUMENTED["openapi_extra"], **_BODY},
)
async def verify_proof(request: Request, desk: Desk, _: Anyone) -> Proof:
    """Verify a receipt or a disclosure. For every role; the desk does not store it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(
            "unsupported-media-type",
            f"the Content-Type of the body is {media_type or 'missing'}",
            next_step="Send the unchanged file with Content-Type: application/json.",
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
    """Read the body; refuse one that is larger than the largest receipt."""
    too_large = ProblemError("too-large", f"a receipt or disclosure may have at most {MAX_BODY} bytes")
    if int(request.headers.get("content-length", "0")) > MAX_BODY:  # the server checked that it is a number
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)

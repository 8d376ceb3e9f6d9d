"""Verification of a proof against the desk's trust file.

A party that does not trust the desk runs `counterfoil verify` offline, which uses the same code.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from api.access import Anyone, Desk, route
from api.problems import ProblemError, not_verified
from counterfoil import verify
from ledger.audit.bundle import VerifiedBundle
from ledger.audit.statement import (
    BASIS,
    acceptance_rests_on,
    checks,
    not_proven,
    posting_rests_on,
)
from ledger.audit.trust import Trust
from ledger.audit.verify import Verified
from ledger.errors import InputError, VerificationError
from ledger.log import OpenedCheckpoint

__all__ = ["MAX_BODY", "router"]

router: Final = APIRouter(tags=["verification"])

#: Largest body, in bytes; `counterfoil verify` verifies larger bundles offline.
MAX_BODY: Final = 8 << 20


class Cosignature(BaseModel):
    """A witness's signature on a checkpoint."""

    witness: str
    time: int = Field(description="Unix time at which the witness cosigned.")


class ProvenCheckpoint(BaseModel):
    """The signed state of a log."""

    origin: str
    size: int
    root: str
    cosigned_by: list[Cosignature]


class DisclosedField(BaseModel):
    """A disclosed value, and what it rests on."""

    value: str | None = Field(description="Null if the record has no value.")
    basis: Literal["row", "row (interval)", "bank's word (record)"]


class ProvenCheck(BaseModel):
    """One check, its result, and whose signature or word it rests on."""

    item: str
    check: str
    result: str
    finding: str
    rests_on: str


class Proof(BaseModel):
    """The facts that a file proves, and what it does not prove."""

    kind: Literal["receipt", "disclosure", "bundle", "checkpoint"]
    trust: str = Field(description="Fingerprint of the trust file that the file was verified against.")
    agent: str | None = Field(description="Bank that posted the row; null for a bundle or a checkpoint.")
    member: str | None = Field(description="Ethereum account of the bank, which signed the batch.")
    sequence: int | None = Field(description="Number of the bank's batch that contains the row.")
    row_index: int | None = Field(description="Position of the row in the batch.")
    batch_hash: str | None
    block: int | None = Field(description="Block that contains the batch.")
    block_time: int | None = Field(description="Unix time of that block.")
    verdict: Literal["accepted"] | None = Field(description="The desk's verdict on the batch.")
    posting_rests_on: str | None
    acceptance_rests_on: str | None
    record_root: str | None
    checkpoints: list[ProvenCheckpoint]
    fields: dict[str, DisclosedField]
    purpose: str | None = Field(description="Purpose of the disclosure; null for other files.")
    recipient: str | None = Field(description="For whom fields were disclosed.")
    checks: list[ProvenCheck]
    not_proven: list[str] = Field(description="Sentences: what the file does not prove.")


_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "A receipt, a disclosure or a bundle, byte for byte as it was issued.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_DOCUMENTED: Final = route("too-large", "unsupported-media-type", "not-verified")


@router.post(
    "/v1/verify",
    summary="Verify a receipt, a disclosure or a bundle",
    response_model=Proof,
    responses=_DOCUMENTED["responses"],
    openapi_extra={**_DOCUMENTED["openapi_extra"], **_BODY},
)
async def verify_proof(request: Request, desk: Desk, _: Anyone) -> Proof:
    """Verify a receipt, a disclosure or a bundle. For every role; the desk does not store it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(
            "unsupported-media-type",
            "the Content-Type of the body is not application/json",
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
    except InputError as error:
        raise not_verified(VerificationError(error.what, next_step=error.next_step)) from error
    return Proof(**_said(proven, trust))


def _said(proven: Verified | VerifiedBundle | OpenedCheckpoint, trust: Trust) -> dict[str, Any]:
    said: dict[str, Any] = dict.fromkeys(Proof.model_fields) | {
        "kind": "checkpoint",
        "trust": trust.fingerprint,
        "checkpoints": [_checkpoint(opened) for opened in _checkpoints(proven)],
        "fields": {},
        "checks": [
            {
                "item": check.item,
                "check": check.name,
                "result": check.outcome.value,
                "finding": check.detail,
                "rests_on": check.rests_on,
            }
            for check in checks(proven, trust)
        ],
        "not_proven": not_proven(proven, trust),
    }
    if isinstance(proven, VerifiedBundle):
        return said | {"kind": "bundle", "recipient": proven.recipient}
    if isinstance(proven, OpenedCheckpoint):
        return said
    receipt = proven.receipt
    return said | {
        "kind": "receipt" if proven.purpose is None else "disclosure",
        "agent": proven.agent,
        "member": "0x" + receipt.header.member.hex(),
        "sequence": receipt.header.sequence,
        "row_index": receipt.index,
        "batch_hash": receipt.header.hash.hex(),
        "block": receipt.block,
        "block_time": receipt.block_time,
        "verdict": "accepted",
        "posting_rests_on": posting_rests_on(trust.policy),
        "acceptance_rests_on": acceptance_rests_on(trust.policy),
        "record_root": bytes(proven.row["record_root"]).hex(),
        "fields": {
            field.name: {"value": field.value, "basis": BASIS[field.basis]} for field in proven.fields
        },
        "purpose": proven.purpose,
        "recipient": proven.recipient,
    }


def _checkpoints(proven: Verified | VerifiedBundle | OpenedCheckpoint) -> list[OpenedCheckpoint]:
    return [proven] if isinstance(proven, OpenedCheckpoint) else [proven.ledger, proven.verdicts]


def _checkpoint(opened: OpenedCheckpoint) -> dict[str, Any]:
    head = opened.checkpoint
    return {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "cosigned_by": [{"witness": name, "time": at} for name, at in opened.cosigned_by],
    }


async def _read(request: Request) -> bytes:
    """Read the body; refuse one that is too large."""
    too_large = ProblemError("too-large", f"a proof may have at most {MAX_BODY} bytes")
    if int(request.headers.get("content-length", "0")) > MAX_BODY:  # the server checked that it is a number
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)

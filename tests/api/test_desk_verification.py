"""Verification over HTTP: what is proven, and why anything else is not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.routes.verification import MAX_BODY
from ledger import canonical
from ledger.bundle import Bundle
from ledger.log import Proof
from tests.api.conftest import ServedDesk, problem_of
from tests.support.consortium import SmallConsortium
from tests.support.rows import BANKS

JSON = {"content-type": "application/json"}


def verify(desk: ServedDesk, body: Any, headers: dict[str, str] = JSON) -> httpx.Response:
    return desk.call("/v1/verify", BANKS[1], method="POST", content=body, headers=headers)


def test_a_receipt_proves_where_its_row_stands(desk: ServedDesk) -> None:
    receipt = desk.consortium.receipt(BANKS[0], 3)
    proven = verify(desk, receipt.to_bytes()).json()
    assert proven["kind"] == "receipt"
    assert proven["agent"] == BANKS[0]
    assert proven["member"] == desk.consortium.keys[BANKS[0]].address.lower()
    assert (proven["sequence"], proven["row_index"]) == (0, 3)
    assert (proven["block"], proven["block_time"]) == (receipt.block, receipt.block_time)
    assert proven["verdict"] == "accepted"
    assert "the author's signature" in proven["posting_rests_on"]
    assert "the desk's word" in proven["acceptance_rests_on"]
    assert proven["record_root"] == receipt.row[-32:].hex()
    assert (proven["fields"], proven["purpose"], proven["recipient"]) == ({}, None, None)
    deployment = desk.consortium.gateway.deployment
    origins = [checkpoint["origin"] for checkpoint in proven["checkpoints"]]
    assert origins == [deployment.ledger_origin, deployment.verdict_origin]
    assert proven["trust"] == desk.consortium.trust.fingerprint


def test_a_disclosure_proves_its_fields(desk: ServedDesk) -> None:
    record = desk.consortium.record(BANKS[0])
    proven = verify(desk, desk.consortium.disclosure(BANKS[0]).to_bytes()).json()
    assert proven["kind"] == "disclosure"
    assert proven["purpose"] == "supervisory request 7"
    assert set(proven["fields"]) == {"amount", "currency"}
    assert {field["value"] for field in proven["fields"].values()} < set(record.values)
    bases = {name: field["basis"] for name, field in proven["fields"].items()}
    assert bases == {"amount": "row (interval)", "currency": "row"}
    assert proven["recipient"]
    assert [check["result"] for check in proven["checks"] if check["check"] == "field amount"] == [
        "proven as an interval"
    ]


def test_a_bundle_is_verified_part_by_part(desk: ServedDesk) -> None:
    consortium = desk.consortium
    receipt, disclosed = consortium.receipt(BANKS[0]), consortium.disclosure(BANKS[0])
    bundle = Bundle(
        trust=consortium.trust.fingerprint,
        flag=None,
        receipts=[receipt],
        disclosures=[disclosed],
        decisions=[],
        policies=[disclosed.policy],
        ledger_checkpoint=Proof.parse(receipt.ledger_proof).checkpoint,
        verdict_checkpoint=Proof.parse(receipt.verdict_proof).checkpoint,
    )
    proven = verify(desk, bundle.to_bytes()).json()
    assert (proven["kind"], proven["agent"]) == ("bundle", None)
    assert {check["check"] for check in proven["checks"]} >= {"posting", "acceptance", "field amount"}
    assert any("no flag" in said for said in proven["not_proven"])
    forged = replace(bundle, receipts=[replace(receipt, block=receipt.block + 1)])
    problem_of(verify(desk, forged.to_bytes()), "not-verified")


@pytest.mark.parametrize("kind", ["receipt", "disclosure"])
def test_any_changed_byte_is_a_problem(desk: ServedDesk, kind: str) -> None:
    made = desk.consortium.receipt(BANKS[0]) if kind == "receipt" else desk.consortium.disclosure(BANKS[0])
    good = made.to_bytes()
    choose = random.Random(7)
    for position in choose.sample(range(len(good)), 60):
        bad = bytearray(good)
        bad[position] ^= 1 << choose.randrange(7)
        answer = verify(desk, bytes(bad))
        assert answer.status_code == 422, position
        assert problem_of(answer, "not-verified")["detail"]


def test_what_was_expected_is_told_and_no_number_of_the_proof(desk: ServedDesk) -> None:
    receipt = canonical.loads(desk.consortium.receipt(BANKS[0]).to_bytes())
    receipt["header"]["chain_id"] += 1
    document = problem_of(verify(desk, canonical.dumps(receipt)), "not-verified")
    assert document["expected"] == str(desk.consortium.gateway.deployment.chain_id)
    assert "got" not in document


def test_a_consistent_receipt_of_another_consortium_fails(
    desk: ServedDesk, consortium: SmallConsortium
) -> None:
    foreign = consortium.receipt(BANKS[0]).to_bytes()
    assert verify(desk, foreign).status_code == 422


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[1]", b"\xff\xfe", b'{"format":7}', b"[" * 60_000])
def test_what_is_no_receipt_is_a_problem(desk: ServedDesk, body: bytes) -> None:
    answer = verify(desk, body)
    assert answer.status_code == 422
    problem_of(answer, "not-verified")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_media_type_is_refused(desk: ServedDesk, media_type: str) -> None:
    answer = verify(desk, desk.consortium.receipt(BANKS[0]).to_bytes(), {"content-type": media_type})
    assert answer.status_code == 415
    problem_of(answer, "unsupported-media-type")


def test_the_media_type_may_name_a_charset(desk: ServedDesk) -> None:
    body = desk.consortium.receipt(BANKS[0]).to_bytes()
    assert verify(desk, body, {"content-type": "Application/JSON; charset=utf-8"}).status_code == 200


def test_a_body_over_the_limit_is_refused(desk: ServedDesk) -> None:
    answer = verify(desk, b" " * (MAX_BODY + 1))
    assert answer.status_code == 413
    problem_of(answer, "too-large")
    assert verify(desk, b" " * MAX_BODY).status_code == 422


def test_a_body_of_unsaid_length_is_read_no_further_than_the_limit(desk: ServedDesk) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1 << 16
            yield b" " * (1 << 16)

    async def ask() -> httpx.Response:
        headers = {**JSON, "Authorization": f"Bearer {desk.tokens['auditor']}"}
        transport = httpx.ASGITransport(desk.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
            return await client.post("/v1/verify", content=endless(), headers=headers)

    answer = asyncio.run(ask())
    assert answer.status_code == 413
    problem_of(answer, "too-large")
    assert taken <= MAX_BODY + (2 << 16)


def test_a_chunked_body_over_the_limit_is_refused_on_the_wire(desk: ServedDesk) -> None:
    answer = verify(desk, iter([b" " * (1 << 20)] * (MAX_BODY // (1 << 20) + 1)))
    assert answer.status_code == 413
    problem_of(answer, "too-large")

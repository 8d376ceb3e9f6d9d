"""Members, batches, matching, rules, and the log that is published."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import Any

import pytest

from compliance.rulebook import model_ruleset
from ledger.commitment.merkle import leaf_hash, root
from ledger.log import open_checkpoint
from tests.api.conftest import REVOKED, ServedDesk
from tests.support.rows import BANKS


def test_members_are_the_chains(desk: ServedDesk) -> None:
    items = desk.get("/v1/members", BANKS[0])["items"]
    assert [(m["code"], m["agent"]) for m in items] == list(enumerate((*BANKS, REVOKED), 1))
    assert [m["status"] for m in items] == ["active", "active", "active", "revoked"]
    assert items[0]["account"] == desk.consortium.keys[BANKS[0]].address
    assert items[0]["hpke_key"] == desk.consortium.keys[BANKS[0]].hpke_public.hex()


def test_batches_are_the_log(desk: ServedDesk) -> None:
    page = desk.get("/v1/batches", "auditor")
    posted = {b.log_index: b for b in desk.consortium.gateway.batches(0, desk.consortium.gateway.height())}
    assert [item["log_index"] for item in page["items"]] == sorted(posted)
    assert page["next"] is None
    codes = {desk.consortium.keys[bank].address.lower(): code for code, bank in enumerate(BANKS, 1)}
    for item in page["items"]:
        batch = posted[item["log_index"]]
        assert item["member"] == codes["0x" + batch.header.member.hex()]
        assert (item["sequence"], item["rows"]) == (batch.header.sequence, batch.header.row_count)
        assert item["block"] == batch.block
    states = Counter(item["state"] for item in page["items"])
    assert states == {"mirrored": len(posted) - 1, "rejected": 1}
    rejected = page["items"][-1]
    assert (rejected["state"], rejected["rows"]) == ("rejected", 7)
    assert rejected["reason"]


@pytest.mark.parametrize("limit", [1, 2, 5, 500])
def test_pages_of_batches_put_together_are_the_log(desk: ServedDesk, limit: int) -> None:
    found: list[Any] = []
    after: int | None = -1
    while after is not None:
        page = desk.get("/v1/batches", "operator", after=after, limit=limit)
        assert len(page["items"]) <= limit
        found += page["items"]
        after = page["next"]
    assert found == desk.get("/v1/batches", "operator", limit=500)["items"]


def test_beyond_the_log_there_is_nothing(desk: ServedDesk) -> None:
    assert desk.get("/v1/batches", "operator", after=10**6) == {"items": [], "next": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "after=-2", f"after={2**60}"])
def test_a_senseless_page_is_not_understood(desk: ServedDesk, query: str) -> None:
    document = desk.problem(f"/v1/batches?{query}", "operator", 422, "not-understood")
    assert document["errors"][0]["where"].startswith("query.")


def test_matching_counts_every_transfer(desk: ServedDesk) -> None:
    found = desk.get("/v1/matching", "auditor")
    truth = Counter(state.name.lower() for state in desk.consortium.book.truth.values())
    assert found["states"] == truth
    assert found["transfers"] == truth.total()
    assert found["member"] is None


def test_a_member_counts_the_transfers_it_has_a_half_of(desk: ServedDesk) -> None:
    truth = desk.consortium.book.truth
    for code, bank in enumerate(BANKS, 1):
        own = Counter(
            truth[uetr].name.lower() for uetr in {row["uetr"] for row in desk.consortium.book.rows[bank]}
        )
        found = desk.get("/v1/matching", bank)
        assert found["member"] == code
        assert {state: count for state, count in found["states"].items() if count} == own


def test_rules_are_those_in_force(desk: ServedDesk) -> None:
    expected = model_ruleset()
    found = desk.get("/v1/rules", BANKS[0])
    assert found["hash"] == sha256(expected.to_bytes()).hexdigest()
    assert found["version"] == 1
    assert [item["rule"] for item in found["items"]] == [r.model_dump(mode="json") for r in expected.rules]
    assert {item["rule"]["rule_id"]: item["clause"] for item in found["items"]} == expected.clauses
    for item in found["items"]:
        assert desk.get(f"/v1/rules/{item['rule']['rule_id']}", "operator") == item
    desk.problem("/v1/rules/no-such-rule", "operator", 404, "not-found")


def test_the_checkpoint_signs_the_hashes(desk: ServedDesk) -> None:
    note = desk.call("/v1/log/checkpoint")
    assert note.headers["content-type"].startswith("text/plain")
    checkpoint = open_checkpoint(note.content, desk.consortium.checkpoint_keys)
    answer = desk.call("/v1/log/hashes")
    assert answer.headers["content-type"] == "application/octet-stream"
    hashes = [answer.content[i : i + 32] for i in range(0, len(answer.content), 32)]
    assert checkpoint.size == len(hashes) == int(answer.headers["counterfoil-log-size"])
    assert checkpoint.root == root([leaf_hash(value) for value in hashes])


def test_a_range_of_hashes(desk: ServedDesk) -> None:
    whole = desk.call("/v1/log/hashes").content
    size = len(whole) // 32
    for start in range(size + 1):
        assert desk.call("/v1/log/hashes", params={"from": start}).content == whole[32 * start :]
        for end in range(start, size + 1):
            part = desk.call("/v1/log/hashes", params={"from": start, "to": end}).content
            assert part == whole[32 * start : 32 * end]
    for query in (f"from={size + 1}", f"to={size + 1}", "from=2&to=1"):
        assert desk.problem(f"/v1/log/hashes?{query}", None, 400, "bad-request")["log_size"] == size
    desk.problem("/v1/log/hashes?from=-1", None, 422, "not-understood")

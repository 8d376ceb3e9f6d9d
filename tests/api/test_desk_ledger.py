"""Members, batches, matching, rules, and the log that is published."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import Any

import pytest

from compliance.rulebook import model_ruleset
from ledger.commitment.merkle import leaf_hash, root
from ledger.entries import EntryKind
from ledger.log import open_checkpoint
from ledger.log.published import published_log
from ledger.verdicts import parse_verdict
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


@pytest.mark.parametrize("log", ["ledger", "verdicts"])
def test_a_log_is_read_from_its_checkpoint_and_tiles(desk: ServedDesk, log: str) -> None:
    note = desk.call(f"/v1/log/{log}/checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    assert note.headers["cache-control"] == "no-cache"
    trust = desk.consortium.trust
    deployment = trust.deployment
    origin = {"ledger": deployment.ledger_origin, "verdicts": deployment.verdict_origin}[log]
    checkpoint = open_checkpoint(note.content, trust.policy, origin=origin).checkpoint
    size = checkpoint.size
    tile = desk.call(f"/v1/log/{log}/tile/0/000.p/{size}")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert "immutable" in tile.headers["cache-control"]
    assert tile.headers["cross-origin-resource-policy"] == "cross-origin"
    hashes = [tile.content[i : i + 32] for i in range(0, len(tile.content), 32)]
    assert len(hashes) == size
    assert checkpoint.root == root(hashes)
    published = published_log(desk.url, log, trust.policy, origin)
    entries = list(published.tiles.entries())
    assert [leaf_hash(entry) for entry in entries] == hashes == published.leaf_hashes()
    assert published.note == note.text


def test_the_ledger_log_is_what_the_chain_gives(desk: ServedDesk) -> None:
    gateway, trust = desk.consortium.gateway, desk.consortium.trust
    published = published_log(desk.url, "ledger", trust.policy, trust.deployment.ledger_origin)
    entries = list(published.tiles.entries())
    derived = list(gateway.ledger_entries(gateway.deployment.block, gateway.height()))
    assert entries == derived[: len(entries)]
    verdicts = published_log(desk.url, "verdicts", trust.policy, trust.deployment.verdict_origin)
    judged = [parse_verdict(entry) for entry in verdicts.tiles.entries()]
    assert len(judged) == gateway.log_size()
    assert all(entries[verdict.index][0] == EntryKind.BATCH for verdict in judged)
    assert [verdict.reason for verdict in judged if verdict.reason is not None], "one batch is kept apart"


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/001",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/x000",
        "tile/0/../../../../keys.json",
        "tile/0/%2e%2e/%2e%2e/checkpoint",
        "tile/entries/x001/000",
    ],
)
def test_what_is_no_tile_is_not_found(desk: ServedDesk, path: str) -> None:
    assert desk.call(f"/v1/log/ledger/{path}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/v1/log/keys/checkpoint", "/v1/log/ledger/tile/64/000", "/v1/log/ledger/tile/x/000"]
)
def test_other_logs_and_levels_are_refused(desk: ServedDesk, path: str) -> None:
    desk.problem(path, None, 422, "not-understood")

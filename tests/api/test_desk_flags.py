"""Flags over HTTP: reviewers see all, a member its own share of its own flags, nothing of others."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from ledger.caselog import CaseKind, addressees
from ledger.flag import verify_view
from tests.api.conftest import ServedDesk
from tests.support.rows import BANKS

CODES = {bank: code for code, bank in enumerate(BANKS, 1)}


def ids(page: dict[str, Any]) -> list[str]:
    return [item["flag_id"] for item in page["items"]]


@pytest.mark.parametrize("role", ["officer", "auditor", "operator"])
def test_reviewers_see_every_flag_whole(desk: ServedDesk, role: str) -> None:
    kept = desk.flags()
    assert ids(desk.get("/v1/flags", role)) == [flag.flag_id.hex() for flag in kept]
    shown = desk.get(f"/v1/flags/{kept[0].flag_id.hex()}", role)
    content = kept[0].flag.to_json()
    for name in ("source", "title", "position", "entities", "rows", "window", "explanation", "details"):
        assert shown[name] == content[name]
    assert shown["entity_count"] == len(shown["entities"]) > 2
    assert shown["block"] == kept[0].block


def test_flags_are_anchored_where_they_say(desk: ServedDesk) -> None:
    on_chain = {entry.case_id.hex(): entry for entry in desk.consortium.gateway.case_entries()}
    for item in desk.get("/v1/flags", "officer")["items"]:
        entry = on_chain[item["flag_id"]]
        assert item["block"] == entry.block
        assert entry.kind == (CaseKind.FLAG if item["kind"] == "detector" else CaseKind.FINDING)


@pytest.mark.parametrize("bank", BANKS)
def test_a_member_sees_its_own_flags_and_in_them_its_own_entries(desk: ServedDesk, bank: str) -> None:
    code = CODES[bank]
    for kept in desk.flags():
        path = f"/v1/flags/{kept.flag_id.hex()}"
        if code not in addressees(kept.flag):
            desk.problem(path, bank, 404, "not-found")
            continue
        answer = desk.call(path, bank)
        shown = answer.json()
        content = kept.flag.to_json()
        assert shown["entities"] == [e for e in content["entities"] if e["agent"] == code]
        assert shown["rows"] == [r for r in content["rows"] if r["member"] == code]
        assert (shown["entity_count"], shown["row_count"]) == (len(kept.flag.entities), len(kept.flag.rows))
        for entity in kept.flag.entities:
            assert (entity.pseudonym in answer.text) == (entity.agent == code)
        proven = verify_view(shown["view"], kept.flag_id)
        assert {name: shown[name] for name in proven if name != "format"} == {
            name: value for name, value in proven.items() if name != "format"
        }
    mine = [kept.flag_id.hex() for kept in desk.flags() if code in addressees(kept.flag)]
    assert ids(desk.get("/v1/flags", bank)) == mine
    assert 0 < len(mine) < len(desk.flags())


def test_a_flag_of_others_is_answered_like_one_that_does_not_exist(desk: ServedDesk) -> None:
    foreign = next(kept for kept in desk.flags() if CODES[BANKS[2]] not in addressees(kept.flag))
    answers = [
        desk.problem(f"/v1/flags/{flag_id}", BANKS[2], 404, "not-found")
        for flag_id in (foreign.flag_id.hex(), "ab" * 32)
    ]
    for answer in answers:
        del answer["instance"]
    assert answers[0] == answers[1]
    continued = [
        desk.problem("/v1/flags", BANKS[2], 400, "bad-request", params={"after": flag_id})["detail"]
        for flag_id in (foreign.flag_id.hex(), "ab" * 32)
    ]
    assert continued[0] == continued[1]


@pytest.mark.parametrize("who", ["officer", BANKS[0]])
@pytest.mark.parametrize("limit", [1, 3, 200])
def test_pages_put_together_are_the_list(desk: ServedDesk, who: str, limit: int) -> None:
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = desk.get("/v1/flags", who, limit=limit, **after)
        assert len(page["items"]) <= limit
        found += ids(page)
        if page["next"] is None:
            break
        assert len(page["items"]) == limit
        after = {"after": page["next"]}
    assert found == ids(desk.get("/v1/flags", who, limit=200))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", "fan-in"),
        ("title", "cycle"),
        ("severity", "medium"),
        ("severity", "low"),
        ("kind", "rule"),
        ("kind", "detector"),
        ("certainty", "possible"),
    ],
)
def test_filters(desk: ServedDesk, name: str, value: str) -> None:
    everything = desk.get("/v1/flags", "auditor")["items"]
    wanted = [item["flag_id"] for item in everything if item[name] == value]
    assert 0 < len(wanted) < len(everything)
    assert ids(desk.get("/v1/flags", "auditor", **{name: value})) == wanted
    first = desk.get("/v1/flags", "auditor", limit=1, **{name: value})
    assert ids(first) == wanted[:1]
    assert (first["next"] is None) == (len(wanted) == 1)


def test_no_flag_has_an_unknown_title(desk: ServedDesk) -> None:
    assert desk.get("/v1/flags", "auditor", title="no such") == {"items": [], "next": None}


@pytest.mark.parametrize("path", ["x", "AB" * 32, "ab" * 31, "ab" * 33])
def test_a_malformed_identifier_is_not_understood(desk: ServedDesk, path: str) -> None:
    desk.problem(f"/v1/flags/{path}", "officer", 422, "not-understood")


def test_the_evidence_is_drawn_and_exported(desk: ServedDesk) -> None:
    kept = desk.flags()[0]
    path = f"/v1/flags/{kept.flag_id.hex()}"
    drawing = desk.call(path + "/graph.svg", "officer")
    assert drawing.headers["content-type"].startswith("image/svg+xml")
    assert ElementTree.fromstring(drawing.text).tag == "{http://www.w3.org/2000/svg}svg"
    assert BANKS[0] in drawing.text
    graph = desk.call(path + "/graph.graphml", "officer")
    assert "attachment" in graph.headers["content-disposition"]
    space = "{http://graphml.graphdrawing.org/xmlns}"
    nodes = {node.get("id") for node in ElementTree.fromstring(graph.content).iter(f"{space}node")}
    assert nodes == {entity.pseudonym for entity in kept.flag.entities}
    desk.problem(f"/v1/flags/{'ab' * 32}/graph.svg", "officer", 404, "not-found")

"""What every answer has in common: problem documents, headers, log lines, and pages that load nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import NoReturn

import pytest

from api.problems import KINDS
from ledger.reader.cases import CaseBook
from ledger.segment import Manifest
from tests.api.conftest import ServedDesk, served_desk
from tests.support.consortium import SmallConsortium
from tests.support.rows import BANKS


def test_unknown_addresses_and_methods_are_problems(desk: ServedDesk) -> None:
    desk.problem("/v2/flags", "officer", 404, "not-found")
    desk.problem("/v1/flags/", "officer", 404, "not-found")
    for method in ("DELETE", "PUT", "PATCH"):
        answer = desk.call("/v1/flags", "officer", method=method)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET"
        desk.problem("/v1/flags", "officer", 405, "about:blank", method=method)


def test_a_value_that_was_sent_is_not_echoed(desk: ServedDesk) -> None:
    answer = desk.call("/v1/batches?limit=<script>", "operator")
    assert answer.status_code == 422
    assert "script" not in answer.text


@pytest.mark.parametrize("path", ["/", "/v1/flags", "/v1/members", "/nothing", "/docs", "/openapi.json"])
def test_every_answer_has_the_headers(desk: ServedDesk, path: str) -> None:
    headers = desk.call(path, headers={"Origin": "https://elsewhere.example"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert not [name for name in headers if name.startswith("access-control")]
    assert "server" not in headers
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-request-id"])


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.targets += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        self.ids |= {value or "" for name, value in attrs if name == "id"}
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere_and_their_links_lead_somewhere(
    desk: ServedDesk, path: str
) -> None:
    answer = desk.call(path)
    assert answer.headers["content-type"].startswith("text/html")
    links = _Links()
    links.feed(answer.text)
    assert not links.tags & {"script", "style", "img", "iframe", "form", "object"}
    for target in set(links.targets):
        assert target.startswith("/")
        assert desk.call(target).status_code == 200, target
    if path == "/docs":
        assert links.ids == set(KINDS)


def test_the_front_page_shows_public_facts_only(desk: ServedDesk) -> None:
    page = desk.call("/", "officer").text
    state = desk.get("/readyz")
    assert f"block {state['height']}" in page
    for log in ("ledger", "verdicts"):
        assert desk.call(f"/v1/log/{log}/checkpoint").text.splitlines()[0] in page
    assert not [kept for kept in desk.flags() if kept.flag_id.hex() in page or kept.flag.explanation in page]
    assert not [bank for bank in BANKS if bank in page]


def test_the_openapi_document_is_whole(desk: ServedDesk) -> None:
    schema = desk.get("/openapi.json")
    operations = [item for ways in schema["paths"].values() for item in ways.values()]
    names = [item["operationId"] for item in operations]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in schema["tags"]}
    for item in operations:
        assert item["summary"]
        assert item["description"]
        assert set(item["tags"]) <= tags
        for status, response in item["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"]
    text = json.dumps(schema)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in schema["components"]["schemas"]
    assert "HTTPValidationError" not in text


def test_problem_types_are_absolute_where_the_address_is_known(desk: ServedDesk) -> None:
    with served_desk(desk.consortium, url="https://desk.example/") as named:
        assert named.call("/v1/flags").json()["type"] == "https://desk.example/docs#no-token"
        assert named.get("/openapi.json")["servers"] == [{"url": "https://desk.example"}]


def test_each_request_is_one_line_that_names_who_asked_and_no_token(desk: ServedDesk) -> None:
    answer = desk.call("/v1/flags?title=secret-title", BANKS[0])
    (line,) = desk.lines(answer)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/flags", 200)
    assert (line["role"], line["subject"]) == ("member", BANKS[0])
    assert line["milliseconds"] > 0
    text = desk.log.getvalue()
    assert "secret-title" not in text
    assert not [token for token in desk.tokens.values() if token in text]


def test_a_changed_mirror_is_told_without_its_place(consortium: SmallConsortium, tmp_path: Path) -> None:
    broken = consortium.copy(tmp_path / "home")
    mirror = broken.home.desk.mirror
    manifest = Manifest.read(mirror)
    assert manifest.transfers is not None
    for entry in (manifest.transfers, manifest.segments[0]):
        data = bytearray((mirror / entry.name).read_bytes())
        data[len(data) // 2] ^= 1
        (mirror / entry.name).write_bytes(data)
    with served_desk(broken) as desk:
        document = desk.problem("/v1/matching", "auditor", 500, "desk-damaged")
        assert str(tmp_path) not in str(document)
        assert "fsck" in document["next_step"]


def test_an_error_nobody_foresaw_is_a_problem_and_its_trace_stays_in_the_log(
    consortium: SmallConsortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: CaseBook, *_arguments: object, **_options: object) -> NoReturn:
        raise ZeroDivisionError("a secret of the database")

    broken = consortium.copy(tmp_path / "home")
    broken.home.desk.cases.touch()
    monkeypatch.setattr(CaseBook, "page", fails)
    with served_desk(broken) as desk:
        answer = desk.call("/v1/flags", "officer")
        desk.problem("/v1/flags", "officer", 500, "desk-failed")
        assert "database" not in answer.text
        failed = [entry for entry in desk.lines(answer) if entry["level"] == "error"]
        assert "ZeroDivisionError" in failed[0]["exception"]
        assert desk.get("/healthz") == {"status": "alive"}


@pytest.mark.parametrize(
    "path", ["/v1/flags?severty=high", "/v1/members?limit=1", "/v1/log/ledger/checkpoint?form=0"]
)
def test_a_parameter_that_is_not_there_is_refused(desk: ServedDesk, path: str) -> None:
    problem = desk.problem(path, "officer", 422, "not-understood")
    assert "does not know" in problem["detail"]
    if "flags" in path:
        assert "severity" in problem["next_step"]
    assert desk.call("/healthz?at=1").status_code == desk.call("/docs?at=1").status_code == 200

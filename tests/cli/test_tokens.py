"""`counterfoil desk token`: issue, list and revoke tokens, and what a running desk answers to them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx

from ledger.home import Home
from tests.cli.conftest import Demonstration, Serving, call


def _issue(home: Path, *words: object) -> str:
    return call(home, "desk", "token", *words).expect().out.strip()


def test_a_list_of_tokens_shows_neither_a_token_nor_its_hash(tmp_path: Path) -> None:
    issued = [_issue(tmp_path, "officer", "anna"), _issue(tmp_path, "member", "ALFADEFF", "--days", 30)]
    listed = call(tmp_path, "--json", "desk", "token", "list").expect()
    shown = call(tmp_path, "desk", "token", "list").expect()
    entries = listed.json
    assert [(entry["role"], entry["subject"]) for entry in entries] == [
        ("officer", "anna"),
        ("member", "ALFADEFF"),
    ]
    assert [entry["expires_at"] is None for entry in entries] == [True, False]
    assert "never" in shown.out
    kept = [token["hash"] for token in json.loads(Home(tmp_path).tokens.read_bytes())["tokens"]]
    assert [entry["id"] for entry in entries] == [value[:12] for value in kept]
    for output in (listed.out, shown.out):
        assert all(entry["id"] in output for entry in entries)
        assert not [secret for secret in (*issued, *kept) if secret in output]
        assert not [text for text in issued if text.removeprefix("cf_") in output]


def test_a_running_desk_refuses_a_revoked_and_an_expired_token(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    home = demonstration.copy(tmp_path / "home")
    kept, revoked = _issue(home, "officer", "anna"), _issue(home, "officer", "bo")
    expired = _issue(home, "officer", "cy", "--days", 1e-9)
    with Serving(home, "desk", "serve", "--port", 0) as line:
        url = re.search(r"http://\S+", line)
        assert url is not None

        def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return httpx.get(f"{url[0]}/v1/flags", headers=headers, timeout=120).status_code

        assert [status(token) for token in (kept, revoked, expired)] == [200, 200, 401]
        entries = call(home, "--json", "desk", "token", "list").expect().json
        by_subject = {entry["subject"]: entry for entry in entries}
        assert {name: entry["expired"] for name, entry in by_subject.items()} == {
            "anna": False,
            "bo": False,
            "cy": True,
        }
        told = call(home, "desk", "token", "revoke", by_subject["bo"]["id"]).expect()
        assert "bo" in told.err
        assert [status(token) for token in (kept, revoked, expired)] == [200, 401, 401]
    left = call(home, "--json", "desk", "token", "list").expect().json
    assert [entry["subject"] for entry in left] == ["anna", "cy"]


def test_a_token_that_does_not_exist_is_not_revoked(tmp_path: Path) -> None:
    text = _issue(tmp_path, "auditor", "bo")
    said = call(tmp_path, "desk", "token", "revoke", "0" * 12).expect(2)
    assert "desk token list" in said.err
    call(tmp_path, "desk", "token", "revoke", text).expect()
    assert call(tmp_path, "--json", "desk", "token", "list").expect().json == []

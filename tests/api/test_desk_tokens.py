"""Tokens: kept as hashes, told apart, revoked at once, and none lost when two are issued together."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.tokens import PREFIX, TokenFile, issue, revoke, tokens
from ledger import canonical
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from tests.api.conftest import ServedDesk


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_token_is_found_and_not_kept(home: Home) -> None:
    text = issue(home, "member", "ALFADEFF")
    other = issue(home, "officer", "Ada")
    found = TokenFile(home.tokens).find(text)
    assert found is not None
    assert (found.role, found.subject) == ("member", "ALFADEFF")
    assert text.startswith(PREFIX)
    assert len(text) == len(PREFIX) + 43  # 256 bits in base64url
    assert text != other
    kept = home.tokens.read_text()
    assert text.removeprefix(PREFIX) not in kept
    assert stat.S_IMODE(home.tokens.stat().st_mode) == 0o600
    assert [token.subject for token in tokens(home)] == ["ALFADEFF", "Ada"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(guess=st.text(max_size=60))
def test_nothing_else_is_found(home: Home, guess: str) -> None:
    if not home.tokens.exists():
        issue(home, "officer", "Ada")
    file = TokenFile(home.tokens)
    assert file.find(guess) is None
    assert file.find(tokens(home)[0].hash) is None


def test_a_file_that_changes_is_read_again(home: Home) -> None:
    file = TokenFile(home.tokens)
    assert file.find("cf_x") is None
    first, second = issue(home, "auditor", "Bo"), issue(home, "operator", "Cy")
    assert file.find(first) is not None
    revoke(home, tokens(home)[0].id)
    assert file.find(first) is None
    assert file.find(second) is not None
    assert revoke(home, second).subject == "Cy"
    assert file.find(second) is None
    home.tokens.unlink()
    assert file.find(second) is None


def test_what_names_no_token_revokes_none(home: Home) -> None:
    text = issue(home, "auditor", "Bo")
    for wrong in ("", tokens(home)[0].hash[:7], "0" * 64, "cf_other"):
        with pytest.raises(InputError):
            revoke(home, wrong)
    assert TokenFile(home.tokens).find(text) is not None


def test_tokens_issued_at_once_are_all_kept(home: Home) -> None:
    with ThreadPoolExecutor(8) as pool:
        issued = list(pool.map(lambda n: issue(home, "auditor", f"number {n}"), range(24)))
    file = TokenFile(home.tokens)
    found = [token.subject for text in issued if (token := file.find(text)) is not None]
    assert found == [f"number {n}" for n in range(24)]


@pytest.mark.parametrize(
    ("role", "subject"),
    [("root", "x"), ("member", ""), ("member", "  "), ("officer", "a\nb"), ("x", "y" * 200)],
)
def test_a_senseless_role_or_subject_is_refused(home: Home, role: Any, subject: str) -> None:
    with pytest.raises(InputError):
        issue(home, role, subject)
    assert tokens(home) == []


@pytest.mark.parametrize("change", [b"", b"{}", b'{"format":"other","tokens":[]}', b"[]", b"\xff"])
def test_a_damaged_file_is_named(home: Home, change: bytes) -> None:
    issue(home, "auditor", "Bo")
    home.tokens.write_bytes(change)
    with pytest.raises(ConfigurationError):
        TokenFile(home.tokens).find("cf_x")
    with pytest.raises(ConfigurationError):
        issue(home, "auditor", "Cy")


def test_a_running_desk_lets_a_new_token_in_and_a_revoked_one_out(desk: ServedDesk) -> None:
    text = issue(desk.consortium.home, "auditor", "for a moment")
    assert desk.call("/v1/members", text).status_code == 200
    revoke(desk.consortium.home, text)
    desk.problem("/v1/members", text, 401, "unknown-token")


def test_a_token_expires(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    text = issue(home, "auditor", "Bo", days=30)
    lasting = issue(home, "auditor", "Cy")
    assert TokenFile(home.tokens).find(text) is not None
    first, second = tokens(home)
    now = datetime.now(UTC)
    assert not first.expired(now + timedelta(days=29))
    assert first.expired(now + timedelta(days=31))
    assert not second.expired(now + timedelta(days=36_500))
    expired = json.loads(home.tokens.read_bytes())
    expired["tokens"][0]["expires_at"] = int(now.timestamp()) - 1
    home.tokens.write_bytes(canonical.dumps(expired))
    assert TokenFile(home.tokens).find(text) is None
    assert TokenFile(home.tokens).find(lasting) is not None


@pytest.mark.parametrize("days", [0, -1, 4_000, float("nan")])
def test_a_token_cannot_expire_at_once_or_in_ten_years(home: Home, days: float) -> None:
    with pytest.raises(InputError, match="cannot expire"):
        issue(home, "officer", "Ada", days=days)
    assert not tokens(home)


def test_a_file_from_before_tokens_could_expire_is_read_and_written_anew(home: Home) -> None:
    text = issue(home, "officer", "Ada")
    value = json.loads(home.tokens.read_bytes())
    for entry in value["tokens"]:
        del entry["expires_at"]
    home.tokens.write_bytes(canonical.dumps(value | {"format": "counterfoil/tokens/1"}))
    found = TokenFile(home.tokens).find(text)
    assert found is not None
    assert found.expires_at is None
    issue(home, "auditor", "Bo")
    assert json.loads(home.tokens.read_bytes())["format"] == "counterfoil/tokens/2"
    assert [token.subject for token in tokens(home)] == ["Ada", "Bo"]

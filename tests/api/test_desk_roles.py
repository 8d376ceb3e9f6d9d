"""Every route against every role, and against nobody: who gets in is written here once more, by hand."""

from __future__ import annotations

import pytest

from counterfoil.tokens import issue
from tests.api.conftest import REVOKED, ServedDesk
from tests.support.rows import BANKS

EVERYBODY = None
ALL = {"member", "officer", "auditor", "operator"}

ALLOWED = {
    ("GET", "/healthz"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("GET", "/v1/log/{log}/checkpoint"): EVERYBODY,
    ("GET", "/v1/log/{log}/tile/{level}/{index}"): EVERYBODY,
    ("GET", "/v1/members"): ALL,
    ("GET", "/v1/batches"): ALL,
    ("GET", "/v1/matching"): ALL,
    ("GET", "/v1/flags"): ALL,
    ("GET", "/v1/flags/{flag_id}"): ALL,
    ("GET", "/v1/flags/{flag_id}/graph.svg"): {"officer"},
    ("GET", "/v1/flags/{flag_id}/graph.graphml"): {"officer"},
    ("GET", "/v1/rules"): ALL,
    ("GET", "/v1/rules/{rule_id}"): ALL,
    ("POST", "/v1/verify"): ALL,
}


def test_the_table_names_every_route_that_is_served(desk: ServedDesk) -> None:
    paths = desk.get("/openapi.json")["paths"]
    routes = {(method.upper(), path): item for path, ways in paths.items() for method, item in ways.items()}
    assert set(routes) == set(ALLOWED)
    for key, item in routes.items():
        roles = ALLOWED[key]
        assert set(item.get("x-roles", ())) == (roles or set()), key
        assert bool(item.get("security")) == (roles is not EVERYBODY), key


@pytest.mark.parametrize("route", ALLOWED, ids=" ".join)
@pytest.mark.parametrize("role", ["member", "officer", "auditor", "operator", "nobody", "forger"])
def test_a_route_lets_in_who_it_is_for(desk: ServedDesk, route: tuple[str, str], role: str) -> None:
    method, path = route
    rule = desk.get("/v1/rules", "officer")["items"][0]["rule"]["rule_id"]
    path = path.replace("{flag_id}", desk.flags()[0].flag_id.hex()).replace("{rule_id}", rule)
    path = path.replace("{log}", "verdicts").replace("{level}/{index}", f"0/000.p/{desk.batches}")
    who = {"member": BANKS[0], "nobody": None, "forger": "cf_" + "A" * 43}.get(role, role)
    more = {}
    if method == "POST":
        more = {
            "content": desk.consortium.receipt(BANKS[0]).to_bytes(),
            "headers": {"content-type": "application/json"},
        }
    allowed = ALLOWED[route]
    if allowed is EVERYBODY or role in allowed:
        assert desk.call(path, who, method=method, **more).status_code == 200
    elif role in ("nobody", "forger"):
        answer = desk.call(path, who, method=method, **more)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert ("invalid_token" in answer.headers["www-authenticate"]) == (role == "forger")
        assert answer.json()["type"] == ("/docs#no-token" if role == "nobody" else "/docs#unknown-token")
    else:
        desk.problem(path, who, 403, "wrong-role", method=method, **more)


@pytest.mark.parametrize(
    "header", ["Basic Y2Y6Y2Y=", "Bearer", "bearer cf_x", "cf_x", "Bearer cf_\x80", "Token cf_x"]
)
def test_anything_else_than_a_token_is_no_token(desk: ServedDesk, header: str) -> None:
    answer = desk.call("/v1/flags", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_in_the_query_is_no_token(desk: ServedDesk) -> None:
    desk.problem(f"/v1/flags?access_token={desk.tokens['officer']}", None, 401, "no-token")


def test_a_revoked_member_and_one_that_never_was_see_no_flags(desk: ServedDesk) -> None:
    never = issue(desk.consortium.home, "member", "NOBODYXX")
    for path in ("/v1/flags", f"/v1/flags/{desk.flags()[0].flag_id.hex()}", "/v1/matching"):
        assert "revoked" in desk.problem(path, REVOKED, 403, "not-a-member")["detail"]
        assert "not on the chain" in desk.problem(path, never, 403, "not-a-member")["detail"]

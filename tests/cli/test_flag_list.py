"""`counterfoil flag list`: pages in one order, and the first digits of an identifier."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Demonstration, call

GRAVEST_FIRST = {"high": 0, "medium": 1, "low": 2}


@pytest.fixture(scope="module")
def every(demonstration: Demonstration) -> list[dict[str, Any]]:
    """Every flag of the demonstration, whole: with --json and no --limit there are no pages."""
    found: list[dict[str, Any]] = call(demonstration.home, "--json", "flag", "list").expect().json
    return found


def _identifiers(flags: list[dict[str, Any]]) -> list[str]:
    return [flag["flag_id"] for flag in flags]


def _pages(home: Path, limit: int, *options: str) -> list[list[dict[str, Any]]]:
    """Follow the commands that `flag list` prints from page to page."""
    pages, after = [], ()
    while True:
        said = call(home, "--json", "flag", "list", "--limit", limit, *options, *after).expect()
        pages.append(said.json)
        following = re.search(r"flag list (--after) ([0-9a-f]+)", said.err)
        if following is None:
            return pages
        after = following.groups()


def test_the_flags_are_listed_in_the_order_of_severity(every: list[dict[str, Any]]) -> None:
    severities = [GRAVEST_FIRST[flag["severity"]] for flag in every]
    assert severities == sorted(severities)
    assert len(set(severities)) > 1
    assert len(set(_identifiers(every))) == len(every)


@pytest.mark.parametrize("limit", [1, 7, 10_000])
def test_the_pages_hold_every_flag_once_in_order(
    demonstration: Demonstration, every: list[dict[str, Any]], limit: int
) -> None:
    pages = _pages(demonstration.home, limit)
    assert [flag_id for page in pages for flag_id in _identifiers(page)] == _identifiers(every)
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert 0 < len(pages[-1]) <= limit


def test_a_filter_applies_to_every_page(demonstration: Demonstration, every: list[dict[str, Any]]) -> None:
    severity = every[0]["severity"]
    wanted = [flag["flag_id"] for flag in every if flag["severity"] == severity]
    assert 1 < len(wanted) < len(every)
    pages = _pages(demonstration.home, max(1, len(wanted) // 2), "--severity", severity)
    assert len(pages) > 1
    assert [flag_id for page in pages for flag_id in _identifiers(page)] == wanted


def test_a_person_gets_fifty_flags_and_the_command_for_the_next_page(
    demonstration: Demonstration, every: list[dict[str, Any]]
) -> None:
    assert len(every) > 50
    said = call(demonstration.home, "flag", "list").expect()
    assert said.out.startswith(f"50 of {len(every)} flags")
    assert [flag_id for flag_id in _identifiers(every) if flag_id[:12] in said.out] == _identifiers(every)[
        :50
    ]
    assert f"--after {every[49]['flag_id'][:12]}" in said.err


def test_the_first_digits_of_an_identifier_choose_flags(
    demonstration: Demonstration, every: list[dict[str, Any]]
) -> None:
    one = every[-1]["flag_id"]
    assert _identifiers(call(demonstration.home, "--json", "flag", "list", one[:12]).expect().json) == [one]
    first = {flag_id for flag_id in _identifiers(every) if flag_id[0] == one[0]}
    some = call(demonstration.home, "--json", "flag", "list", one[0], "--limit", 10_000).expect().json
    assert set(_identifiers(some)) == first
    assert len(some) == len(first)
    shown = call(demonstration.home, "flag", "list", one[:12]).expect().out
    assert shown.startswith("1 flag\n")
    assert one[:12] in shown


def test_a_page_after_an_unknown_flag_is_refused(demonstration: Demonstration) -> None:
    said = call(demonstration.home, "flag", "list", "--after", "0" * 64).expect(2)
    assert said.out == ""
    assert "next:" in said.err

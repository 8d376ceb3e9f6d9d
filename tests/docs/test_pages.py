"""The files and tests that a page of the documentation names exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The changelog and the records of decisions say what was so at their date.
_DATED = ("CHANGELOG.md", "docs/decisions/")
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if not str(page.relative_to(ROOT)).startswith(_DATED)
)
PACKAGES = "anomaly|api|bench|cli|compliance|contracts|counterfoil|ledger|localchain"


def _spans(page: Path) -> list[str]:
    """The code spans of a page."""
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def _names(pattern: str) -> list[tuple[str, str]]:
    """The pages and the code spans on them that match a pattern."""
    return sorted(
        {(str(page.relative_to(ROOT)), s) for page in PAGES for s in _spans(page) if re.fullmatch(pattern, s)}
    )


@cache
def _tests() -> list[str]:
    files = (ROOT / "tests").rglob("test_*.py")
    return [name for file in files for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))]


def test_pages_are_found() -> None:
    assert ROOT / "docs" / "formats.md" in PAGES
    assert len(PAGES) > 10


@pytest.mark.parametrize(
    ("page", "path"), _names(rf"(?!counterfoil/[a-z-]+/v?\d)({PACKAGES}|docs|tests)/[\w./-]+")
)
def test_a_file_that_a_page_names_is_there(page: str, path: str) -> None:
    found = ROOT / path
    assert found.exists() or found.with_name(found.name + ".py").exists(), page


@pytest.mark.parametrize(("page", "name"), _names(r"test_\w+…?"))
def test_a_test_that_a_page_names_is_there(page: str, name: str) -> None:
    begin = name.removesuffix("…")
    assert any(test.startswith(begin) if begin != name else test == name for test in _tests()), page

"""Every `>>>` example in a docstring of the packages runs, and prints what the docstring shows."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("anomaly", "api", "cli", "compliance", "contracts", "counterfoil", "ledger", "localchain")


def _modules() -> list[str]:
    """Name the modules that have an example in their source."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return sorted(
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if "node_modules" not in file.parts and ">>> " in file.read_text("utf-8")
    )


MODULES = _modules()


def test_modules_with_examples_are_found() -> None:
    assert len(MODULES) > 5
    assert "ledger.commitment.merkle" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_every_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for examples in doctest.DocTestFinder(exclude_empty=True).find(import_module(name)):
        runner.run(examples, out=told.append)
    assert runner.tries > 0, "the examples stand where doctest does not look: in no docstring"
    assert not runner.failures, "".join(told)

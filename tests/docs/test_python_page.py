"""docs/python.md: every example runs, in the order of the page, and prints what the page shows."""

from __future__ import annotations

import doctest
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from localchain import status

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_every_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text("utf-8").replace("```", "")
    examples = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(examples.examples) > 40
    told: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    try:
        failed, _ = doctest.DocTestRunner(optionflags=flags).run(examples, out=told.append)
        assert not failed, "".join(told)
    finally:
        pid = status(tmp_path / "consortium" / "chain")["pid"]
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

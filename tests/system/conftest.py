"""Tells at the end of a run how many processes were killed."""

from __future__ import annotations

from typing import Any

from tests.system.drivers import KILLS


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the counts of real kills, by what was killed and when."""
    if KILLS:
        terminalreporter.section("killed with SIGKILL")
        for what, count in sorted(KILLS.items()):
            terminalreporter.write_line(f"{count:5d}  {what}")
        terminalreporter.write_line(f"{KILLS.total():5d}  in all")

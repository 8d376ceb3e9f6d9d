"""Medians and ranges of measurements, and the description of the machine."""

from __future__ import annotations

import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from cli.output import show_table

__all__ = ["Results", "machine", "markdown"]


def machine() -> str:
    """Describe the machine: processor, cores, memory, system, Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}"
    return f"{model}, {os.cpu_count()} cores, {pages:.0f} GiB, {system}, {python}"


def markdown(head: list[str], body: Iterable[list[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


class Results:
    """Figures by name, one per round."""

    def __init__(self) -> None:
        self._figures: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, rows: float, seconds: float) -> None:
        """Record the rate of one round."""
        self._figures[name].append(rows / seconds)

    def ratio(self, name: str, over: str) -> list[float]:
        """Return the ratio of two figures, round by round."""
        pairs = zip(self._figures[name], self._figures[over], strict=True)
        return [a / b for a, b in pairs]

    def show(self, title: str) -> None:
        """Print rates: median, lowest, highest."""
        rows = [
            (name, round(statistics.median(values)), round(min(values)), round(max(values)), len(values))
            for name, values in self._figures.items()
        ]
        show_table(title, ["stage", "rows/s, median", "lowest", "highest", "rounds"], rows)

    def to_json(self) -> dict[str, list[float]]:
        """Return every figure of every round."""
        return dict(self._figures)

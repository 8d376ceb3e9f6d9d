"""Summaries of measured figures: `bench/results` keeps them, and the tables of the documentation show them.

A results file is JSON lines. The first line names the command and the machine. Each other line is one
summary. The files of release 0.2.0 hold the figures as the tables print them, rounded.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ResultsFile", "over_rounds", "over_seeds"]

Row = dict[str, Any]

#: What differs between the seeds of one figure; everything else names the figure.
_MEASURED = ("seed", "value", "low", "high", "instances", "selected_on_validation")


@dataclass(frozen=True)
class ResultsFile:
    """The content of a results file.

    Attributes
    ----------
    command : str
        The command that measured the figures.
    machine : str
        The machine that it ran on.
    rows : list of dict
    """

    command: str
    machine: str
    rows: list[Row]

    @classmethod
    def read(cls, path: Path) -> ResultsFile:
        """Read a results file."""
        head, *rows = (json.loads(line) for line in path.read_text("utf-8").splitlines())
        return cls(head["command"], head["machine"], rows)

    def write(self, path: Path) -> None:
        """Write a results file."""
        lines = [{"command": self.command, "machine": self.machine}, *self.rows]
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")


def over_seeds(figures: Iterable[Row]) -> list[Row]:
    """Summarise figures that were measured with several seeds.

    Parameters
    ----------
    figures : iterable of dict
        One object for each figure and seed, as `bench.detection` writes them.

    Returns
    -------
    list of dict
        One object for each figure: `seeds`, how many there were; `mean` and `deviation` over the seeds; `low`
        and `high`, the interval of the first seed. A figure that no seed could measure is left out.
    """
    groups: dict[str, list[Row]] = {}
    for row in figures:
        if row["value"] is not None:
            name = json.dumps({key: value for key, value in row.items() if key not in _MEASURED})
            groups.setdefault(name, []).append(row)
    return [json.loads(name) | _over_seeds(group) for name, group in groups.items()]


def _over_seeds(group: list[Row]) -> Row:
    first = min(group, key=lambda row: row["seed"])
    values = [row["value"] for row in group]
    found: Row = {"seeds": len(values), "mean": statistics.mean(values), "deviation": None}
    if len(values) > 1:
        found["deviation"] = statistics.stdev(values)
    found |= {"low": first["low"], "high": first["high"]}
    return found | ({"instances": first["instances"]} if "instances" in first else {})


def over_rounds(values: list[float]) -> list[float]:
    """Return the median of some rounds, and the lowest and highest where there are several."""
    return [statistics.median(values), min(values), max(values)] if len(values) > 1 else list(values)

"""``python -m bench.graph_features [--peer PYTHON]``: the speed of graph features, and of a peer's.

Every measurement runs in a process of its own, ours and the peer's by turns. The command appends each figure
to a file of JSON lines (``--out``) as soon as it is measured. Started again, it reads that file and measures
only what is missing. ``--results`` writes the summary over the rounds, from which
``python -m bench.detection_tables`` makes docs/detection-tables.md. ``--agreement`` compares the counts with
the peer's instead, row by row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.graph_agreement import agreement
from bench.graph_inputs import CASES, SIZES, Case
from bench.graph_process import Bench
from bench.graph_tables import AHEAD, OURS, PEER, cost, speed, summarise
from bench.report import machine, markdown
from bench.summary import ResultsFile
from cli.output import say

Row = dict[str, Any]

_PARTS = ("tide", "uniform", "hub", "amlgentex", "longer", "wider")
#: Systems in the order in which they are measured, with their settings in addition to the case.
_SYSTEMS: dict[str, dict[str, Any]] = {
    OURS: {"system": "ours", "scoring": "arrival"},
    PEER: {"system": "peer"},
    AHEAD: {"system": "ours", "scoring": "window_close"},
}


def measure(bench: Bench, out: Path, parts: Iterable[str], rounds: int, limit_s: float) -> list[Row]:
    """Measure the figures that the file does not contain, and return all rows."""
    chosen = set(parts)
    done = {_key(row) for row in _read(out)}
    with out.open("a") as sink:
        for row, path, settings in _plan(bench, chosen, rounds, limit_s):
            if _key(row) in done:
                continue
            say(f"{row['case']}, {row['system']}, round {row['round'] + 1} ...")
            sink.write(json.dumps(row | bench.run(path(), **settings)) + "\n")
            sink.flush()
    return _read(out)


def _plan(bench: Bench, parts: set[str], rounds: int, limit_s: float) -> Iterator[tuple[Row, Any, Row]]:
    for case in CASES:
        for number in range(rounds if case.part in parts else 0):
            for name, told in _SYSTEMS.items():
                if name != PEER or bench.peer:
                    settings = {"batch": case.batch, "windows": case.windows, "limit_s": limit_s, **told}
                    row = {"case": _title(case), "system": name, "round": number}
                    if case.part == "amlgentex":  # no warm-up: the whole stream, from an empty graph
                        yield row, lambda c=case: bench.file(c.part), settings
                    else:
                        settings["warm"] = bench.size(case.part) // 2
                        yield row, lambda c=case: bench.file(c.part), settings
    for shape in ("longer", "wider"):
        for number in range(rounds if shape in parts else 0):
            for edges in SIZES:
                row = {"case": shape, "system": OURS, "round": number, "edges": edges}
                settings = {"batch": 2_048, "windows": CASES[0].windows, "system": "ours"}
                yield row, lambda s=shape, e=edges: bench.file(s, e), settings


def _title(case: Case) -> str:
    return f"{case.words}; batches of {case.batch:,}"


def _key(row: Row) -> tuple[Any, ...]:
    return row["case"], row["system"], row["round"], row.get("edges")


def _read(out: Path) -> list[Row]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.graph_features", description=__doc__)
    parser.add_argument("--peer", help="a Python with snapml (proprietary), for the comparison")
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled files")
    parser.add_argument(
        "--out", type=Path, default=Path("graph_features.jsonl"), help="file of figures, one per line"
    )
    parser.add_argument("--parts", default=",".join(_PARTS), help="parts to measure, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit-s", type=float, default=30, help="maximum seconds of a measurement")
    parser.add_argument("--peer-threads", type=int, default=2)
    parser.add_argument("--results", type=Path, help="write the summary over the rounds to this file")
    parser.add_argument("--agreement", action="store_true", help="compare counts with the peer's, row by row")
    arguments = parser.parse_args()
    unknown = set(arguments.parts.split(",")) - set(_PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; known: {', '.join(_PARTS)}")
    if arguments.agreement and not arguments.peer:
        parser.error("--agreement needs a peer; set --peer")
    with tempfile.TemporaryDirectory(prefix="counterfoil-graph-") as folder:
        bench = Bench(arguments.peer, arguments.data, Path(folder), arguments.peer_threads)
        if arguments.agreement:
            print(markdown(*agreement(bench, Path(folder))))
            return
        rows = measure(bench, arguments.out, arguments.parts.split(","), arguments.rounds, arguments.limit_s)
    peer = " --peer PYTHON" if arguments.peer else ""
    measured = f"--rounds {arguments.rounds} --limit-s {arguments.limit_s:g}"
    command = f"python -m bench.graph_features --data DIR{peer} {measured}"
    results = ResultsFile(command, machine(), summarise(rows))
    if arguments.results is not None:
        results.write(arguments.results)
    print(f"Machine: {results.machine}. Median of the rounds (lowest to highest). Threads: ours 1, the peer "
          f"{arguments.peer_threads}; a measurement is cut off after {arguments.limit_s:g} s.\n")  # fmt: skip
    print("\n\n".join(table for table in (speed(results.rows), cost(results.rows)) if table))


if __name__ == "__main__":
    main()

"""``python -m bench.graph_features [--peer PYTHON]``: the speed of graph features, and of a peer's.

Each measurement runs in a separate process; the engine and the peer alternate. Each figure is appended to a
file of JSON lines; the same command skips the figures that the file already contains, so a run can be stopped
and continued. `--agreement` compares the counts of both instead, row by row.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.graph_agreement import agreement
from bench.graph_inputs import CASES, SIZES, Case
from bench.graph_process import Bench
from bench.report import machine, markdown
from cli.output import say

Row = dict[str, Any]

_PARTS = ("tide", "uniform", "hub", "amlgentex", "longer", "wider")
#: Systems in the order in which they are measured, with their settings in addition to the case.
_SYSTEMS: dict[str, dict[str, Any]] = {
    "ours": {"system": "ours", "scoring": "arrival"},
    "peer": {"system": "peer"},
    "ours, looking ahead": {"system": "ours", "scoring": "window_close"},
}
_OURS, _PEER, _AHEAD = _SYSTEMS


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
                if name != _PEER or bench.peer:
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
                row = {"case": shape, "system": _OURS, "round": number, "edges": edges}
                settings = {"batch": 2_048, "windows": CASES[0].windows, "system": "ours"}
                yield row, lambda s=shape, e=edges: bench.file(s, e), settings


def _title(case: Case) -> str:
    return f"{case.words}; batches of {case.batch:,}"


def _key(row: Row) -> tuple[Any, ...]:
    return row["case"], row["system"], row["round"], row.get("edges")


def _read(out: Path) -> list[Row]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def _spread(values: list[float], digits: int = 0) -> str:
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) < 2 else f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _speed(rows: list[Row]) -> str:
    body = []
    for case in dict.fromkeys(row["case"] for row in rows if "edges" not in row):
        peer = {r["round"]: r["edges_per_s"] for r in rows if (r["case"], r["system"]) == (case, _PEER)}
        for system in (_OURS, _AHEAD, _PEER):
            own = [r for r in rows if (r["case"], r["system"]) == (case, system)]
            if not own:
                continue
            ratio = [r["edges_per_s"] / peer[r["round"]] for r in own if r["round"] in peer]
            least = min(r["rows"] for r in own)
            scored = f"{least:,}" if least == own[0]["of"] else f"{least:,} of {own[0]['of']:,}, then cut off"
            is_peer = system == _PEER
            body.append([
                case, system, _spread([r["edges_per_s"] for r in own]),
                *(_spread([r[f"{p}_ms"] for r in own], 1) for p in ("p50", "p99")),
                f"{max(r['max_ms'] for r in own):,.1f}",
                "-" if is_peer or not ratio else _spread(ratio, 1), scored,
                "-" if is_peer else f"{max(r['truncated'] for r in own):,}",
            ])  # fmt: skip
    head = ["stream", "system", "edges/s", "p50 ms a batch", "p99 ms", "max ms", "times the peer",
            "edges scored", "rows truncated"]  # fmt: skip
    return markdown(head, body)


def _curve(rows: list[Row]) -> str:
    own = {s: [r for r in rows if r["case"] == s] for s in ("longer", "wider")}
    body = []
    for edges in SIZES:
        costs = [[1e6 / r["edges_per_s"] for r in own[s] if r["edges"] == edges] for s in own if own[s]]
        body.append([f"{edges:,}", *(_spread(cost, 2) if cost else "-" for cost in costs)])
    names = {"longer": "20,000 a day, more days: µs an edge", "wider": "10 days, more accounts: µs an edge"}
    return markdown(["edges", *(names[s] for s in own if own[s])], body)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.graph_features", description=__doc__)
    parser.add_argument("--peer", help="a Python with snapml (proprietary), for the comparison")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the files")
    parser.add_argument(
        "--out", type=Path, default=Path("graph_features.jsonl"), help="file of figures, one per line"
    )
    parser.add_argument("--parts", default=",".join(_PARTS), help="parts to measure, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit-s", type=float, default=30, help="maximum seconds of a measurement")
    parser.add_argument("--peer-threads", type=int, default=2)
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
    rounds = 1 + max((row["round"] for row in rows), default=-1)
    print(f"Machine: {machine()}. Median of {rounds} rounds (lowest to highest). Threads: ours 1, the peer "
          f"{arguments.peer_threads}; a measurement is cut off after {arguments.limit_s:g} s.\n")  # fmt: skip
    if any("edges" not in row for row in rows):
        print(_speed(rows) + "\n")
    if any("edges" in row for row in rows):
        print(_curve(rows))


if __name__ == "__main__":
    main()

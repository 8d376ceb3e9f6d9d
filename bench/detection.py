"""``python -m bench.detection --data DIR``: measure the accuracy tables of docs/detection-tables.md.

With ``--peer PYTHON`` (a Python that has snapml, lightgbm and numpy) the peer is measured in the same run, on
the same parts of the same files. The command appends each figure to a file of JSON lines (``--out``) as soon
as it is measured. Started again, it reads that file and measures only what is missing. ``--results`` writes
the summary over the seeds, from which ``python -m bench.detection_tables`` makes the page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomaly.evaluation import Plan, evaluate, read_labelled
from anomaly.evaluation.accounts import evaluate_accounts
from bench.detection_tables import FRONTIER, tables
from bench.peers import Peer
from bench.report import machine
from bench.simulated import by_banks, simulated_file
from bench.summary import ResultsFile, over_seeds
from cli.output import say

Row = dict[str, Any]
Parts = dict[str, Callable[[], Iterator[Row]]]

_AMLSIM = ("cycle200", "fanin200", "fanin200cycle200")
SETS = ("amlgentex_a2a", "tide", *(f"amlsim_20K_{name}" for name in _AMLSIM), "simulation")

#: Numbers of amount bands per factor of ten for which the loss of accuracy is measured.
GRIDS = (4, 10, 20, 50)

_DAY = 86_400
#: Window of the peer's features in seconds, as in its published figures; otherwise the plan's window.
_PEER_WINDOW = {"amlgentex_a2a": 14 * _DAY}


@dataclass(frozen=True)
class Bench:
    """Parameters of a run of the command."""

    data: Path
    draws: int
    peer: Path | None

    def parts(self, name: str, seed: int) -> Parts:
        """Return the parts that are measured of a data set with one seed; the parts are independent."""
        plan = Plan(seeds=1, first_seed=seed, draws=self.draws)
        if name.startswith("amlsim"):
            path = self.data / f"{name}_transactions.parquet"
            return {"accounts": lambda: (f.to_json() for f in evaluate_accounts(path, plan, _step))}
        if name == "simulation":
            return {
                "banks": lambda: by_banks(simulated_file(seed + 7), seed)
            }  # 7 is the simulation's default
        # controls that train a model are measured with the first seed only; intervals show their variation
        controls = ("new_instances",) if seed else tuple(c for c in plan.controls if c != "label_free")
        plans = {
            "arrival": replace(
                plan, scorings=("arrival",), encodings=("exact",), controls=("new_instances",)
            ),
            "window_close": replace(plan, scorings=("window_close",), controls=controls),
            "label_free": replace(plan, arms=(), encodings=("exact",), controls=("label_free",)),
        }
        one_stage = replace(
            plan, arms=("shared_ledger",), scorings=("window_close",), controls=(), stages=(0,)
        )
        for bands in GRIDS:  # exact rows once: they do not depend on the bands
            encodings = plan.encodings if bands == GRIDS[0] else plan.encodings[1:]
            plans[f"{FRONTIER}{bands}"] = replace(one_stage, encodings=encodings, bands_per_decade=bands)
        found: Parts = {part: partial(self._evaluated, name, own) for part, own in plans.items()}
        if self.peer is not None:
            found["peer"] = partial(self._peer, name, plan)
        return found

    def _evaluated(self, name: str, plan: Plan) -> Iterator[Row]:
        file = read_labelled(self.data / f"{name}.parquet")
        yield from (f.to_json() for f in evaluate(file, plan, _step))

    def _peer(self, name: str, plan: Plan) -> Iterator[Row]:
        assert self.peer is not None
        path = self.data / f"{name}.parquet"
        kinds = pd.read_parquet(path, columns=["tx_type", "currency"])
        codes = np.stack([pd.factorize(kinds[column], sort=True)[0] for column in kinds], axis=1)
        peer = Peer(self.peer, _PEER_WINDOW.get(name, plan.window), codes.astype(np.float64))
        yield from (f.to_json() for f in peer.figures(read_labelled(path), plan))


def _step(what: str, at: int, of: int) -> None:
    say(f"  {what} ({at} of {of})")


def measure(bench: Bench, out: Path, sets: list[str], seeds: int, only: list[str] | None = None) -> list[Row]:
    """Measure the parts that the file does not contain, and return the rows of all complete parts."""
    held = _read(out)
    complete = _complete(held)
    kept = [row for row in held if _key(row) in complete]  # an interrupted part is measured again
    out.write_text("".join(json.dumps(row) + "\n" for row in kept))
    with out.open("a") as sink:
        for name, seed in ((name, seed) for seed in range(seeds) for name in sets):
            for part, figures in bench.parts(name, seed).items():
                mark = {"set": name, "seed": seed, "part": part}
                if (only and part not in only) or _key(mark) in complete:
                    continue
                say(f"{name}, seed {seed}: {part}")
                for row in figures():
                    sink.write(json.dumps({**row, **mark}) + "\n")
                    sink.flush()
                sink.write(json.dumps({**mark, "metric": "complete"}) + "\n")
                sink.flush()
    return [row for row in _read(out) if row["metric"] != "complete"]


def _key(row: Row) -> tuple[str, int, str]:
    return row["set"], row["seed"], row["part"]


def _complete(rows: list[Row]) -> set[tuple[str, int, str]]:
    return {_key(row) for row in rows if row["metric"] == "complete"}


def _read(out: Path) -> list[Row]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled files")
    parser.add_argument("--peer", type=Path, help="a Python with snapml, lightgbm and numpy")
    parser.add_argument(
        "--out", type=Path, default=Path("detection.jsonl"), help="file of figures, one JSON object per line"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=200, help="bootstrap resamples of each interval")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument(
        "--parts",
        help="only these: arrival, window_close, label_free, peer, accounts, banks, bands_4, bands_10, ...",
    )
    parser.add_argument("--results", type=Path, help="write the summary over the seeds to this file")
    options = parser.parse_args()
    bench = Bench(options.data, options.draws, options.peer)
    only = options.parts.split(",") if options.parts else None
    rows = measure(bench, options.out, options.sets.split(","), options.seeds, only)
    peer = " --peer PYTHON" if options.peer else ""
    command = f"python -m bench.detection --data DIR{peer} --draws {options.draws}"
    results = ResultsFile(command, machine(), over_seeds(rows))
    if options.results is not None:
        results.write(options.results)
    print(f"Machine: {results.machine}. Mean ± deviation over seeds [95 % interval of the first seed].\n")
    print(tables(results.rows))


if __name__ == "__main__":
    main()

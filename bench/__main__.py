"""``make bench``: the speed of every stage, against one row per Ethereum transaction in the same run."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from bench.ledger_path import BASELINE, BATCHED, measure_baseline, measure_round, set_up
from bench.report import Results, machine
from cli.output import say
from counterfoil.processes import stop


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--transactions", type=int, default=20_000, help="simulated transactions")
    parser.add_argument("--rounds", type=int, default=3, help="number of measurements of each stage")
    parser.add_argument("--baseline-rows", type=int, default=300, help="rows posted one by one")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    arguments = parser.parse_args()
    results = Results()
    for number in range(arguments.rounds):
        say(f"round {number + 1} of {arguments.rounds} ...")
        # a consortium of its own for each round: rows that were posted before do not count again
        with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
            home, agents, pid = set_up(Path(folder), arguments.transactions)
            try:
                measure_round(home, agents, results, number)
                measure_baseline(home, agents, results, number, arguments.baseline_rows)
            finally:
                if pid is not None:
                    stop(pid)
    results.show(machine())
    ratios = results.ratio(BATCHED, BASELINE)
    say(
        f"Batches of 800 rows post {statistics.median(ratios):.0f} times as fast as one row per transaction "
        f"on the same chain (rounds: {', '.join(f'{r:.0f}' for r in ratios)})."
    )
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), **results.to_json()}, indent=2))


if __name__ == "__main__":
    main()

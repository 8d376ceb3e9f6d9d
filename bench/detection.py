"""``python -m bench.detection --data DIR``: the accuracy tables of docs/detection.md, beside the peer.

Figures go to a file of JSON lines as they are measured (one object per figure); the same command reads what
is there already, so it can be stopped and started again. The peer's figures were measured with its own
scripts, one seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomaly.evaluation import Plan, evaluate, read_labelled
from anomaly.evaluation.accounts import evaluate_accounts
from anomaly.evaluation.arms import ARMS
from anomaly.evaluation.encode import BUCKET
from anomaly.evaluation.plan import SCORINGS
from bench.report import machine
from bench.simulated import by_banks, simulated_file
from cli.output import say

Row = dict[str, Any]

#: The peer (GFP and LightGBM; it looks ahead inside a batch): set, arm, aggregation, metric.
PEER: dict[tuple[str, str, str, str], str] = {
    ("tide", "shared_ledger", "pooled", "pr_auc"): ".847",
    ("tide", "shared_ledger", "pooled", "f1"): ".791",
    ("tide", "shared_ledger", "pooled", "recall@0.5%"): ".596",
    ("tide", "shared_ledger", "pooled", "recall@1%"): ".828",
    ("amlgentex_a2a", "shared_ledger", "pooled", "pr_auc"): ".498 to .520",
    ("amlgentex_a2a", "shared_ledger", "pooled", "f1"): ".523",
    ("amlgentex_a2a", "shared_ledger", "pooled", "recall@0.5%"): ".079",
    ("amlgentex_a2a", "shared_ledger", "pooled", "recall@1%"): ".149",
    ("tide", "silo", "bank_mean", "pr_auc"): ".510",
    ("tide", "silo", "bank_mean", "recall@0.5%"): ".416",
    ("tide", "shared_model", "bank_mean", "pr_auc"): ".723",
    ("tide", "shared_ledger", "bank_mean", "pr_auc"): ".876",
    ("tide", "shared_ledger", "bank_mean", "recall@0.5%"): ".654",
    ("amlgentex_a2a", "silo", "bank_mean", "pr_auc"): ".296",
    ("amlgentex_a2a", "silo", "bank_mean", "recall@0.5%"): ".030",
    ("amlgentex_a2a", "shared_model", "bank_mean", "pr_auc"): ".504",
    ("amlgentex_a2a", "shared_ledger", "bank_mean", "pr_auc"): ".522",
    ("amlgentex_a2a", "shared_ledger", "bank_mean", "recall@0.5%"): ".122",
}

_AMLSIM = ("cycle200", "fanin200", "fanin200cycle200")
_POOLED = (
    "pr_auc",
    "f1",
    "precision@0.1%",
    "recall@0.1%",
    "precision@0.5%",
    "recall@0.5%",
    "ceiling@0.5%",
    "recall@1%",
    "ceiling@1%",
    "instance_recall@1%",
    "account_recall@1%",
    "hours_to_flag@1%",
)
_SCORES = (
    ("boosted", "model, test part"),
    ("typology_scores:whole_file", "typology scores, whole file"),
    ("isolation_forest:whole_file", "isolation forest, whole file"),
)


def measure(data: Path, out: Path, sets: Iterable[str], seeds: int, draws: int) -> list[Row]:
    """Measure what the file does not hold yet, and return all rows."""
    done = {(r["set"], r["seed"]) for r in _read(out) if r.get("metric") == "complete"}
    with out.open("a") as sink:
        for name in sets:
            for seed in range(seeds):
                if (name, seed) in done:
                    continue
                for figure in _figures(data, name, seed, draws):
                    sink.write(json.dumps({"set": name, **figure}) + "\n")
                    sink.flush()
                sink.write(json.dumps({"set": name, "seed": seed, "metric": "complete"}) + "\n")
                sink.flush()
    complete = {(r["set"], r["seed"]) for r in _read(out) if r.get("metric") == "complete"}
    return [r for r in _read(out) if (r["set"], r["seed"]) in complete and r["metric"] != "complete"]


def _read(out: Path) -> list[Row]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def _figures(data: Path, name: str, seed: int, draws: int) -> Iterator[Row]:
    def step(what: str, at: int, of: int) -> None:
        say(f"{name} seed {seed}: {what} ({at} of {of})")

    # a run of one seed at a time, numbered as the seed asks
    plan = Plan(seeds=1, first_seed=seed, draws=draws)
    if name.startswith("amlsim"):
        path = data / f"{name}_transactions.parquet"
        yield from (f.to_json() for f in evaluate_accounts(path, plan, step))
        return
    if name == "simulation":
        file = simulated_file(seed + 7)  # seed 7 is the simulation's default
        yield from by_banks(file, seed)
        arms = replace(plan, controls=(), encodings=("exact",), scorings=("window_close",))
        yield from (f.to_json() for f in evaluate(file, arms, step))
        return
    if seed > 0:  # controls that train anew are measured once; intervals say how much they may vary
        plan = replace(plan, controls=("new_instances", "label_free"))
    yield from (f.to_json() for f in evaluate(read_labelled(data / f"{name}.parquet"), plan, step))


def _cell(rows: list[Row], **wanted: str) -> str:
    """Return mean over seeds, and the interval of the first seed."""
    found = [r for r in rows if all(r[k] == v for k, v in wanted.items()) and r["value"] is not None]
    if not found:
        return "-"
    values = [r["value"] for r in found]
    first = min(found, key=lambda r: r["seed"])
    spread = f" ±{statistics.stdev(values):.3f}" if len(values) > 1 else ""
    interval = f" [{first['low']:.3f}, {first['high']:.3f}]" if first["low"] is not None else ""
    return f"{statistics.mean(values):.3f}{spread}{interval}"


def _table(head: list[str], body: Iterable[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def tables(rows: list[Row]) -> str:
    """Return the tables as Markdown."""
    parts = []
    for name in dict.fromkeys(r["set"] for r in rows):
        own = [r for r in rows if r["set"] == name]
        seeds = len({r["seed"] for r in own})
        parts.append(f"### {name} ({seeds} seed{'s' if seeds > 1 else ''})\n")
        if name.startswith("amlsim"):
            parts.append(_amlsim(own))
        elif name == "simulation":
            parts += [_banks(own), *_arms(name, own)]
        else:
            parts += [*_arms(name, own), _encodings(own), _controls(own), _typologies(own)]
    return "\n\n".join(parts)


def _arms(name: str, rows: list[Row]) -> list[str]:
    def line(arm: str, over: str, metric: str) -> list[str]:
        cells = (
            _cell(
                rows, arm=arm, aggregation=over, metric=metric, scoring=s, encoding="exact", model="boosted"
            )
            for s in SCORINGS
        )
        return [f"{arm}, {over}", metric, *cells, PEER.get((name, arm, over, metric), "-")]

    body = [line("shared_ledger", "pooled", metric) for metric in _POOLED]
    for arm in ARMS:
        body += [line(arm, "bank_mean", metric) for metric in ("pr_auc", "f1", "recall@0.5%", "ceiling@0.5%")]
    for arm in ARMS[:2]:
        gains = [f"{metric}_gain_over_{arm}" for metric in ("pr_auc", "recall@0.5%")]
        body += [line("shared_ledger", "bank_mean", gain) for gain in gains]
    return [_table(["exact", "metric", "arrival", "window close", "peer"], body)]


def _encodings(rows: list[Row]) -> str:
    wanted = (("pooled", "pr_auc"), ("pooled", "recall@0.5%"), ("bank_mean", "pr_auc"))
    own = [r for r in rows if r["model"] == "boosted" and r["arm"] == "shared_ledger"]
    own = [r for r in own if r["scoring"] == "window_close"]
    body = ([e, *(_cell(own, encoding=e, aggregation=a, metric=m) for a, m in wanted)] for e in BUCKET)
    return _table(["encoding", "pooled PR-AUC", "pooled recall@0.5%", "bank mean PR-AUC"], body)


def _controls(rows: list[Row]) -> str:
    body = []
    for model in dict.fromkeys(r["model"] for r in rows):
        if ":" not in model or "whole_file" in model:
            continue
        lost = f"recall@1%:{model.split('without_')[-1]}"
        for scoring in SCORINGS:
            own = [r for r in rows if r["model"] == model and r["scoring"] == scoring]
            if own:
                body.append(
                    [model, scoring, *(_cell(own, metric=m) for m in ("pr_auc", "recall@0.5%", lost))]
                )
    return _table(["control", "scoring", "PR-AUC", "recall@0.5%", "recall@1% of what was left out"], body)


def _typologies(rows: list[Row]) -> str:
    metrics = ("recall@1%", "instance_recall@1%", "half_instance_recall@1%")
    names = sorted({r["metric"].split(":")[1] for r in rows if r["metric"].startswith("instance_recall@1%:")})
    body = []
    for name in names:
        for model, words in _SCORES:
            own = [r for r in rows if r["model"] == model and r["encoding"] == "exact"]
            if own:
                cells = (_cell(own, scoring=s, metric=f"{m}:{name}") for s in SCORINGS for m in metrics)
                body.append([name, words, *cells])
    head = [f"{m}, {s}" for s in ("arrival", "close") for m in ("rows", "any row", "half")]
    return _table(["typology at 1 %", "score", *head], body)


def _amlsim(rows: list[Row]) -> str:
    body = (
        [model, metric, *(_cell(rows, model=model, metric=metric, scoring=s) for s in SCORINGS)]
        for model in dict.fromkeys(r["model"] for r in rows)
        for metric in dict.fromkeys(r["metric"] for r in rows)
    )
    return _table(["score", "metric", "arrival", "window close"], body)


def _banks(rows: list[Row]) -> str:
    pairs = [(m, a) for m in ("boosted", "typology_scores:whole_file") for a in ("silo", "shared_ledger")]
    count = {r["metric"]: r["instances"] for r in rows if "instances" in r and ":" in r["model"]}
    metrics = [*sorted(count), "alerted_share"]
    body = (
        [
            f"{x.split(':')[-1]} ({count.get(x, '-')})",
            *(_cell(rows, model=m, arm=a, metric=x) for m, a in pairs),
        ]
        for x in metrics
    )
    return _table(["banks touched (instances in the file)", *(f"{m}, {a}" for m, a in pairs)], body)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled files")
    parser.add_argument(
        "--out", type=Path, default=Path("detection.jsonl"), help="figures, one object a line"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=200, help="resamples of each interval")
    parser.add_argument(
        "--sets", default="amlgentex_a2a,tide," + ",".join(f"amlsim_20K_{k}" for k in _AMLSIM) + ",simulation"
    )
    arguments = parser.parse_args()
    rows = measure(arguments.data, arguments.out, arguments.sets.split(","), arguments.seeds, arguments.draws)
    print(
        f"Machine: {machine()}. 95 % intervals of the first seed; ± is the standard deviation over seeds.\n"
    )
    print(tables(rows))


if __name__ == "__main__":
    main()

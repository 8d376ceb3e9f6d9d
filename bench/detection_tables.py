"""``python -m bench.detection_tables``: write docs/detection-tables.md from the files in bench/results.

The page is generated, so no figure is copied by hand. `bench.detection` and `bench.graph_features` write the
results files (option ``--results``).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from anomaly.evaluation.arms import ARMS
from anomaly.evaluation.encode import BUCKET
from anomaly.evaluation.plan import SCORINGS
from bench.graph_tables import cost, speed
from bench.peers import PEER
from bench.report import markdown
from bench.summary import ResultsFile

__all__ = ["FRONTIER", "page", "tables"]

_RESULTS = Path(__file__).parent / "results"
_PAGE = Path(__file__).parents[1] / "docs" / "detection-tables.md"

Row = dict[str, Any]

#: Prefix of the parts that measure encodings; the number of bands per factor of ten follows.
FRONTIER = "bands_"

_OURS = "boosted"
_POOLED = (
    "pr_auc",
    "f1",
    "precision@0.1%",
    "recall@0.1%",
    "precision@0.5%",
    "recall@0.5%",
    "ceiling@0.5%",
    "precision@1%",
    "recall@1%",
    "ceiling@1%",
    "instance_recall@1%",
    "account_recall@1%",
    "hours_to_flag@1%",
)
_SCORES = (
    (_OURS, "model, test part"),
    (PEER, "peer, test part"),
    ("typology_scores:whole_file", "typology scores, whole file"),
    ("isolation_forest:whole_file", "isolation forest, whole file"),
)


_HEAD = """# Detection: tables

All figures from which [Detection](detection.md) draws its results. The command
`python -m bench.detection_tables` generates this page from `bench/results/`; do not edit it by hand.
[How it is measured](detection.md#how-it-is-measured) explains the words of the tables."""

_ACCURACY = """## Accuracy

Measured by `{command}`.
Machine: {machine}.

A cell is the mean over the seeds. Where there are several seeds, their standard deviation follows after ±.
The 95 % bootstrap interval of the first seed stands in brackets. `-` means: not measured."""

_SPEED = """## Speed of graph features

Measured by `{command}`.
Machine: {machine}.

A cell is the median of the rounds, with the lowest and the highest in parentheses. `ours` runs on one core,
the peer on two. `ours, looking ahead` sees the rest of its batch, as the peer does. `ours` sees only what
came before a payment. A search stops after its budget of steps; `rows truncated` counts such rows."""

_COST = """### Cost of an edge as the stream grows

Batches of 2,048 payments, 20,000 edges a day."""


def page(accuracy: ResultsFile, graph: ResultsFile) -> str:
    """Return the page as Markdown."""
    parts = [
        _HEAD,
        _ACCURACY.format(command=accuracy.command, machine=accuracy.machine),
        tables(accuracy.rows),
        _SPEED.format(command=graph.command, machine=graph.machine),
        speed(graph.rows),
        _COST,
        cost(graph.rows),
    ]
    return "\n\n".join(parts) + "\n"


def tables(rows: list[Row]) -> str:
    """Return the accuracy tables as Markdown, one section for each set; `rows` are figures over seeds."""
    parts = []
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        seeds = max(row["seeds"] for row in own)
        parts.append(f"### {name} ({seeds} seed{'s' if seeds > 1 else ''})")
        if name.startswith("amlsim"):
            parts.append(_amlsim(own))
        elif name == "simulation":
            parts.append(_banks(own))
        else:
            prices = [row for row in own if row["part"].startswith(FRONTIER)]
            rest = [row for row in own if not row["part"].startswith(FRONTIER)]
            parts += [_arms(rest), _encodings(rest), _frontier(prices), _controls(rest), _typologies(rest)]
    return "\n\n".join(part for part in parts if part)


def _cell(rows: list[Row], **wanted: str) -> str:
    """Return the mean over seeds, the deviation, and the interval of the first seed."""
    found = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    if not found:
        return "-"
    (one,) = found
    spread = f" ±{_short(one['deviation'])}" if one["seeds"] > 1 else ""
    interval = f" [{_short(one['low'])}, {_short(one['high'])}]" if one["low"] is not None else ""
    return f"{_short(one['mean'])}{spread}{interval}"


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


def _table(head: list[str], body: Iterable[list[str]]) -> str:
    """Return a table without the lines that have no measured value; "" if no line is left."""
    kept = [row for row in body if any(cell != "-" for cell in row[1:])]
    return markdown(head, kept) if kept else ""


def _arms(rows: list[Row]) -> str:
    exact = [row for row in rows if row["encoding"] == "exact"]

    def line(arm: str, over: str, metric: str) -> list[str]:
        where = {"arm": arm, "aggregation": over, "metric": metric}
        ours = (_cell(exact, **where, scoring=scoring, model=_OURS) for scoring in SCORINGS)
        return [f"{arm}, {over}, {metric}", *ours, _cell(exact, **where, model=PEER)]

    body = [line("shared_ledger", "pooled", metric) for metric in _POOLED]
    for arm in ARMS:
        body += [line(arm, "bank_mean", metric) for metric in ("pr_auc", "f1", "recall@0.5%", "ceiling@0.5%")]
    for arm in ARMS[:2]:
        gains = [f"{metric}_gain_over_{arm}" for metric in ("pr_auc", "recall@0.5%")]
        body += [line("shared_ledger", "bank_mean", gain) for gain in gains]
    return _table(["exact", "arrival", "window close", "peer, looks ahead in a batch"], body)


def _encodings(rows: list[Row]) -> str:
    wanted = (("pooled", "pr_auc"), ("pooled", "recall@0.5%"), ("bank_mean", "pr_auc"))
    own = [r for r in rows if r["model"] == _OURS and r["arm"] == "shared_ledger"]
    own = [r for r in own if r["scoring"] == "window_close"]
    body = ([e, *(_cell(own, encoding=e, aggregation=a, metric=m) for a, m in wanted)] for e in BUCKET)
    return _table(["window close", "pooled PR-AUC", "pooled recall@0.5%", "bank mean PR-AUC"], body)


def _frontier(rows: list[Row]) -> str:
    """Return PR-AUC by amount bands and time bucket, with exact rows in the first column."""
    own = [row for row in rows if row["aggregation"] == "pooled" and row["metric"] == "pr_auc"]
    grids = sorted({int(row["part"].removeprefix(FRONTIER)) for row in own})
    body = (
        [f"{bands} bands per decade", *(_cell(own, part=f"{FRONTIER}{bands}", encoding=e) for e in BUCKET)]
        for bands in grids
    )
    head = ["exact", "minute", "hour", "day"]
    return _table(["one stage, window close, pooled PR-AUC", *head], body)


def _controls(rows: list[Row]) -> str:
    pooled = [row for row in rows if row["aggregation"] == "pooled" and row["encoding"] == "exact"]
    names = (row["model"] for row in pooled if ":" in row["model"] and "whole_file" not in row["model"])
    body = []
    for model in dict.fromkeys((_OURS, *names, PEER)):
        lost = model.partition("without_")[2]
        for scoring in SCORINGS:
            own = [row for row in pooled if row["model"] == model and row["scoring"] == scoring]
            cells = [_cell(own, metric=metric) for metric in ("pr_auc", "recall@0.5%")]
            body.append([f"{model}, {scoring}", *cells, _cell(own, metric=f"recall@1%:{lost}")])
    return _table(["control", "PR-AUC", "recall@0.5%", "recall@1% of what was left out"], body)


def _typologies(rows: list[Row]) -> str:
    metrics = ("recall@1%", "instance_recall@1%", "half_instance_recall@1%")
    names = sorted({r["metric"].split(":")[1] for r in rows if r["metric"].startswith("instance_recall@1%:")})
    exact = [row for row in rows if row["encoding"] == "exact"]
    body = [
        [
            f"{name}: {words}",
            *(_cell(exact, model=model, scoring=s, metric=f"{m}:{name}") for s in SCORINGS for m in metrics),
        ]
        for name in names
        for model, words in _SCORES
    ]
    head = [f"{what}, {when}" for when in ("arrival", "close") for what in ("rows", "any row", "half")]
    return _table(["typology at a 1 % budget", *head], body)


def _amlsim(rows: list[Row]) -> str:
    body = (
        [f"{model}, {metric}", *(_cell(rows, model=model, metric=metric, scoring=s) for s in SCORINGS)]
        for model in dict.fromkeys(row["model"] for row in rows)
        for metric in dict.fromkeys(row["metric"] for row in rows)
    )
    return _table(["score, accounts", "arrival", "window close"], body)


def _banks(rows: list[Row]) -> str:
    pairs = [(m, a) for m in (_OURS, "typology_scores:whole_file") for a in ("silo", "shared_ledger")]
    count = {r["metric"]: r["instances"] for r in rows if "instances" in r and ":" in r["model"]}
    body = (
        [
            f"{metric.split(':')[-1]} ({count.get(metric, '-')})",
            *(_cell(rows, model=model, arm=arm, metric=metric) for model, arm in pairs),
        ]
        for metric in [*sorted(count), "alerted_share"]
    )
    return _table(["banks touched (instances in the file)", *(f"{m}, {a}" for m, a in pairs)], body)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection_tables", description=__doc__)
    parser.add_argument("--accuracy", type=Path, default=_RESULTS / "detection.jsonl", help="results file")
    parser.add_argument("--graph", type=Path, default=_RESULTS / "graph_features.jsonl", help="results file")
    parser.add_argument("--out", type=Path, default=_PAGE, help="the page")
    options = parser.parse_args()
    text = page(ResultsFile.read(options.accuracy), ResultsFile.read(options.graph))
    options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

"""``counterfoil evaluate``: what the detectors find on a labelled file, by arm and by encoding."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import progress, say, settings, show_table
from counterfoil.analysis import evaluate_file, evaluation_plan

if TYPE_CHECKING:
    from anomaly.evaluation import Figure

__all__ = ["evaluate_command"]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def evaluate_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or Parquet of payments with is_laundering.")],
    arms: Annotated[
        str,
        typer.Option(
            help="silo, shared_model, shared_ledger, comma between; or none (label-free scores only)."
        ),
    ] = "silo,shared_model,shared_ledger",
    encodings: Annotated[
        str, typer.Option(help="exact, bands_minute, bands_hour, bands_day.")
    ] = "exact,bands_minute,bands_hour,bands_day",
    bands_per_decade: Annotated[
        int,
        typer.Option(min=1, max=100, help="Amount bands per factor of ten in the encodings with bands."),
    ] = 10,
    scorings: Annotated[
        str, typer.Option(help="arrival (judged at once), window_close (one window later).")
    ] = "arrival,window_close",
    models: Annotated[str, typer.Option(help="boosted, random_forest, gradient_boosting.")] = "boosted",
    controls: Annotated[
        str,
        typer.Option(
            help="no_graph, engine, one_stage, shuffled, left_out, new_instances, label_free; or none."
        ),
    ] = "no_graph,engine,one_stage,shuffled,left_out,new_instances,label_free",
    seeds: Annotated[int, typer.Option(min=1, help="Runs, with seeds 0, 1, ...")] = 1,
    window_days: Annotated[float, typer.Option(help="Window of the features, and embargo.")] = 7.0,
    banks: Annotated[int, typer.Option(help="How many of the largest banks stand alone.")] = 12,
    rows: Annotated[int | None, typer.Option(help="Read only the first so many rows.")] = None,
    draws: Annotated[int, typer.Option(help="Resamples of each interval.")] = 200,
    fast: Annotated[bool, typer.Option("--fast", help="Models of one stage: a quick look.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per figure and line.")] = False,
) -> None:
    """Measure detection on a labelled file: split by time, with intervals and controls."""
    options = settings(context)
    options = replace(options, json=options.json or as_json)
    plan = evaluation_plan(
        window_days,
        arms=() if arms == "none" else _names(arms),
        encodings=_names(encodings),
        bands_per_decade=bands_per_decade,
        scorings=_names(scorings),
        models=_names(models),
        controls=() if controls == "none" else _names(controls),
        seeds=seeds,
        banks=banks,
        stages=(0,) if fast else (0, 4),
        draws=draws,
    )
    figures = []
    with progress(options) as advance:

        def step(name: str, done: int, total: int) -> None:
            advance("evaluate", done, total)
            if not options.json:
                say(name, style="dim")

        for figure in evaluate_file(file, plan, step, rows=rows):
            if options.json:
                sys.stdout.write(json.dumps(figure.to_json()) + "\n")
                sys.stdout.flush()
            else:
                figures.append(figure)
    if figures:
        _show(file.name, figures)


def _show(name: str, figures: list[Figure]) -> None:
    columns = ["arm", "encoding", "scoring", "over", "model", "seed", "metric", "value", "low", "high"]
    show_table(
        f"{name}, test part, 95 % intervals",
        columns,
        [
            (
                f.arm, f.encoding, f.scoring, f.aggregation, f.model, f.seed, f.metric,
                *(("-" if v is None or v != v else f"{v:.3f}") for v in (f.value, f.low, f.high)),
            )
            for f in figures
        ],
    )  # fmt: skip

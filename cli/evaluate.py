"""``counterfoil evaluate``: measure detection on a labelled file, by arm and by encoding."""

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
    file: Annotated[
        Path, typer.Argument(help="CSV or Parquet file of payments with a column is_laundering.")
    ],
    arms: Annotated[
        str,
        typer.Option(
            help="Comma-separated: silo, shared_model, shared_ledger; or none (only scores without labels)."
        ),
    ] = "silo,shared_model,shared_ledger",
    encodings: Annotated[
        str, typer.Option(help="Comma-separated: exact, bands_minute, bands_hour, bands_day.")
    ] = "exact,bands_minute,bands_hour,bands_day",
    bands_per_decade: Annotated[
        int,
        typer.Option(
            min=1, max=100, help="Number of amount bands per factor of ten, in the encodings with bands."
        ),
    ] = 10,
    scorings: Annotated[
        str,
        typer.Option(
            help="Comma-separated: arrival (scored at once), window_close (scored one window later)."
        ),
    ] = "arrival,window_close",
    models: Annotated[
        str, typer.Option(help="Comma-separated: boosted, random_forest, gradient_boosting.")
    ] = "boosted",
    controls: Annotated[
        str,
        typer.Option(
            help="Comma-separated: no_graph, engine, one_stage, shuffled, left_out, new_instances, "
            "label_free; or none."
        ),
    ] = "no_graph,engine,one_stage,shuffled,left_out,new_instances,label_free",
    seeds: Annotated[int, typer.Option(min=1, help="Number of runs; their seeds are 0, 1, ...")] = 1,
    window_days: Annotated[
        float, typer.Option(help="Window of the features in days; also the gap between training and test.")
    ] = 7.0,
    banks: Annotated[
        int, typer.Option(help="Number of the largest banks that are evaluated one by one.")
    ] = 12,
    rows: Annotated[int | None, typer.Option(help="Read only this many rows from the start.")] = None,
    draws: Annotated[int, typer.Option(help="Number of resamples for each interval.")] = 200,
    fast: Annotated[
        bool, typer.Option("--fast", help="Use one-stage models only, for a quick result.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line, one for each figure.")
    ] = False,
) -> None:
    """Measure detection on a labelled file, with a split by time, confidence intervals and controls."""
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

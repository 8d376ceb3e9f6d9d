"""The tables of the documentation are those that the bench makes of its results files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.detection_tables import page, tables
from bench.graph_tables import cost, speed, summarise
from bench.summary import ResultsFile, over_seeds

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"


def test_the_page_of_tables_is_what_the_bench_makes_of_its_results() -> None:
    made = page(
        ResultsFile.read(RESULTS / "detection.jsonl"), ResultsFile.read(RESULTS / "graph_features.jsonl")
    )
    assert (ROOT / "docs" / "detection-tables.md").read_text("utf-8") == made, (
        "run: python -m bench.detection_tables"
    )


def _figure(seed: int, value: float | None, **other: Any) -> dict[str, Any]:
    figure = {
        "arm": "shared_ledger", "encoding": "exact", "scoring": "arrival", "aggregation": "pooled",
        "model": "boosted", "selected_on_validation": True, "metric": "pr_auc", "set": "one",
        "part": "arrival",
    }  # fmt: skip
    return figure | {"seed": seed, "value": value, "low": seed / 10, "high": seed / 10 + 0.5} | other


def test_a_figure_is_summarised_over_its_seeds() -> None:
    (summary,) = over_seeds([_figure(2, 0.4), _figure(1, 0.2), _figure(3, None)])
    assert (summary["seeds"], summary["low"], summary["high"]) == (2, 0.1, 0.6)
    assert summary["mean"] == pytest.approx(0.3)
    assert summary["deviation"] == pytest.approx(0.02**0.5)
    assert "| shared_ledger, pooled, pr_auc | 0.300 ±0.141 [0.100, 0.600] | - | - |" in tables([summary])


def test_a_figure_of_one_seed_has_no_deviation_and_one_without_a_value_is_left_out() -> None:
    figures = [_figure(0, 168.2, low=None, high=None), _figure(0, None, metric="f1")]
    assert "| shared_ledger, pooled, pr_auc | 168 | - | - |" in tables(over_seeds(figures))


def test_a_results_file_reads_as_it_was_written(tmp_path: Path) -> None:
    written = ResultsFile("python -m bench.detection", "a machine", over_seeds([_figure(0, 0.5)]))
    written.write(tmp_path / "results.jsonl")
    assert ResultsFile.read(tmp_path / "results.jsonl") == written


def test_speed_is_summarised_over_its_rounds() -> None:
    def measured(system: str, turn: int, edges_per_s: float) -> dict[str, Any]:
        latency = {"p50_ms": 1.0 + turn, "p99_ms": 2.0 + turn, "max_ms": 3.0 + turn}
        return {"case": "c", "system": system, "round": turn, "edges_per_s": edges_per_s, **latency,
                "rows": 90 + turn, "of": 100, "truncated": turn}  # fmt: skip

    rounds = [measured("ours", 0, 100.0), measured("peer", 0, 50.0)]
    rounds += [measured("ours", 1, 300.0), measured("peer", 1, 100.0)]
    lines = speed(summarise(rounds)).splitlines()[2:]
    latency = "1.5 (1.0 to 2.0) | 2.5 (2.0 to 3.0) | 4.0"
    assert lines == [
        f"| c | ours | 200 (100 to 300) | {latency} | 2.5 (2.0 to 3.0) | 90 of 100, then cut off | 1 |",
        f"| c | peer | 75 (50 to 100) | {latency} | - | 90 of 100, then cut off | - |",
    ]


def test_the_cost_of_an_edge_is_shown_for_the_curves_that_were_measured() -> None:
    point = {"case": "longer", "system": "ours", "round": 0, "edges": 100_000, "edges_per_s": 500_000.0}
    table = cost(summarise([point]))
    assert "wider" not in table
    assert "| 100,000 | 2.00 |" in table
    assert "| 200,000 | - |" in table
    assert speed(summarise([point])) == ""

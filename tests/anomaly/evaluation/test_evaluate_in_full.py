"""The whole evaluation on a small labelled file: every figure is there, labels teach where they may."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from anomaly.evaluation import Plan, evaluate, read_labelled
from anomaly.evaluation.accounts import evaluate_accounts, has_account_labels
from anomaly.evaluation.arms import Setting, prepare, shared_ledger
from anomaly.evaluation.labelled import labelled_of
from cli.main import app
from ledger.errors import ConfigurationError, InputError

KEYS = ["arm", "encoding", "scoring", "aggregation", "model", "selected_on_validation", "seed", "metric",
        "value", "low", "high"]  # fmt: skip


def payments(seed: int = 0, n: int = 300, days: int = 60) -> pd.DataFrame:
    """Ordinary payments of four banks, and rings whose money goes round in a day or two.

    With more than 255 rows to learn from, the trees' thresholds cost more time than everything else.
    """
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01")
    rows = [
        (
            rng.integers(0, days * 1_440),
            rng.integers(120),
            rng.integers(120),
            round(float(rng.lognormal(5, 1)), 2),
            "",
        )
        for _ in range(n)
    ]
    for ring in range(24):
        begin, amount = int(ring * days / 24 * 1_440), float(rng.lognormal(5, 1))
        people = rng.choice(120, 5, replace=False)
        for i in range(5):
            amount *= 0.98
            rows.append((begin + i * 500, people[i], people[(i + 1) % 5], round(amount, 2), f"ring_{ring}"))
    frame = pd.DataFrame(rows, columns=["minute", "src", "dst", "amount", "pattern_id"])
    return pd.DataFrame(
        {
            "tx_id": range(len(frame)),
            "timestamp": start + pd.to_timedelta(frame["minute"], unit="min"),
            "src_bank": "bank_" + (frame["src"] % 4).astype(str),
            "src": "acct_" + frame["src"].astype(str),
            "dst_bank": "bank_" + (frame["dst"] % 4).astype(str),
            "dst": "acct_" + frame["dst"].astype(str),
            "amount": frame["amount"],
            "currency": "EUR",
            "tx_type": "TRANSFER",
            "is_laundering": (frame["pattern_id"] != "").astype(int),
            "pattern_type": frame["pattern_id"]
            .str.extract(r"_(\d+)")[0]
            .map(lambda k: "" if pd.isna(k) else "loop" if int(k) % 2 else "ring"),
            "pattern_id": frame["pattern_id"],
        }
    ).sample(frac=1.0, random_state=seed)


PLAN = Plan(
    window=3 * 86_400,
    free_window=3 * 86_400,
    banks=2,
    stages=(0,),
    draws=10,
    encodings=("exact", "bands_day"),
)


@pytest.fixture(scope="module")
def figures():
    return [f.to_json() for f in evaluate(labelled_of(payments()), replace(PLAN, scorings=("window_close",)))]


def test_every_object_has_exactly_the_agreed_keys(figures) -> None:
    assert all(list(f) == KEYS for f in figures)
    json.dumps(figures, allow_nan=False)
    keys = [tuple(f[k] for k in KEYS[:8]) for f in figures]
    assert len(set(keys)) == len(keys)


def test_arms_encodings_controls_and_metrics_are_all_there(figures) -> None:
    assert {f["arm"] for f in figures} == {"silo", "shared_model", "shared_ledger"}
    assert {f["encoding"] for f in figures if f["arm"] == "shared_ledger"} == {"exact", "bands_day"}
    assert {f["model"].split(":")[-1] for f in figures} == {
        "boosted", "no_graph", "engine", "one_stage", "shuffled", "without_ring", "without_loop",
        "new_instances", "whole_file",
    }  # fmt: skip
    pooled = {f["metric"]: f for f in figures if f["model"] == "boosted" and f["aggregation"] == "pooled"}
    assert {"pr_auc", "f1", "precision@0.1%", "recall@0.5%", "recall@1%", "recall@1%:ring",
            "instance_recall@1%:ring", "account_recall@1%", "hours_to_flag@1%"} <= set(pooled)  # fmt: skip
    assert all(f["low"] <= f["value"] <= f["high"] for f in pooled.values() if f["metric"] == "pr_auc")
    gains = {f["metric"] for f in figures if f["aggregation"] == "bank_mean" and "gain" in f["metric"]}
    assert {"pr_auc_gain_over_silo", "pr_auc_gain_over_shared_model"} <= gains


def test_the_graph_is_what_finds_the_rings(figures) -> None:
    found = {
        f["model"]: f["value"]
        for f in figures
        if f["metric"] == "pr_auc" and f["aggregation"] == "pooled" and f["encoding"] == "exact"
    }
    assert found["boosted"] > found["boosted:no_graph"]
    assert found["boosted:engine"] > found["boosted:no_graph"]
    assert found["boosted:one_stage"] > found["boosted:no_graph"]
    assert found["boosted"] > found["boosted:shuffled"]
    assert found["typology_scores:whole_file"] > 0.5


def test_labels_of_validation_and_test_rows_do_not_move_a_score() -> None:
    frame = payments().sort_values("timestamp", kind="stable").reset_index(drop=True)
    file = labelled_of(frame)
    cut = np.sort(file.time)[int(0.6 * len(file))]
    other = frame.copy()
    late = file.time >= cut
    other.loc[late, "is_laundering"] = 1 - other.loc[late, "is_laundering"]
    setting = Setting(window=3 * 86_400, stages=(0,))
    a, b = (shared_ledger(prepare(labelled_of(f), setting), setting) for f in (frame, other))
    assert np.array_equal(a.score, b.score)


def test_order_names_and_numbers_of_rows_do_not_matter() -> None:
    frame = payments()
    renamed = frame.assign(src="x" + frame["src"], dst="x" + frame["dst"], tx_id=frame["tx_id"] + 10**6)
    setting = Setting(window=3 * 86_400, stages=(0,))
    a, b = (shared_ledger(prepare(labelled_of(f), setting), setting) for f in (frame, renamed))
    assert np.allclose(a.score, b.score, atol=1e-6)


def test_the_command_prints_one_object_a_line(tmp_path) -> None:
    path = tmp_path / "set.parquet"
    payments(1).to_parquet(path)
    arguments = [
        "evaluate",
        str(path),
        "--json",
        "--arms",
        "shared_ledger",
        "--encodings",
        "exact",
        "--fast",
        "--scorings",
        "arrival",
        "--controls",
        "none",
        "--window-days",
        "3",
        "--draws",
        "5",
    ]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert objects[0]["metric"] == "pr_auc"
    assert all(list(o) == KEYS for o in objects)


def test_account_labels(tmp_path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        (int(rng.integers(300)), int(rng.integers(300)), 100.0, int(t)) for t in rng.integers(1, 100, 4_000)
    ]
    for k in range(40):
        for i in range(4):
            rows.append((k * 4 + i, k * 4 + (i + 1) % 4, 9_000.0 + i, 2 * k + 10))
    path = tmp_path / "set_transactions.parquet"
    pd.DataFrame(rows, columns=["sourceNodeId", "targetNodeId", "value", "time"]).to_parquet(path)
    assert not has_account_labels(path)
    fraud = np.arange(300) < 160
    step = np.where(fraud, 2 * (np.arange(300) // 4) + 10, -1)
    pd.DataFrame({"nodeid": range(300), "isFraud": fraud.astype(int), "fraudStep": step}).to_parquet(
        tmp_path / "set_nodes.parquet"
    )
    assert has_account_labels(path)
    plan = replace(PLAN, scorings=("arrival",), window=3 * 86_400)
    found = {(f.model, f.metric): f.value for f in evaluate_accounts(path, plan)}
    assert found["boosted", "account_pr_auc"] > 0.6
    assert 0 <= found["typology_scores:whole_file", "account_recall@5%"] <= 1


def test_bad_files_and_plans_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match="no labels"):
        labelled_of(payments().drop(columns="is_laundering"))
    with pytest.raises(InputError, match="values other than 0 and 1"):
        labelled_of(payments().assign(is_laundering=2))
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(InputError, match="cannot be read"):
        read_labelled(tmp_path / "x.parquet")
    with pytest.raises(ConfigurationError, match="there is no arm"):
        list(evaluate(labelled_of(payments()), Plan(arms=("tower",))))
    with pytest.raises(InputError, match="one class"):
        list(evaluate(labelled_of(payments().assign(is_laundering=0, pattern_id="", pattern_type="")), PLAN))


def test_more_bands_per_decade_tell_more_amounts_apart() -> None:
    file = labelled_of(payments())

    def amounts(per_decade: int) -> int:
        setting = Setting(encoding="bands_hour", per_decade=per_decade, window=PLAN.window)
        return len(np.unique(prepare(file, setting).payments.values[:, 0]))

    assert amounts(1) < amounts(4) < amounts(10) < amounts(50)

"""Recall on the simulation by number of banks in a scheme, for each bank alone and for the shared ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from anomaly.evaluation.arms import Setting, bank_parts, prepare, shared_ledger, silo
from anomaly.evaluation.labelled import LabelledFile, labelled_of
from anomaly.models.chance import chance_features
from anomaly.models.unlabelled import typology_scores
from anomaly.simulation import simulate
from anomaly.transactions import TransactionFeatures

__all__ = ["by_banks", "simulated_file"]

_WINDOW = 7 * 86_400
_BUDGET = 0.01


def simulated_file(seed: int) -> LabelledFile:
    """Return the default simulation as a labelled file; its typologies are numbers of banks in a scheme."""
    simulation = simulate(banks=8, transactions=100_000, accounts=6_000, days=60, seed=seed)
    truth = simulation.truth.drop_duplicates("uetr").set_index("uetr")
    frame: pd.DataFrame = simulation.transactions.copy()
    pattern = frame["uetr"].map(truth["pattern_id"])
    banks = frame["uetr"].map(truth["banks_touched"]).fillna(0).astype(int)
    frame["is_laundering"] = pattern.notna().astype(int)
    frame["pattern_id"] = pattern.fillna("")
    frame["pattern_type"] = np.where(banks >= 4, "4+_banks", banks.astype(str) + "_banks")
    return labelled_of(frame, name="simulation")


def by_banks(file: LabelledFile, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the recall of instances with a row among the 1 % alerted, by number of banks in the scheme.

    Each bank alone alerts 1 % of its own rows, and an instance counts as found if any bank finds it. Together
    the banks may alert more rows than the shared ledger.
    """
    setting = Setting(window=_WINDOW, seed=seed)
    banks = file.banks(8)
    prepared = prepare(file, setting)
    result = shared_ledger(prepared, setting)
    test = result.rows
    alone = silo(bank_parts(file, setting, banks, prepared.split.cuts), setting)
    yield from _figures(file, test, _top(result.score, test), "shared_ledger", "boosted", seed)
    hits = np.concatenate([_top(one.score, one.rows) for one in alone.values()])
    yield from _figures(file, test, hits, "silo", "boosted", seed)
    everything = np.arange(len(file))
    free, name = _free(file, everything, seed), "typology_scores:whole_file"
    yield from _figures(file, everything, _top(free, everything), "shared_ledger", name, seed)
    hits = np.concatenate([_top(_free(file, rows, seed), rows) for rows in map(file.rows_of, banks)])
    yield from _figures(file, everything, hits, "silo", name, seed)


def _free(file: LabelledFile, rows: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float64]:
    seen = file.take(rows)
    features = TransactionFeatures(2 * _WINDOW, "window_close").fit(seen.transfers)
    values = features.transform(seen.transfers)
    chance = chance_features(features, seen.transfers, seed)
    names = features.get_feature_names_out()
    return typology_scores(values, chance, names, seen.source, seen.target, seed=seed)[0]


def _top(score: npt.NDArray[np.float64], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return rows[np.argsort(-score, kind="stable")[: max(int(_BUDGET * len(rows)), 1)]]


def _figures(
    file: LabelledFile,
    rows: npt.NDArray[np.int64],
    alerts: npt.NDArray[np.int64],
    arm: str,
    model: str,
    seed: int,
) -> Iterator[dict[str, Any]]:
    whole: dict[str, Any] = {
        "arm": arm,
        "encoding": "exact",
        "scoring": "window_close",
        "aggregation": "pooled",
        "model": model,
    }
    whole |= {"selected_on_validation": model == "boosted", "seed": seed}
    found = set(file.instance[alerts].tolist())
    alerted = len(np.unique(alerts)) / len(rows)
    for kind in sorted(set(file.typology[rows]) - {""}):
        instances = np.unique(file.instance[rows][file.typology[rows] == kind])
        hit = np.array([i in found for i in instances.tolist()], dtype=float)
        draws = np.random.default_rng(seed).choice(hit, (1_000, len(hit))).mean(axis=1)
        low, high = np.quantile(draws, (0.025, 0.975))
        measured = {"value": float(hit.mean()), "low": float(low), "high": float(high), "instances": len(hit)}
        yield whole | {"metric": f"found@1%:{kind}", **measured}
    yield whole | {"metric": "alerted_share", "value": alerted, "low": None, "high": None}

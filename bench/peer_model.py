"""The peer's model, which runs in a separate Python: LightGBM on the features of GFP.

``PYTHON peer_model.py ROWS.npz SCORES.npy``. It needs snapml, lightgbm and numpy, and imports nothing from
this project; snapml is proprietary, so it stays in a separate environment. `bench.detection --peer PYTHON`
passes rows, labels and parts to it, and ranks the scores in the same way as those of this project.

Settings are those of the public comparison (Blanuša et al., "Graph Feature Preprocessor", ICAIF 2024, and
the vendor's examples): all families over one window, scatter-gather over a day, batches of 2,048 rows, inside
of which the peer looks ahead.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np

_DAY = 86_400
_BATCH = 2_048
_BINS = list(range(2, 31))


def graph_features(rows: Any, window: int) -> Any:
    """Return GFP's features of rows in time order."""
    families: dict[str, Any] = {
        name: over
        for family in ("fan", "degree", "scatter-gather", "temp-cycle")
        for name, over in (
            (family, True),
            (f"{family}_tw", min(window, _DAY) if family == "scatter-gather" else window),
            (f"{family}_bins", _BINS),
        )
    }
    engine = import_module("snapml").GraphFeaturePreprocessor()
    engine.set_params(
        {
            "num_threads": 2,
            "time_window": window,
            "vertex_stats": True,
            "vertex_stats_tw": window,
            "vertex_stats_cols": [3, 4],
            "vertex_stats_feats": [0, 1, 2, 3, 4, 8, 9, 10],
            "lc-cycle": False,
            **families,
        }
    )
    parts = [engine.transform(rows[i : i + _BATCH])[:, 4:] for i in range(0, len(rows), _BATCH)]
    return np.vstack(parts).astype(np.float32)


def main(source: str, target: str) -> None:
    """Read rows, score all of them, write the scores."""
    lightgbm = import_module("lightgbm")
    given = np.load(source)
    part, time, own = given["part"], given["time"], given["own"]
    around: Any = None
    for number in np.unique(part).tolist():
        rows = np.flatnonzero(part == number)
        rows = rows[np.argsort(time[rows], kind="stable")]
        table = np.column_stack(
            [
                np.arange(len(rows)),
                given["source"][rows],
                given["target"][rows],
                time[rows],
                given["amount"][rows],
            ]
        )
        found = graph_features(table.astype(np.float64), int(given["window"]))
        around = np.zeros((len(time), found.shape[1]), np.float32) if around is None else around
        around[rows] = found
    values = np.hstack([own, around])
    learn, choose, label = given["train"], given["validation"], given["label"]
    settings = {
        "objective": "binary",
        "metric": "average_precision",
        "learning_rate": 0.05,
        "num_leaves": 63,
        "lambda_l2": 1.0,
        "min_data_in_leaf": 50 if len(learn) > 12_000 else 10,
        "num_threads": 2,
        "seed": int(given["seed"]),
        "verbose": -1,
    }
    model = lightgbm.train(
        settings,
        lightgbm.Dataset(values[learn], label[learn]),
        400,
        valid_sets=[lightgbm.Dataset(values[choose], label[choose])],
        callbacks=[lightgbm.early_stopping(40, verbose=False)],
    )
    np.save(target, np.asarray(model.predict(values), np.float64))


if __name__ == "__main__":
    main(*sys.argv[1:3])

"""One measurement in a separate process: `python -m bench.graph_worker`, with settings as JSON on its input.

It passes a stream in batches to this project's engine or, in a Python with snapml (proprietary: used only for
the comparison, never a dependency), to IBM's Graph Feature Preprocessor with the same families, windows and
bins, and prints rates and latencies as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FAMILIES"]

Floats = npt.NDArray[np.float64]
Step = Callable[[int, int], Floats]
#: Three functions: warm up with the rows up to a number; return the features of rows; count truncated rows.
System = tuple[Callable[[int], object], Step, Callable[[], int]]

_BINS = list(range(2, 31))
#: The peer's families with counts, in the order of its columns, by the engine's names.
FAMILIES = ("fan_in", "fan_out", "degree_in", "degree_out", "scatter_gather", "temporal_cycle", "hop_cycle")


def _ours(columns: dict[str, Floats], settings: dict[str, Any]) -> System:
    from anomaly.engine import EngineParameters, GraphFeatureEngine

    windows = settings["windows"]
    day, hops = windows["window"], windows["hop_length"]
    parameters = EngineParameters.gfp(
        statistics=() if settings["counts_only"] else (day,), fan=(day,), degree=(day,), temporal_cycle=day,
        scatter_gather=windows["scatter_gather"], hop_cycle=day if hops else None, hop_length=hops or 10,
        scoring=settings["scoring"], ties=settings["ties"],
    )  # fmt: skip
    table = tuple(columns[name] for name in ("src", "dst", "time", "amount"))
    GraphFeatureEngine(parameters).update(*(column[:512] for column in table))  # compiles
    engine = GraphFeatureEngine(parameters)

    def step(begin: int, end: int) -> Floats:
        return engine.update(*(column[begin:end] for column in table))

    return lambda end: engine.warm_up(*(c[:end] for c in table)), step, lambda: engine.truncated


def _peer(columns: dict[str, Floats], settings: dict[str, Any]) -> System:
    from snapml import GraphFeaturePreprocessor  # type: ignore[import-not-found]

    windows = settings["windows"]
    day, hops = windows["window"], windows["hop_length"]
    families = ("fan", "degree", "scatter-gather", "temp-cycle", "lc-cycle")
    parameters: dict[str, Any] = dict.fromkeys(families, True)
    parameters |= {f"{family}_tw": day for family in families}
    parameters |= {f"{family}_bins": _BINS for family in families}
    parameters |= {
        "num_threads": settings["threads"], "time_window": day,
        "scatter-gather_tw": windows["scatter_gather"],
        "lc-cycle": bool(hops), "lc-cycle_len": hops or 10, "lc-cycle_bins": _BINS[: (hops or 10) - 1],
        # fan, degree, ratio, average, sum, variance, skewness, kurtosis of time and amount
        "vertex_stats": not settings["counts_only"], "vertex_stats_tw": day, "vertex_stats_cols": [3, 4],
        "vertex_stats_feats": [0, 1, 2, 3, 4, 8, 9, 10],
    }  # fmt: skip
    peer = GraphFeaturePreprocessor()
    peer.set_params(parameters)
    names = ("src", "dst", "time", "amount")
    table = np.column_stack([np.arange(len(columns["src"])), *(columns[n] for n in names)]).astype(np.float64)

    def step(begin: int, end: int) -> Floats:
        return np.asarray(peer.transform(table[begin:end]))[:, table.shape[1] :]

    return lambda end: peer.fit(table[:end]), step, lambda: 0


def _measure(settings: dict[str, Any]) -> dict[str, Any]:
    with np.load(settings["stream"]) as stream:
        columns = {name: stream[name] for name in stream.files}
    make = _peer if settings["system"] == "peer" else _ours
    warm_up, step, truncated = make(columns, settings)
    warm, batch, n = settings["warm"], settings["batch"], len(columns["src"])
    n = min(n, warm + settings["most"]) if settings["most"] else n
    if warm:
        warm_up(warm)
    before, latency, kept, rows = truncated(), [], [], 0
    processor, until = time.process_time(), time.perf_counter() + settings["limit_s"]
    for begin in range(warm, n, batch):
        end = min(begin + batch, n)
        started = time.perf_counter()
        found = step(begin, end)
        latency.append(time.perf_counter() - started)
        rows += end - begin
        if settings["keep"]:
            kept.append(found.astype(np.float32))
        if time.perf_counter() > until:
            break
    processor = time.process_time() - processor
    if settings["keep"]:
        np.save(settings["keep"], np.vstack(kept))
    milliseconds = 1e3 * np.array(latency)
    return {
        "edges_per_s": rows / sum(latency),
        "edges_per_processor_s": rows / processor,
        "p50_ms": float(np.percentile(milliseconds, 50)),
        "p99_ms": float(np.percentile(milliseconds, 99)),
        "max_ms": float(milliseconds.max()),
        "rows": rows,
        "of": n - warm,
        "truncated": truncated() - before,
    }


if __name__ == "__main__":
    print(json.dumps(_measure(json.load(sys.stdin))))

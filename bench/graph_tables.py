"""The speed tables of docs/detection-tables.md, from the rounds that `bench.graph_features` measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.graph_inputs import SIZES
from bench.report import markdown
from bench.summary import over_rounds

__all__ = ["AHEAD", "OURS", "PEER", "cost", "speed", "summarise"]

Row = dict[str, Any]

#: The names of the systems, in the order of the table.
OURS, AHEAD, PEER = "ours", "ours, looking ahead", "peer"

_CURVES = {"longer": "20,000 a day, more days: µs an edge", "wider": "10 days, more accounts: µs an edge"}


def summarise(rows: list[Row]) -> list[Row]:
    """Return one object for each case and system, and one for each point of the two curves."""
    groups: dict[tuple[str, str, int | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["case"], row["system"], row.get("edges")), []).append(row)
    peer = {(row["case"], row["round"]): row["edges_per_s"] for row in rows if row["system"] == PEER}
    return [
        _of_case(case, system, own, peer)
        if edges is None
        else {"case": case, "edges": edges, "us_per_edge": over_rounds([1e6 / r["edges_per_s"] for r in own])}
        for (case, system, edges), own in groups.items()
    ]


def _of_case(case: str, system: str, rows: list[Row], peer: dict[tuple[str, int], float]) -> Row:
    """Summarise the rounds of one system; `peer` is the peer's speed in each round of each case."""
    found: Row = {"case": case, "system": system}
    for name in ("edges_per_s", "p50_ms", "p99_ms"):
        found[name] = over_rounds([row[name] for row in rows])
    found["max_ms"] = max(row["max_ms"] for row in rows)
    is_peer = system == PEER
    ratios = [r["edges_per_s"] / peer[case, r["round"]] for r in rows if (case, r["round"]) in peer]
    found["ratio"] = over_rounds(ratios) if ratios and not is_peer else None
    found |= {"rows": min(row["rows"] for row in rows), "of": rows[0]["of"]}
    found["truncated"] = None if is_peer else max(row["truncated"] for row in rows)
    return found


def speed(rows: list[Row]) -> str:
    """Return the speed of each system as a Markdown table; "" where none was measured."""
    order = (OURS, AHEAD, PEER)
    cases = list(dict.fromkeys(row["case"] for row in rows if "system" in row))
    found = {(row["case"], row["system"]): row for row in rows if "system" in row}
    body = [_speed(found[case, system]) for case in cases for system in order if (case, system) in found]
    head = ["stream", "system", "edges/s", "p50 ms a batch", "p99 ms", "max ms", "times the peer",
            "edges scored", "rows truncated"]  # fmt: skip
    return markdown(head, body) if body else ""


def _speed(row: Row) -> list[str]:
    scored = (
        f"{row['rows']:,}" if row["rows"] == row["of"] else f"{row['rows']:,} of {row['of']:,}, then cut off"
    )
    return [
        row["case"],
        row["system"],
        _spread(row["edges_per_s"], 0),
        _spread(row["p50_ms"], 1),
        _spread(row["p99_ms"], 1),
        f"{row['max_ms']:,.1f}",
        _or_dash(row["ratio"], lambda ratio: _spread(ratio, 1)),
        scored,
        _or_dash(row["truncated"], lambda count: f"{count:,}"),
    ]


def cost(rows: list[Row]) -> str:
    """Return the cost of an edge by the length of the stream as Markdown; "" where none was measured."""
    found = {(row["case"], row["edges"]): row["us_per_edge"] for row in rows if "us_per_edge" in row}
    curves = {name: words for name, words in _CURVES.items() if any(case == name for case, _ in found)}
    body = [
        [f"{edges:,}", *(_or_dash(found.get((name, edges)), lambda us: _spread(us, 2)) for name in curves)]
        for edges in SIZES
    ]
    return markdown(["edges", *curves.values()], body) if curves else ""


def _spread(values: list[float], digits: int) -> str:
    middle, *ends = (f"{value:,.{digits}f}" for value in values)
    return f"{middle} ({' to '.join(ends)})" if ends else middle


def _or_dash(value: Any, words: Callable[[Any], str]) -> str:
    return "-" if value is None else words(value)

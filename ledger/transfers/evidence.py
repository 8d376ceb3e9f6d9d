"""The evidence of a flag as a graph: networkx, GraphML and a small SVG.

Accounts are drawn from left to right in the order in which the money can have reached them. The colour shows
the bank, the label the first eight digits of the pseudonym. A payment is labelled with its amount, as far as
it is known. The same flag gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ledger.arrays import row_numbers
from ledger.errors import VerificationError
from ledger.flag import Flag
from ledger.money import ALPHA, amount_range
from ledger.schema import Channel, MatchState
from ledger.transfers.places import CREDIT, DEBIT, Places
from ledger.transfers.table import as_transfers

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["evidence_graph", "evidence_rows", "to_graphml", "to_svg"]

#: Colours of Okabe and Ito, which people with any colour vision can distinguish; grey for non-members.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999933")
_OUTSIDE = "#B0B0B0"

_RADIUS, _COLUMN, _ROW, _MARGIN = 22, 190, 84, 70


def evidence_rows(flag: Flag, transfers: pa.Table) -> pa.Table:
    """Return the transfers of the flag's rows, in time order.

    Raises
    ------
    VerificationError
        When the flag names a row that is not in the table.
    """
    table = as_transfers(transfers)
    wanted, places = set(flag.rows), Places(table)
    rows = places.rows(wanted)
    absent = wanted.difference(places.of(rows))
    if absent:
        missing = next(ref for ref in flag.rows if ref in absent)
        raise VerificationError(
            "the flag names rows that are not in these transfers",
            expected=f"{len(wanted)} rows",
            got=f"{len(wanted) - len(absent)}",
            where=f"member {missing.member}, batch {missing.sequence}, row {missing.index}",
            next_step="Sync the mirror at least to the position that the flag names.",
        )
    found = table.take(row_numbers(rows))
    keys = ("time_low", "time_high", "debtor_account", "creditor_account", "amount_low", "amount_high")
    return found.sort_by([(name, "ascending") for name in (*keys, *DEBIT, *CREDIT)])


def evidence_graph(
    flag: Flag, transfers: pa.Table, *, banks: Mapping[int, str] | None = None
) -> nx.MultiDiGraph[str]:
    """Return the flag's accounts and payments.

    Parameters
    ----------
    flag : Flag
    transfers : pyarrow.Table
        `ledger.tables.TRANSFER`, at least the rows that the flag names.
    banks : mapping, optional
        Agent code to the name to show.

    Returns
    -------
    networkx.MultiDiGraph
        Nodes are pseudonyms (hex; "unknown" where none is told) with label, agent, bank. Edges carry amount
        (text), amount_low, amount_high (minor units), currency, time_low, time_high (Unix seconds, [low,
        high)), channel and state.
    """
    import networkx as nx  # slow to import, and most callers of this module only need the rows

    names = banks or {}
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(
        title=flag.title, detector=flag.source.id, certainty=flag.certainty, explanation=flag.explanation
    )
    for row in evidence_rows(flag, transfers).to_pylist():
        ends = []
        for side in ("debtor", "creditor"):
            raw = row[f"{side}_account"]
            name = raw.hex() if raw is not None and any(raw) else "unknown"
            agent = int(row[f"{side}_agent"] or 0)
            if name not in graph or (agent and not graph.nodes[name]["agent"]):
                bank = names.get(agent, f"bank {agent}" if agent else "not a member")
                graph.add_node(name, label=name[:8], agent=agent, bank=bank)
            ends.append(name)
        graph.add_edge(
            ends[0],
            ends[1],
            amount=amount_range(row["amount_low"], row["amount_high"], row["currency"]),
            amount_low=row["amount_low"],
            amount_high=row["amount_high"],
            currency=ALPHA.get(row["currency"], str(row["currency"])),
            time_low=row["time_low"],
            time_high=row["time_high"],
            channel=_name(Channel, row["channel"]),
            state=_name(MatchState, row["state"]),
        )
    return graph


def to_graphml(graph: nx.MultiDiGraph[str]) -> bytes:
    """Return the graph as GraphML (UTF-8)."""
    import networkx as nx

    out = BytesIO()
    nx.write_graphml(graph, out, infer_numeric_types=False)
    return out.getvalue()


def to_svg(graph: nx.MultiDiGraph[str]) -> str:
    """Draw the graph as an SVG document; the same graph gives the same text."""
    places = _layout(graph)
    drawn, points = _arrows(graph, places)
    points += [(float(x), float(y)) for x, y in places.values()] or [(0.0, 0.0)]
    left, top = (int(min(p[i] for p in points)) - _MARGIN for i in (0, 1))
    width = int(max(p[0] for p in points)) + _MARGIN - left
    bottom = int(max(p[1] for p in points)) + _MARGIN
    agents = sorted({(data["agent"], data["bank"]) for _, data in graph.nodes(data=True)})
    colour = {
        agent: _OUTSIDE if agent == 0 else _COLOURS[i % len(_COLOURS)] for i, (agent, _) in enumerate(agents)
    }
    height = bottom - top + 22 * (len(agents) + 1)
    title = escape(f"{graph.graph.get('title', '')}: {graph.graph.get('explanation', '')}")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} {top} {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="11" role="img">',
        f"<title>{title}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="#fff"/>',
    ]
    parts += drawn
    for node, data in graph.nodes(data=True):
        x, y = places[node]
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="{_RADIUS}" fill="{colour[data["agent"]]}" stroke="#333">'
            f"<title>{escape(node)}, {escape(data['bank'])}</title></circle>"
            f'<text x="{x}" y="{y + _RADIUS + 13}" text-anchor="middle">{escape(data["label"])}</text>'
        )
    for i, (agent, bank) in enumerate(agents):
        y = bottom + 22 * i
        parts.append(
            f'<rect x="{left + 20}" y="{y}" width="14" height="14" fill="{colour[agent]}" stroke="#333"/>'
            f'<text x="{left + 42}" y="{y + 11}">{escape(bank)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _layout(graph: nx.MultiDiGraph[str]) -> dict[str, tuple[int, int]]:
    """Place each account one column right of the account that first paid it; edges are in time order."""
    column: dict[str, int] = {}
    for source, target in graph.edges():
        column.setdefault(source, 0)
        column.setdefault(target, column[source] + 1)
    filled: dict[int, int] = {}
    size = {c: list(column.values()).count(c) for c in column.values()}
    tallest = max(size.values(), default=1)
    places = {}
    for node, c in column.items():
        row = filled[c] = filled.get(c, -1) + 1
        offset = (tallest - size[c]) * _ROW // 2
        places[node] = (_MARGIN + c * _COLUMN, _MARGIN + offset + row * _ROW + (c % 2) * _ROW // 4)
    return places


def _arrows(
    graph: nx.MultiDiGraph[str], places: Mapping[str, tuple[int, int]]
) -> tuple[list[str], list[tuple[float, float]]]:
    """Draw every payment; return the SVG parts and the positions of the labels."""
    parallel: dict[tuple[str, str], int] = {}
    parts, points = [], []
    for source, target, data in graph.edges(data=True):
        number = parallel[source, target] = parallel.get((source, target), 0) + 1
        part, point = _arrow(places[source], places[target], number, str(data["amount"]))
        parts.append(part)
        points.append(point)
    return parts, points


def _arrow(
    source: tuple[int, int], target: tuple[int, int], number: int, label: str
) -> tuple[str, tuple[float, float]]:
    (x1, y1), (x2, y2) = source, target
    if source == target:
        top = y1 - 34 - 12 * number
        path = f"M{x1 - 12} {y1 - 18}C{x1 - 30} {top} {x1 + 30} {top} {x1 + 12} {y1 - 18}"
        middle_x, middle_y = float(x1), float(top + 8)
    else:
        length = float(np.hypot(x2 - x1, y2 - y1))
        ux, uy = (x2 - x1) / length, (y2 - y1) / length
        bend = 10.0 + 22.0 * (number - 1) + (30.0 if x2 <= x1 else 0.0)
        control_x, control_y = (x1 + x2) / 2 - uy * bend * 2, (y1 + y2) / 2 + ux * bend * 2
        start = f"{x1 + ux * _RADIUS:.1f} {y1 + uy * _RADIUS:.1f}"
        end = f"{x2 - ux * (_RADIUS + 2):.1f} {y2 - uy * (_RADIUS + 2):.1f}"
        path = f"M{start}Q{control_x:.1f} {control_y:.1f} {end}"
        middle_x, middle_y = (x1 + x2) / 2 - uy * bend, (y1 + y2) / 2 + ux * bend
    # the halo is a separate text element, because some viewers do not support paint-order
    place = f'x="{middle_x:.1f}" y="{middle_y:.1f}" text-anchor="middle" font-size="9"'
    part = (
        f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>'
        f'<text {place} stroke="#fff" stroke-width="3">{escape(label)}</text>'
        f"<text {place}>{escape(label)}</text>"
    )
    return part, (middle_x, middle_y)


def _name(kind: Any, value: int | None) -> str:
    try:
        return str(kind(value or 0).name).lower()
    except ValueError:
        return str(value)

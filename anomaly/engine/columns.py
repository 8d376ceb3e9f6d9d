"""Every feature by name, in the order of the engine's output, with its meaning and unit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from anomaly.engine.parameters import DAY, HOUR, EngineParameters

__all__ = ["SEARCHED", "Column", "columns", "first_columns", "hop_bins"]

_SIDES = ("debtor.out", "debtor.in", "creditor.out", "creditor.in")
_MOMENTS = ("average", "sum", "variance", "skewness", "kurtosis")


@dataclass(frozen=True, slots=True)
class Column:
    """One feature.

    Attributes
    ----------
    name : str
    family : str
        Name of the family's parameter, followed by the window if the parameter takes several windows.
    meaning : str
    unit : str
    window : int
        Seconds.
    """

    name: str
    family: str
    meaning: str
    unit: str
    window: int


def _span(seconds: int) -> str:
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (60, "m")):
        if seconds % unit == 0:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def _statistics(window: int) -> list[Column]:
    family, span = f"statistics.{window}", _span(window)
    found = []
    for side in _SIDES:
        about = (
            f"payments {side.split('.')[1]}{'to' if side.endswith('in') else ' of'} the {side.split('.')[0]}"
        )
        plain = (("fan", "distinct counterparties"), ("degree", "number"), ("ratio", "degree per fan"))
        found += [
            Column(f"{side}.{name}.{span}", family, f"{text} of {about}", "1", window) for name, text in plain
        ]
        for what, unit in (("amount", "currency unit"), ("age", "s")):
            units = {"average": unit, "sum": unit, "variance": f"({unit})^2"}
            found += [
                Column(
                    f"{side}.{what}.{m}.{span}",
                    family,
                    f"{m} of {what} over {about}",
                    units.get(m, "1"),
                    window,
                )
                for m in _MOMENTS
            ]
    return found


def _sizes(family: str, name: str, meaning: str, bins: tuple[int, ...], window: int) -> list[Column]:
    """Return the columns of a histogram of sizes, whose last bin is open."""
    ends = [f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in pairwise(bins)]
    return [
        Column(f"{name}.size_{text}.{_span(window)}", family, f"{meaning} of size {text}", "1", window)
        for text in (*ends, f"{bins[-1]}+")
    ]


def _plain(family: str, window: int, features: tuple[tuple[str, str, str], ...]) -> list[Column]:
    return [
        Column(f"{family}.{name}.{_span(window)}", family, meaning, unit, window)
        for name, meaning, unit in features
    ]


def hop_bins(parameters: EngineParameters) -> tuple[int, ...]:
    """Return the bins of hop-constrained cycles."""
    return tuple(b for b in parameters.bins if b <= parameters.hop_length) or parameters.bins[:1]


def columns(parameters: EngineParameters) -> list[Column]:
    """Return the columns of an engine with these parameters, in order."""
    p = parameters
    found: list[Column] = []
    for family, about in (("fan", "distinct counterparties"), ("degree", "payments")):
        for window in getattr(p, family):
            for way, of in (("in", f"{about} into the creditor"), ("out", f"{about} out of the debtor")):
                key, meaning = f"{family}.{window}", f"{of}, self-loops left out"
                if p.histograms:
                    found += _sizes(key, f"{family}_{way}", meaning, p.bins, window)
                else:
                    found.append(Column(f"{family}_{way}.{_span(window)}", key, meaning, "1", window))
    for window in p.statistics:
        found += _statistics(window)
    found += _searched(p)
    if len({c.family for c in found} & set(SEARCHED)):
        found.append(Column("truncated", "truncated", "1 where a search was cut", "1", p.reach))
    return found


def _searched(p: EngineParameters) -> list[Column]:
    """Return the columns of the families that search."""
    found: list[Column] = []
    sized = (
        ("scatter_gather", p.scatter_gather, p.bins, _SCATTER_GATHER),
        ("temporal_cycle", p.temporal_cycle, p.bins, _CYCLE + _AGREEMENT),
        ("hop_cycle", p.hop_cycle, hop_bins(p), _CYCLE),
    )
    for family, window, bins, plain in sized:
        if window is None:
            continue
        if p.histograms:
            found += _sizes(family, family, "patterns closed by the payment", bins, window)
        else:
            found += _plain(family, window, plain)
    ahead = _HANDED_ON if p.scoring == "window_close" else ()
    if p.bipartite is not None:
        found += _plain("bipartite", p.bipartite, _BIPARTITE)
    if p.gather_scatter is not None:
        found += _plain("gather_scatter", p.gather_scatter, _GATHER_SCATTER)
    if p.pass_through is not None:
        found += _plain("pass_through", p.pass_through, _PASS_THROUGH + ahead)
    if p.quiet is not None:
        found += _plain("quiet", p.quiet, _QUIET)
    if p.structuring is not None:
        found += _plain("structuring", p.structuring, _STRUCTURING)
    if p.round_trip is not None:
        found += _plain("round_trip", p.round_trip, _ROUND_TRIP)
    if p.burst is not None:
        found += _plain("burst", p.burst, _BURST)
    if p.chain is not None:
        found += _plain("chain", p.chain, _CHAIN)
    return found


#: Families whose search may be stopped by a budget.
SEARCHED = ("scatter_gather", "temporal_cycle", "hop_cycle", "bipartite", "gather_scatter", "pass_through",
            "structuring", "round_trip", "burst", "chain")  # fmt: skip

_Features = tuple[tuple[str, str, str], ...]
_SCATTER_GATHER: _Features = (
    ("count", "pairs of a first payer and a last payee with two or more accounts between them", "1"),
    ("largest", "most accounts between such a pair", "1"),
    ("stack", "accounts between such pairs beyond the payment's own, added up over the pairs", "1"),
)
_CYCLE: _Features = (
    ("count", "cycles that the payment closes", "1"),
    ("shortest", "payments of the shortest such cycle; 0 without one", "1"),
    ("longest", "payments of the longest such cycle; 0 without one", "1"),
)
_AGREEMENT: _Features = (
    ("agreement", "smallest over largest amount of the cycle where that is highest; 0 without one", "1"),
)
_BIPARTITE: _Features = (
    ("butterflies", "pairs of a second payer and a second payee, all four payments made", "1"),
    ("co_payers", "other payers of the creditor who share a further payee with the debtor", "1"),
    ("shared", "most further payees shared with one of them", "1"),
)
_GATHER_SCATTER: _Features = (
    ("senders", "accounts that paid the debtor before this payment", "1"),
    ("receivers", "accounts that the debtor paid after the first of those receipts", "1"),
    ("smaller", "the smaller of both", "1"),
    ("sent_ratio", "sum paid after the first receipt over the sum received; 0 without receipts", "1"),
)
_PASS_THROUGH: _Features = (
    ("seconds_since_in", "time since the debtor last received; the window where it did not", "s"),
    ("match_seconds", "time since the nearest receipt that this amount can hand on; else the window", "s"),
    ("match_ratio", "this amount over that receipt's; 0 without one", "1"),
    ("matches", "receipts that this amount can hand on", "1"),
    ("received_ratio", "this amount over the sum that the debtor received; 0 without receipts", "1"),
)
_HANDED_ON: _Features = (
    ("seconds_until_out", "time until the creditor next pays; the window where it does not", "s"),
    ("onward_seconds", "time until the nearest payment that can hand this one on; else the window", "s"),
    ("onward_ratio", "that payment's amount over this one's; 0 without one", "1"),
    ("onward_matches", "payments that can hand this one on", "1"),
    ("onward_share", "this amount over the sum that the creditor pays afterwards; 0 if it pays nothing", "1"),
)
_QUIET: _Features = (
    ("debtor_seconds", "time since the debtor last paid or received; the window where it did not", "s"),
    ("creditor_seconds", "time since the creditor last paid or received; the window where it did not", "s"),
    ("pair_seconds", "time since the debtor last paid the creditor; the window where it did not", "s"),
)
_STRUCTURING: _Features = (
    ("out_count", "payments of the debtor just under the threshold", "1"),
    ("out_sum", "sum of those payments", "currency unit"),
    ("in_count", "payments to the creditor just under the threshold", "1"),
    ("in_sum", "sum of those payments", "currency unit"),
)
_ROUND_TRIP: _Features = (
    ("count", "payments of the creditor to the debtor", "1"),
    ("sum", "sum of those payments", "currency unit"),
    ("seconds", "time since the last of them before this one; the window where there was none", "s"),
)
_BURST: _Features = (
    ("new_payers", "accounts that paid the creditor, and did not in the six windows before", "1"),
    ("new_payees", "accounts that the debtor paid, and did not in the six windows before", "1"),
)
_CHAIN: _Features = (
    ("length", "payments of the longest chain that ends in this one, itself included", "1"),
    ("first_amount", "amount of that chain's first payment, the greatest among the longest", "currency unit"),
    ("seconds", "time since that chain's first payment, the earliest among those", "s"),
)


def first_columns(found: list[Column]) -> dict[str, int]:
    """Return the first column of each family."""
    places: dict[str, int] = {}
    for i, column in enumerate(found):
        places.setdefault(column.family, i)
    return places

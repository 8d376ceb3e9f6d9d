"""Every feature by name, in the order of the engine's output, with its meaning and unit."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly.engine.parameters import DAY, HOUR, EngineParameters

__all__ = ["Column", "columns", "first_columns"]

_SIDES = ("debtor.out", "debtor.in", "creditor.out", "creditor.in")
_MOMENTS = ("average", "sum", "variance", "skewness", "kurtosis")


@dataclass(frozen=True, slots=True)
class Column:
    """One feature.

    Attributes
    ----------
    name : str
    family : str
        `name` of the family's parameter, with the window for those that take several.
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
    """Histogram of sizes: the last bin is open."""
    ends = [f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in zip(bins, bins[1:], strict=False)]
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
    return found


_PASS_THROUGH = (
    ("seconds_since_in", "time since the debtor last received; the window where it did not", "s"),
    ("match_seconds", "time since the nearest earlier receipt handed on by amount; else the window", "s"),
    ("match_ratio", "this amount over that receipt's; 0 without one", "1"),
    ("matches", "receipts that this amount could hand on", "1"),
    ("received_ratio", "amount over the sum that the debtor received; 0 without receipts", "1"),
)


def first_columns(found: list[Column]) -> dict[str, int]:
    """Return the first column of each family."""
    places: dict[str, int] = {}
    for i, column in enumerate(found):
        places.setdefault(column.family, i)
    return places

"""Units: amounts told in units that are no currency ("500 penalty units", "8,025 times the UMA")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from compliance.tokens import Token, parse_number

__all__ = ["Units", "find"]

_PAIRS: Final = frozenset(
    [
        ("penalty", "units"),
        ("penalty", "unit"),
        ("currency", "points"),
        ("monetary", "units"),
        ("tax", "units"),
        ("fee", "units"),
        ("base", "amounts"),
        ("minimum", "wages"),
        ("monthly", "wages"),
        ("minimum", "salaries"),
        ("calculation", "units"),
        ("reference", "units"),
    ]
)
_SINGLE: Final = frozenset(["uma", "umas", "uit", "uvt", "utm", "uf", "smlmv"])
_MEASURES: Final = _SINGLE | {"wage", "wages", "salary", "salaries", "unit", "units", "amount", "index"}
#: How far behind "times" the measure may stand: "times the daily value of the Unit of Measurement".
_REACH: Final = 9


@dataclass(frozen=True, slots=True)
class Units:
    """Tokens `start:end`: a number and the unit it counts; what that is in money is not said."""

    start: int
    end: int


def find(doc: list[Token], runs: list[tuple[int, int]]) -> Iterator[Units]:
    """Yield the amounts in units whose number is one of the runs of number tokens."""
    words = [token.lower_ for token in doc]
    for start, end in runs:
        if parse_number(words[start:end]) is None:
            continue
        after = words[end : end + 2]
        if tuple(after) in _PAIRS:
            yield Units(start, end + 2)
        elif after[:1] and after[0] in _SINGLE:
            yield Units(start, end + 1)
        elif after[:1] == ["times"]:
            measures = [i for i in range(end + 1, min(end + _REACH, len(words))) if words[i] in _MEASURES]
            stops = [i for i in range(end, min(end + _REACH, len(words))) if words[i] in (",", ".", ";")]
            measures = [i for i in measures if not stops or i < stops[0]]
            if measures:
                yield Units(start, measures[-1] + 1)

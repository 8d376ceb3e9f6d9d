"""Amount bands: intervals between the edges of a logarithmic grid and the thresholds of active rules.

A row contains a band instead of the amount. Every threshold is an edge, on the side that its comparison
needs, so a comparison with the band gives exactly the same result as with the amount. `band_arrays` encodes
many amounts at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Final

from ledger.errors import InputError

__all__ = ["MAX_AMOUNT", "Bands", "logarithmic_grid"]

#: Largest amount in a row, in minor units: ten trillion of a currency with two decimals.
MAX_AMOUNT: Final = 10**15 - 1


def logarithmic_grid(per_decade: int = 10) -> list[int]:
    """Return edges at 10**(k / per_decade) minor units, rounded up, from 1 to `MAX_AMOUNT`.

    Parameters
    ----------
    per_decade : int
        Bands per factor of ten.
    """
    if not 1 <= per_decade <= 100:
        raise InputError(f"a grid of {per_decade} bands per decade is not supported; use 1 to 100")
    with localcontext() as context:
        context.prec = 40
        powers = (Decimal(10) ** (Decimal(k) / per_decade) for k in range(15 * per_decade))
        return sorted({int(power.to_integral_value(rounding="ROUND_CEILING")) for power in powers})


class Bands:
    """The bands of one currency under one policy.

    Band ``i`` holds the amounts ``edges[i-1] <= amount < edges[i]``; band 0 starts at zero and the last
    band ends at `MAX_AMOUNT`.

    Parameters
    ----------
    edges : iterable of int
        Minor units, in any order, without zero. The attribute `edges` holds them sorted, each once.

    Raises
    ------
    InputError
        When an edge is not between 1 and `MAX_AMOUNT`, or there are too many bands for a two-byte code.

    Examples
    --------
    A rule that says "more than EUR 10,000" needs the edge 1,000,001: the band then decides it.

    >>> bands = Bands([100_000, 1_000_001])
    >>> [bands.band(amount) for amount in (99_999, 1_000_000, 1_000_001)]
    [0, 1, 2]
    >>> len(bands)
    3
    """

    def __init__(self, edges: Iterable[int]) -> None:
        unique = sorted(set(edges))
        if unique and not (unique[0] >= 1 and unique[-1] <= MAX_AMOUNT):
            raise InputError(f"band edges must lie between 1 and {MAX_AMOUNT} minor units")
        if len(unique) > 65_535:
            raise InputError(f"{len(unique)} edges are too many for a band code; use at most 65,535")
        self.edges = tuple(unique)

    def __len__(self) -> int:
        return len(self.edges) + 1

    def band(self, amount: int) -> int:
        """Return the band of an amount in minor units.

        Raises
        ------
        InputError
            When the amount is below zero or above `MAX_AMOUNT`.
        """
        if not 0 <= amount <= MAX_AMOUNT:
            raise InputError(f"amounts must lie between 0 and {MAX_AMOUNT} minor units")
        return bisect_right(self.edges, amount)

"""Amounts, channels and purposes of a payment, drawn by type of payer and payee.

They are drawn in the same way for ordinary and planted payments, so that they do not reveal the label.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ledger.schema import Channel

__all__ = ["PURPOSES", "amounts", "channels", "purpose_code", "purposes", "round_some"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: ISO 20022 external purpose codes in use; the first (empty) means that none is given.
PURPOSES: Final = (
    *("", "SALA", "PENS", "BENE", "RENT", "UBIL", "GDDS", "SCVE", "SUPP", "GIFT", "FAMI", "LOAN"),
    *("TAXS", "INTE", "SAVG", "INVS", "CHAR", "REFU"),
)

_PURPOSES_BY_PAIR: Final[dict[tuple[bool, bool], dict[str, float]]] = {
    (True, True): {"": 0.52, "GIFT": 0.14, "FAMI": 0.14, "LOAN": 0.06, "GDDS": 0.08, "SCVE": 0.06},
    (True, False): {"": 0.35, "GDDS": 0.35, "SCVE": 0.28, "INVS": 0.02},
    (False, True): {"": 0.25, "SCVE": 0.5, "REFU": 0.15, "LOAN": 0.02, "SALA": 0.08},
    (False, False): {"": 0.12, "SUPP": 0.45, "SCVE": 0.25, "GDDS": 0.18},
}


def purpose_code(purpose: str) -> int:
    """Return the index of a purpose in `PURPOSES`."""
    return PURPOSES.index(purpose)


def amounts(rng: np.random.Generator, count: int, median: float, sigma: float, *, step: int = 1) -> Ints:
    """Draw log-normal amounts in minor units, rounded to multiples of `step`, at least one step."""
    value = np.rint(median * 100 * rng.lognormal(0.0, sigma, count) / step).astype(np.int64)
    return np.maximum(value, 1) * step


def round_some(rng: np.random.Generator, cents: Ints, share: float) -> Ints:
    """Round a share of the amounts down to multiples of 5, 10, 100 or 1,000 units, depending on size."""
    step = np.select([cents < 20_000, cents < 200_000, cents < 2_000_000], [500, 1_000, 10_000], 100_000)
    rounded = np.maximum(cents // step * step, np.minimum(cents, step))
    return np.asarray(np.where(rng.random(len(cents)) < share, rounded, cents), dtype=np.int64)


def channels(rng: np.random.Generator, from_person: Bools, usd: Bools) -> Ints:
    """Draw the channel of a transfer: instant mostly for people, wire for businesses, some US cheques."""
    draw = rng.random(len(from_person))
    cheque = np.where(usd, 0.10, 0.01)
    instant = np.where(from_person, 0.60, 0.22)
    return np.select(
        [draw < cheque, draw < cheque + instant],
        [int(Channel.CHEQUE), int(Channel.INSTANT)],
        int(Channel.WIRE),
    ).astype(np.int64)


def purposes(rng: np.random.Generator, from_person: Bools, to_person: Bools) -> Ints:
    """Draw purpose codes (indices into `PURPOSES`) by type of payer and payee."""
    result = np.zeros(len(from_person), dtype=np.int64)
    for (payer, payee), shares in _PURPOSES_BY_PAIR.items():
        rows = np.flatnonzero((from_person == payer) & (to_person == payee))
        codes = [PURPOSES.index(code) for code in shares]
        result[rows] = rng.choice(codes, len(rows), p=list(shares.values()))
    return result

"""The background: all streams of ordinary payments together, with an exact number of payments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from anomaly.simulation import commerce, households
from anomaly.simulation.rows import Rows, concatenate
from anomaly.simulation.scene import Scene
from ledger.schema import Channel

__all__ = ["STREAMS", "ordinary_life"]

#: Stream and its share of the background; the rest are card purchases.
STREAMS: Final[tuple[tuple[Callable[[Scene, int], Rows], float], ...]] = (
    (households.salaries, 0.08),
    (households.benefits, 0.022),
    (households.rents, 0.035),
    (households.bills, 0.06),
    (households.among_people, 0.15),
    (commerce.services, 0.04),
    (commerce.invoices, 0.115),
    (commerce.taxes, 0.01),
    (households.savings, 0.025),
    (commerce.fees, 0.02),
    (households.withdrawals, 0.045),
    (commerce.deposits, 0.035),
    (commerce.walk_ins, 0.003),
    (commerce.abroad, 0.025),
    (households.crypto, 0.006),
    (households.long_ago, 0.005),
)

# Amounts for which "more than 10,000" and "10,000 or more" differ, and neighbours, in minor units.
_EDGES: Final = (1_000_000, 1_000_001, 999_999, 1_000_000, 990_000, 1_005_000)


def _touch_edges(scene: Scene, rows: Rows) -> Rows:
    """Set some cash payments and transfers in each currency to amounts at and around 10,000."""
    cents = rows.cents.copy()
    repeat = max(1, len(rows) // 25_000)
    for currency in (0, 1):
        for channel in (Channel.CASH, Channel.WIRE):
            pool = np.flatnonzero((rows.currency == currency) & (rows.channel == channel) & (rows.actor < 0))
            pool = pool[np.argsort(-cents[pool], kind="stable")][: max(60, len(pool) // 5)]
            chosen = scene.rng.permutation(pool)[: len(_EDGES) * repeat]
            cents[chosen] = np.resize(np.array(_EDGES), len(chosen))
    return Rows(**{**vars(rows), "cents": cents})


def ordinary_life(scene: Scene, count: int) -> Rows:
    """Return exactly `count` background payments."""
    blocks = [stream(scene, int(count * share)) for stream, share in STREAMS]
    blocks.append(households.purchases(scene, count - sum(len(block) for block in blocks)))
    return _touch_edges(scene, concatenate(blocks))

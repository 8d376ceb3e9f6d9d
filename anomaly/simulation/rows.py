"""Blocks of payments as columns of integers, before they are converted to text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anomaly.simulation import habits
from anomaly.simulation.world import World

__all__ = ["Rows", "concatenate", "payments"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Payments, one element per payment in every column.

    Parameters
    ----------
    src, dst : array
        Account indices of the world.
    time : array
        Unix seconds.
    cents : array
        Amount in minor units of the currency.
    currency, channel, purpose : array
        Index into `world.CURRENCIES`, `ledger.schema.Channel`, index into `habits.PURPOSES`.
    actor : array
        Party index of a walk-in customer, -1 for the account's own party.
    on_behalf : array
        Party index of the party on whose behalf the customer acts, -1 if there is none.
    """

    src: Ints
    dst: Ints
    time: Ints
    cents: Ints
    currency: Ints
    channel: Ints
    purpose: Ints
    actor: Ints
    on_behalf: Ints

    def __len__(self) -> int:
        return len(self.src)

    def take(self, index: Ints) -> Rows:
        """Return the rows at these positions, in this order."""
        return Rows(*(getattr(self, column.name)[index] for column in fields(self)))


def payments(
    rng: np.random.Generator,
    world: World,
    src: ArrayLike,
    dst: ArrayLike,
    time: ArrayLike,
    cents: ArrayLike,
    *,
    currency: ArrayLike | None = None,
    channel: ArrayLike | None = None,
    purpose: ArrayLike | None = None,
    actor: ArrayLike = -1,
    on_behalf: ArrayLike = -1,
) -> Rows:
    """Build rows; currency, channel and purpose that are not given follow `habits` and the debtor account."""
    source, target = np.asarray(src, dtype=np.int64), np.asarray(dst, dtype=np.int64)
    count = len(source)

    def column(value: ArrayLike) -> Ints:
        return np.broadcast_to(np.asarray(value, dtype=np.int64), (count,)).copy()

    money = column(world.currency[source] if currency is None else currency)
    american = world.currency[source] == 1
    payer, payee = world.person_like[source], world.person_like[target]
    return Rows(
        src=source,
        dst=target,
        time=column(time),
        cents=column(cents),
        currency=money,
        channel=column(habits.channels(rng, payer, american) if channel is None else channel),
        purpose=column(habits.purposes(rng, payer, payee) if purpose is None else purpose),
        actor=column(actor),
        on_behalf=column(on_behalf),
    )


def concatenate(blocks: Sequence[Rows]) -> Rows:
    """Concatenate blocks of rows."""
    return Rows(*(np.concatenate([getattr(b, f.name) for b in blocks]) for f in fields(Rows)))

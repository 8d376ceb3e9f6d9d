"""The scene: the inputs that all streams and planted schemes share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.simulation.clock import Clock
from anomaly.simulation.ties import Ties
from anomaly.simulation.world import World

__all__ = ["Scene"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """Inputs of all streams and planted schemes: random generator, world, calendar, ties."""

    rng: np.random.Generator
    world: World
    clock: Clock
    ties: Ties

    def some(self, pool: Ints, count: int, weight: NDArray[np.float64] | None = None) -> Ints:
        """Draw `count` elements of `pool` with replacement."""
        p = None if weight is None else weight / weight.sum()
        return np.asarray(self.rng.choice(pool, count, p=p), dtype=np.int64)

    def when(self, profile: str, src: Ints) -> Ints:
        """Draw times by `profile` in the local time of the banks of `src`."""
        return self.clock.draw(self.rng, len(src), profile, self.world.agent[src])

"""Simulations shared by the tests of the package: one per seed and shape, made once."""

from __future__ import annotations

import pytest

from anomaly.simulation import Simulation, simulate


@pytest.fixture(scope="session", params=[1, 2, 3])
def simulation(request: pytest.FixtureRequest) -> Simulation:
    return simulate(banks=4, transactions=12_000, accounts=900, days=40, seed=request.param)


@pytest.fixture(scope="session")
def one_simulation() -> Simulation:
    return simulate(banks=5, transactions=10_000, accounts=800, days=40, seed=11)

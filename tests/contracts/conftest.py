"""The contracts on py-evm; every test starts from the same snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth._utils.address import generate_contract_address
from eth_tester import EthereumTester, PyEVMBackend
from web3 import EthereumTesterProvider, Web3

from tests.contracts.world import World


@pytest.fixture(scope="session")
def deployed() -> World:
    state = PyEVMBackend.generate_genesis_state(num_accounts=20)
    # the first contract of the first account is the consortium: calls are tried from its address too
    founder, account = next(iter(state.items()))
    state[generate_contract_address(founder, 0)] = {**account, "nonce": 0}
    tester = EthereumTester(PyEVMBackend(genesis_state=state))
    return World(tester, Web3(EthereumTesterProvider(tester), middleware=[]))


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    """The contracts as deployed, with nothing done to them."""
    snapshot = deployed.snapshot()
    yield deployed
    deployed.revert(snapshot)


@pytest.fixture(scope="session")
def staff(deployed: World) -> int:
    """A snapshot of a founded consortium with everything that `staffed` says."""
    before = deployed.snapshot()
    deployed.admit_all(3)
    officers = zip(deployed.officers, deployed.banks[:3] + deployed.banks[:1], strict=True)
    deployed.govern(
        *(deployed.appointment(officer, bank) for officer, bank in officers),
        deployed.granting("DESK_ROLE", deployed.desk),
        deployed.granting("AUDITOR_ROLE", deployed.auditor),
    )
    deployed.open_epoch(1)
    deployed.publish(b'{"policy":1}')
    deployed.found()
    made = deployed.snapshot()
    deployed.revert(before)
    return made


@pytest.fixture
def staffed(world: World, staff: int) -> World:
    """A consortium of three banks with officers, desk and auditor, epoch 1, a policy, and nothing else.

    The first three officers are of the first three banks, and the fourth is of the first bank too.
    """
    world.revert(staff)
    return world

"""Deployment over JSON-RPC: four contracts that know each other, and errors that say what to do."""

from __future__ import annotations

import pytest
from web3 import Web3

from contracts.artifacts import load
from localchain.deploy import deploy
from localchain.errors import LocalChainError
from localchain.faucet import fund

#: Quorum and quorum of a pause in percent, delay and lifetime of a proposal in seconds.
RULES = (51, 34, 60, 86_400)


def test_a_consortium_is_deployed_and_its_parts_know_each_other(node, new_sender):
    deployer, founder = new_sender().account, new_sender().account.address
    fund(node.url, node.home, [deployer.address], 10, deployer=True)
    deployment = deploy(
        node.url, deployer_key=bytes(deployer.key), founder=founder, rules=RULES, limits=(50, 60, 70_000)
    )

    web3 = Web3(Web3.HTTPProvider(node.url))
    assert deployment["format"] == "counterfoil/deployment/2"
    assert deployment["chain_id"] == 20_777
    assert deployment["genesis_hash"] == "0x" + web3.eth.get_block(0)["hash"].hex()
    assert web3.eth.get_logs({"fromBlock": deployment["block"]})
    assert deployment["block"] == 1 or not web3.eth.get_logs(
        {"toBlock": deployment["block"] - 1, "fromBlock": 0}
    )
    contracts = {
        name: web3.eth.contract(address, abi=load(name).abi)
        for name, address in deployment["contracts"].items()
    }
    assert list(contracts) == [
        "Consortium", "PseudonymKeys", "EvaluationLog", "BatchLedger", "RuleBook", "CaseLog",
    ]  # fmt: skip
    root = contracts.pop("Consortium")
    for contract in contracts.values():
        assert contract.functions.consortium().call() == root.address
    assert root.functions.founder().call() == founder
    assert not root.functions.founded().call()
    assert tuple(root.functions.rules().call()) == RULES
    assert not root.functions.hasRole(bytes(32), founder).call()
    assert not root.functions.hasRole(bytes(32), deployer.address).call()


def test_a_deployer_without_funds_is_told_so(node, new_sender):
    deployer = new_sender().account
    with pytest.raises(LocalChainError, match=r"insufficient funds.*account is funded"):
        deploy(
            node.url,
            deployer_key=bytes(deployer.key),
            founder=deployer.address,
            rules=RULES,
            limits=(1, 1, 1),
        )


def test_a_faucet_of_another_chain_cannot_pay(node, new_sender):
    with pytest.raises(LocalChainError, match="insufficient funds"):
        fund(node.url, bytes(new_sender().account.key), [new_sender().account.address], 1)

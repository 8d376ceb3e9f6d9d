"""A consortium with new, empty contracts: a tenth of the time of founding another one.

Members, roles, key epochs and policies are in the `Consortium` contract, which stays. A test that changes one
of these founds a consortium of its own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eth_account import Account
from web3 import Web3

from contracts.artifacts import TAKES, load
from counterfoil.accounts import PartyAccount
from counterfoil.founding import write_trust
from ledger.gateway import Gateway
from tests.support.consortium import SmallConsortium

__all__ = ["renewed"]

_GAS = 8_000_000


def renewed(consortium: SmallConsortium, folder: Path, *names: str) -> SmallConsortium:
    """Return a copy of a consortium in which these contracts are new.

    Parameters
    ----------
    consortium : SmallConsortium
        Founded, with nothing posted.
    folder : Path
        The state folder of the copy, not there yet.
    names : str
        Contracts that a `Consortium` contract does not know: `BatchLedger`, `RuleBook`, `CaseLog`.
    """
    made = consortium.copy(folder)
    key = PartyAccount.load(made.home.founder, who="the founder").key
    assert isinstance(key, bytes)
    placed = {name: _deploy(consortium, key, name) for name in names}
    old = consortium.gateway.deployment
    deployment = replace(old, contracts=old.contracts | placed)
    deployment.save(made.home.deployment)
    gateway = Gateway(made.url, deployment)
    if "BatchLedger" in placed:
        write_trust(made.home, gateway)
    return replace(made, gateway=gateway)


def _deploy(consortium: SmallConsortium, key: bytes, name: str) -> str:
    gateway, artifact = consortium.gateway, load(name)
    web3 = Web3(Web3.HTTPProvider(consortium.url))
    knows = [Web3.to_checksum_address(gateway.deployment.contracts[taken]) for taken in TAKES[name]]
    factory = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    sender = Account.from_key(key).address
    fields = {"from": sender, "nonce": gateway.next_nonce(sender)}
    fields |= {"gas": _GAS, "maxFeePerGas": 10**12, "maxPriorityFeePerGas": 1, "value": 0}
    fields |= {"chainId": gateway.deployment.chain_id}
    signed = Account.sign_transaction(factory.constructor(*knows).build_transaction(fields), key)
    sent = web3.eth.send_raw_transaction(signed.raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
    assert receipt["status"] == 1
    return str(receipt["contractAddress"])

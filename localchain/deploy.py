"""Deploys the contracts of a consortium to any chain that answers JSON-RPC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import BlockNumber, ChecksumAddress
from web3 import Web3
from web3.exceptions import TimeExhausted, Web3Exception

from contracts.artifacts import CONTRACTS, TAKES, load
from localchain.errors import LocalChainError
from localchain.sending import send_raw

__all__ = ["FORMAT", "deploy"]

FORMAT = "counterfoil/deployment/2"
_WAIT_SECONDS = 120


def deploy(
    url: str, *, deployer_key: bytes, founder: str, rules: Sequence[int], limits: Sequence[int]
) -> dict[str, Any]:
    """Deploy the contracts of a consortium.

    Parameters
    ----------
    url : str
        JSON-RPC endpoint.
    deployer_key : bytes
        Private key of the account that pays for the deployment, 32 bytes; the account gets no role.
    founder : str
        Address that prepares the consortium until its founding members have confirmed.
    rules : sequence of int
        Quorum and quorum of a pause in percent of the active members, delay and lifetime of a
        proposal in seconds.
    limits : sequence of int
        What one member may do in a day: evaluations, entries of the case log, bytes of them.

    Returns
    -------
    dict
        `format`, `chain_id`, `genesis_hash`, `block` (the first block with a contract of the consortium) and
        `contracts` (address by name).

    Raises
    ------
    LocalChainError
        If the chain refuses a transaction or does not mine it in time.
    """
    web3 = Web3(Web3.HTTPProvider(url))
    account: LocalAccount = Account.from_key(deployer_key)
    addresses: dict[str, str] = {}
    blocks = []
    genesis = web3.eth.get_block(BlockNumber(0))
    for name in CONTRACTS:
        arguments: tuple[Any, ...]
        if name == "Consortium":
            founding = Web3.to_checksum_address(founder), bytes(genesis["hash"])
            arguments = (*founding, tuple(rules), tuple(limits))
        else:
            arguments = tuple(Web3.to_checksum_address(addresses[taken]) for taken in TAKES[name])
        addresses[name], block = _deploy_one(web3, account, name, arguments)
        blocks.append(block)
    return {
        "format": FORMAT,
        "chain_id": web3.eth.chain_id,
        "genesis_hash": "0x" + bytes(genesis["hash"]).hex(),
        "block": min(blocks),
        "contracts": addresses,
    }


def _deploy_one(
    web3: Web3, account: LocalAccount, name: str, arguments: tuple[Any, ...]
) -> tuple[ChecksumAddress, int]:
    artifact = load(name)
    constructor = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*arguments)
    try:
        unsigned = constructor.build_transaction(
            {
                "from": account.address,
                "nonce": web3.eth.get_transaction_count(account.address),
                "chainId": web3.eth.chain_id,
            }
        )
        signed = account.sign_transaction(unsigned)
        sent = send_raw(web3, bytes(signed.raw_transaction))
        receipt = web3.eth.wait_for_transaction_receipt(sent, timeout=_WAIT_SECONDS, poll_latency=0.05)
    except TimeExhausted as problem:
        raise LocalChainError(
            f"{name} was not mined within {_WAIT_SECONDS} s",
            next_step="Check that the network makes blocks, then run the same command again.",
        ) from problem
    except Web3Exception as problem:
        raise LocalChainError(
            f"{name} could not be deployed: {problem}",
            next_step="Check that the deployer's account is funded and the endpoint is the right one.",
        ) from problem
    address = receipt["contractAddress"]
    if receipt["status"] != 1 or address is None:
        raise LocalChainError(
            f"the deployment of {name} was reverted",
            next_step="Check that the network has the rules of London or later, and its limit on gas.",
        )
    return Web3.to_checksum_address(address), int(receipt["blockNumber"])

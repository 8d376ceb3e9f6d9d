"""Funds accounts of the embedded chain from its prefunded account."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.exceptions import Web3RPCError

from localchain.admission import calldata_floor
from localchain.errors import LocalChainError
from localchain.genesis import faucet_key
from localchain.permission import DEPLOYER
from localchain.sending import send_raw

__all__ = ["fund"]

#: Another process may use the faucet at the same moment and take our nonce.
_ATTEMPTS = 20


def fund(
    url: str,
    source: Path | bytes,
    addresses: Sequence[str],
    ether: int | Decimal,
    *,
    deployer: bool = False,
) -> list[str]:
    """Send ether to accounts.

    Parameters
    ----------
    url : str
        JSON-RPC endpoint.
    source : Path or bytes
        Folder of the embedded chain, whose faucet pays; or the private key of the account that pays.
    addresses : sequence of str
        Accounts to fund.
    ether : int or Decimal
        Amount for each account.
    deployer : bool
        Let the accounts create contracts on the embedded chain; only its faucet can do so.

    Returns
    -------
    list of str
        Hashes of the mined transactions, one for each address.

    Raises
    ------
    LocalChainError
        If the chain refuses a transfer or does not mine it.
    """
    web3 = Web3(Web3.HTTPProvider(url))
    account: LocalAccount = Account.from_key(faucet_key(source) if isinstance(source, Path) else source)
    data = DEPLOYER if deployer else b""
    return [_transfer(web3, account, address, Web3.to_wei(ether, "ether"), data) for address in addresses]


def _transfer(web3: Web3, account: LocalAccount, address: str, wei: int, data: bytes) -> str:
    chain_id = web3.eth.chain_id
    for _attempt in range(_ATTEMPTS):
        base_fee = web3.eth.get_block("latest").get("baseFeePerGas", 0)
        signed = account.sign_transaction(
            {
                "to": Web3.to_checksum_address(address),
                "value": wei,
                "data": data,
                "gas": calldata_floor(data),
                "nonce": web3.eth.get_transaction_count(account.address),
                "maxFeePerGas": 2 * base_fee + 1,
                "maxPriorityFeePerGas": 1,
                "chainId": chain_id,
            }
        )
        try:
            sent = send_raw(web3, bytes(signed.raw_transaction))
        except Web3RPCError as problem:
            if "nonce too" in str(problem):
                continue
            raise LocalChainError(
                f"{address} could not be funded: {problem}",
                next_step="Check the endpoint, and that the account that pays has ether.",
            ) from problem
        receipt = web3.eth.wait_for_transaction_receipt(sent, timeout=60, poll_latency=0.02)
        if receipt["status"] != 1:
            raise LocalChainError(
                f"{address} could not be funded: it refuses ether",
                next_step="Name an account, or a contract that takes ether.",
            )
        return "0x" + bytes(sent).hex()
    raise LocalChainError(
        f"{address} could not be funded: the faucet's nonce was taken {_ATTEMPTS} times",
        next_step="Run the same command again when no other process uses the faucet.",
    )

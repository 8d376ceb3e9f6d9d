"""The first block and its parameters, which are created once per chain and stored."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path

import msgspec
from eth.chains.base import Chain
from eth.constants import POST_MERGE_DIFFICULTY, POST_MERGE_MIX_HASH, POST_MERGE_NONCE
from eth.typing import AccountDetails, HeaderParams
from eth_account import Account
from eth_typing import Address

from localchain.database import Database
from localchain.documents import Genesis
from localchain.errors import WrongGenesisError
from localchain.home import FAUCET
from localchain.machine import EmbeddedVM

__all__ = ["BASE_FEE", "DEFAULT_CHAIN_ID", "GAS_LIMIT", "chain_class", "faucet_key", "open_genesis"]

#: Not the identifier of a public network. Two consortia on one machine should take different ones.
DEFAULT_CHAIN_ID = 20261

#: A block holds fifteen full batches (about 5 M gas each) below half of its limit, from where the base fee
#: would rise.
GAS_LIMIT = 150_000_000

#: Enough to fund everybody for ever: fees are a formality on a chain without a market.
_FAUCET_WEI = 10**9 * 10**18

#: Base fee of every block. A block is filled to half of its limit at most, so EIP-1559 never raises the fee;
#: and an eighth of a fee below 8 wei is nothing, so EIP-1559 never lowers it.
BASE_FEE = 7

_FORMAT = "counterfoil/localchain/2"


def chain_class(genesis: Genesis) -> type[Chain]:
    """Create the py-evm class of a chain with this chain identifier and the Prague rules from block 0.

    Parameters
    ----------
    genesis : Genesis
        Parameters of the chain.

    Returns
    -------
    type of Chain
        The class of the chain.
    """
    settings = {"chain_id": genesis.chain_id, "vm_configuration": ((0, EmbeddedVM),)}
    return type("EmbeddedChain", (Chain,), settings)


def open_genesis(database: Database, *, chain_id: int, faucet: bytes) -> Genesis:
    """Read the stored genesis, or create it if the database is new.

    Parameters
    ----------
    database : Database
        The chain's database.
    chain_id : int
        The expected chain identifier.
    faucet : bytes
        Address of the account to prefund, 20 bytes.

    Returns
    -------
    Genesis
        The parameters in force.

    Raises
    ------
    WrongGenesisError
        If the database contains another chain.
    """
    stored = dict(database.query("SELECT key, value FROM meta"))
    if not stored:
        genesis = Genesis(chain_id, int(time.time()), GAS_LIMIT, faucet.hex())
        _create(database, genesis)
        return genesis
    if stored.get("format") != _FORMAT:
        raise WrongGenesisError(
            f"the stored chain has format {stored.get('format')!r}, this version reads {_FORMAT!r}",
            next_step="Use the version of Counterfoil that wrote it, or start a new chain in another folder.",
        )
    try:
        genesis = msgspec.json.decode(stored.get("genesis", ""), type=Genesis)
    except ValueError as problem:
        raise WrongGenesisError(
            f"what the chain started from cannot be read: {problem}",
            next_step="Restore the chain from a backup: `counterfoil chain restore`.",
        ) from problem
    if genesis.chain_id != chain_id:
        raise WrongGenesisError(
            f"the stored chain has chain id {genesis.chain_id}, not {chain_id}",
            next_step="Start it with its own chain id, or start a new chain in another folder.",
        )
    return genesis


def faucet_key(home: Path) -> bytes:
    """Read the faucet's private key; if there is none, create a random key.

    Parameters
    ----------
    home : Path
        The chain's folder.

    Returns
    -------
    bytes
        Private key, 32 bytes. It is not a published test key, which anyone with access to the port could use.
    """
    path = home / FAUCET
    if path.exists():
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    key = secrets.token_bytes(32)
    Account.from_key(key)  # raises for the one in 2**128 that is no key
    waiting = path.with_suffix(".new")
    waiting.unlink(missing_ok=True)
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(path)
    return key


def _create(database: Database, genesis: Genesis) -> None:
    parameters: dict[str, HeaderParams] = {
        "difficulty": POST_MERGE_DIFFICULTY,
        "nonce": POST_MERGE_NONCE,
        "mix_hash": POST_MERGE_MIX_HASH,
        "gas_limit": genesis.gas_limit,
        "base_fee_per_gas": BASE_FEE,
        "timestamp": genesis.timestamp,
    }
    account: AccountDetails = {"balance": _FAUCET_WEI, "nonce": 0, "code": b"", "storage": {}}
    faucet = Address(bytes.fromhex(genesis.faucet))
    first = chain_class(genesis).from_genesis(database, parameters, {faucet: account}).get_canonical_head()
    meta = (("format", _FORMAT), ("genesis", json.dumps(msgspec.to_builtins(genesis), sort_keys=True)))
    database.commit(
        [
            ("INSERT INTO meta VALUES (?, ?)", meta),
            ("INSERT INTO blocks VALUES (?, ?)", [(0, first.hash)]),
        ]
    )

"""Verifies a chain's file from the first block to the head, before anyone relies on a copy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import rlp
from eth.constants import BLANK_ROOT_HASH, EMPTY_SHA3
from eth_hash.auto import keccak

from localchain.documents import Genesis
from localchain.errors import DamagedChainError

__all__ = ["Summary", "check"]

_PARENT, _STATE_ROOT, _NUMBER, _GAS_USED = 0, 3, 8, 10
_HASH = 32
_BRANCH = 17
_LEAF_FLAG = 0x20


@dataclass(frozen=True, slots=True)
class Summary:
    """The identity of a chain, and its last block, as read from its file.

    Attributes
    ----------
    chain_id : int
        EIP-155 chain identifier.
    genesis_hash : str
        Hash of block 0, in hexadecimal.
    block : int
        Number of the last block.
    block_hash, state_root : str
        Hash of the last block, and root of the state after it, in hexadecimal.
    """

    chain_id: int
    genesis_hash: str
    block: int
    block_hash: str
    state_root: str


def check(path: Path) -> Summary:
    """Verify a chain's file completely.

    Every header must match its hash and contain the hash of its parent; every transaction must match its
    hash; the gas of a block must be the gas of its transactions; the data of every log must be complete; and
    every node of the state after the last block must be present and match its hash.

    Parameters
    ----------
    path : Path
        The SQLite file, to which no process writes.

    Returns
    -------
    Summary
        The chain, and its last block.

    Raises
    ------
    DamagedChainError
        If one of these checks fails.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return _check(database, path)
    except (
        sqlite3.Error,
        rlp.exceptions.RLPException,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
    ) as problem:
        raise _damaged(path, f"it cannot be read ({problem})") from problem


def _check(database: sqlite3.Connection, path: Path) -> Summary:
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise _damaged(path, verdict)
    (genesis,) = database.execute("SELECT value FROM meta WHERE key = 'genesis'").fetchone()
    gas = dict(database.execute("SELECT block, max(cumulative_gas) FROM transactions GROUP BY block"))
    previous = bytes(_HASH)
    head: list[bytes] = []
    names: list[bytes] = []
    for number, name, encoded in database.execute(
        "SELECT b.number, b.hash, s.value FROM blocks b LEFT JOIN state s ON s.key = b.hash ORDER BY b.number"
    ):
        head = [] if encoded is None else rlp.decode(encoded)
        if not head or keccak(encoded) != name or number != len(names):
            raise _damaged(path, f"block {len(names)} is missing or is not what its hash says")
        if head[_PARENT] != previous or _integer(head[_NUMBER]) != number:
            raise _damaged(path, f"block {number} does not follow block {number - 1}")
        if _integer(head[_GAS_USED]) != gas.pop(number, 0):
            raise _damaged(path, f"block {number} lacks a transaction")
        names.append(name)
        previous = name
    if not names or gas:
        raise _damaged(path, "there are transactions without their block, or no block at all")
    for name, raw in database.execute("SELECT hash, raw FROM transactions"):
        if keccak(raw) != name:
            raise _damaged(path, f"transaction 0x{name.hex()} is not what its hash says")
    (short,) = database.execute(
        "SELECT count(*) FROM logs l LEFT JOIN transactions t ON t.hash = l.hash WHERE t.hash IS NULL "
        "OR length(l.data) + l.borrowed <> l.size OR l.borrowed_from + l.borrowed > length(t.raw)"
    ).fetchone()
    if short:
        raise _damaged(path, f"{short} logs are not complete")
    _check_state(database, path, head[_STATE_ROOT])
    return Summary(
        chain_id=msgspec.json.decode(genesis, type=Genesis).chain_id,
        genesis_hash=_hex(names[0]),
        block=len(names) - 1,
        block_hash=_hex(names[-1]),
        state_root=_hex(head[_STATE_ROOT]),
    )


def _check_state(database: sqlite3.Connection, path: Path, root: bytes) -> None:
    """Check that every account, its code and its storage are present."""
    for leaf in _leaves(database, path, root):
        _nonce, _balance, storage_root, code_hash = rlp.decode(leaf)
        if code_hash != EMPTY_SHA3:
            _node(database, path, code_hash)
        for _slot in _leaves(database, path, storage_root):
            pass


def _leaves(database: sqlite3.Connection, path: Path, root: bytes) -> Iterator[bytes]:
    """Yield the values of a Merkle Patricia trie and check its nodes (Yellow Paper, appendix D)."""
    waiting: list[bytes | list[bytes]] = [] if root == BLANK_ROOT_HASH else [root]
    while waiting:
        reference = waiting.pop()
        # A node shorter than a hash stands inside its parent instead of being named by it.
        node = rlp.decode(_node(database, path, reference)) if isinstance(reference, bytes) else reference
        if len(node) == _BRANCH:
            waiting += [child for child in node[:-1] if child]
        elif node[0][0] & _LEAF_FLAG:
            yield node[1]
        else:
            waiting.append(node[1])


def _node(database: sqlite3.Connection, path: Path, name: bytes) -> bytes:
    row = database.execute("SELECT value FROM state WHERE key = ?", (name,)).fetchone()
    if row is None or keccak(row[0]) != name:
        raise _damaged(path, f"node 0x{name.hex()} of the state is missing or is not what its hash says")
    return bytes(row[0])


def _damaged(path: Path, what: str) -> DamagedChainError:
    return DamagedChainError(
        f"{path} does not hold a whole chain: {what}",
        next_step="Use another backup; this one is not to be trusted.",
    )


def _integer(encoded: bytes) -> int:
    return int.from_bytes(encoded, "big")


def _hex(data: bytes) -> str:
    return "0x" + data.hex()

"""The chain: takes transactions in fair order, makes blocks, stores them durably, answers calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import rlp
from eth.abc import BlockHeaderAPI, SignedTransactionAPI, StateAPI
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth_hash.auto import keccak

from localchain import admission, calls, permission
from localchain.allowance import Allowances
from localchain.block import Block
from localchain.budget import BUDGET, Budget
from localchain.calls import CallRequest
from localchain.database import Database
from localchain.documents import Genesis
from localchain.errors import AllowanceUsedError, RpcError
from localchain.fairness import FairQueue, Gate
from localchain.genesis import chain_class
from localchain.index import Index, block_rows

__all__ = ["LocalChain"]

#: The two kinds of work that share the virtual machine, half of the time each when both wait.
_SENDING, _READING = "sending", "reading"

#: Accounts that did not send a transaction yet share one place in the queue: anyone can make new ones.
_STRANGERS = b""

#: What a refused transaction counts in the order of the queue, as gas.
_REFUSED_GAS = 200_000


@dataclass(slots=True, eq=False)
class _Entry:
    """A transaction that waits for its block."""

    raw: bytes
    hash: bytes
    transaction: SignedTransactionAPI
    sender: bytes
    outcome: bytes | BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Taken:
    """A transaction that was taken from the queue for a block, and its result if the block is stored."""

    owner: Hashable
    entry: _Entry
    result: bytes | RpcError


class LocalChain:
    """A durable chain that mines at once: a transaction is in a stored block when `submit` returns.

    Safe to use from several threads: everything that runs the EVM takes turns.

    Parameters
    ----------
    database : Database
        Database of the chain.
    genesis : Genesis
        Parameters of block 0.
    budget : Budget
        The limits.

    Notes
    -----
    Blocks made within one second have the same timestamp. Ethereum requires a later timestamp for each block;
    with dozens of blocks per second, block time would then run hours ahead of the clock.
    """

    def __init__(self, database: Database, genesis: Genesis, budget: Budget = BUDGET) -> None:
        self.genesis = genesis
        self.budget = budget
        self.index = Index(database)
        self._index = Index(database, in_turn=True)
        self._database = database
        self._chain = chain_class(genesis)(database)
        self._faucet = bytes.fromhex(genesis.faucet)
        self._machine = Gate()
        self._allowances = Allowances(budget)
        self._senders: set[bytes] = {self._faucet}
        self._waiting: FairQueue[_Entry] = FairQueue()
        self._waiting_lock = threading.Lock()
        self._head = self.header(self.index.height())

    @property
    def head(self) -> BlockHeaderAPI:
        """Header of the last block."""
        return self._head

    @property
    def base_fee(self) -> int:
        """Base fee of the last block, in wei per gas."""
        return self._head.base_fee_per_gas or 0

    def header(self, number: int) -> BlockHeaderAPI:
        """Read the header of a block that exists."""
        return _header(self.index, number)

    # ------------------------------------------------------------ sending

    def submit(self, raws: Sequence[bytes]) -> list[bytes | RpcError]:
        """Mine signed transactions, in as few blocks as possible.

        Transactions of one account are applied in the order given. Of several accounts, also of other
        callers, the one that used least comes first.

        Parameters
        ----------
        raws : sequence of bytes
            Signed transactions.

        Returns
        -------
        list of bytes or RpcError
            For each transaction its hash, once it is durable, or the error with which it was refused. A
            transaction that is already mined gives its hash and is not executed again.
        """
        found = [self._decoded(raw) for raw in raws]
        entries = [entry for entry in found if isinstance(entry, _Entry)]
        with self._waiting_lock:
            for entry in entries:
                owner = entry.sender if entry.sender in self._senders else _STRANGERS
                self._waiting.put(owner, entry)
        while any(entry.outcome is None for entry in entries):
            with self._machine.turn(_SENDING):
                # meanwhile another thread may have mined them together with its own
                if any(entry.outcome is None for entry in entries):
                    self._mine()
        return [_outcome(entry) if isinstance(entry, _Entry) else entry for entry in found]

    def _decoded(self, raw: bytes) -> _Entry | RpcError:
        try:
            transaction = admission.decode(
                raw, chain_id=self.genesis.chain_id, most_gas=self.budget.transaction_gas
            )
        except RpcError as refusal:
            return refusal
        return _Entry(raw, keccak(raw), transaction, transaction.sender)

    def _mine(self) -> None:
        """Make one block of what waits, and say the outcome of each transaction that was taken."""
        block = Block(self._chain.get_vm(self._next_header()), self._faucet)
        taken: list[_Taken] = []
        try:
            self._fill(block, taken)
            if block.rows:
                self._store(block)
        except BaseException as problem:
            self._database.rollback()
            for one in taken:
                one.entry.outcome = problem
            if not isinstance(problem, Exception):
                raise
        else:
            for one in taken:
                one.entry.outcome = one.result

    def _fill(self, block: Block, taken: list[_Taken]) -> None:
        # Half of the limit is EIP-1559's target: beyond it the base fee would rise.
        target = block.header.gas_limit // 2
        closing = time.monotonic() + self.budget.block_seconds
        while time.monotonic() < closing:
            with self._waiting_lock:
                if not len(self._waiting):
                    return
                owner, entry = self._waiting.take()
                if block.rows and block.header.gas_used + entry.transaction.gas > target:
                    self._waiting.put_back(owner, entry)
                    return
            try:
                result, cost = self._apply(block, entry)
            except Exception as problem:
                self._blame(owner, entry, problem, block, taken)
                return
            taken.append(_Taken(owner, entry, result))
            with self._waiting_lock:
                self._waiting.charge(owner, cost)

    def _apply(self, block: Block, entry: _Entry) -> tuple[bytes | RpcError, int]:
        """Execute a transaction in the block; return its hash or why it is refused, and what it cost."""
        if entry.hash in block.hashes or self._index.contains(entry.hash):
            return entry.hash, _REFUSED_GAS
        transaction, state = entry.transaction, block.vm.state
        try:
            seconds = 0.0 if entry.sender == self._faucet else self._allowances.wait(entry.sender)
            if seconds:
                raise AllowanceUsedError(entry.sender, seconds)
            admission.check(transaction, state)
            permission.check(transaction, state, faucet=self._faucet, index=self._index)
            block.apply(entry.raw, entry.hash, transaction)
        except RpcError as refusal:
            return refusal, _REFUSED_GAS
        cost = self.budget.transaction_base + block.rows[-1].gas_used
        self._allowances.spend(entry.sender, cost)
        self._senders.add(entry.sender)
        return entry.hash, cost

    def _blame(
        self, owner: Hashable, entry: _Entry, problem: Exception, block: Block, taken: list[_Taken]
    ) -> None:
        """Drop a block because of one transaction that the virtual machine failed on; the others wait again.

        So a fault of the virtual machine harms only the account that found it.
        """
        self._database.rollback()
        cost = self.budget.transaction_base + entry.transaction.gas
        self._allowances.spend(entry.sender, cost)
        entry.outcome = problem
        with self._waiting_lock:
            self._waiting.charge(owner, cost)
            for one in reversed(taken):
                self._waiting.put_back(one.owner, one.entry)
        taken.clear()
        block.rows.clear()

    def _next_header(self) -> BlockHeaderAPI:
        return self._chain.create_header_from_parent(
            self._head,
            gas_limit=self._head.gas_limit,
            timestamp=max(self._head.timestamp, int(time.time())),
        )

    def _store(self, block: Block) -> None:
        header = block.seal()
        self._database[header.hash] = rlp.encode(header)
        self._database.commit(
            block_rows(header.block_number, header.hash, block.rows, block.logs, block.deployers)
        )
        self._head = header

    # ------------------------------------------------------------ asking

    def call(self, request: CallRequest, number: int) -> bytes:
        """Execute a message on the state after a block; see `localchain.calls.call`."""
        with self.locked():
            return calls.call(request, self._chain.get_vm(self._header(number)), self.budget)

    def estimate_gas(self, request: CallRequest, number: int) -> int:
        """Find the gas that a message needs; see `localchain.calls.estimate_gas`."""
        with self.locked():
            return calls.estimate_gas(request, self._chain.get_vm(self._header(number)), self.budget)

    def state_at(self, number: int) -> StateAPI:
        """Open the state after a block; use it inside `locked`."""
        return self._chain.get_vm(self._header(number)).state

    def locked(self) -> AbstractContextManager[None]:
        """Return a turn on the state, to be used as a context manager, and not inside another one."""
        return self._machine.turn(_READING)

    def close(self) -> None:
        """Wait for running transactions and calls, then close the database."""
        with self.locked():
            self._database.close()

    def _header(self, number: int) -> BlockHeaderAPI:
        return self._head if number == self._head.block_number else _header(self._index, number)


def _header(index: Index, number: int) -> BlockHeaderAPI:
    block_hash = index.block_hash(number)
    if block_hash is None:
        raise RpcError(
            f"there is no block {number}", next_step="Ask for a block up to what eth_blockNumber says."
        )
    header: BlockHeaderAPI = rlp.decode(index.header(block_hash), PragueBlockHeader)
    return header


def _outcome(entry: _Entry) -> bytes | RpcError:
    """Return the hash or the refusal of a transaction; raise what kept its block from being stored."""
    if isinstance(entry.outcome, bytes | RpcError):
        return entry.outcome
    raise entry.outcome or RuntimeError("a transaction has no outcome")

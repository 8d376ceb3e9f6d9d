"""The chain: executes transactions with py-evm, makes blocks, stores them durably, answers calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import rlp
from eth._utils.address import generate_contract_address
from eth.abc import (
    BlockHeaderAPI,
    ComputationAPI,
    ReceiptAPI,
    SignedTransactionAPI,
    StateAPI,
    VirtualMachineAPI,
)
from eth.db.trie import make_trie_root_and_nodes
from eth.exceptions import Revert
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.spoof import SpoofTransaction
from eth_hash.auto import keccak
from eth_typing import Address
from eth_utils.exceptions import ValidationError

from localchain import admission
from localchain.database import Database
from localchain.documents import Genesis
from localchain.errors import CallRevertedError, RpcError, TransactionRefusedError
from localchain.formats import rlp_length
from localchain.genesis import chain_class
from localchain.index import Index, LogRow, TransactionRow, block_rows

__all__ = ["CallRequest", "LocalChain"]

_WORD = 32
_ZERO_ADDRESS = Address(bytes(20))

#: What a receipt carries in place of a state root since EIP-658.
_DONE = b"\x01"

#: Most gas that a call may run with: it holds the chain while it runs, some seconds at this much.
_CALL_GAS = 50_000_000

#: Relative slack of an estimate: the search ends when the bounds are this close.
_ESTIMATE_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A message to execute without mining it.

    Attributes
    ----------
    to : bytes
        Contract, 20 bytes; empty to run `data` as creation code.
    data : bytes
        Calldata.
    sender : bytes
        Address that the call is executed for, 20 bytes.
    value : int
        Wei sent with the call.
    gas : int or None
        Gas limit; None, or a higher value than the maximum of a call, means that maximum.
    """

    to: bytes
    data: bytes
    sender: bytes = _ZERO_ADDRESS
    value: int = 0
    gas: int | None = None


class LocalChain:
    """A durable chain that mines at once: a transaction is in a stored block when `submit` returns.

    Safe to use from several threads: everything that runs the EVM takes one lock.

    Parameters
    ----------
    database : Database
        Database of the chain.
    genesis : Genesis
        Parameters of block 0.

    Notes
    -----
    Blocks made within one second have the same timestamp. Ethereum requires a later timestamp for each block;
    with dozens of blocks per second, block time would then run hours ahead of the clock.
    """

    def __init__(self, database: Database, genesis: Genesis) -> None:
        self.genesis = genesis
        self.index = Index(database)
        self._database = database
        self._chain = chain_class(genesis)(database)
        self._lock = threading.RLock()
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
        block_hash = self.index.block_hash(number)
        if block_hash is None:
            raise RpcError(
                f"there is no block {number}", next_step="Ask for a block up to what eth_blockNumber says."
            )
        header: BlockHeaderAPI = rlp.decode(self.index.header(block_hash), PragueBlockHeader)
        return header

    # ------------------------------------------------------------ sending

    def submit(self, raws: Sequence[bytes]) -> list[bytes | RpcError]:
        """Mine signed transactions, in as few blocks as possible.

        Parameters
        ----------
        raws : sequence of bytes
            Signed transactions, in the order in which they are applied.

        Returns
        -------
        list of bytes or RpcError
            For each transaction its hash, once it is durable, or the error with which it was refused. A
            transaction that is already mined gives its hash and is not executed again.
        """
        outcomes: list[bytes | RpcError] = []
        with self._lock:
            while len(outcomes) < len(raws):
                block = _Block(self._chain.get_vm(self._next_header()))
                try:
                    self._fill(block, raws, outcomes)
                    if block.rows:
                        self._store(block)
                except BaseException:
                    self._database.rollback()
                    raise
        return outcomes

    def _next_header(self) -> BlockHeaderAPI:
        return self._chain.create_header_from_parent(
            self._head,
            gas_limit=self._head.gas_limit,
            timestamp=max(self._head.timestamp, int(time.time())),
        )

    def _fill(self, block: _Block, raws: Sequence[bytes], outcomes: list[bytes | RpcError]) -> None:
        # Half of the limit is EIP-1559's target: beyond it the base fee would rise.
        target = block.header.gas_limit // 2
        for raw in raws[len(outcomes) :]:
            transaction_hash = keccak(raw)
            if transaction_hash in block.hashes or self.index.contains(transaction_hash):
                outcomes.append(transaction_hash)
                continue
            try:
                transaction = admission.decode(
                    raw, chain_id=self.genesis.chain_id, gas_limit=block.header.gas_limit
                )
                if block.rows and block.header.gas_used + transaction.gas > target:
                    return
                admission.check(transaction, block.vm.state)
                block.apply(raw, transaction_hash, transaction)
            except RpcError as refusal:
                outcomes.append(refusal)
            else:
                outcomes.append(transaction_hash)

    def _store(self, block: _Block) -> None:
        header = block.seal()
        encoded = rlp.encode(header)
        self._database[header.hash] = encoded
        self._database.commit(block_rows(header.block_number, header.hash, block.rows, block.logs))
        self._head = header

    # ------------------------------------------------------------ asking

    def call(self, request: CallRequest, number: int) -> bytes:
        """Execute a message on the state after a block, without keeping the changes.

        Parameters
        ----------
        request : CallRequest
            The message.
        number : int
            Block number.

        Returns
        -------
        bytes
            The output of the call.

        Raises
        ------
        CallRevertedError
            If the contract reverts.
        RpcError
            If the call fails for another reason.
        """
        with self._lock:
            computation, _gas = self._run(request, number, _call_gas(request))
        _raise_on_error(computation)
        return computation.output

    def estimate_gas(self, request: CallRequest, number: int) -> int:
        """Find a gas limit with which a message succeeds, within half a percent of the minimum.

        Parameters
        ----------
        request : CallRequest
            The message.
        number : int
            Block number.

        Returns
        -------
        int
            Gas, at least the calldata floor.

        Raises
        ------
        CallRevertedError, RpcError
            As for `call`.
        """
        floor = admission.calldata_floor(request.data)
        with self._lock:
            high = _call_gas(request)
            computation, low = self._run(request, number, high)
            _raise_on_error(computation)
            # Mostly what it used is what it needs; inner calls may need more than they use (EIP-150).
            guess = low
            while high - low > low * _ESTIMATE_TOLERANCE:
                computation, _gas = self._run(request, number, guess)
                if computation.is_error:
                    low = guess
                else:
                    high = guess
                    if guess == low:
                        break
                guess = min(2 * low, (low + high) // 2)
        return max(high, floor)

    def state_at(self, number: int) -> StateAPI:
        """Open the state after a block; use it inside `locked`."""
        header = self._head if number == self._head.block_number else self.header(number)
        return self._chain.get_vm(header).state

    def locked(self) -> threading.RLock:
        """Return the lock that guards the state, to be used as a context manager."""
        return self._lock

    def close(self) -> None:
        """Wait for running transactions and calls, then close the database."""
        with self._lock:
            self._database.close()

    def _run(self, request: CallRequest, number: int, gas: int) -> tuple[ComputationAPI, int]:
        """Execute a message with a gas limit; return the computation and the gas used, without refunds."""
        header = self._head if number == self._head.block_number else self.header(number)
        with self._chain.get_vm(header).in_costless_state() as state:
            unsigned = PragueVM.create_unsigned_transaction(
                nonce=state.get_nonce(Address(request.sender)),
                gas_price=0,
                gas=gas,
                to=Address(request.to),
                value=request.value,
                data=request.data,
            )
            if unsigned.intrinsic_gas > gas:
                raise RpcError(
                    f"intrinsic gas too low: have {gas}, want {unsigned.intrinsic_gas}",
                    next_step="Call with more gas.",
                )
            message = SpoofTransaction(unsigned, from_=request.sender)
            try:
                computation = state.costless_execute_transaction(message)  # type: ignore[arg-type]
            except ValidationError as problem:
                raise RpcError(
                    str(problem), next_step="Check the sender, the value and the gas of the call."
                ) from problem
            return computation, gas - computation.get_gas_remaining()


@dataclass(slots=True)
class _Block:
    """A block that is being built: the state inside py-evm, and the rows that it will add to the index."""

    vm: VirtualMachineAPI
    header: BlockHeaderAPI = field(init=False)
    transactions: list[SignedTransactionAPI] = field(default_factory=list)
    receipts: list[ReceiptAPI] = field(default_factory=list)
    hashes: set[bytes] = field(default_factory=set)
    rows: list[TransactionRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.header = self.vm.get_header()

    def apply(self, raw: bytes, transaction_hash: bytes, transaction: SignedTransactionAPI) -> None:
        """Execute a transaction that was checked."""
        try:
            receipt, _computation = self.vm.apply_transaction(self.header, transaction)
        except ValidationError as problem:
            raise TransactionRefusedError(
                str(problem), next_step="Check its fields and sign it again."
            ) from problem
        position = len(self.rows)
        before = self.header.gas_used
        self.header = self.vm.add_receipt_to_header(self.header, receipt)
        base_fee = self.vm.state.base_fee
        price = min(transaction.max_fee_per_gas, base_fee + transaction.max_priority_fee_per_gas)
        done = receipt.state_root == _DONE
        contract = None
        if done and not transaction.to:
            contract = generate_contract_address(transaction.sender, transaction.nonce)
        for log in receipt.logs:
            topics = [topic.to_bytes(_WORD, "big") for topic in log.topics]
            self.logs.append(
                LogRow(
                    place=LogRow.key(self.header.block_number, len(self.logs)),
                    position=position,
                    hash=transaction_hash,
                    address=log.address,
                    **{f"topic{number}": topic for number, topic in enumerate(topics)},
                    size=len(log.data),
                    data=log.data,
                )
            )
        self.rows.append(
            TransactionRow(
                block=self.header.block_number,
                position=position,
                hash=transaction_hash,
                sender=transaction.sender,
                contract=contract,
                status=int(done),
                gas_used=receipt.gas_used - before,
                cumulative_gas=receipt.gas_used,
                gas_price=price,
                size=len(raw) if transaction.type_id is None else rlp_length(len(raw)),
                raw=raw,
            )
        )
        self.transactions.append(transaction)
        self.receipts.append(receipt)
        self.hashes.add(transaction_hash)

    def seal(self) -> BlockHeaderAPI:
        """Add the state to the pending writes of the database and complete the header."""
        # The tries' nodes are not kept: transactions and logs are read from the index.
        transaction_root, _nodes = make_trie_root_and_nodes(self.transactions)
        receipt_root, _nodes = make_trie_root_and_nodes(self.receipts)
        self.vm.state.persist()
        return self.header.copy(
            state_root=self.vm.state.state_root, transaction_root=transaction_root, receipt_root=receipt_root
        )


def _call_gas(request: CallRequest) -> int:
    return _CALL_GAS if request.gas is None else min(request.gas, _CALL_GAS)


def _raise_on_error(computation: ComputationAPI) -> None:
    if not computation.is_error:
        return
    error = computation.error
    if isinstance(error, Revert):
        raise CallRevertedError("execution reverted", computation.output)
    raise RpcError(
        f"execution failed: {type(error).__name__} {error}".strip(),
        next_step="Check the address, the data and the gas of the call.",
    )

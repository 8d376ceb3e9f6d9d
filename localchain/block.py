"""A block that is being built."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth._utils.address import generate_contract_address
from eth.abc import BlockHeaderAPI, ReceiptAPI, SignedTransactionAPI, VirtualMachineAPI
from eth.db.trie import make_trie_root_and_nodes
from eth_utils.exceptions import ValidationError

from localchain.errors import TransactionRefusedError
from localchain.formats import rlp_length
from localchain.index import LogRow, TransactionRow
from localchain.permission import made_deployer

__all__ = ["Block"]

_WORD = 32

#: What a receipt carries in place of a state root since EIP-658.
_DONE = b"\x01"


@dataclass(slots=True)
class Block:
    """A block that is being built: the state inside py-evm, and the rows that it will add to the index.

    Parameters
    ----------
    vm : VirtualMachineAPI
        The virtual machine on the block's header.
    faucet : bytes
        Address of the chain's faucet, which names the deployers.
    """

    vm: VirtualMachineAPI
    faucet: bytes
    header: BlockHeaderAPI = field(init=False)
    transactions: list[SignedTransactionAPI] = field(default_factory=list)
    receipts: list[ReceiptAPI] = field(default_factory=list)
    hashes: set[bytes] = field(default_factory=set)
    rows: list[TransactionRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    deployers: list[bytes] = field(default_factory=list)

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
        deployer = made_deployer(transaction, self.faucet) if done else None
        if deployer is not None:
            self.deployers.append(deployer)
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

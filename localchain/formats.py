"""The JSON formats of Ethereum: quantities, data, blocks, transactions, receipts and logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth.abc import BlockHeaderAPI
from eth.vm.forks.prague import PragueVM
from eth_bloom.bloom import BloomFilter

from localchain.errors import InvalidParamsError
from localchain.index import LogRow, TransactionRow

__all__ = [
    "block_json",
    "hexadecimal",
    "log_json",
    "parse_data",
    "parse_quantity",
    "quantity",
    "receipt_json",
    "rlp_length",
    "transaction_json",
]

_EMPTY_UNCLES = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
_RLP_SHORT = 55
#: RLP of an empty list: a block ends with its uncles and its withdrawals, and has neither.
_EMPTY_LIST_SIZE = 1


def quantity(number: int) -> str:
    """Format a number as a JSON-RPC quantity: hexadecimal, without leading zeros."""
    return hex(number)


def hexadecimal(data: bytes) -> str:
    """Format bytes as JSON-RPC data: hexadecimal."""
    return "0x" + data.hex()


def parse_quantity(value: Any, name: str) -> int:
    """Read a number.

    Parameters
    ----------
    value : object
        A hexadecimal string, or a non-negative integer, which some clients send.
    name : str
        Name of the value, for the error.

    Returns
    -------
    int
        The number.

    Raises
    ------
    InvalidParamsError
        If the value is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**256:
        return value
    if isinstance(value, str) and value.startswith("0x") and 2 < len(value) <= 66:
        try:
            return int(value[2:], 16)
        except ValueError:
            pass
    raise InvalidParamsError(f"{name}: expected a quantity such as 0x1f, got {_shown(value)}")


def parse_data(value: Any, name: str, *, length: int | None = None) -> bytes:
    """Read bytes.

    Parameters
    ----------
    value : object
        A hexadecimal string.
    name : str
        Name of the value, for the error.
    length : int, optional
        Required number of bytes.

    Returns
    -------
    bytes
        The bytes.

    Raises
    ------
    InvalidParamsError
        If the value is not a hexadecimal string, or has another length.
    """
    if isinstance(value, str) and value.startswith("0x"):
        try:
            data = bytes.fromhex(value[2:])
        except ValueError:
            pass
        else:
            if length is None or len(data) == length:
                return data
    wanted = "hexadecimal data" if length is None else f"{length} bytes in hexadecimal"
    raise InvalidParamsError(f"{name}: expected {wanted}, got {_shown(value)}")


def rlp_length(payload: int) -> int:
    """Compute the encoded length of an RLP list, or of a string of two bytes or more.

    Parameters
    ----------
    payload : int
        Length of the content, in bytes.

    Returns
    -------
    int
        Length with the prefix, in bytes.

    References
    ----------
    Ethereum Yellow Paper, appendix B.
    """
    prefix = 1 if payload <= _RLP_SHORT else 1 + (payload.bit_length() + 7) // 8
    return payload + prefix


def block_json(
    header: BlockHeaderAPI, transactions: Sequence[dict[str, Any] | str], header_size: int, body_size: int
) -> dict[str, Any]:
    """Format a block.

    Parameters
    ----------
    header : BlockHeaderAPI
        Header of the block.
    transactions : sequence of dict or str
        Transactions of the block, or their hashes.
    header_size, body_size : int
        Encoded length of the header, and of all transactions inside the block, in bytes.

    Returns
    -------
    dict
        The result of `eth_getBlockByNumber`.
    """
    fields = header.as_dict()
    size = rlp_length(header_size + rlp_length(body_size) + 2 * _EMPTY_LIST_SIZE)
    return {
        "number": quantity(header.block_number),
        "hash": hexadecimal(header.hash),
        "parentHash": hexadecimal(header.parent_hash),
        "nonce": hexadecimal(header.nonce),
        "sha3Uncles": _EMPTY_UNCLES,
        "logsBloom": hexadecimal(header.bloom.to_bytes(256, "big")),
        "transactionsRoot": hexadecimal(header.transaction_root),
        "stateRoot": hexadecimal(header.state_root),
        "receiptsRoot": hexadecimal(header.receipt_root),
        "miner": hexadecimal(header.coinbase),
        "difficulty": quantity(header.difficulty),
        "totalDifficulty": quantity(0),
        "extraData": hexadecimal(header.extra_data),
        "mixHash": hexadecimal(header.mix_hash),
        "size": quantity(size),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "baseFeePerGas": quantity(fields["base_fee_per_gas"]),
        "timestamp": quantity(header.timestamp),
        "withdrawalsRoot": hexadecimal(fields["withdrawals_root"]),
        "withdrawals": [],
        "blobGasUsed": quantity(fields["blob_gas_used"]),
        "excessBlobGas": quantity(fields["excess_blob_gas"]),
        "parentBeaconBlockRoot": hexadecimal(fields["parent_beacon_block_root"]),
        "requestsHash": hexadecimal(fields["requests_hash"]),
        "transactions": list(transactions),
        "uncles": [],
    }


def transaction_json(row: TransactionRow, block_hash: bytes) -> dict[str, Any]:
    """Format a mined transaction as the result of `eth_getTransactionByHash`."""
    transaction = PragueVM.get_transaction_builder().decode(row.raw)
    kind = transaction.type_id or 0
    shown: dict[str, Any] = {
        "blockHash": hexadecimal(block_hash),
        "blockNumber": quantity(row.block),
        "transactionIndex": quantity(row.position),
        "hash": hexadecimal(row.hash),
        "type": quantity(kind),
        "nonce": quantity(transaction.nonce),
        "from": hexadecimal(row.sender),
        "to": hexadecimal(transaction.to) if transaction.to else None,
        "value": quantity(transaction.value),
        "gas": quantity(transaction.gas),
        "gasPrice": quantity(row.gas_price),
        "input": hexadecimal(transaction.data),
        "chainId": quantity(transaction.chain_id or 0),
        "r": quantity(transaction.r),
        "s": quantity(transaction.s),
    }
    if kind == 0:
        return shown | {"v": quantity(transaction.v)}  # type: ignore[attr-defined]
    shown |= {
        "v": quantity(transaction.y_parity),
        "yParity": quantity(transaction.y_parity),
        "accessList": [
            {"address": hexadecimal(address), "storageKeys": [_word(slot) for slot in slots]}
            for address, slots in transaction.access_list
        ],
    }
    if kind == 2:
        shown |= {
            "maxFeePerGas": quantity(transaction.max_fee_per_gas),
            "maxPriorityFeePerGas": quantity(transaction.max_priority_fee_per_gas),
        }
    return shown


def receipt_json(row: TransactionRow, logs: Sequence[LogRow], block_hash: bytes) -> dict[str, Any]:
    """Format a receipt as the result of `eth_getTransactionReceipt`."""
    transaction = PragueVM.get_transaction_builder().decode(row.raw)
    bloom = BloomFilter.from_iterable(item for log in logs for item in (log.address, *log.topics))
    return {
        "transactionHash": hexadecimal(row.hash),
        "transactionIndex": quantity(row.position),
        "blockHash": hexadecimal(block_hash),
        "blockNumber": quantity(row.block),
        "from": hexadecimal(row.sender),
        "to": hexadecimal(transaction.to) if transaction.to else None,
        "cumulativeGasUsed": quantity(row.cumulative_gas),
        "gasUsed": quantity(row.gas_used),
        "contractAddress": None if row.contract is None else hexadecimal(row.contract),
        "logs": [log_json(log, block_hash) for log in logs],
        "logsBloom": hexadecimal(int(bloom).to_bytes(256, "big")),
        "status": quantity(row.status),
        "effectiveGasPrice": quantity(row.gas_price),
        "type": quantity(transaction.type_id or 0),
    }


def log_json(row: LogRow, block_hash: bytes) -> dict[str, Any]:
    """Format a log as an element of the result of `eth_getLogs`."""
    return {
        "address": hexadecimal(row.address),
        "topics": [hexadecimal(topic) for topic in row.topics],
        "data": hexadecimal(row.data),
        "blockNumber": quantity(row.block),
        "blockHash": hexadecimal(block_hash),
        "transactionHash": hexadecimal(row.hash),
        "transactionIndex": quantity(row.position),
        "logIndex": quantity(row.log_index),
        "removed": False,
    }


def _word(number: int) -> str:
    return hexadecimal(number.to_bytes(32, "big"))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

"""The JSON-RPC methods that clients may call: their parameters, and what they read from the chain."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_typing import Address

from localchain.calls import CallRequest
from localchain.chain import LocalChain
from localchain.errors import InvalidParamsError, TooMuchDataError
from localchain.formats import (
    block_json,
    hexadecimal,
    log_json,
    parse_data,
    parse_quantity,
    quantity,
    receipt_json,
    transaction_json,
)
from localchain.index import LogFilter

__all__ = ["Method", "Methods"]

_LATEST = {"latest", "pending", "safe", "finalized"}
_MAX_TOPICS = 4
_UP_TO_HEAD = "Ask for a block up to what eth_blockNumber says."
#: Priority fee suggested to clients: nothing competes for a place in a block here.
_TIP = 1


@dataclass(frozen=True, slots=True)
class Method:
    """A method and its minimum and maximum number of parameters."""

    function: Callable[..., Any]
    least: int
    most: int


class Methods:
    """Answers the JSON-RPC methods that read the chain.

    `eth_sendRawTransaction` is in `Dispatcher`, which mines consecutive transactions together.

    Parameters
    ----------
    chain : LocalChain
        The chain.

    References
    ----------
    Ethereum Execution API specification; EIP-1898 for block identifiers as objects.
    """

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain
        self._index = chain.index

    def table(self) -> dict[str, Method]:
        """Return the methods by name."""
        listed: dict[str, Callable[..., Any]] = {
            "web3_clientVersion": lambda: "counterfoil-localchain/1",
            "net_version": lambda: str(self._chain.genesis.chain_id),
            "net_listening": lambda: True,
            "eth_chainId": lambda: quantity(self._chain.genesis.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": lambda: [],
            "eth_blockNumber": lambda: quantity(self._index.height()),
            "eth_gasPrice": lambda: quantity(self._chain.base_fee + _TIP),
            "eth_maxPriorityFeePerGas": lambda: quantity(_TIP),
            "eth_feeHistory": self._fee_history,
            "eth_getBalance": self._balance,
            "eth_getTransactionCount": self._transaction_count,
            "eth_getCode": self._code,
            "eth_getStorageAt": self._storage,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate_gas,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockReceipts": self._block_receipts,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getLogs": self._logs,
        }
        table = {}
        for name, function in listed.items():
            params = inspect.signature(function).parameters.values()
            least = sum(param.default is inspect.Parameter.empty for param in params)
            table[name] = Method(function, least, len(params))
        return table

    # ------------------------------------------------------------ blocks, transactions, logs

    def _block_by_number(self, block: Any, full: Any = False) -> dict[str, Any] | None:
        number = self._number(block)
        return None if number > self._index.height() else self._block(number, full)

    def _block_by_hash(self, block_hash: Any, full: Any = False) -> dict[str, Any] | None:
        number = self._index.block_number(parse_data(block_hash, "block hash", length=32))
        return None if number is None else self._block(number, full)

    def _block(self, number: int, full: Any) -> dict[str, Any]:
        if not isinstance(full, bool):
            raise InvalidParamsError("expected true for whole transactions, false for their hashes")
        header = self._chain.header(number)
        shown: list[dict[str, Any] | str]
        if full:
            rows = self._index.transactions(number)
            shown = [transaction_json(row, header.hash) for row in rows]
            body = sum(row.size for row in rows)
        else:
            sizes = self._index.transaction_sizes(number)
            shown = [hexadecimal(transaction_hash) for transaction_hash, _size in sizes]
            body = sum(length for _hash, length in sizes)
        return block_json(header, shown, len(self._index.header(header.hash)), body)

    def _block_receipts(self, block: Any) -> list[dict[str, Any]] | None:
        number = self._number(block)
        block_hash = self._index.block_hash(number)
        if block_hash is None:
            return None
        logs = self._index.logs_of(number)
        return [
            receipt_json(row, [log for log in logs if log.position == row.position], block_hash)
            for row in self._index.transactions(number)
        ]

    def _transaction(self, transaction_hash: Any) -> dict[str, Any] | None:
        row = self._index.transaction(parse_data(transaction_hash, "transaction hash", length=32))
        return None if row is None else transaction_json(row, self._hash(row.block))

    def _receipt(self, transaction_hash: Any) -> dict[str, Any] | None:
        row = self._index.transaction(parse_data(transaction_hash, "transaction hash", length=32))
        if row is None:
            return None
        return receipt_json(row, self._index.logs_of(row.block, row.position), self._hash(row.block))

    def _logs(self, wanted: Any) -> list[dict[str, Any]]:
        budget = self._chain.budget
        found = self._log_filter(wanted)
        if found.last - found.first >= budget.log_blocks:
            raise TooMuchDataError(
                f"the query covers {found.last - found.first + 1} blocks, more than {budget.log_blocks}",
                next_step="Ask for fewer blocks at a time.",
            )
        # one block cannot be asked for in parts, and its gas limits its logs
        limits = {} if found.first == found.last else {"size": budget.log_bytes, "count": budget.log_count}
        rows = self._index.logs(found, **limits)
        hashes = {number: self._hash(number) for number in {row.block for row in rows}}
        return [log_json(row, hashes[row.block]) for row in rows]

    def _log_filter(self, wanted: Any) -> LogFilter:
        if not isinstance(wanted, dict):
            raise InvalidParamsError("expected a filter object")
        if "blockHash" in wanted:
            first = last = self._number({"blockHash": wanted["blockHash"]})
        else:
            first = self._number(wanted.get("fromBlock", "latest"))
            last = self._number(wanted.get("toBlock", "latest"))
        topics = wanted.get("topics") or []
        if not isinstance(topics, list) or len(topics) > _MAX_TOPICS:
            raise InvalidParamsError(f"topics: expected an array of at most {_MAX_TOPICS}")
        most = self._chain.budget.choices
        return LogFilter(
            first=first,
            last=min(last, self._index.height()),
            addresses=_choices(wanted.get("address"), "address", 20, most),
            topics=tuple(_choices(topic, "topic", 32, most) for topic in topics),
        )

    # ------------------------------------------------------------ state

    def _balance(self, address: Any, block: Any = "latest") -> str:
        account, number = _address(address), self._existing(block)
        with self._chain.locked():
            return quantity(self._chain.state_at(number).get_balance(account))

    def _transaction_count(self, address: Any, block: Any = "latest") -> str:
        account, number = _address(address), self._existing(block)
        with self._chain.locked():
            return quantity(self._chain.state_at(number).get_nonce(account))

    def _code(self, address: Any, block: Any = "latest") -> str:
        account, number = _address(address), self._existing(block)
        with self._chain.locked():
            return hexadecimal(self._chain.state_at(number).get_code(account))

    def _storage(self, address: Any, slot: Any, block: Any = "latest") -> str:
        account, place, number = _address(address), parse_quantity(slot, "slot"), self._existing(block)
        with self._chain.locked():
            value = self._chain.state_at(number).get_storage(account, place)
        return hexadecimal(value.to_bytes(32, "big"))

    def _call(self, request: Any, block: Any = "latest") -> str:
        return hexadecimal(self._chain.call(_call_request(request), self._existing(block)))

    def _estimate_gas(self, request: Any, block: Any = "latest") -> str:
        return quantity(self._chain.estimate_gas(_call_request(request), self._existing(block)))

    def _fee_history(self, count: Any, newest: Any, percentiles: Any = None) -> dict[str, Any]:
        last = self._existing(newest)
        budget = self._chain.budget
        length = min(parse_quantity(count, "block count"), last + 1, budget.fee_blocks)
        if percentiles is not None and not isinstance(percentiles, list):
            raise InvalidParamsError("expected percentiles as an array")
        if percentiles and len(percentiles) > budget.fee_percentiles:
            raise InvalidParamsError(f"at most {budget.fee_percentiles} percentiles")
        headers = [self._chain.header(number) for number in range(last - length + 1, last + 1)]
        fees = [header.base_fee_per_gas or 0 for header in headers]
        history: dict[str, Any] = {
            "oldestBlock": quantity(last - length + 1),
            "baseFeePerGas": [quantity(fee) for fee in [*fees, *fees[-1:]]],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        }
        if percentiles:
            history["reward"] = [[quantity(_TIP)] * len(percentiles) for _header in headers]
        return history

    # ------------------------------------------------------------ which block

    def _number(self, block: Any) -> int:
        """Resolve a block identifier; the number may be greater than that of the last block."""
        if isinstance(block, dict) and "blockHash" in block:
            number = self._index.block_number(parse_data(block["blockHash"], "block hash", length=32))
            if number is None:
                raise InvalidParamsError(f"there is no block {block['blockHash']}", next_step=_UP_TO_HEAD)
            return number
        if isinstance(block, dict) and "blockNumber" in block:
            block = block["blockNumber"]
        if isinstance(block, str) and block in _LATEST:
            return self._index.height()
        if block == "earliest":
            return 0
        return parse_quantity(block, "block")

    def _existing(self, block: Any) -> int:
        number = self._number(block)
        if number > self._index.height():
            raise InvalidParamsError(
                f"there is no block {number}; the last one is {self._index.height()}", next_step=_UP_TO_HEAD
            )
        return number

    def _hash(self, number: int) -> bytes:
        block_hash = self._index.block_hash(number)
        if block_hash is None:
            raise InvalidParamsError(f"there is no block {number}", next_step=_UP_TO_HEAD)
        return block_hash


def _call_request(request: Any) -> CallRequest:
    if not isinstance(request, dict):
        raise InvalidParamsError("expected a call object")
    given = {name: value for name, value in request.items() if value is not None}
    # "input" is the field's name; "data" is what older clients call it.
    data = given.get("input", given.get("data", "0x"))
    return CallRequest(
        to=_address(given["to"]) if "to" in given else b"",
        data=parse_data(data, "input"),
        sender=_address(given["from"]) if "from" in given else bytes(20),
        value=parse_quantity(given.get("value", 0), "value"),
        gas=parse_quantity(given["gas"], "gas") if "gas" in given else None,
    )


def _choices(value: Any, name: str, length: int, most: int) -> tuple[bytes, ...]:
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if len(values) > most:
        raise InvalidParamsError(f"{name}: {len(values)} choices, at most {most}")
    return tuple(parse_data(item, name, length=length) for item in values)


def _address(value: Any) -> Address:
    return Address(parse_data(value, "address", length=20))

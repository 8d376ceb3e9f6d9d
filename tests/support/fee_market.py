"""A node with a pool and a fee market, in front of a real chain: it takes, holds and refuses as geth does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from tests.support.hostile_node import HostileNode

__all__ = ["FeeMarket"]

#: A transaction in the pool is replaced by one whose fees are so many percent higher.
_BUMP = 10


@dataclass
class FeeMarket(HostileNode):
    """Transactions below the base fee are refused, those below the priority fee stay in the pool.

    Parameters
    ----------
    base_fee : int or None
        What a transaction must cover; None for that of the chain.
    announced : int or None
        The base fee in the answers, if it is another one: that of a block before the fee rose.
    priority : int
        Priority fee from which transactions are mined.
    before_send : callable
        Called with the fields of every transaction that arrives, before anything is done with it.
    """

    base_fee: int | None = None
    announced: int | None = None
    priority: int = 1
    before_send: Callable[[dict[str, Any]], None] | None = None
    pool: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    def pass_on(self, question: Any) -> Any:
        """Answer a question or an array of them."""
        if isinstance(question, list):
            return [self.pass_on(one) for one in question]
        if question["method"] == "eth_sendRawTransaction":
            return {"jsonrpc": "2.0", "id": question["id"]} | self._take(question["params"][0])
        if question["method"] == "eth_maxPriorityFeePerGas":
            return {"jsonrpc": "2.0", "id": question["id"], "result": hex(self.priority)}
        answer = super().pass_on(question)
        shown = self.base_fee if self.announced is None else self.announced
        if question["method"] == "eth_getBlockByNumber" and shown is not None and answer.get("result"):
            answer["result"]["baseFeePerGas"] = hex(shown)
        return answer

    def mine_pool(self) -> None:
        """Mine what the pool holds, whatever it pays."""
        for nonce in sorted(self.pool):
            self._forward(self.pool.pop(nonce)[0])

    def _take(self, raw: str) -> dict[str, Any]:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        if self.before_send is not None:
            self.before_send(fields)
        fee, tip, nonce = (fields[name] for name in ("maxFeePerGas", "maxPriorityFeePerGas", "nonce"))
        if self.base_fee is not None and fee < self.base_fee:
            return _error(f"max fee per gas less than block base fee: maxFeePerGas: {fee}")
        held, before = self.pool.get(nonce, (raw, fields))
        if nonce in self.pool and held == raw:
            return _error("already known")
        floors = [before[name] * (100 + _BUMP) for name in ("maxFeePerGas", "maxPriorityFeePerGas")]
        if held != raw and (100 * fee < floors[0] or 100 * tip < floors[1]):
            return _error("replacement transaction underpriced")
        if tip < self.priority:
            self.pool[nonce] = raw, fields
            return {"result": "0x" + bytes(32).hex()}
        self.pool.pop(nonce, None)
        return self._forward(raw)

    def _forward(self, raw: str) -> dict[str, Any]:
        question = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]}
        answer = super().pass_on(question)
        return {name: answer[name] for name in ("result", "error") if name in answer}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"code": -32000, "message": message}}

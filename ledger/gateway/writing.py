"""Write to the chain: sign a call, rehearse it, send it, and wait until it is mined."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound

from ledger.errors import ChainError, TransactionRejectedError
from ledger.gateway.connection import Connection, quantity, word
from ledger.gateway.records import SignedTransaction
from ledger.gateway.refusals import refusal
from ledger.gateway.transactions import sign_transaction
from ledger.signing import AccountKey, address_of
from ledger.transport import quoted

__all__ = ["Writing"]

T = TypeVar("T")

#: Priority fee of a transaction that nothing competes with, in wei.
_PRIORITY: Final = 1

#: Maximum base fee in wei that is accepted from a node: ten thousand times that of busy networks.
_MOST_BASE_FEE: Final = 10**15

#: Maximum number of seconds that a node may ask to wait at a time.
_MOST_PATIENCE: Final = 3_600


class Writing(Connection):
    """Sends transactions of accounts whose keys the caller has."""

    def next_nonce(self, account: str, *, pending: bool = True) -> int:
        """Return the account's next nonce, by default after its pending transactions."""
        block: Any = "pending" if pending else "latest"
        with self._speaking():
            return quantity(self._web3.eth.get_transaction_count(Web3.to_checksum_address(account), block))

    def sign(
        self, key: AccountKey, contract: str, function: str, *args: Any, nonce: int, gas: int = 0
    ) -> SignedTransaction:
        """Build and sign a call without sending it.

        The gas limit is computed from the size, unless a higher one is given: since Prague, calldata costs at
        least 40 gas for a non-zero byte and 10 for a zero byte (EIP-7623). Some nodes accept a lower limit
        but never mine it.
        """
        source = self._contracts[contract]
        data = bytes.fromhex(source.encode_abi(function, args=list(args)).removeprefix("0x"))
        zeros = data.count(0)
        call = {
            "to": source.address,
            "data": data,
            "value": 0,
            "chainId": self.deployment.chain_id,
            "gas": max(gas, 21_000 + 40 * (len(data) - zeros) + 10 * zeros + 400_000),
        }
        return _signed(key, call, nonce, _fee_for(self.base_fee()), _PRIORITY)

    def sign_again(self, key: AccountKey, raw: bytes, *, nonce: int) -> SignedTransaction:
        """Sign the call of a transaction again, with another nonce and the current fee.

        Use it for a transaction whose nonce is already used, so that it can never be mined.
        """
        return _signed(key, _call_of(raw), nonce, _fee_for(self.base_fee()), _PRIORITY)

    def sign_higher(self, key: AccountKey, raw: bytes) -> SignedTransaction:
        """Sign a transaction again with the same nonce and a fee with which it replaces the one before.

        Use it for a transaction that the node does not take, or does not mine, because of its fee. A node
        with a pool replaces a transaction if both its fees are a tenth higher; these are a quarter higher.

        Raises
        ------
        ChainError
            When the fee would be too high to be true.
        """
        before = _fields(raw)
        priority = max(_raised(before["maxPriorityFeePerGas"]), self._suggested_priority())
        fee = max(_raised(before["maxFeePerGas"]), _fee_for(self.base_fee()) + priority)
        with self._speaking():
            if fee > _fee_for(_MOST_BASE_FEE):
                raise ValueError(f"a fee of {fee} wei, which would empty the account")
        return _signed(key, _call_of(raw), before["nonce"], fee, priority)

    def base_fee(self) -> int:
        """Return the base fee of the newest block, in wei; 0 on a network without one."""
        with self._speaking():
            base_fee = quantity(self._web3.eth.get_block("latest").get("baseFeePerGas", 0))
            if base_fee > _MOST_BASE_FEE:
                raise ValueError(f"a base fee of {base_fee} wei, which would empty the account")
            return base_fee

    def covers_base_fee(self, raw: bytes, base_fee: int) -> bool:
        """Return whether a signed transaction can be mined at a base fee."""
        return int(_fields(raw)["maxFeePerGas"]) >= base_fee

    def offers_enough(self, raw: bytes) -> bool:
        """Return whether a signed transaction covers the base fee and the suggested priority fee."""
        covered = self.covers_base_fee(raw, self.base_fee())
        return covered and int(_fields(raw)["maxPriorityFeePerGas"]) >= self._suggested_priority()

    def _suggested_priority(self) -> int:
        """Return the priority fee that the node suggests; the usual one if it has none to suggest."""
        answer = self._transport.ask("eth_maxPriorityFeePerGas", [])
        with self._speaking():
            text = answer.get("result", hex(_PRIORITY))
            suggested = quantity(int(text, 16))
            if suggested > _MOST_BASE_FEE:
                raise ValueError(f"a priority fee of {suggested} wei, which would empty the account")
            return max(suggested, _PRIORITY)

    def rehearse_signed(self, account: str, raw: bytes) -> None:
        """Ask the chain whether a signed transaction would succeed.

        Raises
        ------
        TransactionRejectedError
            When the contract would refuse; the error explains its reason.
        """
        call = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        try:
            with self._speaking(rehearsing=True):
                self._web3.eth.call(
                    {
                        "from": Web3.to_checksum_address(account),
                        "to": Web3.to_checksum_address(call["to"]),
                        "data": call["data"],
                    }
                )
        except ContractLogicError as error:
            raise refusal(self._web3, error, "the next batch") from error

    def send(self, transactions: Sequence[bytes], *, wait: float = 120.0) -> list[str | None]:
        """Send raw transactions as one JSON array; return the refusal of each, or None if it was accepted.

        A node that asks for patience (`retryAfterSeconds` in the error's data, as the embedded chain does for
        an account that used up its share) gets the same transactions again when that time is over.

        Parameters
        ----------
        transactions : sequence of bytes
            In the order of their nonces.
        wait : float
            Seconds to be patient for; after that the refusal is returned.

        Notes
        -----
        web3 refuses to batch eth_sendRawTransaction, so the array goes through the transport directly.
        """
        refusals: list[str | None] = [None] * len(transactions)
        left = list(range(len(transactions)))
        deadline = time.monotonic() + wait
        while left:
            questions = [("eth_sendRawTransaction", ["0x" + transactions[place].hex()]) for place in left]
            answers = dict(zip(left, self._transport.ask_all(questions), strict=True))
            for place, answer in answers.items():
                refusals[place] = None if "result" in answer else quoted(answer["error"]["message"])
            patience = {place: _patience(answer) for place, answer in answers.items()}
            asked = [seconds for seconds in patience.values() if seconds is not None]
            if not asked or time.monotonic() + max(asked) > deadline:
                break
            time.sleep(max(asked))
            # those after the first one were perhaps refused only because it was missing
            first = min(place for place, seconds in patience.items() if seconds is not None)
            left = [place for place in left if place >= first and refusals[place] is not None]
        return refusals

    def mined(self, transaction: bytes) -> tuple[int, bool] | None:
        """Return (block, succeeded) of a transaction, or None if it is not in a block yet."""
        try:
            with self._speaking():
                receipt = self._web3.eth.get_transaction_receipt(HexBytes(transaction))
                if word(receipt["transactionHash"]) != bytes(transaction):
                    raise ValueError("the receipt belongs to another transaction")
                return quantity(receipt["blockNumber"]), quantity(receipt["status"]) == 1
        except TransactionNotFound:
            return None

    def transact(self, key: AccountKey, contract: str, function: str, *args: Any, wait: float = 60.0) -> int:
        """Sign, send and wait for one call; return its block.

        Raises
        ------
        TransactionRejectedError
            When the contract refuses, with its reason.
        """
        account = address_of(key)
        gas = self._estimate(account, contract, function, *args)
        signed = self.sign(key, contract, function, *args, nonce=self.next_nonce(account), gas=gas)
        (refused,) = self.send([signed.raw])
        if refused is not None:
            raise TransactionRejectedError(f"the node refused the transaction: {refused}", where=self.url)
        found = self.wait_for(lambda: self.mined(signed.hash), wait)
        if found is None:
            raise ChainError(
                f"the transaction was not mined within {wait:.0f} s",
                where=self.url,
                next_step="It may still be mined: check this before you run the same command again.",
            )
        block, succeeded = found
        if not succeeded:
            raise TransactionRejectedError(f"{contract}.{function} failed in block {block}", where=self.url)
        return block

    def rehearse(self, account: str, contract: str, function: str, *args: Any) -> None:
        """Ask the chain whether a call would succeed.

        Raises
        ------
        TransactionRejectedError
            When the contract would refuse; the error explains its reason.
        """
        call = self._contracts[contract].functions[function](*args)
        try:
            with self._speaking(rehearsing=True):
                call.call({"from": Web3.to_checksum_address(account)})
        except ContractLogicError as error:
            raise refusal(self._web3, error, f"{contract}.{function}") from error

    def _estimate(self, account: str, contract: str, function: str, *args: Any) -> int:
        """Return a gas limit for a call, with a reserve of a fifth; raises as `rehearse` does."""
        call = self._contracts[contract].functions[function](*args)
        try:
            with self._speaking(rehearsing=True):
                return quantity(call.estimate_gas({"from": Web3.to_checksum_address(account)})) * 6 // 5
        except ContractLogicError as error:
            raise refusal(self._web3, error, f"{contract}.{function}") from error

    @staticmethod
    def wait_for(probe: Callable[[], T | None], seconds: float) -> T | None:
        """Call `probe` until it returns a value other than None, or until the time is over."""
        deadline = time.monotonic() + seconds
        pause = 0.01
        while (answer := probe()) is None and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
        return answer


def _fee_for(base_fee: int) -> int:
    """Return the most that a transaction offers at a base fee: the fee may rise tenfold until it is mined."""
    return 10 * base_fee + 10


def _fields(raw: bytes) -> dict[str, Any]:
    return TypedTransaction.from_bytes(HexBytes(raw)).as_dict()


def _call_of(raw: bytes) -> dict[str, Any]:
    fields = _fields(raw)
    return {name: fields[name] for name in ("to", "data", "value", "chainId", "gas")}


def _signed(key: AccountKey, call: dict[str, Any], nonce: int, fee: int, priority: int) -> SignedTransaction:
    fields = call | {"nonce": nonce, "maxFeePerGas": fee, "maxPriorityFeePerGas": priority}
    return sign_transaction(fields, key)


def _raised(fee: int) -> int:
    return fee + fee // 4 + 1


def _patience(answer: dict[str, Any]) -> int | None:
    """Return the seconds after which the node wants to be asked again, if it says so."""
    data = answer["error"].get("data") if "error" in answer else None
    seconds = data.get("retryAfterSeconds") if isinstance(data, dict) else None
    return seconds if type(seconds) is int and 0 < seconds < _MOST_PATIENCE else None

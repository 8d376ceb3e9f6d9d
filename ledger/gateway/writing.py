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

#: Maximum base fee in wei that is accepted from a node: ten thousand times that of busy networks.
_MOST_BASE_FEE: Final = 10**15


class Writing(Connection):
    """Sends transactions of accounts whose keys the caller has."""

    def next_nonce(self, account: str, *, pending: bool = True) -> int:
        """Return the account's next nonce, by default after its pending transactions."""
        block: Any = "pending" if pending else "latest"
        with self._speaking():
            return quantity(self._web3.eth.get_transaction_count(Web3.to_checksum_address(account), block))

    def sign(
        self, key: AccountKey, contract: str, function: str, *args: Any, nonce: int
    ) -> SignedTransaction:
        """Build and sign a call without sending it.

        The gas limit is computed from the size: since Prague, calldata costs at least 40 gas for a non-zero
        byte and 10 for a zero byte (EIP-7623). Some nodes accept a lower limit but never mine it.
        """
        source = self._contracts[contract]
        data = bytes.fromhex(source.encode_abi(function, args=list(args)).removeprefix("0x"))
        zeros = data.count(0)
        with self._speaking():
            base_fee = self._base_fee()
        fields = {
            "to": source.address,
            "data": data,
            "value": 0,
            "chainId": self.deployment.chain_id,
            "gas": 21_000 + 40 * (len(data) - zeros) + 10 * zeros + 400_000,
        }
        return sign_transaction(fields | _place(nonce, base_fee), key)

    def sign_again(self, key: AccountKey, raw: bytes, *, nonce: int) -> SignedTransaction:
        """Sign the call of a transaction again, with another nonce and the current fee.

        Use it for a transaction whose nonce is already used, so that it can never be mined.
        """
        call = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        with self._speaking():
            base_fee = self._base_fee()
        fields = {name: call[name] for name in ("to", "data", "value", "chainId", "gas")}
        return sign_transaction(fields | _place(nonce, base_fee), key)

    def _base_fee(self) -> int:
        base_fee = quantity(self._web3.eth.get_block("latest").get("baseFeePerGas", 0))
        if base_fee > _MOST_BASE_FEE:
            raise ValueError(f"a base fee of {base_fee} wei, which would empty the account")
        return base_fee

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

    def send(self, transactions: Sequence[bytes]) -> list[str | None]:
        """Send raw transactions as one JSON array; return the refusal of each, or None if it was accepted.

        web3 refuses to batch eth_sendRawTransaction, so the array goes through the transport directly.
        """
        questions = [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in transactions]
        answers = self._transport.ask_all(questions) if questions else []
        return [None if "result" in a else quoted(a["error"]["message"]) for a in answers]

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
        self.rehearse(account, contract, function, *args)
        signed = self.sign(key, contract, function, *args, nonce=self.next_nonce(account))
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

    @staticmethod
    def wait_for(probe: Callable[[], T | None], seconds: float) -> T | None:
        """Call `probe` until it returns a value other than None, or until the time is over."""
        deadline = time.monotonic() + seconds
        pause = 0.01
        while (answer := probe()) is None and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
        return answer


def _place(nonce: int, base_fee: int) -> dict[str, int]:
    """Return the fields that decide when a transaction runs: its nonce, and what it offers for gas."""
    return {"nonce": nonce, "maxFeePerGas": 10 * base_fee + 10, "maxPriorityFeePerGas": 1}

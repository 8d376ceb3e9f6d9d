"""The connection to one consortium on one chain; it turns every failure of a node into a clear error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from eth_abi.exceptions import DecodingError
from eth_typing import BlockNumber, HexStr
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import (
    BadFunctionCallOutput,
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.base import JSONBaseProvider
from web3.types import BlockData, RPCEndpoint, RPCResponse

from contracts.artifacts import load
from ledger.deployment import CONTRACTS, Deployment
from ledger.errors import ChainError, WrongChainError
from ledger.transport import AnswerTooLargeError, Transport, quoted

__all__ = ["OTHER_NODE", "Connection", "quantity", "word"]

#: Error code of EIP-1474: the answer would be too large.
_LIMIT_EXCEEDED: Final = -32_005

#: Errors that are raised, in web3 or here, when an answer has the wrong structure.
_WRONG_SHAPE: Final = (
    Web3Exception,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)

OTHER_NODE: Final = "The node may be faulty or not in sync; try again, or use another endpoint."


class _Provider(JSONBaseProvider):
    """A web3 provider that uses `ledger.transport`."""

    #: Off: a contract's answer must not cause a request to a URL that it contains (EIP-3668).
    global_ccip_read_enabled = False

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return cast(RPCResponse, self._transport.ask(method, params or []))


class Connection:
    """Base class of all parts of the gateway; see `ledger.gateway.Gateway`."""

    def __init__(self, url: str, deployment: Deployment, *, timeout: float = 60.0) -> None:
        self._transport = Transport(url, seconds=timeout)
        self.url = self._transport.url
        self.deployment = deployment
        self._web3 = Web3(_Provider(self._transport))
        # It asks for the chain id before each call of a view function; `_check_place` compares it once.
        self._web3.middleware_onion.remove("validation")
        self._web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        self._contracts = {
            name: self._web3.eth.contract(
                address=Web3.to_checksum_address(deployment.contracts[name]), abi=load(name).abi
            )
            for name in CONTRACTS
        }
        self._check_place()

    def _check_place(self) -> None:
        expected = self.deployment
        with self._speaking():
            chain_id = self._web3.eth.chain_id
            if chain_id != expected.chain_id:
                raise WrongChainError(
                    f"the endpoint serves chain {chain_id}, this consortium is on {expected.chain_id}",
                    where=self.url,
                    next_step="Check --chain, or --home if you meant another consortium.",
                )
            genesis = self.block_hash(0).hex()
            if genesis != expected.genesis_hash.removeprefix("0x"):
                raise WrongChainError(
                    "the endpoint serves another chain with the same chain id: its genesis block differs",
                    where=self.url,
                    next_step="Check --chain, or --home if you meant another consortium.",
                )
            for name, contract in self._contracts.items():
                if not self._web3.eth.get_code(contract.address):
                    raise WrongChainError(
                        f"there is no {name} contract at {contract.address}: this is another chain",
                        where=self.url,
                        next_step="Check --chain, or --home if you meant another consortium.",
                    )
            founded = self._contracts["Consortium"].functions.genesisHash().call()
            if bytes(founded) != expected.genesis:
                raise WrongChainError(
                    "the consortium was founded with the hash of another first block: no signature that is "
                    "made for this chain would hold",
                    where=self.url,
                    next_step="Found the consortium again; its contracts cannot be corrected.",
                )

    # -- blocks -----------------------------------------------------------------------------------------

    def height(self) -> int:
        """Return the number of the newest block."""
        with self._speaking():
            return quantity(self._web3.eth.block_number)

    def block_hash(self, number: int) -> bytes:
        """Return the hash of a block."""
        with self._speaking():
            return word(self._block(number)["hash"])

    def block_time(self, number: int) -> int:
        """Return a block's Unix time."""
        with self._speaking():
            return quantity(self._block(number)["timestamp"])

    def _block(self, number: int) -> BlockData:
        try:
            return self._web3.eth.get_block(number)
        except BlockNotFound as error:
            raise ChainError(
                f"the node does not have block {number}",
                where=self.url,
                next_step="Wait until the node is in sync, or try another endpoint; "
                "a reorganisation may be deeper than --depth.",
            ) from error

    def _ask(self, contract: str, function: str, *args: Any, block: int | None = None) -> Any:
        """Call a view function of a contract, at a given block or at the newest one."""
        identifier: Any = "latest" if block is None else block
        with self._speaking():
            return self._contracts[contract].functions[function](*args).call(block_identifier=identifier)

    def _deployed(self, contract: str, block: int) -> bool:
        """Return whether a contract of this consortium existed at a block; they have blocks of their own."""
        with self._speaking():
            return bool(self._web3.eth.get_code(self._contracts[contract].address, block))

    def _events(
        self, contract: str, names: Sequence[str], first: int | None = None, last: int | None = None
    ) -> Iterator[tuple[str, dict[str, Any], Any]]:
        source = self._contracts[contract]
        events = {name: source.events[name]() for name in names}
        decoders = {bytes(HexBytes(event.topic)): (name, event) for name, event in events.items()}
        begin = self.deployment.block if first is None else first
        end = self.height() if last is None else last
        for entry in self._logs(source.address, list(decoders), begin, end):
            name, decoder = decoders[bytes(entry["topics"][0])]
            try:
                args = decoder.process_log(entry)["args"]
            except (*_WRONG_SHAPE, DecodingError) as error:
                raise ChainError(
                    f"an event {name} of {contract} cannot be decoded: {quoted(error)}",
                    where=f"{self.url}, block {entry['blockNumber']}",
                    next_step=OTHER_NODE,
                ) from error
            yield name, dict(args), entry

    def _logs(self, address: Any, topics: Sequence[bytes], first: int, last: int) -> Iterator[Any]:
        """Yield log entries of a block range; split the range if the answer is too large for the node."""
        try:
            with self._speaking():
                answer = self._web3.eth.get_logs(
                    {
                        "address": address,
                        "fromBlock": cast(BlockNumber, first),
                        "toBlock": cast(BlockNumber, last),
                        "topics": [[HexStr("0x" + topic.hex()) for topic in topics]],
                    }
                )
                found = self._checked_logs(answer, address, topics, first, last)
        except AnswerTooLargeError:
            if first >= last:
                raise
            middle = (first + last) // 2
            yield from self._logs(address, topics, first, middle)
            yield from self._logs(address, topics, middle + 1, last)
            return
        yield from found

    @staticmethod
    def _checked_logs(answer: Any, address: str, topics: Sequence[bytes], first: int, last: int) -> list[Any]:
        """Return log entries in chain order; each must match the request and occur only once."""
        found: dict[tuple[int, int], Any] = {}
        for entry in answer:
            place = quantity(entry["blockNumber"]), quantity(entry["logIndex"])
            if entry["address"] != address or word(entry["topics"][0]) not in topics:
                raise ValueError(f"an event that was not asked for, in block {place[0]}")
            if not first <= place[0] <= last or entry.get("removed"):
                raise ValueError(f"an event of block {place[0]} for blocks {first} to {last}")
            if place in found:
                raise ValueError(f"event {place[1]} of block {place[0]} twice")
            word(entry["blockHash"]), word(entry["transactionHash"])
            found[place] = entry
        return [found[place] for place in sorted(found)]

    @contextmanager
    def _speaking(self, *, rehearsing: bool = False) -> Iterator[None]:
        """Turn every failure of a node into a `ChainError`, except a contract's refusal in a rehearsal."""
        try:
            yield
        except TransactionNotFound:
            raise
        except (BadFunctionCallOutput, ContractLogicError) as error:
            if rehearsing and isinstance(error, ContractLogicError):
                raise
            raise WrongChainError(
                "the contracts of this consortium are not on that chain, or the node is not in sync",
                where=self.url,
                next_step="Check --chain, or --home if you meant another consortium.",
            ) from error
        except Web3RPCError as error:
            refusal = (error.rpc_response or {}).get("error", {})
            kind = AnswerTooLargeError if refusal.get("code") == _LIMIT_EXCEEDED else ChainError
            what = f"the node answered with an error: {quoted(refusal.get('message', error))}"
            raise kind(what, where=self.url, next_step=OTHER_NODE) from error
        except _WRONG_SHAPE as error:
            what = f"the node's answer is not valid: {quoted(error) or type(error).__name__}"
            raise ChainError(what, where=self.url, next_step=OTHER_NODE) from error

    def _incomplete(self, what: str, *, block: int | None = None) -> ChainError:
        where = self.url if block is None else f"{self.url}, block {block}"
        return ChainError(f"the node left out {what}", where=where, next_step=OTHER_NODE)


def quantity(value: Any) -> int:
    """Check and return a number from a node: a block number, a time or a nonce."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"expected a number, got {quoted(value)}")
    return value


def word(value: Any) -> bytes:
    """Check and return a 32-byte hash."""
    if not isinstance(value, bytes) or len(value) != 32:
        raise ValueError(f"expected 32 bytes, got {quoted(value)}")
    return bytes(value)

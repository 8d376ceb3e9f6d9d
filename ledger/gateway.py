"""The one module that speaks web3: everything the ledger reads from a chain and writes to it.

The seam to any chain is a JSON-RPC URL, so the same code runs on the embedded chain, anvil, geth or Besu.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, TypeVar, cast

from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_typing import BlockNumber, HexStr
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import (
    BadFunctionCallOutput,
    BlockNotFound,
    ContractCustomError,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.base import JSONBaseProvider
from web3.types import BlockData, RPCEndpoint, RPCResponse

from contracts.artifacts import load
from ledger.batch import BatchHeader
from ledger.deployment import CONTRACTS, Deployment
from ledger.errors import ChainError, TransactionRejectedError, WrongChainError
from ledger.transport import AnswerTooLargeError, Transport, quoted

__all__ = [
    "CaseEntry",
    "Epoch",
    "Gateway",
    "Member",
    "PostedBatch",
    "Reader",
    "RuleSetDocument",
    "RuleSetStep",
    "SignedTransaction",
]

T = TypeVar("T")

#: EIP-1474: the answer would be too large.
_LIMIT_EXCEEDED: Final = -32_005

#: What reading an answer of the wrong shape raises, in web3 or here.
_WRONG_SHAPE: Final = (
    Web3Exception,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)

#: Wei of gas price above which a node is not believed: ten thousand times what busy networks ask.
_MOST_BASE_FEE: Final = 10**15

_OTHER_NODE: Final = "The node may be answering wrongly, or lag behind; try again, or another endpoint."

_STATUS: Final = ("none", "active", "suspended", "revoked")
_STANDING: Final = {
    "MemberSuspended": "suspended",
    "MemberReinstated": "active",
    "MemberRevoked": "revoked",
}

#: Events of the rule book: the step they record, and where it leaves the rule set (None: where it was).
_STEPS: Final[dict[str, tuple[str, str | None]]] = {
    "RuleSetDrafted": ("drafted", "drafted"),
    "RuleSetBacktested": ("backtested", None),
    "RuleSetSubmitted": ("submitted", "proposed"),
    "RuleSetProposed": ("proposed", "proposed"),
    "RuleSetApproved": ("approved", None),
    "RuleSetActivated": ("activated", "active"),
    "RuleSetSuperseded": ("superseded", "superseded"),
    "RuleSetWithdrawalApproved": ("withdrawal approved", None),
    "RuleSetWithdrawn": ("withdrawn", "withdrawn"),
}

#: What a contract's refusal means for a person, and what to do about it.
_REFUSALS: Final = {
    "ConsortiumNotMember": ("this account is not a member", "Ask the operator to admit it."),
    "ConsortiumMemberSuspended": ("this member is suspended", "Ask the operator why; nothing is lost."),
    "ConsortiumMemberRevoked": ("this member was revoked", "It can no longer post; its vault is unchanged."),
    "BatchLedgerPaused": ("the consortium is paused", "Run the same command again once it is resumed."),
    "EnforcedPause": ("the consortium is paused", "Run the same command again once it is resumed."),
    "BatchLedgerUnexpectedSequence": (
        "the chain expects another batch of this member",
        "Another copy of this vault may be posting; use one vault per member.",
    ),
    "BatchLedgerUnexpectedPreviousHash": (
        "this batch does not follow the member's last one on the chain",
        "Another copy of this vault may be posting; use one vault per member.",
    ),
    "BatchLedgerUnknownEpoch": ("the pseudonym key's epoch is not open", "Ask the operator to open it."),
    "BatchLedgerUnknownPolicy": ("the encoding policy is not on this chain", "Sync and post again."),
    "RuleBookNotOfficer": ("this account is not an officer", "Ask the operator to grant the role."),
    "RuleBookAuthorCannotApprove": (
        "who wrote a rule set, or a draft it comes from, cannot approve it",
        "Let two other officers approve it.",
    ),
    "RuleBookAlreadyApproved": ("this officer has approved already", "Another officer must approve."),
    "RuleBookNotProposed": ("the rule set is not open for that", "See `counterfoil rules history`."),
    "RuleBookNotActive": ("the rule set is not in force", "See `counterfoil rules history`."),
    "RuleBookNotAuthor": ("only its author can do that", "Ask the author, or draft an edit of it."),
    "RuleBookAlreadyProposed": (
        "the same rule set, to the byte, was drafted before",
        "See `counterfoil rules history`; what was withdrawn needs a document that says so.",
    ),
    "AccessControlUnauthorizedAccount": (
        "this account lacks the role for that",
        "Ask the operator to grant it.",
    ),
}


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the chain knows it."""

    code: int
    account: str
    agent: str
    status: str
    x25519_key: bytes
    hpke_key: bytes


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader that rows are sealed to; `epoch` is a month (years * 12 + month)."""

    key_id: bytes
    hpke_key: bytes
    epoch: int
    label: str


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch of the pseudonym key: the public key that every evaluation is proven against."""

    number: int
    starts_at: int
    public_key: bytes


@dataclass(frozen=True, slots=True)
class PostedBatch:
    """A batch as the chain holds it: its header, its place, and the sealed rows."""

    header: BatchHeader
    batch_hash: bytes
    log_index: int
    block: int
    block_hash: bytes
    transaction: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class RuleSetStep:
    """One step in the life of a rule set, as the chain recorded it."""

    hash: bytes
    what: str
    actor: str
    block: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class RuleSetDocument:
    """A rule set on the chain, and where it stands.

    Parameters
    ----------
    hash, document : bytes
    author : str
    version : int or None
        The number that activation gave it.
    status : str
        drafted, proposed, active, superseded or withdrawn.
    previous : bytes or None
        The rule set it edits.
    steps : tuple of RuleSetStep
        Its life, oldest first.
    """

    hash: bytes
    document: bytes
    author: str
    version: int | None
    status: str = "proposed"
    previous: bytes | None = None
    steps: tuple[RuleSetStep, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseEntry:
    """One entry of the case log."""

    index: int
    kind: int
    case_id: bytes
    author: str
    content_hash: bytes
    head: bytes
    block: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction ready to send; kept before it is sent, and never signed again."""

    raw: bytes
    hash: bytes
    nonce: int


class _Provider(JSONBaseProvider):
    """Lets web3 speak through our transport."""

    #: Off: a contract's answer must not make us fetch an address that it names (EIP-3668).
    global_ccip_read_enabled = False

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return cast(RPCResponse, self._transport.ask(method, params or []))


class Gateway:
    """A connection to one consortium on one chain.

    Parameters
    ----------
    url : str
        JSON-RPC endpoint.
    deployment : Deployment
        What must be found there.
    timeout : float
        Seconds to wait for the whole of an answer.

    Raises
    ------
    ChainUnreachableError
        When nothing answers.
    WrongChainError
        When another chain answers, or the contracts are not the ones of this consortium.
    """

    def __init__(self, url: str, deployment: Deployment, *, timeout: float = 60.0) -> None:
        self._transport = Transport(url, seconds=timeout)
        self.url = self._transport.url
        self.deployment = deployment
        self._web3 = Web3(_Provider(self._transport))
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
                    f"the endpoint serves chain {chain_id}, this consortium lives on {expected.chain_id}",
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
                        f"no {name} contract stands at {contract.address}: another consortium's chain",
                        where=self.url,
                        next_step="Check --chain, or --home if you meant another consortium.",
                    )

    # -- blocks -----------------------------------------------------------------------------------------

    def height(self) -> int:
        """Return the number of the newest block."""
        with self._speaking():
            return _quantity(self._web3.eth.block_number)

    def block_hash(self, number: int) -> bytes:
        """Return the hash of a block."""
        with self._speaking():
            return _word(self._block(number)["hash"])

    def block_time(self, number: int) -> int:
        """Return a block's Unix time."""
        with self._speaking():
            return _quantity(self._block(number)["timestamp"])

    def _block(self, number: int) -> BlockData:
        try:
            return self._web3.eth.get_block(number)
        except BlockNotFound as error:
            raise ChainError(
                f"the node does not have block {number}",
                where=self.url,
                next_step="It lags behind, or the chain was cut deeper than was final: wait, or try another.",
            ) from error

    # -- the consortium ---------------------------------------------------------------------------------

    def members(self) -> list[Member]:
        """Return every member ever admitted, in the order of its code."""
        found: dict[int, Member] = {}
        count = self._ask("Consortium", "memberCount")
        for name, args, entry in self._events("Consortium", ("MemberAdmitted", *_STANDING)):
            code = args["code"]
            if code != len(found) + 1 if name == "MemberAdmitted" else code not in found:
                raise self._incomplete("a member's admission", block=entry["blockNumber"])
            if name == "MemberAdmitted":
                keys = bytes(args["x25519Key"]), bytes(args["hpkeKey"])
                found[code] = Member(code, args["account"], args["agent"], "active", *keys)
            else:
                found[code] = replace(found[code], status=_STANDING[name])
        if len(found) < count:
            raise self._incomplete(f"{count - len(found)} of {count} members")
        return [found[code] for code in sorted(found)]

    def member(self, account: str) -> Member:
        """Return one account's membership; its status is ``none`` when it was never admitted."""
        with self._speaking():
            return self._member(account)

    def _member(self, account: str) -> Member:
        address = Web3.to_checksum_address(account)
        code, status, agent, x25519, hpke = self._contracts["Consortium"].functions.memberOf(address).call()
        return Member(code, address, agent, _STATUS[status], bytes(x25519), bytes(hpke))

    def role(self, name: str) -> bytes:
        """Return a role's identifier, for `grantRole` and `revokeRole`."""
        return bytes(self._ask("Consortium", name))

    def readers(self) -> list[Reader]:
        """Return the current readers."""
        current: dict[bytes, Reader] = {}
        for name, args, _ in self._events("Consortium", ("ReaderAdded", "ReaderRemoved")):
            key_id = bytes(args["keyId"])
            if name == "ReaderAdded":
                current[key_id] = Reader(key_id, bytes(args["hpkeKey"]), args["epoch"], args["label"])
            else:
                current.pop(key_id, None)
        for key_id, reader in current.items():
            if not self._ask("Consortium", "isReader", key_id):
                raise self._incomplete(f"that the reader {quoted(reader.label)} was removed")
        return list(current.values())

    def epoch(self) -> Epoch:
        """Return the newest epoch of the pseudonym key.

        Raises
        ------
        ChainError
            When none is open yet.
        """
        current = self._ask("Consortium", "currentEpoch")
        epochs = [args for _, args, _ in self._events("Consortium", ("EpochOpened",))]
        if current not in {0, *(args["epoch"] for args in epochs)}:
            raise self._incomplete(f"the opening of epoch {current}")
        if not epochs:
            raise ChainError(
                "no epoch of the pseudonym key is open yet", next_step="Ask the operator to open one."
            )
        newest = epochs[-1]
        return Epoch(newest["epoch"], newest["startsAt"], bytes(newest["publicKey"]))

    def policies(self) -> dict[bytes, bytes]:
        """Return every policy document ever published, by hash, oldest first."""
        found = {}
        active = bytes(self._ask("Consortium", "activePolicy"))
        for _, args, _ in self._events("Consortium", ("PolicyPublished",)):
            document = bytes(args["document"])
            if sha256(document).digest() != bytes(args["policyHash"]):
                raise self._incomplete(f"the true text of policy {args['number']}")
            found[bytes(args["policyHash"])] = document
        if active != bytes(32) and active not in found:
            raise self._incomplete("the policy in force")
        return found

    def active_policy(self) -> bytes:
        """Return the document of the policy in force.

        Raises
        ------
        ChainError
            When none was published yet.
        """
        documents = list(self.policies().values())
        if not documents:
            raise ChainError(
                "no encoding policy is published yet", next_step="Ask the operator to publish one."
            )
        return documents[-1]

    def rule_sets(self) -> list[RuleSetDocument]:
        """Return every rule set on the chain with its life so far, in the order of their first step.

        Raises
        ------
        ChainError
            When the node leaves out a step, or shows another document than the chain names.
        """
        current, version = self._ask("RuleBook", "activeRuleSet")
        found: dict[bytes, RuleSetDocument] = {}
        for name, args, entry in self._events("RuleBook", tuple(_STEPS)):
            key, (what, status) = bytes(args["ruleSetHash"]), _STEPS[name]
            actor = args.get("author") or args.get("officer") or ""
            report = bytes(args.get("report", b""))
            step = RuleSetStep(key, what, actor, int(entry["blockNumber"]), report)
            if "document" in args:
                document, before = bytes(args["document"]), bytes(args.get("previous", b""))
                if sha256(document).digest() != key:
                    raise self._incomplete(f"the true text of rule set {key.hex()[:12]}")
                previous = before if before.strip(b"\0") else None
                found[key] = RuleSetDocument(key, document, actor, None, previous=previous)
            if key not in found:
                raise self._incomplete(f"the draft of rule set {key.hex()[:12]}")
            known = found[key]
            found[key] = replace(
                known,
                status=status or known.status,
                version=args.get("version", known.version),
                steps=(*known.steps, step),
            )
        active = [entry.hash for entry in found.values() if entry.status == "active"]
        if active != ([] if bytes(current) == bytes(32) else [bytes(current)]):
            raise self._incomplete(f"a step of the rule sets: version {version} is the newest")
        return list(found.values())

    def active_rule_set(self) -> RuleSetDocument | None:
        """Return the rule set in force, or None before the first activation and after a withdrawal."""
        return next((entry for entry in self.rule_sets() if entry.status == "active"), None)

    # -- the log ----------------------------------------------------------------------------------------

    def log_size(self, block: int | None = None) -> int:
        """Return the number of batches in the log, at a block or now."""
        return int(self._ask("BatchLedger", "logSize", block=block))

    def head_of(self, account: str) -> tuple[int, bytes]:
        """Return a member's next sequence and the hash of its last batch."""
        sequence, head = self._ask("BatchLedger", "headOf", Web3.to_checksum_address(account))
        return int(sequence), bytes(head)

    def _ask(self, contract: str, function: str, *args: Any, block: int | None = None) -> Any:
        """Call a contract's view, at a block or now."""
        identifier: Any = "latest" if block is None else block
        with self._speaking():
            return self._contracts[contract].functions[function](*args).call(block_identifier=identifier)

    def batches(self, first: int, last: int) -> Iterator[PostedBatch]:
        """Yield the batches posted in blocks `first` to `last`, in log order."""
        expected: int | None = None
        for _, args, entry in self._events("BatchLedger", ("BatchPosted",), first, last):
            if expected is not None and args["logIndex"] != expected:
                raise self._incomplete(f"batch {expected} of the log", block=entry["blockNumber"])
            expected = args["logIndex"] + 1
            header = BatchHeader(
                chain_id=self.deployment.chain_id,
                contract=self.deployment.address("BatchLedger"),
                member=bytes.fromhex(args["member"][2:]),
                sequence=args["sequence"],
                previous_hash=bytes(args["previousHash"]),
                epoch=args["epoch"],
                policy_hash=bytes(args["policyHash"]),
                row_count=args["rowCount"],
                rows_root=bytes(args["rowsRoot"]),
            )
            yield PostedBatch(
                header=header,
                batch_hash=bytes(args["batchHash"]),
                log_index=args["logIndex"],
                block=entry["blockNumber"],
                block_hash=bytes(entry["blockHash"]),
                transaction=bytes(entry["transactionHash"]),
                payload=bytes(args["payload"]),
            )

    def case_entries(self, first: int | None = None, last: int | None = None) -> Iterator[CaseEntry]:
        """Yield the entries of the case log in blocks `first` to `last`."""
        expected: int | None = None
        for _, args, entry in self._events("CaseLog", ("CaseEntryAppended",), first, last):
            if expected is not None and args["index"] != expected:
                raise self._incomplete(f"entry {expected} of the case log", block=entry["blockNumber"])
            expected = args["index"] + 1
            yield CaseEntry(
                index=args["index"],
                kind=args["kind"],
                case_id=bytes(args["caseId"]),
                author=args["author"],
                content_hash=bytes(args["contentHash"]),
                head=bytes(args["head"]),
                block=entry["blockNumber"],
                payload=bytes(args["payload"]),
            )

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
                    next_step=_OTHER_NODE,
                ) from error
            yield name, dict(args), entry

    def _logs(self, address: Any, topics: Sequence[bytes], first: int, last: int) -> Iterator[Any]:
        """Yield log entries of a block range, in halves where a node finds the answer too large."""
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
        """Return log entries in chain order; each must be what was asked for, and there once."""
        found: dict[tuple[int, int], Any] = {}
        for entry in answer:
            place = _quantity(entry["blockNumber"]), _quantity(entry["logIndex"])
            if entry["address"] != address or _word(entry["topics"][0]) not in topics:
                raise ValueError(f"an event that was not asked for, in block {place[0]}")
            if not first <= place[0] <= last or entry.get("removed"):
                raise ValueError(f"an event of block {place[0]} for blocks {first} to {last}")
            if place in found:
                raise ValueError(f"event {place[1]} of block {place[0]} twice")
            _word(entry["blockHash"]), _word(entry["transactionHash"])
            found[place] = entry
        return [found[place] for place in sorted(found)]

    # -- writing ----------------------------------------------------------------------------------------

    def next_nonce(self, account: str, *, pending: bool = True) -> int:
        """Return the nonce of the account's next transaction, by default after those that wait."""
        block: Any = "pending" if pending else "latest"
        with self._speaking():
            return _quantity(self._web3.eth.get_transaction_count(Web3.to_checksum_address(account), block))

    def sign(self, key: bytes, contract: str, function: str, *args: Any, nonce: int) -> SignedTransaction:
        """Build and sign a call without sending it.

        The gas limit follows from the size: since Prague, calldata costs at least 40 gas for a byte that is
        not zero and 10 for one that is (EIP-7623); less is accepted by some nodes but never mined.
        """
        source = self._contracts[contract]
        data = bytes.fromhex(source.encode_abi(function, args=list(args)).removeprefix("0x"))
        zeros = data.count(0)
        with self._speaking():
            base_fee = self._base_fee()
        signed = Account.sign_transaction(
            {
                "to": source.address,
                "data": data,
                "value": 0,
                "nonce": nonce,
                "chainId": self.deployment.chain_id,
                "gas": 21_000 + 40 * (len(data) - zeros) + 10 * zeros + 400_000,
                "maxFeePerGas": 10 * base_fee + 10,
                "maxPriorityFeePerGas": 1,
            },
            key,
        )
        return SignedTransaction(bytes(signed.raw_transaction), bytes(signed.hash), nonce)

    def sign_again(self, key: bytes, raw: bytes, *, nonce: int) -> SignedTransaction:
        """Sign the call of a transaction once more, under another nonce and today's fee.

        For a transaction whose nonce was used up in vain: it can never be mined any more.
        """
        call = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        with self._speaking():
            base_fee = self._base_fee()
        fields = {name: call[name] for name in ("to", "data", "value", "chainId", "gas")}
        fields |= {"nonce": nonce, "maxFeePerGas": 10 * base_fee + 10, "maxPriorityFeePerGas": 1}
        signed = Account.sign_transaction(fields, key)
        return SignedTransaction(bytes(signed.raw_transaction), bytes(signed.hash), nonce)

    def _base_fee(self) -> int:
        base_fee = _quantity(self._web3.eth.get_block("latest").get("baseFeePerGas", 0))
        if base_fee > _MOST_BASE_FEE:
            raise ValueError(f"a base fee of {base_fee} wei, which would empty the account")
        return base_fee

    def rehearse_signed(self, account: str, raw: bytes) -> None:
        """Ask the chain whether a signed transaction would succeed.

        Raises
        ------
        TransactionRejectedError
            When the contract would refuse, with its reason in words.
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
            raise self._refusal(error, "the next batch") from error

    def send(self, transactions: Sequence[bytes]) -> list[str | None]:
        """Send raw transactions as one JSON array; return each one's refusal, or None where it was taken.

        web3 refuses to batch eth_sendRawTransaction, so the array goes through the transport directly.
        """
        questions = [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in transactions]
        answers = self._transport.ask_all(questions) if questions else []
        return [None if "result" in a else quoted(a["error"]["message"]) for a in answers]

    def mined(self, transaction: bytes) -> tuple[int, bool] | None:
        """Return (block, succeeded) of a transaction, or None while no block holds it."""
        try:
            with self._speaking():
                receipt = self._web3.eth.get_transaction_receipt(HexBytes(transaction))
                if _word(receipt["transactionHash"]) != bytes(transaction):
                    raise ValueError("the receipt is another transaction's")
                return _quantity(receipt["blockNumber"]), _quantity(receipt["status"]) == 1
        except TransactionNotFound:
            return None

    def transact(self, key: bytes, contract: str, function: str, *args: Any, wait: float = 60.0) -> int:
        """Sign, send and wait for one call; return its block.

        Raises
        ------
        TransactionRejectedError
            When the contract refuses, with its reason.
        """
        account = Account.from_key(key).address
        self.rehearse(account, contract, function, *args)
        signed = self.sign(key, contract, function, *args, nonce=self.next_nonce(account))
        (refusal,) = self.send([signed.raw])
        if refusal is not None:
            raise TransactionRejectedError(f"the node refused the transaction: {refusal}", where=self.url)
        found = self.wait_for(lambda: self.mined(signed.hash), wait)
        if found is None:
            raise ChainError(f"the transaction was not mined within {wait:.0f} s", where=self.url)
        block, succeeded = found
        if not succeeded:
            raise TransactionRejectedError(f"{contract}.{function} failed in block {block}", where=self.url)
        return block

    def rehearse(self, account: str, contract: str, function: str, *args: Any) -> None:
        """Ask the chain whether a call would succeed.

        Raises
        ------
        TransactionRejectedError
            When the contract would refuse, with its reason in words.
        """
        call = self._contracts[contract].functions[function](*args)
        try:
            with self._speaking(rehearsing=True):
                call.call({"from": Web3.to_checksum_address(account)})
        except ContractLogicError as error:
            raise self._refusal(error, f"{contract}.{function}") from error

    def _refusal(self, error: ContractLogicError, where: str) -> TransactionRejectedError:
        name, args = "", ()
        data = error.data if isinstance(error.data, str) else None
        if data is not None or isinstance(error, ContractCustomError):
            try:
                name, args = self._decode_error(data or str(error.message))
            except (ValueError, DecodingError):
                name, args = "", ()  # a reason that is none; the refusal stands
        if name in _REFUSALS:
            what, next_step = _REFUSALS[name]
            shown = f" ({', '.join(_shown(a) for a in args)})" if args else ""
            return TransactionRejectedError(what + shown, where=f"{where}: {name}", next_step=next_step)
        return TransactionRejectedError(
            f"the contract refused: {name or quoted(error.message)}", where=where, next_step=_OTHER_NODE
        )

    def _decode_error(self, data: str) -> tuple[str, tuple[Any, ...]]:
        raw = bytes.fromhex(data.removeprefix("0x")) if data.startswith("0x") else b""
        for artifact in (load(name) for name in CONTRACTS):
            for entry in artifact.abi:
                if entry.get("type") != "error":
                    continue
                types = [item["type"] for item in entry.get("inputs", [])]
                selector = Web3.keccak(text=f"{entry['name']}({','.join(types)})")[:4]
                if raw[:4] == bytes(selector):
                    return str(entry["name"]), tuple(self._web3.codec.decode(types, raw[4:]))
        return "", ()

    @staticmethod
    def wait_for(probe: Callable[[], T | None], seconds: float) -> T | None:
        """Call `probe` until it answers something else than None or the time is up."""
        deadline = time.monotonic() + seconds
        pause = 0.01
        while (answer := probe()) is None and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
        return answer

    @contextmanager
    def _speaking(self, *, rehearsing: bool = False) -> Iterator[None]:
        """Turn every way a node can fail to answer into our own errors; a rehearsal's refusal is none."""
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
            raise kind(what, where=self.url, next_step=_OTHER_NODE) from error
        except _WRONG_SHAPE as error:
            what = f"the node's answer makes no sense: {quoted(error) or type(error).__name__}"
            raise ChainError(what, where=self.url, next_step=_OTHER_NODE) from error

    def _incomplete(self, what: str, *, block: int | None = None) -> ChainError:
        where = self.url if block is None else f"{self.url}, block {block}"
        return ChainError(f"the node left out {what}", where=where, next_step=_OTHER_NODE)


def _quantity(value: Any) -> int:
    """Check a number; nodes count blocks, seconds and nonces in it."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"expected a number, got {quoted(value)}")
    return value


def _word(value: Any) -> bytes:
    """Check a hash."""
    if not isinstance(value, bytes) or len(value) != 32:
        raise ValueError(f"expected 32 bytes, got {quoted(value)}")
    return bytes(value)


def _shown(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)

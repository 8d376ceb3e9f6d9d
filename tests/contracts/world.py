"""A consortium's contracts on py-evm behind web3's tester provider, the accounts that act, and how to act."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eth.vm.spoof import SpoofTransaction
from eth_abi import decode, encode
from eth_bloom import BloomFilter
from eth_tester import EthereumTester
from web3 import Web3

from contracts.artifacts import CONTRACTS, TAKES, load
from ledger.typed_data import ADMISSION, BATCH_HEADER, KEY_CHANGE, Domain, sign_typed
from tests.contracts.deployed import Call, Deployed

X25519_KEY = b"x" * 32
HPKE_KEY = b"h" * 32
WITNESS_KEY = b"w" * 32
GENESIS_HASH = b"g" * 32
KEYS = {"x25519Key": X25519_KEY, "hpkeKey": HPKE_KEY, "witnessKey": WITNESS_KEY}

DAY = 86_400
DELAY, LIFETIME = 2 * DAY, 30 * DAY
#: Quorum and quorum of a pause in percent, delay and lifetime in seconds.
RULES = (51, 33, DELAY, LIFETIME)
#: Evaluations, entries of the case log and bytes in them, for one member and one day.
LIMITS = (1_000, 50, 10_000)


@dataclass
class Receipt:
    """What a transaction came to: its error, the gas that it used, and topics and data of its logs."""

    error: tuple[str, tuple[Any, ...]] | None
    gas_used: int
    logs: list[tuple[list[bytes], bytes]]


@dataclass
class World:
    """The contracts of one consortium; it is founded by `found`, and acts by `govern` before and after."""

    tester: EthereumTester
    web3: Web3
    rules_of_decision: tuple[int, int, int, int] = RULES
    limits: tuple[int, int, int] = LIMITS
    gas: int = 8_000_000
    contracts: dict[str, Deployed] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    ceremonies: int = 0
    _topics: dict[str, bytes] = field(default_factory=dict)
    _read: dict[tuple[bytes, str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        accounts = self.web3.eth.accounts
        self.web3.eth.default_account = accounts[0]  # or web3 asks for all accounts before each call
        self.founder = accounts[0]
        self.banks = accounts[1:8]
        self.officers = accounts[8:12]
        self.desk, self.auditor, self.stranger = accounts[12:15]
        self.holders = accounts[15:20]
        for name in CONTRACTS:
            artifact = load(name)
            arguments = (
                [self.contracts[taken].address for taken in TAKES[name]]
                if name in TAKES
                else (self.founder, GENESIS_HASH, self.rules_of_decision, self.limits)
            )
            factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
            sent = factory.constructor(*arguments).transact({"from": self.founder, "gas": self.gas})
            receipt = self.web3.eth.get_transaction_receipt(sent)
            known = self.web3.eth.contract(receipt["contractAddress"], abi=artifact.abi)
            self.contracts[name] = Deployed(known.address, artifact.abi, known.events, self._ask)
        self.consortium = self.contracts["Consortium"]
        self.pseudonyms = self.contracts["PseudonymKeys"]
        self.evaluations = self.contracts["EvaluationLog"]
        self.ledger = self.contracts["BatchLedger"]
        self.rules = self.contracts["RuleBook"]
        self.cases = self.contracts["CaseLog"]

    # ------------------------------------------------------------ transactions and time

    def send(self, call: Call, sender: str) -> Receipt:
        """Send a transaction that may fail.

        It goes to the chain behind the tester directly: web3 and the tester take longer than the transaction.
        """
        backend = self.tester.backend
        fields = self._transaction(call, sender)
        signed = backend._get_normalized_and_signed_evm_transaction(fields)
        _block, receipt, computation = backend.chain.apply_transaction(signed)
        backend.mine_blocks(1)
        logs = [
            ([topic.to_bytes(32, "big") for topic in log.topics], bytes(log.data)) for log in receipt.logs
        ]
        error = self._decoded(bytes(computation.output)) if computation.is_error else None
        return Receipt(error, receipt.gas_used, logs)

    def do(self, call: Call, sender: str) -> Receipt:
        """Send a transaction that must succeed."""
        receipt = self.send(call, sender)
        assert receipt.error is None, receipt.error
        return receipt

    def refuses(self, call: Call, sender: str, error: str, *args: Any) -> None:
        """Check that a transaction fails with exactly this error and leaves no event."""
        receipt = self.send(call, sender)
        assert receipt.error == (error, args)
        assert receipt.logs == []

    def error(self, call: Call, sender: str) -> tuple[str, tuple[Any, ...]] | None:
        """Try a call without sending it; return the error that it fails with, if any."""
        computation = self._tried(call, sender)
        return self._decoded(bytes(computation.output)) if computation.is_error else None

    def _ask(self, call: Call, sender: str | None) -> bytes:
        computation = self._tried(call, sender or self.founder)
        if computation.is_error:
            raise AssertionError(self._decoded(bytes(computation.output)))
        return bytes(computation.output)

    def _tried(self, call: Call, sender: str) -> Any:
        backend = self.tester.backend
        fields = self._transaction(call, sender)
        unsigned = backend._get_normalized_and_unsigned_evm_transaction(fields)
        vm = backend.chain.get_vm(at_header=backend.chain.get_canonical_head())
        before = vm.state.snapshot()
        computation = vm.state.apply_transaction(SpoofTransaction(unsigned, from_=fields["from"]))
        vm.state.revert(before)
        return computation

    def _transaction(self, call: Call, sender: str) -> dict[str, Any]:
        return {
            "from": bytes.fromhex(sender[2:]),
            "to": bytes.fromhex(call.address[2:]),
            "data": call.data,
            "gas": self.gas,
        }

    def now(self) -> int:
        """The time of the last block, at which a call is tried; the next block is a second later."""
        return int(self.tester.get_block_by_number("latest")["timestamp"])

    def travel(self, to: int) -> None:
        """Let the last block be of this time, unless it is later already."""
        if to > self.now():
            self.tester.time_travel(to + 1)
            assert self.now() == to

    def snapshot(self) -> int:
        """Keep the present state, for `revert`."""
        return int(self.tester.take_snapshot())

    def revert(self, snapshot: int) -> None:
        """Go to a snapshot, also one of another branch of the chain."""
        self.tester.revert_to_snapshot(snapshot)
        # The tester finds blocks by their number, and leaves other branches' numbers as they are.
        database = self.tester.backend.chain.chaindb
        header = database.get_canonical_head()
        while header.block_number:
            database._add_block_number_to_hash_lookup(database.db, header)
            header = database.get_block_header_by_hash(header.parent_hash)

    def next_day(self) -> None:
        """Let the last block be the first of the next day (UTC)."""
        self.travel((self.now() // DAY + 1) * DAY)

    def events(self, contract: Deployed, name: str) -> list[dict[str, Any]]:
        """All events of one name, in chain order; a block of a known hash is not read again."""
        chain, found = self.tester.backend.chain, []
        parts = (bytes.fromhex(contract.address[2:]), Web3.keccak(text=contract.events[name]().signature))
        for block in range(self.web3.eth.block_number + 1):
            header = chain.get_canonical_block_header_by_number(block)
            key = (header.hash, contract.address, name)
            if key not in self._read and all(part in BloomFilter(header.bloom) for part in parts):
                logs = contract.events[name]().get_logs(from_block=block, to_block=block)
                self._read[key] = [dict(entry["args"]) for entry in logs]
            found += self._read.setdefault(key, [])
        return found

    # ------------------------------------------------------------ the consortium decides

    def calls(self, *calls: Any) -> list[tuple[str, bytes]]:
        """Calls of functions in the form in which a proposal has them."""
        return [(call.address, call.data) for call in calls]

    @property
    def founded(self) -> bool:
        return bool(self.consortium.functions.founded().call())

    @property
    def voters(self) -> list[str]:
        """The accounts of the active members, by their codes."""
        functions = self.consortium.functions
        accounts = [functions.memberAt(i + 1).call() for i in range(functions.memberCount().call())]
        return [account for account in accounts if functions.memberOf(account).call()[1] == 1]

    def prepare(self, *calls: Any) -> Any:
        """A call of the founder."""
        return self.consortium.functions.prepare(self.calls(*calls))

    def digest(self) -> bytes:
        return bytes(self.consortium.functions.foundingDigest().call())

    def found(self) -> None:
        """Let every active member confirm."""
        for account in self.voters:
            self.do(self.consortium.functions.confirmFounding(self.digest()), account)
        assert self.founded

    def propose(self, calls: Sequence[Any], proposer: str, title: str = "") -> int:
        """Propose calls; return the number of the proposal."""
        receipt = self.do(self.consortium.functions.propose(self.calls(*calls), title), proposer)
        return int.from_bytes(self._logs(receipt, "ProposalMade")[0][0][1], "big")

    def approval(self, number: int, calls: Sequence[Any]) -> Any:
        """A call that approves a proposal to make these calls."""
        calls_hash = Web3.keccak(encode(["(address,bytes)[]"], [self.calls(*calls)]))
        return self.consortium.functions.approve(number, calls_hash)

    def standing(self, number: int) -> dict[str, Any]:
        """Where a proposal stands."""
        proposal, counting = self.consortium.functions.proposalAt(number).call()
        names = ("callsHash", "proposer", "urgent", "closed", "expiresAt", "executableAt", "approvals")
        return dict(zip(names, proposal, strict=True)) | {"counting": counting}

    def executable_at(self, number: int) -> int:
        """The time from which a proposal can be executed; zero before it has passed."""
        return int(self.standing(number)["executableAt"])

    def pass_proposal(self, calls: Sequence[Any], voters: Sequence[str] | None = None) -> int:
        """Propose calls, let members approve until the quorum is there, and wait for the delay."""
        first, *others = self.voters if voters is None else voters
        receipt = self.do(self.consortium.functions.propose(self.calls(*calls), ""), first)
        number = int.from_bytes(self._logs(receipt, "ProposalMade")[0][0][1], "big")
        for account in others:
            if self._logs(receipt, "ProposalPassed"):
                break
            receipt = self.do(self.approval(number, calls), account)
        (passed,) = self._logs(receipt, "ProposalPassed")
        self.travel(int.from_bytes(passed[1], "big"))
        return number

    def execution(self, number: int, calls: Sequence[Any]) -> Any:
        """A call that executes a proposal."""
        return self.consortium.functions.execute(number, self.calls(*calls))

    def govern(self, *calls: Any, voters: Sequence[str] | None = None) -> Receipt:
        """Let the consortium make calls: by the founder before the founding, by a proposal after it.

        `voters` are the active members of a founded consortium, where they are known already.
        """
        if voters is None and not self.founded:
            return self.do(self.prepare(*calls), self.founder)
        return self.do(self.execution(self.pass_proposal(calls, voters), calls), self.stranger)

    def govern_refuses(self, call: Any, error: str, *args: Any) -> None:
        """Check that a call fails although the consortium itself makes it."""
        assert self.error(call, self.consortium.address) == (error, args)

    def _logs(self, receipt: Receipt, event: str) -> list[tuple[list[bytes], bytes]]:
        """The logs of an event of the consortium in a receipt, not decoded."""
        topic = self._topics.get(event)
        if topic is None:
            topic = self._topics[event] = Web3.keccak(text=self.consortium.events[event]().signature)
        return [log for log in receipt.logs if log[0][0] == topic]

    # ------------------------------------------------------------ members and their staff

    def key(self, account: str) -> bytes:
        """The private key of one of the tester's accounts, or of an account in `keys`."""
        if account in self.keys:
            return self.keys[account]
        return bytes(self.tester.backend._key_lookup[bytes.fromhex(account[2:])].to_bytes())

    def domain(self, contract: Deployed) -> Domain:
        """The domain of the signatures that are made for a contract."""
        return Domain(self.web3.eth.chain_id, bytes.fromhex(contract.address[2:]), GENESIS_HASH)

    def admission(self, bank: str, agent: str, *, signer: str | None = None, **keys: bytes) -> Any:
        """A call that admits a bank, signed by itself or by another account."""
        stated = KEYS | keys
        values = {"account": bytes.fromhex(bank[2:]), "agent": agent, **stated}
        key = self.key(signer or bank)
        signature = sign_typed(self.domain(self.consortium), ADMISSION, values, key)
        return self.consortium.functions.admitMember(bank, agent, *stated.values(), signature)

    def key_change(
        self,
        bank: str,
        new: str,
        *,
        signers: tuple[str, str] | None = None,
        nonce: int | None = None,
        **keys: bytes,
    ) -> Any:
        """A call that replaces a bank's account and keys, signed by both accounts or by two others."""
        stated = KEYS | keys
        if nonce is None:
            nonce = self.consortium.functions.keyChangesOf(bank).call()
        values = {"account": bytes.fromhex(bank[2:]), "newAccount": bytes.fromhex(new[2:]), **stated}
        values["nonce"] = nonce
        domain = self.domain(self.consortium)
        signatures = [
            sign_typed(domain, KEY_CHANGE, values, self.key(account)) for account in signers or (bank, new)
        ]
        return self.consortium.functions.changeKeys(bank, new, *stated.values(), *signatures)

    def admit(self, bank: str, agent: str) -> int:
        """Admit a bank and return its code."""
        self.govern(self.admission(bank, agent))
        return self.code(bank)

    def admit_all(self, count: int) -> None:
        """Let the founder admit the first banks, in one step."""
        self.govern(*(self.admission(bank, f"BANK{i}") for i, bank in enumerate(self.banks[:count])))

    def code(self, bank: str) -> int:
        return int(self.consortium.functions.codeOf(bank).call())

    def role(self, name: str) -> bytes:
        return bytes(self.consortium.functions[name]().call())

    def granting(self, role: str, account: str) -> Any:
        """A call that grants the role of the desk or of an auditor."""
        return self.consortium.functions.grantRole(self.role(role), account)

    def appointment(self, officer: str, bank: str) -> Any:
        """A call that makes an account an officer of a bank."""
        return self.consortium.functions.appointOfficer(officer, self.code(bank))

    # ------------------------------------------------------------ what the members work with

    def publish(self, document: bytes) -> bytes:
        """Publish an encoding policy and return its hash."""
        self.govern(self.consortium.functions.publishPolicy(document))
        return hashlib.sha256(document).digest()

    def ceremony(
        self, epoch: int, holders: Sequence[str], threshold: int = 1, dealers: Sequence[int] = ()
    ) -> Any:
        """A call that starts a ceremony; each holder has a new encryption key in each."""
        self.ceremonies += 1
        number = self.ceremonies.to_bytes(4, "big")
        named = [(account, hashlib.sha256(account.encode() + number).digest()) for account in holders]
        return self.pseudonyms.functions.startCeremony(epoch, threshold, named, list(dealers))

    def make_key(self, epoch: int, holders: Sequence[str], threshold: int = 1) -> int:
        """Run a whole ceremony for a new key; return its number."""
        self.govern(self.ceremony(epoch, holders, threshold))
        functions = self.pseudonyms.functions
        number = int(functions.ceremonyCount().call())
        for account in holders:
            self.do(functions.commit(number, hashlib.sha256(account.encode()).digest()), account)
        for account in holders:
            self.do(functions.deal(number, account.encode()), account)
        for account in holders:
            self.do(functions.confirm(number, b"p" * 32, [b"s" * 32] * len(holders)), account)
        return number

    def open_epoch(self, epoch: int, starts_at: int = 0) -> None:
        """Let one holder make the key of an epoch, and open it."""
        self.make_key(epoch, self.holders[:1])
        self.govern(self.pseudonyms.functions.openEpoch(epoch, starts_at))

    def post(
        self, bank: str, header: tuple[Any, ...], payload: bytes = b"sealed", *, signer: str | None = None
    ) -> Any:
        """A call that posts a batch; `header` is sequence, previous hash, epoch, policy, row count, root."""
        names = ("sequence", "previousHash", "epoch", "policyHash", "rowCount", "rowsRoot")
        values = {"version": 2, "suite": 1, "member": bytes.fromhex(bank[2:])}
        values |= dict(zip(names, header, strict=True))
        signature = sign_typed(self.domain(self.ledger), BATCH_HEADER, values, self.key(signer or bank))
        return self.ledger.functions.post(header, signature, payload)

    def _decoded(self, raw: bytes) -> tuple[str, tuple[Any, ...]]:
        for contract in self.contracts.values():
            for entry in contract.abi:
                if entry["type"] != "error":
                    continue
                types = [item["type"] for item in entry["inputs"]]
                if Web3.keccak(text=f"{entry['name']}({','.join(types)})")[:4] == raw[:4]:
                    values = zip(types, decode(types, raw[4:]), strict=True)
                    return entry["name"], tuple(
                        Web3.to_checksum_address(value) if kind == "address" else value
                        for kind, value in values
                    )
        raise AssertionError(f"no contract has an error {raw[:4].hex()}")

"""A deployed consortium on py-evm behind web3's tester provider; every test starts from the same snapshot."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from eth_abi import decode
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from web3 import EthereumTesterProvider, Web3
from web3.contract import Contract
from web3.types import TxReceipt

from contracts.artifacts import CONTRACTS, load
from ledger.typed_data import ADMISSION, BATCH_HEADER, KEY_CHANGE, Domain, sign_typed

GAS = 8_000_000
X25519_KEY = b"x" * 32
HPKE_KEY = b"h" * 32
WITNESS_KEY = b"w" * 32
GENESIS_HASH = b"g" * 32
KEYS = {"x25519Key": X25519_KEY, "hpkeKey": HPKE_KEY, "witnessKey": WITNESS_KEY}


@dataclass
class World:
    """The four contracts, the accounts that act on them, and how to act."""

    tester: EthereumTester
    web3: Web3
    contracts: dict[str, Contract] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    _read: dict[tuple[bytes, str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        accounts = self.web3.eth.accounts
        self.web3.eth.default_account = accounts[0]  # or web3 asks for all accounts before each call
        self.operator = accounts[0]
        self.banks = accounts[1:4]
        self.officers = accounts[4:7]
        self.desk, self.auditor, self.stranger = accounts[7:10]
        for name in CONTRACTS:
            artifact = load(name)
            arguments = (
                (self.contracts["Consortium"].address,) if self.contracts else (self.operator, GENESIS_HASH)
            )
            factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
            receipt = self.do(factory.constructor(*arguments), self.operator)
            self.contracts[name] = self.web3.eth.contract(receipt["contractAddress"], abi=artifact.abi)
        self.consortium = self.contracts["Consortium"]
        self.ledger = self.contracts["BatchLedger"]
        self.rules = self.contracts["RuleBook"]
        self.cases = self.contracts["CaseLog"]

    def do(self, call: Any, sender: str) -> TxReceipt:
        """Send a transaction that must succeed."""
        receipt = self.web3.eth.get_transaction_receipt(call.transact({"from": sender, "gas": GAS}))
        assert receipt["status"] == 1
        return receipt

    def refuses(self, call: Any, sender: str, error: str, *args: Any) -> None:
        """Check that a transaction fails with exactly this error and leaves no event."""
        with pytest.raises(TransactionFailed) as caught:
            call.call({"from": sender, "gas": GAS})
        assert self._decoded(str(caught.value)) == (error, args)
        receipt = self.web3.eth.get_transaction_receipt(call.transact({"from": sender, "gas": GAS}))
        assert receipt["status"] == 0
        assert receipt["logs"] == []

    def events(self, contract: Contract, name: str) -> list[dict[str, Any]]:
        """All events of one name, in chain order; a block of a known hash is not read again."""
        chain, found = self.tester.backend.chain, []
        for block in range(self.web3.eth.block_number + 1):
            key = (chain.get_canonical_block_header_by_number(block).hash, contract.address, name)
            if key not in self._read:
                logs = contract.events[name]().get_logs(from_block=block, to_block=block)
                self._read[key] = [dict(entry["args"]) for entry in logs]
            found += self._read[key]
        return found

    def grant(self, role: str, account: str) -> None:
        """Let the operator, who is admin, grant a role."""
        role_id = self.consortium.functions[role]().call()
        self.do(self.consortium.functions.grantRole(role_id, account), self.operator)

    def key(self, account: str) -> bytes:
        """The private key of one of the tester's accounts, or of an account in `keys`."""
        if account in self.keys:
            return self.keys[account]
        return bytes(self.tester.backend._key_lookup[bytes.fromhex(account[2:])].to_bytes())

    def domain(self, contract: Contract) -> Domain:
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
        self, bank: str, new: str, *, signers: tuple[str, str] | None = None, **keys: bytes
    ) -> Any:
        """A call that replaces a bank's account and keys, signed by both accounts or by two others."""
        stated = KEYS | keys
        values = {"account": bytes.fromhex(bank[2:]), "newAccount": bytes.fromhex(new[2:]), **stated}
        domain = self.domain(self.consortium)
        signatures = [
            sign_typed(domain, KEY_CHANGE, values, self.key(account)) for account in signers or (bank, new)
        ]
        return self.consortium.functions.changeKeys(bank, new, *stated.values(), *signatures)

    def post(
        self, bank: str, header: tuple[Any, ...], payload: bytes = b"sealed", *, signer: str | None = None
    ) -> Any:
        """A call that posts a batch; `header` is sequence, previous hash, epoch, policy, row count, root."""
        names = ("sequence", "previousHash", "epoch", "policyHash", "rowCount", "rowsRoot")
        values = {"version": 2, "suite": 1, "member": bytes.fromhex(bank[2:])}
        values |= dict(zip(names, header, strict=True))
        signature = sign_typed(self.domain(self.ledger), BATCH_HEADER, values, self.key(signer or bank))
        return self.ledger.functions.post(header, signature, payload)

    def admit(self, bank: str, agent: str) -> int:
        """Admit a bank and return its code."""
        self.do(self.admission(bank, agent), self.operator)
        return int(self.consortium.functions.requireActive(bank).call())

    def publish(self, document: bytes) -> bytes:
        """Publish an encoding policy and return its hash."""
        self.do(self.consortium.functions.publishPolicy(document), self.operator)
        return hashlib.sha256(document).digest()

    def open_epoch(self, epoch: int, starts_at: int = 0) -> None:
        """Open an epoch of the pseudonym key."""
        self.do(self.consortium.functions.openEpoch(epoch, starts_at, b"p" * 32, []), self.operator)

    def _decoded(self, message: str) -> tuple[str, tuple[Any, ...]]:
        raw = ast.literal_eval(message.removeprefix("execution reverted: "))
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


@pytest.fixture(scope="session")
def deployed() -> World:
    tester = EthereumTester(PyEVMBackend())
    return World(tester, Web3(EthereumTesterProvider(tester)))


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    """The contracts as deployed, with nothing done to them."""
    snapshot = deployed.tester.take_snapshot()
    yield deployed
    deployed.tester.revert_to_snapshot(snapshot)


@pytest.fixture(scope="session")
def staff(deployed: World) -> int:
    """A snapshot: two banks admitted, roles granted, epoch 1 open, one policy published."""
    before = deployed.tester.take_snapshot()
    deployed.admit(deployed.banks[0], "ALPHDEFF")
    deployed.admit(deployed.banks[1], "BETAFRPP")
    for officer in deployed.officers:
        deployed.grant("OFFICER_ROLE", officer)
    deployed.grant("DESK_ROLE", deployed.desk)
    deployed.grant("AUDITOR_ROLE", deployed.auditor)
    deployed.open_epoch(1)
    deployed.publish(b'{"policy":1}')
    made = deployed.tester.take_snapshot()
    deployed.tester.revert_to_snapshot(before)
    return int(made)


@pytest.fixture
def staffed(world: World, staff: int) -> World:
    """The contracts with members, roles, an epoch and a policy, and nothing else done to them."""
    world.tester.revert_to_snapshot(staff)
    return world

"""``python -m bench.gas``: gas of every function of the contracts, on a chain with the Prague rules.

Gas depends on the rules and the bytes, not on the machine, so the table is the same everywhere, except for
the number of zero bytes in random data. The floor is the minimum gas of the calldata (EIP-7623). A posted
batch costs exactly the floor, so its gas depends only on its bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3

from cli.output import say, show_table
from contracts.artifacts import CONTRACTS, TAKES, load
from counterfoil.processes import ensure_chain, stop
from ledger.batch import BatchHeader
from ledger.home import Home
from ledger.typed_data import ADMISSION, KEY_CHANGE, Domain, sign_typed
from localchain.admission import calldata_floor
from localchain.faucet import fund

ZERO = bytes(32)
KEY = b"k" * 32
_KEYS = {"x25519Key": KEY, "hpkeKey": KEY, "witnessKey": KEY}

#: Bytes of one packed row, and of an envelope around them for one reader (see docs/formats.md).
ROW, ENVELOPE = 144, 2 + 112 + 32 + 4 + 16


@dataclass
class Meter:
    """Sends calls and records the gas of each."""

    url: str
    chain_id: int
    addresses: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[str, str, int, int, int, str]] = field(default_factory=list)
    nonces: dict[bytes, int] = field(default_factory=dict)
    proposals: int = 0

    def ask(self, method: str, *params: Any) -> Any:
        """Call a method of the node."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())["result"]

    def domain(self, contract: str) -> Domain:
        """Return the domain of the signatures that are made for a contract."""
        return Domain(self.chain_id, bytes.fromhex(self.addresses[contract][2:]), ZERO)

    def deploy(self, key: bytes, name: str, *arguments: Any) -> None:
        """Deploy a contract."""
        artifact = load(name)
        data = Web3().eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*arguments)
        receipt = self._send(key, None, bytes.fromhex(data.data_in_transaction[2:]))
        self.addresses[name] = Web3.to_checksum_address(receipt["contractAddress"])
        self._note(name, "deployment", len(artifact.bytecode), 0, receipt)

    def call(
        self, key: bytes, contract: str, function: str, *arguments: Any, note: str | None = None
    ) -> None:
        """Call a function; if `note` is given, add its gas to the table."""
        data = self.encoded(contract, function, *arguments)
        receipt = self._send(key, self.addresses[contract], data)
        if note is not None:
            name = f"{function}{': ' if note else ''}{note}"
            self._note(contract, name, len(data), calldata_floor(data), receipt)

    def prepare(self, key: bytes, contract: str, function: str, *arguments: Any, note: str | None) -> None:
        """Let the founder make a call; the gas is that of the whole step."""
        call = self.addresses[contract], self.encoded(contract, function, *arguments)
        told = None if note is None else f"{contract}.{function}{', ' if note else ''}{note}"
        self.call(key, "Consortium", "prepare", [call], note=told)

    def decide(
        self, first: bytes, second: bytes, contract: str, function: str, *arguments: Any, noted: bool = False
    ) -> None:
        """Let two members propose, approve and execute a call."""
        calls = [(self.addresses[contract], self.encoded(contract, function, *arguments))]
        digest = Web3.keccak(Web3().codec.encode(["(address,bytes)[]"], [calls]))
        self.proposals += 1
        told = f"{contract}.{function}" if noted else None
        self.call(first, "Consortium", "propose", calls, "title", note=told)
        if first != second and function != "pause":
            self.call(second, "Consortium", "approve", self.proposals, digest, note=told and "the last")
        self.call(first, "Consortium", "execute", self.proposals, calls, note=told)

    def digest(self) -> bytes:
        """Return the digest that founding members confirm."""
        data = "0x" + self.encoded("Consortium", "foundingDigest").hex()
        return bytes.fromhex(self.ask("eth_call", {"to": self.addresses["Consortium"], "data": data})[2:])

    @staticmethod
    def encoded(contract: str, function: str, *arguments: Any) -> bytes:
        """Return the calldata of a call."""
        encoder = Web3().eth.contract(abi=load(contract).abi)
        return bytes.fromhex(encoder.encode_abi(function, args=list(arguments))[2:])

    def _send(self, key: bytes, to: str | None, data: bytes) -> dict[str, Any]:
        nonce = self.nonces.get(key, 0)
        fields = {
            "data": data,
            "value": 0,
            "nonce": nonce,
            "chainId": self.chain_id,
            "gas": 9_000_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 1,
        } | ({"to": to} if to else {})
        raw = Account.sign_transaction(fields, key).raw_transaction
        self.nonces[key] = nonce + 1
        receipt: dict[str, Any] = self.ask(
            "eth_getTransactionReceipt", self.ask("eth_sendRawTransaction", "0x" + raw.hex())
        )
        return receipt

    def _note(self, contract: str, what: str, size: int, floor: int, receipt: dict[str, Any]) -> None:
        outcome = "done" if receipt["status"] == "0x1" else "reverted"
        self.rows.append((contract, what, size, floor, int(receipt["gasUsed"], 16), outcome))


def payload(rows: int) -> bytes:
    """Return random bytes, as many as this number of rows has when sealed to one reader."""
    return os.urandom(ENVELOPE + ROW * rows)


def measure(meter: Meter, keys: Sequence[bytes]) -> None:
    """Call every function once, mostly in the order in which a consortium calls them."""
    founder, author, second, third, desk, bank, other, holder = keys
    address = {key: Account.from_key(key).address for key in keys}
    rules, limits = (67, 34, 0, 86_400), (10**9, 10**6, 10**9)
    for name in CONTRACTS:
        taken = [meter.addresses[contract] for contract in TAKES.get(name, ())]
        meter.deploy(founder, name, *(taken or (address[founder], ZERO, rules, limits)))
    meter.prepare(founder, "Consortium", "grantRole", Web3.keccak(text="DESK_ROLE"), address[desk], note="")
    reader = hashlib.sha256(KEY).digest()
    meter.prepare(founder, "Consortium", "addReader", reader, KEY, 24_315, "desk", note="")
    policy = os.urandom(2_000)
    meter.prepare(founder, "Consortium", "publishPolicy", policy, note="2 kB")
    _ceremony(meter, founder, holder)
    for key, agent, note in ((bank, "ALFADEFF", ""), (other, "BRAVFRPP", None)):
        account = bytes.fromhex(address[key][2:])
        signed = sign_typed(
            meter.domain("Consortium"), ADMISSION, {"account": account, "agent": agent, **_KEYS}, key
        )
        meter.prepare(
            founder, "Consortium", "admitMember", address[key], agent, *_KEYS.values(), signed, note=note
        )
    for key, code in ((author, 1), (second, 1), (third, 2)):
        note = "" if key == author else None
        meter.prepare(founder, "Consortium", "appointOfficer", address[key], code, note=note)
    for key in (bank, other):
        meter.call(
            key, "Consortium", "confirmFounding", meter.digest(), note="the last" if key == other else ""
        )
    meter.call(bank, "EvaluationLog", "request", 1, 65_536, KEY, note="any count")
    _change_of_keys(meter, bank, other, _KEYS | {"witnessKey": b"w" * 32})
    _posts(meter, bank, other, hashlib.sha256(policy).digest())
    meter.decide(bank, other, "Consortium", "removeReader", reader)
    meter.decide(bank, other, "EvaluationLog", "grant", 1, 1_000)
    _rules(meter, author, second, third)
    for count in (1, 10, 50):
        entries = [(1, KEY, os.urandom(32), os.urandom(1_500)) for _ in range(count)]
        meter.call(desk, "CaseLog", "append", entries, note=f"{count} of 1.5 kB")


def _ceremony(meter: Meter, founder: bytes, holder: bytes) -> None:
    """Let one holder go through all rounds; the contract does not look into a contribution."""
    named = [(Account.from_key(holder).address, KEY)]
    contribution = os.urandom(600)
    meter.prepare(founder, "PseudonymKeys", "startCeremony", 1, 1, named, [], note="one holder")
    meter.call(holder, "PseudonymKeys", "commit", 1, hashlib.sha256(contribution).digest(), note="")
    meter.call(holder, "PseudonymKeys", "deal", 1, contribution, note="600 bytes, for five holders")
    meter.call(holder, "PseudonymKeys", "confirm", 1, KEY, [KEY], note="the last of one")
    meter.prepare(founder, "PseudonymKeys", "openEpoch", 1, 0, note="")


def _change_of_keys(meter: Meter, bank: bytes, other: bytes, keys_of: dict[str, bytes]) -> None:
    address = Account.from_key(bank).address
    account = bytes.fromhex(address[2:])
    values = {"account": account, "newAccount": account, **keys_of, "nonce": 0}
    signed = sign_typed(meter.domain("Consortium"), KEY_CHANGE, values, bank)
    arguments = (address, address, *keys_of.values(), signed, signed)
    meter.decide(bank, other, "Consortium", "changeKeys", *arguments, noted=True)


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def _posts(meter: Meter, bank: bytes, other: bytes, policy: bytes) -> None:
    address = Account.from_key(bank).address
    head, sequence = ZERO, 0

    def post(rows: int, note: str, *, first: int | None = None) -> None:
        nonlocal head, sequence
        number = sequence if first is None else first
        before, content = len(meter.rows), payload(rows)
        header = BatchHeader(
            chain_id=meter.chain_id,
            contract=bytes.fromhex(meter.addresses["BatchLedger"][2:]),
            member=bytes.fromhex(address[2:]),
            sequence=number,
            previous_hash=head,
            epoch=1,
            policy_hash=policy,
            row_count=rows,
            rows_root=KEY,
        )
        arguments = ((number, head, 1, policy, rows, KEY), header.sign(ZERO, bank), content)
        meter.call(bank, "BatchLedger", "post", *arguments, note=note)
        if meter.rows[before][-1] == "done":
            head, sequence = header.hash, sequence + 1

    post(1, "1 row, the member's first")
    for rows in (1, 100, 800):
        post(rows, _rows(rows))
    for rows in (1, 800):
        post(rows, f"{_rows(rows)}, wrong sequence", first=99)
    meter.decide(bank, other, "Consortium", "pause")
    for rows in (1, 800):
        post(rows, f"{_rows(rows)}, paused")
    meter.decide(bank, other, "Consortium", "unpause")
    meter.call(bank, "Consortium", "suspendMember", address, note="itself")
    for rows in (1, 800):
        post(rows, f"{_rows(rows)}, suspended")
    meter.decide(other, other, "Consortium", "reinstateMember", address)


def _rules(meter: Meter, author: bytes, second: bytes, third: bytes) -> None:
    documents = [os.urandom(10_000) for _ in range(3)]
    names = [hashlib.sha256(document).digest() for document in documents]
    meter.call(author, "RuleBook", "propose", documents[0], [KEY], note="10 kB, one rule")
    meter.call(second, "RuleBook", "approve", names[0], [KEY], note="first officer")
    meter.call(third, "RuleBook", "approve", names[0], [KEY], note="second officer, nothing in force")
    meter.call(author, "RuleBook", "draft", documents[1], ZERO, [], note="10 kB")
    meter.call(author, "RuleBook", "recordBacktest", names[1], os.urandom(2_000), note="2 kB")
    meter.call(author, "RuleBook", "submit", names[1], note="")
    meter.call(second, "RuleBook", "approve", names[1], [])
    meter.call(third, "RuleBook", "approve", names[1], [], note="second officer, supersedes")
    meter.call(author, "RuleBook", "propose", documents[2], [])
    meter.call(author, "RuleBook", "withdraw", names[2], note="")
    meter.call(second, "RuleBook", "withdrawActive", names[1], note="first officer")
    meter.call(third, "RuleBook", "withdrawActive", names[1], note="second officer")


def main() -> None:
    """Measure on a fresh chain and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.gas", description=__doc__)
    parser.add_argument(
        "--markdown", type=Path, help="write the table to this file, in the format of docs/contracts.md"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        home = Home(Path(folder))
        url, pid = ensure_chain(home)
        try:
            keys = [bytes(Account.create().key) for _ in range(8)]
            fund(url, home.chain, [Account.from_key(key).address for key in keys], 1_000, deployer=True)
            meter = Meter(url, 20_261)
            measure(meter, keys)
        finally:
            if pid is not None:
                stop(pid)
    columns = ["contract", "call", "calldata bytes", "floor", "gas used", "outcome"]
    show_table("Gas (Prague)", columns, meter.rows)
    if options.markdown:
        cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in meter.rows]
        lines = ["| " + " | ".join(row) + " |" for row in [columns, ["---"] * len(columns), *cells]]
        options.markdown.write_text("\n".join(lines) + "\n", "utf-8")
    say(f"{len(meter.rows)} calls measured.")


if __name__ == "__main__":
    main()

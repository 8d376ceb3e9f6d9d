"""``python -m bench.gas``: gas of the functions of the contracts, on a chain with the Prague rules.

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

from eth_abi import encode
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
    digest: bytes = ZERO
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
        encoder = Web3().eth.contract(abi=load(contract).abi)
        data = bytes.fromhex(encoder.encode_abi(function, args=list(arguments))[2:])
        receipt = self._send(key, self.addresses[contract], data)
        if note is not None:
            name = f"{function}{': ' if note else ''}{note}"
            self._note(contract, name, len(data), calldata_floor(data), receipt)

    def prepare(self, founder: bytes, calls: Sequence[tuple[Any, ...]], *, note: str | None = None) -> None:
        """Let the founder make calls, each of them contract, function and arguments."""
        given = self._calls(calls)
        self.digest = Web3.keccak(encode(["bytes32", "(address,bytes)[]"], [self.digest, given]))
        self.call(founder, "Consortium", "prepare", given, note=note)

    def govern(
        self, members: Sequence[bytes], calls: Sequence[tuple[Any, ...]], *, note: str | None = None
    ) -> None:
        """Let members propose and approve calls; without a delay they can be made at once."""
        given = self._calls(calls)
        self.proposals += 1
        calls_hash = Web3.keccak(encode(["(address,bytes)[]"], [given]))
        self.call(members[0], "Consortium", "propose", given, "a line for people", note=note)
        for member in members[1:]:
            self.call(member, "Consortium", "approve", self.proposals, calls_hash, note=note)
        self.call(members[0], "Consortium", "execute", self.proposals, given, note=note)

    def _calls(self, calls: Sequence[tuple[Any, ...]]) -> list[tuple[str, bytes]]:
        encoders = {name: Web3().eth.contract(abi=load(name).abi) for name, *_ in calls}
        return [
            (self.addresses[name], bytes.fromhex(encoders[name].encode_abi(function, args=arguments)[2:]))
            for name, function, *arguments in calls
        ]

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
    """Call nearly every function, mostly in the order in which a consortium calls them."""
    founder, author, second, third, desk, bank, other = keys
    address = {key: Account.from_key(key).address for key in keys}
    rules, limits = (51, 33, 0, 86_400), (10**6, 1_000, 10**7)
    for name in CONTRACTS:
        taken = [meter.addresses[contract] for contract in TAKES.get(name, ())]
        meter.deploy(founder, name, *(taken or (address[founder], ZERO, rules, limits)))
    start = ["uint256", "address", "bytes32", "(uint8,uint8,uint32,uint32)", "(uint64,uint32,uint32)"]
    consortium = meter.addresses["Consortium"]
    meter.digest = Web3.keccak(encode(start, [meter.chain_id, consortium, ZERO, rules, limits]))
    reader, policy = hashlib.sha256(KEY).digest(), os.urandom(2_000)
    admissions = [_admission(meter, key, f"BANK{i}") for i, key in enumerate((bank, other))]
    meter.prepare(founder, admissions[:1], note="a member")
    meter.prepare(founder, admissions[1:])
    for officer, code in ((author, 1), (second, 1), (third, 2)):
        note = "an officer" if officer == author else None
        meter.prepare(founder, [("Consortium", "appointOfficer", address[officer], code)], note=note)
    role = Web3.keccak(text="DESK_ROLE")
    meter.prepare(founder, [("Consortium", "grantRole", role, address[desk])], note="the role of the desk")
    meter.prepare(founder, [("Consortium", "addReader", reader, KEY, 24_315, "desk")], note="a reader")
    meter.prepare(founder, [("Consortium", "publishPolicy", policy)], note="a policy of 2 kB")
    _ceremony(meter, founder, keys[:5])
    meter.prepare(founder, [("PseudonymKeys", "openEpoch", 1, 0)], note="an epoch")
    for member in (bank, other):
        note = "the last member" if member == other else "the first member"
        meter.call(member, "Consortium", "confirmFounding", meter.digest, note=note)
    both = (bank, other)
    meter.govern(both, [_change_of_keys(meter, bank)], note="change of keys")
    meter.govern(both, [("EvaluationLog", "grant", 1, 10**6)])
    meter.call(bank, "EvaluationLog", "request", 1, 800, KEY, note="")
    _posts(meter, both, hashlib.sha256(policy).digest())
    meter.govern(both, [("Consortium", "removeReader", reader)])
    _rules(meter, author, second, third)
    for count in (1, 10, 50):
        entries = [(1, KEY, os.urandom(32), os.urandom(1_500)) for _ in range(count)]
        meter.call(desk, "CaseLog", "append", entries, note=f"{count} of 1.5 kB, by the desk")
    for count in (1, 10):
        entries = [(5, KEY, os.urandom(32), os.urandom(1_500)) for _ in range(count)]
        meter.call(bank, "CaseLog", "append", entries, note=f"{count} of 1.5 kB, by a member")
    meter.govern(both, [("Consortium", "revokeMember", address[bank])], note="the end of a membership")


def _admission(meter: Meter, bank: bytes, agent: str) -> tuple[Any, ...]:
    address = Account.from_key(bank).address
    keys_of = {"x25519Key": KEY, "hpkeKey": KEY, "witnessKey": KEY}
    values = {"account": bytes.fromhex(address[2:]), "agent": agent, **keys_of}
    signed = sign_typed(meter.domain("Consortium"), ADMISSION, values, bank)
    return ("Consortium", "admitMember", address, agent, *keys_of.values(), signed)


def _ceremony(meter: Meter, founder: bytes, holders: Sequence[bytes]) -> None:
    """Measure a ceremony of five holders, three of whom must answer."""
    named = [(Account.from_key(key).address, hashlib.sha256(key).digest()) for key in holders]
    call = ("PseudonymKeys", "startCeremony", 1, 3, named, [])
    meter.prepare(founder, [call], note="a ceremony of five holders")
    contribution = os.urandom(1_000)
    steps: tuple[tuple[str, tuple[Any, ...], str], ...] = (
        ("commit", (hashlib.sha256(contribution).digest(),), ""),
        ("deal", (contribution,), "1 kB"),
        ("confirm", (KEY, [KEY] * len(holders)), "five holders"),
    )
    for function, arguments, note in steps:
        for key in holders:
            last = note if key == holders[-1] else None
            meter.call(key, "PseudonymKeys", function, 1, *arguments, note=last)


def _change_of_keys(meter: Meter, bank: bytes) -> tuple[Any, ...]:
    address = Account.from_key(bank).address
    account = bytes.fromhex(address[2:])
    keys_of = {"x25519Key": KEY, "hpkeKey": KEY, "witnessKey": b"w" * 32}
    values = {"account": account, "newAccount": account, **keys_of, "nonce": 0}
    signed = sign_typed(meter.domain("Consortium"), KEY_CHANGE, values, bank)
    return ("Consortium", "changeKeys", address, address, *keys_of.values(), signed, signed)


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def _posts(meter: Meter, members: tuple[bytes, bytes], policy: bytes) -> None:
    bank, other = members
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
    meter.call(bank, "Consortium", "suspendMember", address, note="itself")
    for rows in (1, 800):
        post(rows, f"{_rows(rows)}, suspended")
    meter.govern([other], [("Consortium", "reinstateMember", address)], note="a member again")
    meter.govern([other], [("Consortium", "pause")], note="a pause")
    for rows in (1, 800):
        post(rows, f"{_rows(rows)}, paused")
    meter.govern(members, [("Consortium", "unpause")])


def _rules(meter: Meter, author: bytes, second: bytes, third: bytes) -> None:
    documents = [os.urandom(10_000) for _ in range(3)]
    names = [hashlib.sha256(document).digest() for document in documents]
    rules = [[hashlib.sha256(name + bytes([i])).digest() for i in range(20)] for name in names]
    meter.call(author, "RuleBook", "propose", documents[0], rules[0], note="10 kB, 20 rules")
    meter.call(second, "RuleBook", "approve", names[0], rules[0], note="first officer")
    meter.call(third, "RuleBook", "approve", names[0], rules[0], note="second officer, nothing in force")
    meter.call(author, "RuleBook", "draft", documents[1], ZERO, rules[1], note="10 kB, 20 rules")
    meter.call(author, "RuleBook", "recordBacktest", names[1], os.urandom(2_000), note="2 kB")
    meter.call(author, "RuleBook", "submit", names[1], note="")
    meter.call(second, "RuleBook", "approve", names[1], rules[1])
    meter.call(third, "RuleBook", "approve", names[1], rules[1], note="second officer, supersedes")
    meter.call(author, "RuleBook", "propose", documents[2], rules[2])
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
            keys = [bytes(Account.create().key) for _ in range(7)]
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

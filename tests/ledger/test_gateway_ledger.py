"""The ledger log from the chain: the same entries for everyone, in chain order, and none left out unseen."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from eth_abi import decode, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web3 import Web3

from contracts.artifacts import load
from ledger.entries import (
    Admission,
    CaseAnchor,
    EpochOpening,
    KeyChange,
    KeyShares,
    Posting,
    StandingChange,
    parse_entry,
)
from ledger.errors import ChainError
from ledger.gateway import Gateway
from ledger.log.follow import ChainLogs
from ledger.signing import new_key
from localchain.faucet import fund
from tests.support.consortium import ChainProcess, Poster, SmallConsortium, founded
from tests.support.hostile_node import HostileNode, hostile_node

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
BANKS = ("ALFADEFF", "BRAVFRPP")


def append(made: SmallConsortium, *contents: bytes) -> None:
    """Let the desk append notes to the case log."""
    entries = [(6, bytes(32), sha256(content).digest(), content) for content in contents]
    made.gateway.transact(made.desk_keys.account, "CaseLog", "append", entries)


@pytest.fixture(scope="module")
def lived(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """A consortium in which everything has happened that the ledger log knows."""
    made = founded(chain, tmp_path_factory.mktemp("lived"), banks=BANKS)
    first, second = (Poster(made, bank) for bank in BANKS)
    for poster in (first, second):
        poster.fill(30, start=START)
        poster.seal(rows_per_batch=10)
        poster.post()
        append(made, poster.agent.encode(), poster.agent.encode() * 2)
    first.operate("suspendMember", first.keys.address)
    first.operate("reinstateMember", first.keys.address)
    changed = replace(first.keys, account=new_key())
    fund(made.url, made.home.chain, [changed.address], 1_000)
    made.change_keys(first.agent, changed)
    first.fill(10, start=START, first=100)
    first.seal()
    first.post()
    second.operate("revokeMember", second.keys.address)
    return made


def derived(gateway: Gateway) -> list[bytes]:
    return list(gateway.ledger_entries(gateway.deployment.block, gateway.height()))


# ---------------------------------------------------------------- derived again, without the gateway


def ask(url: str, method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())["result"]


def events(contract: str) -> dict[str, dict[str, Any]]:
    """The events of a contract by their first topic."""
    entries = (entry for entry in load(contract).abi if entry["type"] == "event")
    return {"0x" + Web3.keccak(text=e["name"] + type_of(e["inputs"])).hex(): e for e in entries}


def type_of(inputs: list[dict[str, Any]]) -> str:
    """Return the type of a tuple, as the ABI specification names it."""
    parts = [
        type_of(i["components"]) + i["type"].removeprefix("tuple") if "components" in i else i["type"]
        for i in inputs
    ]
    return f"({','.join(parts)})"


def decoded(event: dict[str, Any], log: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an event, from its topics and its data."""
    named, plain = ([i for i in event["inputs"] if i["indexed"] is which] for which in (True, False))
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"][1:]]
    found = {i["name"]: decode([i["type"]], topic)[0] for i, topic in zip(named, topics, strict=True)}
    values = decode([type_of([i])[1:-1] for i in plain], bytes.fromhex(log["data"][2:]))
    return found | {i["name"]: value for i, value in zip(plain, values, strict=True)}


def u(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def account(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def made_anew(gateway: Gateway) -> list[bytes]:
    """The ledger log, from the node's raw answers and the format's description."""
    deployment, url = gateway.deployment, gateway.url
    known = {c: events(c) for c in ("Consortium", "PseudonymKeys", "BatchLedger", "CaseLog")}
    addresses = {deployment.contracts[c].lower(): c for c in known}
    span = {"fromBlock": hex(deployment.block), "toBlock": hex(gateway.height())}
    logs = [log for a in addresses for log in ask(url, "eth_getLogs", span | {"address": a})]
    logs.sort(key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))
    found = []
    for log in logs:
        event = known[addresses[log["address"].lower()]][log["topics"][0]]
        a = decoded(event, log)
        time = ask(url, "eth_getBlockByNumber", log["blockNumber"], False)["timestamp"]
        place = u(int(log["blockNumber"], 16), 8) + u(int(time, 16), 8)
        match event["name"]:
            case "MemberAdmitted":
                keys = a["x25519Key"] + a["hpkeKey"] + a["witnessKey"]
                parts = [
                    b"\1",
                    u(a["code"], 2),
                    account(a["account"]),
                    keys,
                    a["signature"],
                    a["agent"].encode(),
                ]
            case "MemberKeysChanged":
                keys = a["x25519Key"] + a["hpkeKey"] + a["witnessKey"]
                accounts = account(a["account"]) + account(a["newAccount"])
                parts = [b"\2", u(a["code"], 2), accounts, keys, u(a["nonce"], 8)]
                parts += [a["signature"], a["newSignature"]]
            case "BatchPosted":
                header = b"\2\1" + u(deployment.chain_id, 8) + account(deployment.contracts["BatchLedger"])
                header += account(a["member"]) + u(a["sequence"], 8) + a["previousHash"] + u(a["epoch"], 4)
                header += a["policyHash"] + u(a["rowCount"], 4) + a["rowsRoot"]
                assert sha256(header).digest() == a["batchHash"]
                parts = [b"\3", header, a["signature"], place]
            case "CaseEntryAppended":
                parts = [b"\4", u(a["index"], 8), u(a["kind"], 1), a["caseId"], a["contentHash"]]
                parts += [account(a["author"]), sha256(a["payload"]).digest(), a["head"], place]
            case "MemberSuspended" | "MemberReinstated" | "MemberRevoked" as change:
                status = {"MemberReinstated": 1, "MemberSuspended": 2, "MemberRevoked": 3}[change]
                parts = [b"\5", u(a["code"], 2), u(status, 1)]
            case "EpochOpened":
                parts = [b"\6", u(a["epoch"], 4), u(a["startsAt"], 8), u(a["ceremony"], 8), a["publicKey"]]
            case "CeremonyCompleted":
                parts = [b"\7", u(a["number"], 8), u(a["epoch"], 4), u(a["generation"], 4), a["publicKey"]]
                parts += a["shareCommitments"]
            case _:
                continue
        found.append(b"".join(parts))
    return found


def test_another_program_derives_the_same_entries(lived: SmallConsortium) -> None:
    assert derived(lived.gateway) == made_anew(lived.gateway)


def test_everything_that_happened_is_an_entry_in_its_place(lived: SmallConsortium) -> None:
    kinds = [type(parse_entry(entry)) for entry in derived(lived.gateway)]
    expected: list[type] = [KeyShares, EpochOpening, Admission, Admission]
    expected += 2 * [*3 * [Posting], CaseAnchor, CaseAnchor]
    expected += [StandingChange, StandingChange, KeyChange, Posting, StandingChange]
    assert kinds == expected


def test_posted_batches_are_entries_with_their_authors_signature(lived: SmallConsortium) -> None:
    gateway = lived.gateway
    postings = [e for e in map(parse_entry, derived(gateway)) if isinstance(e, Posting)]
    posted = list(gateway.batches(gateway.deployment.block, gateway.height()))
    assert [(p.header, p.signature, p.block) for p in postings] == [
        (b.header, b.signature, b.block) for b in posted
    ]
    for posting in postings:
        posting.header.check_author(posting.signature, gateway.deployment.genesis)
        assert posting.block_time == gateway.block_time(posting.block)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_it_does_not_matter_in_which_steps_the_chain_is_read(
    lived: SmallConsortium, data: st.DataObject
) -> None:
    gateway = lived.gateway
    first, last = gateway.deployment.block, gateway.height()
    cuts = sorted(data.draw(st.sets(st.integers(first, last - 1), max_size=6)))
    bounds = zip([first, *(cut + 1 for cut in cuts)], [*cuts, last], strict=True)
    assert [e for begin, end in bounds for e in gateway.ledger_entries(begin, end)] == derived(gateway)


# ---------------------------------------------------------------- a node that leaves something out


@pytest.fixture(scope="module")
def node(lived: SmallConsortium) -> Iterator[HostileNode]:
    with hostile_node(lived.url) as running:
        yield running


@pytest.fixture
def partial(node: HostileNode, lived: SmallConsortium) -> Iterator[Gateway]:
    yield Gateway(node.url, lived.gateway.deployment)
    node.change = None


def without(contract: str, gateway: Gateway, drop: Callable[[list[Any]], list[Any]]) -> Any:
    """Change the events of one contract."""
    address = gateway.deployment.contracts[contract].lower()

    def change(method: str, params: Any, result: Any) -> Any:
        asked = method == "eth_getLogs" and address in json.dumps(params[0]["address"]).lower()
        return drop(result) if asked else result

    return change


@pytest.mark.parametrize(
    ("contract", "told"), [("BatchLedger", "batch 1 of the log"), ("CaseLog", "entry 1 of the case log")]
)
def test_a_gap_is_missed(node: HostileNode, partial: Gateway, contract: str, told: str) -> None:
    node.change = without(contract, partial, lambda logs: [logs[0], *logs[2:]])
    with pytest.raises(ChainError, match=f"left out {told}"):
        derived(partial)


def test_a_signature_of_another_size_is_no_entry(node: HostileNode, partial: Gateway) -> None:
    event = next(e for e in events("BatchLedger").values() if e["name"] == "BatchPosted")
    types = [i["type"] for i in event["inputs"] if not i["indexed"]]

    def shorter(log: dict[str, Any]) -> dict[str, Any]:
        values = list(decode(types, bytes.fromhex(log["data"][2:])))
        return log | {"data": "0x" + encode(types, [*values[:-2], values[-2][:64], values[-1]]).hex()}

    node.change = without("BatchLedger", partial, lambda logs: [shorter(log) for log in logs])
    with pytest.raises(ChainError, match="a signature has 65 bytes, not 64"):
        derived(partial)


@pytest.mark.parametrize("contract", ["BatchLedger", "CaseLog"])
@pytest.mark.parametrize("drop", [lambda logs: logs[:-1], lambda logs: []], ids=["the last", "all"])
def test_what_is_left_out_at_the_end_is_missed_before_anything_is_written(
    node: HostileNode, partial: Gateway, tmp_path: Path, contract: str, drop: Callable[[list[Any]], list[Any]]
) -> None:
    """Two nodes behind one address, one of them behind: it answers, with fewer events."""
    with ChainLogs(tmp_path / "logs.sqlite", tmp_path / "ledger") as logs:
        node.change = without(contract, partial, drop)
        with pytest.raises(ChainError, match="left out entries of the ledger log") as caught:
            logs.follow(partial, partial.height())
        assert "another endpoint" in str(caught.value.next_step)
        assert (logs.size, (tmp_path / "ledger").exists()) == (0, False)
        node.change = None
        logs.follow(partial, partial.height())
        assert list(logs.tiles().entries()) == derived(partial)


def test_the_log_is_followed_from_before_all_contracts_stand(lived: SmallConsortium, tmp_path: Path) -> None:
    gateway = lived.gateway
    with ChainLogs(tmp_path / "logs.sqlite", tmp_path / "ledger") as logs:
        logs.follow(gateway, gateway.deployment.block)
        assert logs.size == 0
        logs.follow(gateway, gateway.height())
        assert list(logs.tiles().entries()) == derived(gateway)


def test_what_the_chain_says_of_an_account_is_what_the_bank_signed(lived: SmallConsortium) -> None:
    """Each account with its keys and signatures; a trust file that is made of them checks."""
    accounts = lived.gateway.accounts()
    assert [entry.agent for entry in accounts] == [*BANKS, BANKS[0]]
    assert accounts[2].previous == accounts[0].account
    entries = [parse_entry(e) for e in derived(lived.gateway)]
    admitted = {e.account: e for e in entries if isinstance(e, Admission)}
    assert {a.account: a.signature for a in accounts[:2]} == {a: e.signature for a, e in admitted.items()}
    (change,) = (e for e in entries if isinstance(e, KeyChange))
    assert (accounts[2].signature, accounts[2].new_signature) == (change.signature, change.new_signature)

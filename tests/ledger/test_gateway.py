"""The gateway: a wrong URL, another chain, another consortium, a refusal: each in its own words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from counterfoil import processes
from counterfoil.ceremonies import hold_ceremony
from counterfoil.founding import EpochStartError, activate_rules, open_epoch, publish_policy
from ledger.batch import BatchHeader
from ledger.encoding.policy import Policy
from ledger.errors import (
    ChainError,
    ChainUnreachableError,
    TransactionRejectedError,
    WrongChainError,
)
from ledger.gateway import Gateway
from ledger.home import Home
from ledger.signing import address_of
from localchain.faucet import fund
from tests.support.consortium import ChainProcess, SmallConsortium, founded

BANK = "ALFADEFF"


@pytest.fixture(scope="module")
def governed(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    return founded(chain, tmp_path_factory.mktemp("governed"))


# places that are not this consortium's


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://127.0.0.1:9/rpc", "http://nowhere.invalid:8545"]
)
def test_nothing_at_the_url_is_told_as_that(consortium: SmallConsortium, url: str) -> None:
    with pytest.raises(ChainUnreachableError, match="nothing answers JSON-RPC") as caught:
        Gateway(url, consortium.gateway.deployment, timeout=5)
    assert caught.value.where == url
    assert "chain start" in str(caught.value.next_step)
    assert "--chain" in str(caught.value.next_step)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/", "http://"])
def test_a_url_that_is_none_is_our_error(consortium: SmallConsortium, url: str) -> None:
    with pytest.raises(ChainError) as caught:
        Gateway(url, consortium.gateway.deployment, timeout=5)
    assert caught.value.where == url


@contextmanager
def answering(status: int, kind: str, body: bytes) -> Iterator[str]:
    """Serve one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", b"<html>welcome</html>"),
        (404, "text/html", b"not here"),
        (200, "application/json", b"{}"),
        (200, "application/json", b"[]"),
        (200, "application/json", b'{"jsonrpc":"2.0","id":0,"result":"0xzz"}'),
        (200, "application/json", b'{"jsonrpc":"2.0","id":0,"result":null}'),
        (
            200,
            "application/json",
            b'{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"no such method"}}',
        ),
    ],
)
def test_what_is_no_ethereum_node_is_our_error(
    consortium: SmallConsortium, status: int, kind: str, body: bytes
) -> None:
    with answering(status, kind, body) as url, pytest.raises(ChainError) as caught:
        Gateway(url, consortium.gateway.deployment, timeout=5)
    assert caught.value.where == url


def test_a_chain_of_another_id_is_named(consortium: SmallConsortium) -> None:
    deployment = replace(consortium.gateway.deployment, chain_id=1)
    with pytest.raises(WrongChainError, match="serves chain 20261, this consortium is on 1") as caught:
        Gateway(consortium.url, deployment)
    assert "--home" in str(caught.value.next_step)


def test_a_chain_with_the_same_id_and_another_genesis_is_named(
    consortium: SmallConsortium, tmp_path: Path
) -> None:
    """A second embedded chain: the same chain id, another beginning."""
    url, pid = processes.ensure_chain(Home(tmp_path))
    assert pid is not None
    try:
        with pytest.raises(WrongChainError, match="its genesis block differs"):
            Gateway(url, consortium.gateway.deployment)
    finally:
        processes.stop(pid)


@pytest.mark.parametrize("name", ["Consortium", "BatchLedger", "RuleBook", "CaseLog"])
def test_a_contract_that_does_not_stand_there_is_named(consortium: SmallConsortium, name: str) -> None:
    deployment = consortium.gateway.deployment
    nowhere = {**deployment.contracts, name: "0x" + "11" * 20}
    with pytest.raises(WrongChainError, match=f"there is no {name} contract at 0x1111") as caught:
        Gateway(consortium.url, replace(deployment, contracts=nowhere))
    assert "this is another chain" in str(caught.value)


def test_contracts_swapped_for_each_other_are_our_error(consortium: SmallConsortium) -> None:
    deployment = consortium.gateway.deployment
    swapped = {
        **deployment.contracts,
        "Consortium": deployment.contracts["CaseLog"],
        "CaseLog": deployment.contracts["Consortium"],
    }
    with pytest.raises(WrongChainError, match="contracts of this consortium"):
        Gateway(consortium.url, replace(deployment, contracts=swapped))


# refusals in words


def test_each_standing_is_refused_in_its_own_words(governed: SmallConsortium) -> None:
    gateway, address = governed.gateway, governed.keys["CHARUS33"].address
    header = BatchHeader(
        chain_id=gateway.deployment.chain_id,
        contract=gateway.deployment.address("BatchLedger"),
        member=bytes.fromhex(address[2:]),
        sequence=0,
        previous_hash=bytes(32),
        epoch=1,
        policy_hash=governed.policy.hash,
        row_count=1,
        rows_root=bytes(32),
    )
    signature = header.sign(gateway.deployment.genesis, governed.keys["CHARUS33"].account)
    stated = (0, bytes(32), 1, governed.policy.hash, 1, bytes(32))
    call = ("BatchLedger", "post", stated, signature, b"x")
    gateway.rehearse(address, *call)
    with pytest.raises(TransactionRejectedError, match="this account is not a member") as caught:
        gateway.rehearse(Account.create().address, *call)
    assert "ConsortiumNotMember" in str(caught.value.where)
    assert "admit" in str(caught.value.next_step)
    governed.operate("suspendMember", address)
    with pytest.raises(TransactionRejectedError, match="this member is suspended") as caught:
        gateway.rehearse(address, *call)
    assert "no data is lost" in str(caught.value.next_step)
    governed.operate("reinstateMember", address)
    gateway.rehearse(address, *call)
    governed.operate("pause")
    with pytest.raises(TransactionRejectedError, match="the consortium is paused") as caught:
        gateway.rehearse(address, *call)
    assert "same command again" in str(caught.value.next_step)
    governed.operate("unpause")
    governed.operate("revokeMember", address)
    with pytest.raises(TransactionRejectedError, match="this member was revoked") as caught:
        gateway.rehearse(address, *call)
    assert "can no longer post" in str(caught.value.next_step)
    assert gateway.member(address).status == "revoked"


def test_an_account_that_acts_alone_is_told_so(governed: SmallConsortium) -> None:
    with pytest.raises(TransactionRejectedError, match="only the members together") as caught:
        governed.gateway.transact(governed.keys[BANK].account, "Consortium", "pause")
    assert "Propose it" in str(caught.value.next_step)


def test_an_account_without_funds_is_refused_by_the_node(governed: SmallConsortium) -> None:
    poor = bytes(Account.create().key)
    signed = governed.gateway.sign(poor, "Consortium", "pause", nonce=0)
    (refusal,) = governed.gateway.send([signed.raw])
    assert refusal is not None
    assert "insufficient funds" in refusal


def test_transact_waits_for_its_block_and_raises_what_the_node_says(governed: SmallConsortium) -> None:
    gateway, account = governed.gateway, Account.create()
    call = gateway.call("Consortium", "grantRole", gateway.role("AUDITOR_ROLE"), account.address)
    key = governed.keys[BANK].account
    block = gateway.transact(key, "Consortium", "propose", [call.pair], "an auditor")
    assert block == gateway.height()
    fund(governed.url, governed.home.chain, [account.address], 1)
    with pytest.raises(TransactionRejectedError):
        gateway.transact(bytes(account.key), "Consortium", "unpause")


# what it reads


def test_members_are_read_as_the_contract_has_them(governed: SmallConsortium) -> None:
    members = governed.gateway.members()
    assert [m.code for m in members] == [1, 2, 3]
    assert [m.agent for m in members] == list(governed.banks)
    for member in members:
        assert governed.gateway.member(member.account) == member
        keys = governed.keys[member.agent]
        assert (member.x25519_key, member.hpke_key) == (keys.x25519_public, keys.hpke_public)
    assert governed.gateway.member(Account.create().address).status == "none"


def test_a_removed_reader_is_not_sealed_to(governed: SmallConsortium) -> None:
    (reader,) = governed.gateway.readers()
    assert (reader.label, reader.key_id) == ("desk", sha256(reader.hpke_key).digest())
    key = bytes(range(1, 33))
    governed.operate("addReader", sha256(key).digest(), key, 24_315, "supervisor")
    assert [r.label for r in governed.gateway.readers()] == ["desk", "supervisor"]
    governed.operate("removeReader", sha256(key).digest())
    assert governed.gateway.readers() == [reader]


def test_the_newest_policy_and_epoch_are_in_force_and_the_old_ones_readable(
    governed: SmallConsortium,
) -> None:
    later = publish_policy(governed.home, governed.gateway, cuts={"GBP": [500]}, rule_set=None)
    assert governed.gateway.active_policy() == later.document
    documents = governed.gateway.policies()
    assert list(documents) == [governed.policy.hash, later.hash]
    assert Policy.from_document(documents[governed.policy.hash]).cuts == {
        c: tuple(e) for c, e in governed.policy.cuts.items()
    }
    hold_ceremony(governed.home, governed.gateway, 7)
    open_epoch(governed.home, governed.gateway, 7)
    (made,) = [key for key in governed.gateway.epoch_keys() if key.number == 7]
    assert (governed.gateway.epoch().number, governed.gateway.epoch().public_key) == (7, made.public_key)


def test_an_epoch_opens_ahead_of_its_start_and_not_in_the_past(governed: SmallConsortium) -> None:
    gateway, number = governed.gateway, governed.gateway.epoch().number
    hold_ceremony(governed.home, gateway, number + 1)
    newest = datetime.fromtimestamp(gateway.block_time(gateway.height()), UTC)
    with pytest.raises(EpochStartError, match="would start in the past") as told:
        open_epoch(governed.home, gateway, number + 1, starts=newest - timedelta(seconds=1))
    assert "start in the future" in str(told.value.next_step)
    assert gateway.epoch().number == number
    start = (newest + timedelta(days=1)).replace(microsecond=0)
    open_epoch(governed.home, gateway, number + 1, starts=start)
    opened = gateway.epochs()[-1]
    assert (opened.number, opened.starts_at) == (number + 1, int(start.timestamp()))


def test_a_rule_set_is_active_after_two_officers_approved_it(governed: SmallConsortium) -> None:
    assert governed.gateway.active_rule_set() is None
    first, second = b'{"rules":[]}', b'{"rules":[1]}'
    gone = address_of(governed.officers[2])  # the officer of a bank that was revoked above
    governed.operate("dismissOfficer", gone)
    governed.operate("appointOfficer", gone, 1)
    activate_rules(governed.home, governed.gateway, first)
    activate_rules(governed.home, governed.gateway, second)
    active = governed.gateway.active_rule_set()
    assert active is not None
    assert (active.document, active.version) == (second, 2)
    assert [r.document for r in governed.gateway.rule_sets()] == [first, second]


def test_an_unfinished_consortium_says_what_is_missing(chain: ChainProcess, tmp_path: Path) -> None:
    from counterfoil.founding import found

    home = Home(tmp_path)
    home.chain.symlink_to(chain.folder)
    gateway = found(home, chain.url)
    with pytest.raises(ChainError, match="no encoding policy is published yet"):
        gateway.active_policy()
    with pytest.raises(ChainError, match="no epoch of the pseudonym key is open yet"):
        gateway.epoch()
    assert (gateway.members(), gateway.log_size()) == ([], 0)


def test_batches_of_a_range_are_those_of_its_blocks(consortium: SmallConsortium) -> None:
    gateway = consortium.gateway
    every = list(gateway.batches(gateway.deployment.block, gateway.height()))
    for block in {b.block for b in every}:
        assert list(gateway.batches(block, block)) == [b for b in every if b.block == block]
    assert all(b.header.hash == b.batch_hash for b in every)
    assert len(every) == gateway.log_size()
    assert gateway.log_size(gateway.deployment.block + 4) == 0

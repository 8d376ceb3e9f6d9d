"""Hostile batches on the real chain: each is named, counted and kept apart, and the good ones go on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from eth_account import Account

from counterfoil import processes
from counterfoil.governance import Governance
from ledger.audit.fsck import fsck
from ledger.batch import BatchHeader
from ledger.commitment import merkle
from ledger.encoding.rows import ROW
from ledger.envelope import generate_keypair, key_id, seal
from ledger.errors import TransactionRejectedError
from ledger.home import Home
from ledger.reader.desk import SyncReport
from ledger.reader.mirror import Mirror, Rejected
from ledger.schema import Side
from ledger.segment import load
from localchain.faucet import fund
from tests.support.consortium import EPOCH, ChainProcess, SmallConsortium, founded

ALFA, BRAV, CHAR = "ALFADEFF", "BRAVFRPP", "CHARUS33"

Rows = npt.NDArray[np.void]


def rows(count: int, *, debtor: int = 1, creditor: int = 2) -> Rows:
    """Make packed rows that pass every check when ALFADEFF (code 1) posts them."""
    made = np.zeros(count, ROW)
    made["version"], made["side"], made["channel"] = 1, Side.DEBIT, 2
    made["debtor_agent"], made["creditor_agent"] = debtor, creditor
    made["currency"], made["amount_band"], made["time_bucket"] = 978, 30, 490_000
    for name in ("debtor_account", "creditor_account", "match_token", "record_root"):
        size = ROW[name].itemsize
        made[name] = np.frombuffer(os.urandom(size * count), f"V{size}")
    return made


@dataclass
class Attack:
    """A batch by a member's real key, honest but for what a test changes."""

    consortium: SmallConsortium
    bank: str = ALFA
    content: Rows = field(default_factory=lambda: rows(4))
    header: Callable[[BatchHeader], BatchHeader] = lambda header: header
    sealed_header: Callable[[BatchHeader], BatchHeader] = lambda header: header
    sealed_bytes: Callable[[bytes], bytes] = lambda data: data
    payload: Callable[[bytes], bytes] = lambda payload: payload
    recipients: list[tuple[bytes, bytes]] | None = None

    def place(self) -> BatchHeader:
        """Return the honest header of the bank's next batch."""
        gateway = self.consortium.gateway
        address = self.consortium.keys[self.bank].address
        sequence, previous = gateway.head_of(address)
        packed = [merkle.leaf_hash(row.tobytes()) for row in self.content]
        return BatchHeader(
            gateway.deployment.chain_id,
            gateway.deployment.address("BatchLedger"),
            bytes.fromhex(address[2:]),
            sequence,
            previous,
            EPOCH,
            self.consortium.policy.hash,
            len(self.content),
            merkle.root(packed),
        )

    def raw(self) -> bytes:
        """Sign the transaction."""
        gateway, keys = self.consortium.gateway, self.consortium.keys[self.bank]
        header = self.header(self.place())
        to = self.recipients or [(reader.key_id, reader.hpke_key) for reader in gateway.readers()]
        context = self.sealed_header(header).pack()
        payload = self.payload(seal(self.sealed_bytes(self.content.tobytes()), context, to))
        return gateway.sign(
            keys.account,
            "BatchLedger",
            "post",
            header.sequence,
            header.previous_hash,
            header.epoch,
            header.policy_hash,
            header.row_count,
            header.rows_root,
            payload,
            nonce=gateway.next_nonce(keys.address),
        ).raw

    def post(self) -> int:
        """Post it and return its log index."""
        gateway = self.consortium.gateway
        index = gateway.log_size()
        assert gateway.send([self.raw()]) == [None]
        assert gateway.log_size() == index + 1, "the contract refused what a reader should have met"
        return index


def attacks(consortium: SmallConsortium, stolen: bytes) -> dict[str, tuple[Attack, str]]:
    """Return each attack and what the mirror must say about it."""
    stranger, public = generate_keypair()
    del stranger

    def lie(**columns: Any) -> Attack:
        content = rows(4)
        for name, value in columns.items():
            content[name][-1] = value
        return Attack(consortium, content=content)

    side = "row 3 has a wrong side"
    return {
        "wrong rows root": (
            Attack(consortium, header=lambda h: replace(h, rows_root=os.urandom(32))),
            "wrong rows root",
        ),
        "rows swapped after the root": (
            Attack(consortium, sealed_bytes=lambda d: d[ROW.itemsize :] + d[: ROW.itemsize]),
            "wrong rows root",
        ),
        "sealed under another header": (
            Attack(consortium, sealed_header=lambda h: replace(h, sequence=h.sequence + 1)),
            "damaged or of another context",
        ),
        "garbage": (Attack(consortium, payload=lambda p: os.urandom(500)), "envelope"),
        "one byte": (Attack(consortium, payload=lambda p: b"\x01"), "envelope is cut short"),
        "cut short": (Attack(consortium, payload=lambda p: p[:-1]), "envelope has the wrong length"),
        "changed content": (
            Attack(consortium, payload=lambda p: p[:-1] + bytes([p[-1] ^ 1])),
            "content or head has been changed",
        ),
        "fewer rows than said": (
            Attack(consortium, header=lambda h: replace(h, row_count=5)),
            "wrong row count: expected 5, got 4",
        ),
        "no rows": (Attack(consortium, sealed_bytes=lambda d: b""), "wrong row count: expected 4, got 0"),
        "half a row": (Attack(consortium, sealed_bytes=lambda d: d[:-1]), "whole number of rows"),
        "speaks for another bank's debit": (lie(debtor_agent=2, creditor_agent=1), side),
        "speaks for two others": (lie(debtor_agent=2, creditor_agent=3), side),
        "speaks for both sides": (lie(side=Side.ON_US), side),
        "speaks for the other side": (lie(side=Side.CREDIT), side),
        "no side": (lie(side=0), side),
        "speaks for two others, with no side": (lie(debtor_agent=2, creditor_agent=3, side=0), side),
        "unknown agent": (lie(creditor_agent=999), "row 3 has a wrong agent code"),
        "unknown version": (lie(version=2), "row 3 has a wrong version"),
        "unknown channel": (lie(channel=8), "row 3 has a wrong channel"),
        "unknown party type": (lie(party_type=5), "row 3 has a wrong party_type"),
        "unknown lag class": (lie(lag_class=6), "row 3 has a wrong lag_class"),
        "unknown flags": (lie(flags=32), "row 3 has a wrong flags"),
        "band of another policy": (lie(amount_band=60_000), "band 60000 does not exist"),
        "no currency": (lie(currency=0), "currency code 0 is not in ISO 4217"),
        "sealed to somebody else": (
            Attack(consortium, recipients=[(key_id(public), public)]),
            "sealed to none of this reader's keys",
        ),
        "another member's payload": (Attack(consortium, payload=lambda p: stolen), "of another context"),
    }


@dataclass
class Aftermath:
    consortium: SmallConsortium
    attacks: dict[str, tuple[int, str]]
    good: list[tuple[int, Rows]]
    report: SyncReport

    @property
    def rejected(self) -> dict[int, Rejected]:
        return {item.log_index: item for item in self.report.rejected}


@pytest.fixture(scope="module")
def aftermath(fresh_consortium: SmallConsortium) -> Aftermath:
    """Post every attack, each followed by an honest batch of the same bank, then sync once."""
    consortium = fresh_consortium
    other = rows(4, debtor=2, creditor=1)
    good = [(Attack(consortium, BRAV, content=other).post(), other)]
    gateway = consortium.gateway
    (posted,) = gateway.batches(gateway.deployment.block, gateway.height())
    done = {}
    for name, (attack, reason) in attacks(consortium, posted.payload).items():
        done[name] = (attack.post(), reason)
        honest = rows(3)
        good.append((Attack(consortium, content=honest).post(), honest))
    return Aftermath(consortium, done, good, consortium.sync())


NAMES = sorted(attacks(None, b""))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_named_with_its_reason_and_its_place(aftermath: Aftermath, name: str) -> None:
    index, reason = aftermath.attacks[name]
    found = aftermath.rejected[index]
    assert reason in found.reason
    address = aftermath.consortium.keys[ALFA].address
    assert found.member.lower() == address.lower()
    place = f"batch {found.sequence} of {address.lower()}, log index {index}, block {found.block}"
    assert place in found.reason


def test_nothing_else_is_rejected_and_everything_is_counted(aftermath: Aftermath) -> None:
    assert set(aftermath.rejected) == {index for index, _ in aftermath.attacks.values()}
    counts = aftermath.report.counts
    assert counts.rejected == len(aftermath.attacks)
    assert (
        counts.batches == len(aftermath.attacks) + len(aftermath.good) == aftermath.report.position.log_size
    )
    assert counts.rows == sum(len(content) for _, content in aftermath.good)


def test_the_good_rows_are_mirrored_byte_for_byte(aftermath: Aftermath) -> None:
    folder = aftermath.consortium.home.desk.mirror
    mirror = Mirror(folder)
    (entry,) = mirror.segments()
    mirror.close()
    table = load(folder, entry)
    assert table.column("log_index").to_pylist() == [i for i, content in aftermath.good for _ in content]
    expected = np.concatenate([content for _, content in aftermath.good])
    for name in ROW.names or ():
        held = table.column(name).to_pylist()
        wanted = [bytes(v) for v in expected[name]] if name in _BYTES else expected[name].tolist()
        assert held == wanted, name


_BYTES = {name for name in ROW.names or () if ROW[name].kind == "V"}


def test_fsck_agrees_with_the_mirror_about_them(aftermath: Aftermath) -> None:
    consortium, desk = aftermath.consortium, aftermath.consortium.home.desk
    report = fsck(
        consortium.gateway,
        desk.mirror,
        consortium.desk_keys.readers.values(),
        log=desk.log,
        checkpoint=desk.checkpoint,
        checkpoint_keys=consortium.checkpoint_keys,
    )
    assert (report.differences, report.rejected) == ((), len(aftermath.attacks))


def test_a_second_sync_repeats_nothing(aftermath: Aftermath) -> None:
    again = aftermath.consortium.sync()
    assert (again.counts.batches, again.counts.rows, again.counts.rejected) == (0, 0, 0)
    assert again.rejected == aftermath.report.rejected


# what the contract itself refuses: nothing of it reaches the log


@pytest.fixture
def untouched(aftermath: Aftermath) -> SmallConsortium:
    return aftermath.consortium


def refused(consortium: SmallConsortium, attack: Attack, message: str) -> None:
    """A rehearsal tells why; sent all the same, it is mined in vain and the log does not grow."""
    size, raw = consortium.gateway.log_size(), attack.raw()
    with pytest.raises(TransactionRejectedError, match=message) as caught:
        consortium.gateway.rehearse_signed(consortium.keys[attack.bank].address, raw)
    assert caught.value.next_step
    consortium.gateway.send([raw])
    assert consortium.gateway.log_size() == size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequence": 0}, "expects another batch"),
        ({"sequence": 10_000}, "expects another batch"),
        ({"previous_hash": b"\x01" * 32}, "does not follow the member's last batch"),
        ({"epoch": 99}, "epoch is not open"),
        ({"policy_hash": b"\x01" * 32}, "policy is not on this chain"),
    ],
)
def test_a_wrong_place_is_refused_by_the_contract(
    untouched: SmallConsortium, change: dict[str, Any], message: str
) -> None:
    refused(untouched, Attack(untouched, header=lambda h: replace(h, **change)), message)


@pytest.mark.parametrize("count", [0, 4_097])
def test_a_row_count_that_no_batch_can_have_is_refused(untouched: SmallConsortium, count: int) -> None:
    size = untouched.gateway.log_size()
    raw = Attack(untouched, header=lambda h: replace(h, row_count=count)).raw()
    with pytest.raises(TransactionRejectedError, match="BatchLedgerInvalidRowCount"):
        untouched.gateway.rehearse_signed(untouched.keys[ALFA].address, raw)
    untouched.gateway.send([raw])
    assert untouched.gateway.log_size() == size


def test_a_replayed_transaction_changes_nothing(untouched: SmallConsortium) -> None:
    raw = Attack(untouched).raw()
    gateway = untouched.gateway
    gateway.send([raw])
    size, head = gateway.log_size(), gateway.head_of(untouched.keys[ALFA].address)
    gateway.send([raw, raw])
    assert (gateway.log_size(), gateway.head_of(untouched.keys[ALFA].address)) == (size, head)


def test_a_strangers_batch_is_refused(untouched: SmallConsortium) -> None:
    stranger = replace(untouched.keys[ALFA], account=bytes(Account.create().key))
    fund(untouched.url, untouched.home.chain, [stranger.address], 10)
    keys = {**untouched.keys, "STRANGER": stranger}
    refused(
        replace(untouched, keys=keys), Attack(replace(untouched, keys=keys), "STRANGER"), "is not a member"
    )


def test_a_revoked_member_posts_no_more_and_what_it_posted_stays(untouched: SmallConsortium) -> None:
    content = rows(2, debtor=3, creditor=1)
    Attack(untouched, CHAR, content=content).post()
    operator = Governance.load(untouched.home).operator
    untouched.gateway.transact(operator, "Consortium", "revokeMember", untouched.keys[CHAR].address)
    refused(untouched, Attack(untouched, CHAR, content=content), "was revoked")
    before = untouched.sync()
    assert before.counts.rejected == 0
    assert before.counts.rows >= 2
    honest = rows(1, debtor=2, creditor=3)
    Attack(untouched, BRAV, content=honest).post()  # a row that names the revoked bank is still a row
    assert untouched.sync().counts.rows == 1


def test_the_messages_tell_the_attacks_apart(aftermath: Aftermath) -> None:
    """Alike are only those that a reader of the batch alone cannot tell apart."""
    names: dict[str, set[str]] = {}
    for name, (index, _) in aftermath.attacks.items():
        what = aftermath.rejected[index].reason.split(" (batch ")[0]
        names.setdefault(re.sub("[0-9a-f]{64}", "…", what), set()).add(name)
    shared = {what: alike for what, alike in names.items() if len(alike) > 1}
    assert set(shared) == {
        "wrong rows root: expected …, got …",
        "row 3 has a wrong side (a bank may only speak for its own side)",
        "the envelope's key does not unwrap: it is damaged or of another context",
    }
    assert sum(map(len, shared.values())) == 2 + 6 + 2


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_to_do(aftermath: Aftermath, name: str) -> None:
    index, _ = aftermath.attacks[name]
    key = name == "sealed to somebody else"
    assert ("Restore the key file" if key else "Inform the member") in aftermath.rejected[index].reason


def test_a_batch_replayed_in_another_consortium_is_refused_or_kept_apart(
    chain: ChainProcess, tmp_path: Path
) -> None:
    """The same bank in two consortia on one chain: header and seal name the contract they are for."""
    here = founded(chain, tmp_path / "here", banks=[ALFA, BRAV])
    there = founded(chain, tmp_path / "there", banks=[ALFA, BRAV])
    original = Attack(here)
    raw = original.raw()
    here.gateway.send([raw])
    there.gateway.send([raw])  # it goes where it was signed for, and its nonce is used up
    assert (here.gateway.log_size(), there.gateway.log_size()) == (1, 0)
    (posted,) = here.gateway.batches(here.gateway.deployment.block, here.gateway.height())
    copied = Attack(there, content=original.content, payload=lambda _: posted.payload)
    copied.post()
    (rejected,) = there.sync().rejected
    assert "sealed to none of this reader's keys" in rejected.reason


def test_a_transaction_replayed_on_another_chain_is_refused(
    untouched: SmallConsortium, tmp_path: Path
) -> None:
    """EIP-155: what is signed for one chain is no transaction on another."""
    raw = Attack(untouched).raw()
    home = Home(tmp_path)
    url, pid = processes.ensure_chain(home, chain_id=77_777)
    assert pid is not None
    try:
        other = founded(ChainProcess(url, home.chain, pid), tmp_path)
        (refusal,) = other.gateway.send([raw])
        assert refusal is not None
        assert "signed for chain" in refusal
        assert other.gateway.log_size() == 0
    finally:
        processes.stop(pid)

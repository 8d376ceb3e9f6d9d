"""Hostile batches on the real chain: each is named, counted and kept apart, and the good ones go on."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_account import Account

from counterfoil import processes
from counterfoil.mirrored import matched
from ledger.audit.completeness import completeness
from ledger.audit.fsck import fsck
from ledger.encoding.policy import Policy
from ledger.encoding.rows import ROW
from ledger.envelope import generate_keypair, key_id
from ledger.errors import TransactionRejectedError
from ledger.home import Home
from ledger.reader import mirror as mirror_module
from ledger.reader.desk import SyncReport
from ledger.reader.mirror import Mirror, Rejected
from ledger.schema import Flags, Side
from ledger.segment import load
from ledger.verdicts import Reason, parse_verdict
from localchain.faucet import fund
from tests.support.batches import ALFA, BRAV, CHAR, NOW, MadeBatch, Rows, rows
from tests.support.consortium import ChainProcess, SmallConsortium, founded

#: Documents that the operator publishes as policies, and that no reader can use.
BROKEN_POLICIES = (
    replace(Policy(), grid=(0, 10)).document,
    b"{}",  # the newest: matching must go on with the one before
)


def attacks(consortium: SmallConsortium, before: Before) -> dict[str, tuple[MadeBatch, Reason, str]]:
    """Return each attack, the reason of its verdict, and what the mirror must say about it."""
    stranger, public = generate_keypair()
    del stranger

    def lie(**columns: Any) -> MadeBatch:
        content = rows(4)
        for name, value in columns.items():
            content[name][-1] = value
        return MadeBatch(consortium, content=content)

    def column(name: str, value: object, **others: Any) -> tuple[MadeBatch, Reason, str]:
        told = "other bytes" if isinstance(value, bytes) else value
        return (
            lie(**{name: value}, **others),
            Reason.COLUMN,
            f"row 3 has a wrong {name}: expected .*, got {told}",
        )

    def side(**columns: Any) -> tuple[MadeBatch, Reason, str]:
        return lie(**columns), Reason.SIDE, "row 3 has a wrong side: expected the side of member 1, got"

    def moment(name: str, value: int) -> tuple[MadeBatch, Reason, str]:
        return lie(**{name: value}), Reason.TIME, f"row 3 has a wrong {name}: expected a .*, got {value} "

    def empty(name: str) -> tuple[MadeBatch, Reason, str]:
        size = ROW[name].itemsize
        return (
            lie(**{name: bytes(size)}),
            Reason.IDENTIFIER,
            f"row 3 has a wrong {name}: expected a value, got zero",
        )

    def again(name: str, earlier: Rows, what: str) -> tuple[MadeBatch, Reason, str]:
        return lie(**{name: earlier[name][0]}), Reason.DUPLICATE, f"row 3 repeats the {name} of row 0{what}"

    twice = rows(4)
    twice["record_root"][2] = twice["record_root"][1]
    token_twice = rows(4)
    token_twice["match_token"][3] = token_twice["match_token"][0]
    sealed = "damaged or of another context"
    broken = {document: hashlib.sha256(document).digest() for document in BROKEN_POLICIES}

    def policy(number: int) -> MadeBatch:
        named = broken[BROKEN_POLICIES[number]]
        return MadeBatch(consortium, header=lambda h: replace(h, policy_hash=named))

    return {
        "wrong rows root": (
            MadeBatch(consortium, header=lambda h: replace(h, rows_root=os.urandom(32))),
            Reason.ROOT,
            "wrong rows root",
        ),
        "rows swapped after the root": (
            MadeBatch(consortium, sealed_bytes=lambda d: d[ROW.itemsize :] + d[: ROW.itemsize]),
            Reason.ROOT,
            "wrong rows root",
        ),
        "sealed under another header": (
            MadeBatch(consortium, sealed_header=lambda h: replace(h, sequence=h.sequence + 1)),
            Reason.SEAL,
            sealed,
        ),
        "garbage": (MadeBatch(consortium, payload=lambda p: os.urandom(500)), Reason.SEAL, "envelope"),
        "one byte": (MadeBatch(consortium, payload=lambda p: b"\x01"), Reason.SEAL, "envelope is cut short"),
        "cut short": (
            MadeBatch(consortium, payload=lambda p: p[:-1]),
            Reason.SEAL,
            "envelope has the wrong length",
        ),
        "changed content": (
            MadeBatch(consortium, payload=lambda p: p[:-1] + bytes([p[-1] ^ 1])),
            Reason.SEAL,
            "content or head has been changed",
        ),
        "fewer rows than said": (
            MadeBatch(consortium, header=lambda h: replace(h, row_count=5)),
            Reason.ROOT,
            "wrong row count: expected 5, got 4",
        ),
        "no rows": (
            MadeBatch(consortium, sealed_bytes=lambda d: b""),
            Reason.ROOT,
            "wrong row count: expected 4, got 0",
        ),
        "half a row": (
            MadeBatch(consortium, sealed_bytes=lambda d: d[:-1]),
            Reason.ROOT,
            "whole number of rows",
        ),
        "sealed to somebody else": (
            MadeBatch(consortium, recipients=[(key_id(public), public)]),
            Reason.SEAL,
            "sealed to none of this reader's keys",
        ),
        "another member's payload": (
            MadeBatch(consortium, payload=lambda p: before.payload),
            Reason.SEAL,
            sealed,
        ),
        "a policy that is no document": (policy(1), Reason.POLICY, "policy"),
        "a policy whose bands cannot be": (policy(0), Reason.POLICY, "no valid bands for the currency 978"),
        "speaks for another bank's debit": side(debtor_agent=2, creditor_agent=1),
        "speaks for two others": side(debtor_agent=2, creditor_agent=3),
        "speaks for both sides": side(side=Side.ON_US),
        "speaks for the other side": side(side=Side.CREDIT),
        "no side": side(side=0),
        "speaks for two others, with no side": side(debtor_agent=2, creditor_agent=3, side=0),
        "unknown agent": column("creditor_agent", 999),
        "row of version 1": column("version", 1),
        "unknown version": column("version", 3),
        "unknown channel": column("channel", 8),
        "unknown party type": column("party_type", 5),
        "unknown lag class": column("lag_class", 6),
        "unknown flags": column("flags", 64),
        "country of no list": column("debtor_country", 65_535),
        "creditor's country of no list": column("creditor_country", 1),
        "unknown generation": column("key_generation", 1),
        "no kind of token": column("token_kind", 0),
        "unknown kind of token": column("token_kind", 4),
        "own token for another member": column("token_kind", 3),
        "token of two banks without a second": column("token_kind", 1, creditor_agent=0),
        "own token that says tuple": column("token_kind", 2, creditor_agent=1, side=Side.ON_US),
        "reserved bytes set": column("reserved", b"\0\0\0\0\1"),
        "padding with an unknown channel": column("channel", 8, flags=Flags.DECOY),
        "time bucket 2**32 - 1": moment("time_bucket", 2**32 - 1),
        "year 1970": moment("time_bucket", 0),
        "older than ten years": moment("time_bucket", NOW - 24 * 3_654),
        "dated after its block": moment("time_bucket", NOW + 2),
        "business date of 1970": moment("business_date", 0),
        "business date next quarter": moment("business_date", NOW // 24 + 90),
        "band of another policy": (
            lie(amount_band=60_000),
            Reason.AMOUNT,
            "row 3 has a wrong amount_band: expected at most .*, got 60000",
        ),
        "no currency": (
            lie(currency=0),
            Reason.AMOUNT,
            "row 3 has a wrong currency: expected a code of ISO 4217, got 0",
        ),
        "no debtor account": empty("debtor_account"),
        "no creditor account": empty("creditor_account"),
        "no token": empty("match_token"),
        "no record root": empty("record_root"),
        "a root twice in a batch": (
            MadeBatch(consortium, content=twice),
            Reason.DUPLICATE,
            r"row 2 repeats the record_root of row 1 \(",
        ),
        "a token twice in a batch": (
            MadeBatch(consortium, content=token_twice),
            Reason.DUPLICATE,
            r"row 3 repeats the match_token of row 0 \(",
        ),
        "a root of an earlier batch": again("record_root", before.own, " of the batch with log index 1"),
        "another member's root": again("record_root", before.other, " of the batch with log index 0"),
        "a token of an earlier batch": again("match_token", before.own, " of the batch with log index 1"),
    }


@dataclass
class Before:
    """What was accepted before the attacks: another member's rows with their payload, and own rows."""

    other: Rows = field(default_factory=lambda: rows(4, debtor=2, creditor=1))
    own: Rows = field(default_factory=lambda: rows(4))
    payload: bytes = b""


@dataclass
class Aftermath:
    consortium: SmallConsortium
    attacks: dict[str, tuple[int, Reason, str]]
    good: list[tuple[int, Rows]]
    report: SyncReport

    @property
    def rejected(self) -> dict[int, Rejected]:
        return {item.log_index: item for item in self.report.rejected}


@pytest.fixture(scope="module")
def aftermath(fresh_consortium: SmallConsortium) -> Aftermath:
    """Post every attack, each followed by an honest batch of the same bank, then sync once."""
    consortium, before = fresh_consortium, Before()
    for document in BROKEN_POLICIES:
        consortium.operate("publishPolicy", document)
    good = [
        (MadeBatch(consortium, BRAV, content=before.other).post(), before.other),
        (MadeBatch(consortium, content=before.own).post(), before.own),
    ]
    gateway = consortium.gateway
    posted = next(iter(gateway.batches(gateway.deployment.block, gateway.height())))
    before.payload = posted.payload
    done = {}
    for name, (attack, reason, text) in attacks(consortium, before).items():
        done[name] = (attack.post(), reason, text)
        honest = rows(3)
        good.append((MadeBatch(consortium, content=honest).post(), honest))
    return Aftermath(consortium, done, good, consortium.sync())


NAMES = sorted(attacks(None, Before()))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_named_with_its_reason_and_its_place(aftermath: Aftermath, name: str) -> None:
    index, reason, text = aftermath.attacks[name]
    found = aftermath.rejected[index]
    assert re.search(text, found.reason), found.reason
    assert Reason(found.reason_code) is reason
    address = aftermath.consortium.keys[ALFA].address
    assert found.member.lower() == address.lower()
    place = f"batch {found.sequence} of {address.lower()}, log index {index}, block {found.block}"
    assert place in found.reason


def test_nothing_else_is_rejected_and_everything_is_counted(aftermath: Aftermath) -> None:
    assert set(aftermath.rejected) == {index for index, *_ in aftermath.attacks.values()}
    counts = aftermath.report.counts
    assert counts.rejected == len(aftermath.attacks)
    assert (
        counts.batches == len(aftermath.attacks) + len(aftermath.good) == aftermath.report.position.log_size
    )
    assert counts.rows == sum(len(content) for _, content in aftermath.good)
    assert (counts.late, counts.decoys) == (0, 0)


def test_no_value_of_an_identifier_is_in_a_reason(aftermath: Aftermath) -> None:
    for found in aftermath.rejected.values():
        told = re.sub("(expected|got|of|policy) (0x)?[0-9a-f]{40,64}", "", found.reason)
        assert not re.search("[0-9a-f]{20}", told), told


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


def test_each_batch_has_its_verdict_at_its_entry_of_the_ledger_log(aftermath: Aftermath) -> None:
    gateway = aftermath.consortium.gateway
    mirror = Mirror(aftermath.consortium.home.desk.mirror)
    verdicts = [parse_verdict(entry) for entry in mirror.verdict_entries()]
    last = mirror.next_block(0) - 1
    assert mirror.verdict_entries(first=7) == mirror.verdict_entries()[7:]
    mirror.close()
    entries = list(gateway.ledger_entries(gateway.deployment.block, last))
    batches = list(gateway.batches(gateway.deployment.block, last))
    assert [verdict.index for verdict in verdicts] == [i for i, e in enumerate(entries) if e[0] == 3]
    assert [verdict.batch_hash for verdict in verdicts] == [batch.batch_hash for batch in batches]
    for verdict, batch in zip(verdicts, batches, strict=True):
        assert entries[verdict.index][1:163] == batch.header.pack()
    wanted = {index: reason for index, reason, _ in aftermath.attacks.values()}
    assert [v.reason for v in verdicts] == [wanted.get(index) for index in range(len(verdicts))]


def test_fsck_agrees_with_the_mirror_about_them(aftermath: Aftermath) -> None:
    consortium, desk = aftermath.consortium, aftermath.consortium.home.desk
    report = fsck(consortium.gateway, desk.mirror, consortium.desk_keys.readers.values())
    assert (report.differences, report.rejected) == ((), len(aftermath.attacks))
    mirror = Mirror(desk.mirror)
    assert list(report.verdicts) == mirror.verdict_entries()
    mirror.close()


def test_in_however_many_steps_the_chain_is_read_the_verdicts_are_the_same(
    aftermath: Aftermath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sync begins anew from segments and state; a segment may have one batch or many."""
    gateway, keys = aftermath.consortium.gateway, aftermath.consortium.desk_keys
    held = Mirror(aftermath.consortium.home.desk.mirror)
    wanted, last = held.verdict_entries(), held.next_block(0) - 1
    reasons = [item.reason for item in held.rejected()]
    held.close()
    monkeypatch.setattr(mirror_module, "ROWS_PER_SEGMENT", 40)
    monkeypatch.setattr(mirror_module, "BLOCKS_PER_REQUEST", 3)
    height = gateway.height()
    for final in [*range(gateway.deployment.block + 9, last, 17), last]:
        mirror = Mirror(tmp_path, depth=height - final)
        mirror.sync(gateway, keys)
        got, told = mirror.verdict_entries(), [item.reason for item in mirror.rejected()]
        mirror.close()
        assert got == wanted[: len(got)]
        assert told == reasons[: len(told)]
    assert (got, told) == (wanted, reasons)


def test_a_second_sync_repeats_nothing(aftermath: Aftermath) -> None:
    again = aftermath.consortium.sync()
    assert (again.counts.batches, again.counts.rows, again.counts.rejected) == (0, 0, 0)
    assert again.rejected == aftermath.report.rejected


def test_the_audit_of_completeness_goes_on(aftermath: Aftermath) -> None:
    _, transfers = matched(aftermath.consortium.home.desk.mirror)
    assert transfers.num_rows == sum(len(content) for _, content in aftermath.good)
    assert completeness(transfers, {1: ALFA, 2: BRAV, 3: CHAR})


# what the contract itself refuses: nothing of it reaches the log


@pytest.fixture
def untouched(aftermath: Aftermath) -> SmallConsortium:
    return aftermath.consortium


def refused(consortium: SmallConsortium, attack: MadeBatch, message: str) -> None:
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
    refused(untouched, MadeBatch(untouched, header=lambda h: replace(h, **change)), message)


@pytest.mark.parametrize("count", [0, 4_097])
def test_a_row_count_that_no_batch_can_have_is_refused(untouched: SmallConsortium, count: int) -> None:
    size = untouched.gateway.log_size()
    raw = MadeBatch(untouched, header=lambda h: replace(h, row_count=count)).raw()
    with pytest.raises(TransactionRejectedError, match="BatchLedgerInvalidRowCount"):
        untouched.gateway.rehearse_signed(untouched.keys[ALFA].address, raw)
    untouched.gateway.send([raw])
    assert untouched.gateway.log_size() == size


def test_a_replayed_transaction_changes_nothing(untouched: SmallConsortium) -> None:
    raw = MadeBatch(untouched).raw()
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
        replace(untouched, keys=keys), MadeBatch(replace(untouched, keys=keys), "STRANGER"), "is not a member"
    )


def test_a_revoked_member_posts_no_more_and_what_it_posted_stays(untouched: SmallConsortium) -> None:
    content = rows(2, debtor=3, creditor=1)
    MadeBatch(untouched, CHAR, content=content).post()
    untouched.operate("revokeMember", untouched.keys[CHAR].address)
    refused(untouched, MadeBatch(untouched, CHAR, content=content), "was revoked")
    before = untouched.sync()
    assert before.counts.rejected == 0
    assert before.counts.rows >= 2
    honest = rows(1, debtor=2, creditor=3)
    MadeBatch(untouched, BRAV, content=honest).post()  # a row that names the revoked bank is still a row
    assert untouched.sync().counts.rows == 1


def test_the_messages_tell_the_attacks_apart(aftermath: Aftermath) -> None:
    """Alike are only those that a reader of the batch alone cannot tell apart."""
    names: dict[str, set[str]] = {}
    for name, (index, *_) in aftermath.attacks.items():
        what = aftermath.rejected[index].reason.split(" (batch ")[0]
        names.setdefault(re.sub("[0-9a-f]{64}", "…", what), set()).add(name)
    side = "row 3 has a wrong side: expected the side of member 1, got "
    shared = {what: len(alike) for what, alike in names.items() if len(alike) > 1}
    assert shared == {
        "wrong rows root: expected …, got …": 2,
        "the envelope's key does not unwrap: it is damaged or of another context": 2,
        "row 3 has a wrong channel: expected at most 7, got 8": 2,  # once in a row that is padding
        side + "0": 2,
        side + "1": 2,
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_to_do(aftermath: Aftermath, name: str) -> None:
    index, *_ = aftermath.attacks[name]
    others = {"sealed to somebody else": "Restore the key file"}
    step = others.get(name, "Inform the operator" if "policy" in name.split(" ")[:2] else "Inform the member")
    assert step in aftermath.rejected[index].reason


def test_a_batch_replayed_in_another_consortium_is_refused_or_kept_apart(
    chain: ChainProcess, tmp_path: Path
) -> None:
    """The same bank in two consortia on one chain: header and seal name the contract they are for."""
    here = founded(chain, tmp_path / "here", banks=[ALFA, BRAV])
    there = founded(chain, tmp_path / "there", banks=[ALFA, BRAV])
    original = MadeBatch(here)
    raw = original.raw()
    here.gateway.send([raw])
    there.gateway.send([raw])  # it goes where it was signed for, and its nonce is used up
    assert (here.gateway.log_size(), there.gateway.log_size()) == (1, 0)
    (posted,) = here.gateway.batches(here.gateway.deployment.block, here.gateway.height())
    copied = MadeBatch(there, content=original.content, payload=lambda _: posted.payload)
    copied.post()
    (rejected,) = there.sync().rejected
    assert "sealed to none of this reader's keys" in rejected.reason


def test_a_transaction_replayed_on_another_chain_is_refused(
    untouched: SmallConsortium, tmp_path: Path
) -> None:
    """EIP-155: what is signed for one chain is no transaction on another."""
    raw = MadeBatch(untouched).raw()
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

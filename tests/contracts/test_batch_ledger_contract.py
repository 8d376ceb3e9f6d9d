"""Posting: the rules of a single batch, the header's bytes, and what a batch costs."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass, replace

import pytest

from ledger.typed_data import BATCH_HEADER, sign_typed

ROWS_ROOT = b"r" * 32
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def header_bytes(world, member, sequence, previous, epoch, policy, rows, root):
    """The packed header, written again from the format's description."""
    return (
        struct.pack(">BBQ", 2, 1, world.web3.eth.chain_id)
        + bytes.fromhex(world.ledger.address[2:])
        + bytes.fromhex(member[2:])
        + struct.pack(">Q", sequence)
        + previous
        + struct.pack(">I", epoch)
        + policy
        + struct.pack(">I", rows)
        + root
    )


@dataclass(frozen=True)
class Batch:
    sequence: int = 0
    previous: bytes = bytes(32)
    epoch: int = 1
    policy: bytes = hashlib.sha256(b'{"policy":1}').digest()
    rows: int = 3
    root: bytes = ROWS_ROOT
    payload: bytes = b"sealed"

    @property
    def stated(self):
        return (self.sequence, self.previous, self.epoch, self.policy, self.rows, self.root)

    def call(self, world, bank=None, *, signer=None):
        return world.post(bank or world.banks[0], self.stated, self.payload, signer=signer)

    def hash(self, world, member):
        header = header_bytes(
            world, member, self.sequence, self.previous, self.epoch, self.policy, self.rows, self.root
        )
        return hashlib.sha256(header).digest()


def test_a_batch_is_chained_numbered_and_stands_in_the_event(staffed):
    bank, other = staffed.banks[:2]
    first = Batch()
    staffed.do(first.call(staffed), bank)
    staffed.do(Batch(payload=b"of another").call(staffed, other), other)
    second = Batch(sequence=1, previous=first.hash(staffed, bank), rows=4096, payload=b"more")
    staffed.do(second.call(staffed), bank)

    events = staffed.events(staffed.ledger, "BatchPosted")
    assert [(event["member"], event["sequence"], event["logIndex"]) for event in events] == [
        (bank, 0, 0),
        (other, 0, 1),
        (bank, 1, 2),
    ]
    assert events[2] == {
        "member": bank,
        "sequence": 1,
        "logIndex": 2,
        "batchHash": second.hash(staffed, bank),
        "previousHash": first.hash(staffed, bank),
        "epoch": 1,
        "policyHash": second.policy,
        "rowCount": 4096,
        "rowsRoot": ROWS_ROOT,
        "signature": events[2]["signature"],
        "payload": b"more",
    }
    functions = staffed.ledger.functions
    assert functions.headOf(bank).call() == [2, second.hash(staffed, bank)]
    assert functions.headOf(staffed.stranger).call() == [0, bytes(32)]
    assert functions.logSize().call() == 3
    assert functions.consortium().call() == staffed.consortium.address
    assert functions.keys().call() == staffed.pseudonyms.address


def test_the_chain_computes_the_header_it_was_given_by_nobody(staffed):
    bank = staffed.banks[0]
    stated = (7, b"\x07" * 32, 1, b"\x08" * 32, 12, b"\x09" * 32)
    expected = header_bytes(staffed, bank, *stated)
    assert len(expected) == 162
    assert staffed.ledger.functions.headerBytes(bank, stated).call() == expected
    assert Batch().call(staffed).call(bank) == Batch().hash(staffed, bank)


@pytest.mark.parametrize(
    ("change", "error", "args"),
    [
        ({"sequence": 1}, "BatchLedgerUnexpectedSequence", (0, 1)),
        ({"previous": b"\x01" * 32}, "BatchLedgerUnexpectedPreviousHash", (bytes(32), b"\x01" * 32)),
        ({"epoch": 2}, "BatchLedgerUnknownEpoch", (2,)),
        ({"policy": b"\x02" * 32}, "BatchLedgerUnknownPolicy", (b"\x02" * 32,)),
        ({"policy": bytes(32)}, "BatchLedgerUnknownPolicy", (bytes(32),)),
        ({"rows": 0}, "BatchLedgerInvalidRowCount", (0,)),
        ({"rows": 4097}, "BatchLedgerInvalidRowCount", (4097,)),
        ({"payload": b""}, "BatchLedgerEmptyPayload", ()),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(staffed, change, error, args):
    bank = staffed.banks[0]
    staffed.refuses(replace(Batch(), **change).call(staffed), bank, error, *args)
    assert staffed.ledger.functions.headOf(bank).call() == [0, bytes(32)]
    assert staffed.ledger.functions.logSize().call() == 0


def test_a_posted_batch_cannot_be_posted_again(staffed):
    bank = staffed.banks[0]
    staffed.do(Batch().call(staffed), bank)
    staffed.refuses(Batch().call(staffed), bank, "BatchLedgerUnexpectedSequence", 1, 0)
    resealed = Batch(payload=b"sealed anew")
    staffed.refuses(resealed.call(staffed), bank, "BatchLedgerUnexpectedSequence", 1, 0)
    unchained = Batch(sequence=1)
    head = Batch().hash(staffed, bank)
    staffed.refuses(unchained.call(staffed), bank, "BatchLedgerUnexpectedPreviousHash", head, bytes(32))


def test_one_member_cannot_continue_the_chain_of_another(staffed):
    bank, other = staffed.banks[:2]
    staffed.do(Batch().call(staffed), bank)
    stolen = Batch(sequence=1, previous=Batch().hash(staffed, bank))
    staffed.refuses(stolen.call(staffed, other), other, "BatchLedgerUnexpectedSequence", 0, 1)


def test_only_active_members_post(staffed):
    bank = staffed.banks[0]
    for outsider in (staffed.founder, staffed.desk, staffed.officers[0], staffed.stranger):
        call = Batch().call(staffed, outsider)
        staffed.refuses(call, outsider, "ConsortiumNotMember", outsider)
    staffed.do(staffed.consortium.functions.suspendMember(bank), bank)
    staffed.refuses(Batch().call(staffed), bank, "ConsortiumMemberSuspended", bank)
    staffed.govern(staffed.consortium.functions.revokeMember(bank))
    staffed.refuses(Batch().call(staffed), bank, "ConsortiumMemberRevoked", bank)


def test_nothing_is_posted_before_the_founding(world):
    bank = world.banks[0]
    world.admit(bank, "ALPHDEFF")
    world.open_epoch(1)
    world.publish(b'{"policy":1}')
    world.refuses(Batch().call(world), bank, "GovernanceNotFounded")
    world.found()
    world.do(Batch().call(world), bank)


def test_an_epoch_whose_key_is_made_is_not_open_yet(staffed):
    staffed.make_key(2, staffed.holders[:1])
    staffed.refuses(Batch(epoch=2).call(staffed), staffed.banks[0], "BatchLedgerUnknownEpoch", 2)


def test_nothing_is_posted_while_paused(staffed):
    staffed.govern(staffed.consortium.functions.pause())
    staffed.refuses(Batch().call(staffed), staffed.banks[0], "BatchLedgerPaused")
    staffed.govern(staffed.consortium.functions.unpause())
    staffed.do(Batch().call(staffed), staffed.banks[0])


def test_older_epochs_and_policies_remain_good(staffed):
    staffed.open_epoch(2)
    staffed.publish(b'{"policy":2}')
    staffed.do(Batch().call(staffed), staffed.banks[0])


def test_gas_per_row_of_a_full_batch(staffed, record_property):
    """800 rows of 144 bytes cost little more than the calldata floor of 40 gas per byte."""
    rows, width = 800, 144
    receipt = staffed.do(Batch(rows=rows, payload=os.urandom(rows * width)).call(staffed), staffed.banks[0])
    gas = receipt.gas_used
    record_property("gas_800_rows", gas)
    record_property("gas_per_row", gas / rows)
    floor = 40 * width
    assert floor * 0.99 < gas / rows < floor * 1.02


# authorship


def test_nobody_posts_what_another_account_signed(staffed):
    bank, other = staffed.banks[:2]
    for signer in (other, staffed.founder, staffed.desk, staffed.stranger):
        call = Batch().call(staffed, bank, signer=signer)
        staffed.refuses(call, bank, "BatchLedgerNotSignedBy", bank)
    copied = Batch().call(staffed, bank)
    staffed.refuses(copied, other, "BatchLedgerNotSignedBy", other)


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 1},
        {"previous": b"\1" * 32},
        {"epoch": 2},
        {"policy": b"\2" * 32},
        {"rows": 4},
        {"root": b"R" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_signature_covers_every_field(staffed, change):
    bank = staffed.banks[0]
    signed = replace(Batch(), **change).call(staffed, bank).args[1]
    call = staffed.ledger.functions.post(Batch().stated, signed, b"sealed")
    staffed.refuses(call, bank, "BatchLedgerNotSignedBy", bank)


def test_a_signature_has_one_form(staffed):
    bank = staffed.banks[0]
    good = Batch().call(staffed, bank).args[1]
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    high = (SECP256K1_ORDER - s).to_bytes(32, "big")
    others = [
        r + high + bytes([55 - v]), good[:64] + bytes([v - 27]), good[:64] + bytes([v + 8]),
        good[:64], good + b"\0", b"", bytes(65),
    ]  # fmt: skip
    for signature in others:
        call = staffed.ledger.functions.post(Batch().stated, signature, b"sealed")
        staffed.refuses(call, bank, "BatchLedgerNotSignedBy", bank)
    staffed.do(staffed.ledger.functions.post(Batch().stated, good, b"sealed"), bank)


@pytest.mark.parametrize("part", ["chain", "contract", "genesis"])
def test_a_signature_for_another_consortium_or_chain_is_worth_nothing(staffed, part):
    bank, domain = staffed.banks[0], staffed.domain(staffed.ledger)
    other = {
        "chain": replace(domain, chain_id=domain.chain_id + 1),
        "contract": replace(domain, contract=bytes.fromhex(staffed.cases.address[2:])),
        "genesis": replace(domain, genesis_hash=b"G" * 32),
    }[part]
    names = ("sequence", "previousHash", "epoch", "policyHash", "rowCount", "rowsRoot")
    values = {"version": 2, "suite": 1, "member": bytes.fromhex(bank[2:])}
    values |= dict(zip(names, Batch().stated, strict=True))
    signature = sign_typed(other, BATCH_HEADER, values, staffed.key(bank))
    call = staffed.ledger.functions.post(Batch().stated, signature, b"sealed")
    staffed.refuses(call, bank, "BatchLedgerNotSignedBy", bank)


def test_a_bank_that_replaced_its_account_goes_on_where_it_was(staffed):
    bank, new = staffed.banks[0], staffed.stranger
    staffed.do(Batch().call(staffed), bank)
    staffed.govern(staffed.key_change(bank, new))
    second = Batch(sequence=1, previous=Batch().hash(staffed, bank))
    staffed.refuses(second.call(staffed, bank), bank, "ConsortiumAccountReplaced", bank)
    staffed.do(second.call(staffed, new), new)
    head = [2, second.hash(staffed, new)]
    assert staffed.ledger.functions.headOf(new).call() == head
    assert staffed.ledger.functions.headOf(bank).call() == head

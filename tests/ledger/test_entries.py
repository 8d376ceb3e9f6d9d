"""Entries of the ledger log: the bytes of the format's description, and nothing else is an entry."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import entries
from ledger.batch import BatchHeader
from ledger.entries import (
    Admission,
    CaseAnchor,
    Entry,
    EpochOpening,
    KeyChange,
    KeyShares,
    Posting,
    Standing,
    StandingChange,
    parse_entry,
)
from ledger.errors import VerificationError

KEY, ADDRESS, SIGNATURE = (st.binary(min_size=n, max_size=n) for n in (32, 20, 65))
U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)

HEADER = st.builds(BatchHeader, U64, ADDRESS, ADDRESS, U64, KEY, U32, KEY, U32, KEY)
ENTRIES: dict[str, st.SearchStrategy[Any]] = {
    "admission": st.builds(Admission, U16, ADDRESS, TEXT, KEY, KEY, KEY, SIGNATURE),
    "key change": st.builds(KeyChange, U16, ADDRESS, ADDRESS, KEY, KEY, KEY, U64, SIGNATURE, SIGNATURE),
    "batch": st.builds(Posting, HEADER, SIGNATURE, U64, U64),
    "case entry": st.builds(CaseAnchor, U64, U8, KEY, KEY, ADDRESS, KEY, KEY, U64, U64),
    "standing": st.builds(StandingChange, U16, st.sampled_from(Standing)),
    "epoch": st.builds(EpochOpening, U32, U64, U64, KEY),
    "shares": st.builds(KeyShares, U64, U32, U32, KEY, st.lists(KEY, max_size=3).map(tuple)),
}
ANY = st.one_of(*ENTRIES.values())


def encoded(entry: Entry) -> bytes:
    """Write an entry with the function of its kind."""
    match entry:
        case Admission():
            return entries.admission_entry(
                entry.code,
                entry.account,
                entry.agent,
                x25519_key=entry.x25519_key,
                hpke_key=entry.hpke_key,
                witness_key=entry.witness_key,
                signature=entry.signature,
            )
        case KeyChange():
            return entries.key_change_entry(
                entry.code,
                entry.account,
                entry.new_account,
                x25519_key=entry.x25519_key,
                hpke_key=entry.hpke_key,
                witness_key=entry.witness_key,
                nonce=entry.nonce,
                signature=entry.signature,
                new_signature=entry.new_signature,
            )
        case Posting():
            return entries.batch_entry(entry.header, entry.signature, entry.block, entry.block_time)
        case CaseAnchor():
            return entries.case_entry(entry)
        case StandingChange():
            return entries.standing_entry(entry.code, entry.standing)
        case EpochOpening():
            return entries.epoch_entry(entry.epoch, entry.starts_at, entry.ceremony, entry.public_key)
        case KeyShares():
            return entries.shares_entry(
                entry.ceremony, entry.epoch, entry.generation, entry.public_key, entry.share_commitments
            )


def described(entry: Entry) -> bytes:
    """Write an entry again, by the format's description alone."""

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "big")

    match entry:
        case Admission(code, account, agent, x25519, hpke, witness, signature):
            body = [b"\1", number(code, 2), account, x25519, hpke, witness, signature, agent.encode()]
        case KeyChange(code, account, new, x25519, hpke, witness, nonce, signature, new_signature):
            body = [b"\2", number(code, 2), account, new, x25519, hpke, witness]
            body += [number(nonce, 8), signature, new_signature]
        case Posting(h, signature, block, time):
            header = [b"\2\1", number(h.chain_id, 8), h.contract, h.member, number(h.sequence, 8)]
            header += [
                h.previous_hash,
                number(h.epoch, 4),
                h.policy_hash,
                number(h.row_count, 4),
                h.rows_root,
            ]
            assert len(b"".join(header)) == 162
            body = [b"\3", *header, signature, number(block, 8), number(time, 8)]
        case CaseAnchor():
            body = [b"\4", number(entry.index, 8), number(entry.kind, 1), entry.case_id, entry.content_hash]
            body += [entry.author, entry.payload_hash, entry.head]
            body += [number(entry.block, 8), number(entry.block_time, 8)]
        case StandingChange(code, standing):
            body = [b"\5", number(code, 2), number(standing, 1)]
        case EpochOpening(epoch, starts_at, ceremony, public_key):
            body = [b"\6", number(epoch, 4), number(starts_at, 8), number(ceremony, 8), public_key]
        case KeyShares(ceremony, epoch, generation, public_key, shares):
            body = [b"\7", number(ceremony, 8), number(epoch, 4), number(generation, 4), public_key, *shares]
    return b"".join(body)


@pytest.mark.parametrize("kind", ENTRIES)
@given(data=st.data())
def test_an_entry_is_written_as_described_and_read_again(kind: str, data: st.DataObject) -> None:
    entry = data.draw(ENTRIES[kind])
    assert encoded(entry) == described(entry)
    assert parse_entry(described(entry)) == entry


@given(entry=ANY, cut=st.integers(1, 200))
def test_an_entry_that_is_cut_off_is_refused_or_is_all_that_it_says(entry: Entry, cut: int) -> None:
    """Only the agent and the share commitments have no size of their own: the tree's leaf bounds them."""
    cut_off = described(entry)[:-cut]
    try:
        parsed = parse_entry(cut_off)
    except VerificationError:
        return
    assert isinstance(parsed, Admission | KeyShares)
    assert described(parsed) == cut_off


@given(
    entry=ANY.filter(lambda entry: not isinstance(entry, Admission)), more=st.binary(min_size=1, max_size=31)
)
def test_nothing_may_follow(entry: Entry, more: bytes) -> None:
    with pytest.raises(VerificationError, match="not an entry"):
        parse_entry(described(entry) + more)


@given(
    data=st.binary(max_size=400)
    | st.builds(lambda kind, rest: bytes([kind]) + rest, U8, st.binary(max_size=400))
)
def test_any_bytes_are_refused_or_have_one_meaning(data: bytes) -> None:
    try:
        entry = parse_entry(data)
    except VerificationError:
        return
    assert encoded(entry) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\7" + bytes(300),
        b"\5\0\1\0",
        b"\5\0\1\4",
        b"\1" + bytes(183) + b"\xff",
        b"\3\1" + bytes(161 + 65 + 16),
    ],
    ids=["empty", "kind 0", "kind 7", "standing 0", "standing 4", "no UTF-8", "header of version 1"],
)
def test_what_no_entry_says_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError):
        parse_entry(data)


@pytest.mark.parametrize("size", [0, 64, 66])
def test_no_entry_is_written_with_a_signature_of_another_size(size: int) -> None:
    header = BatchHeader(1, bytes(20), bytes(20), 0, bytes(32), 1, bytes(32), 1, bytes(32))
    with pytest.raises(ValueError, match=f"65 bytes, not {size}"):
        entries.batch_entry(header, bytes(size), 1, 1)


def test_numbers_out_of_range_are_not_written() -> None:
    with pytest.raises(struct.error):
        entries.standing_entry(2**16, Standing.ACTIVE)

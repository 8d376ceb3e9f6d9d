"""The record commitment: one root for the same fields, opened fields that cannot be bent, nothing leaked."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256, shake_256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commitment import merkle, record
from ledger.commitment.record import FieldError, RecordCommitter
from ledger.errors import InputError, VerificationError

SEED = bytes(range(32))
FIELDS: list[tuple[str, str | None]] = [
    ("uetr", "c6d9"),
    ("amount", "10000.01"),
    ("purpose", None),
    ("x", ""),
]
NAMES = [name for name, _ in FIELDS]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = st.lists(text.filter(bool), unique=True, max_size=24)


def naive_root(fields: list[tuple[str, str | None]], seed: bytes, leaves: int = 24) -> bytes:
    """The commitment as its specification reads, without any of the short cuts."""
    n = len(fields)
    sizes = leaves.to_bytes(2, "big") + n.to_bytes(2, "big")
    stream = shake_256(b"counterfoil/record/v1" + sizes + seed).digest(16 * n + 32 * (leaves - n))
    hashes = []
    for i, (name, value) in enumerate(fields):
        encoded = name.encode()
        tail = b"\x00" if value is None else b"\x01" + value.encode()
        hashes.append(
            sha256(b"\x00" + stream[16 * i : 16 * i + 16] + bytes([len(encoded)]) + encoded + tail).digest()
        )
    for i in range(leaves - n):
        hashes.append(stream[16 * n + 32 * i : 16 * n + 32 * i + 32])
    return merkle.root(hashes)


def leaves_of(fields: list[tuple[str, str | None]], seed: bytes) -> list[bytes]:
    return RecordCommitter([name for name, _ in fields]).leaves([value for _, value in fields], seed)


@given(names, st.data(), st.binary(min_size=32, max_size=32))
def test_every_way_to_a_root_agrees_with_the_specification(
    field_names: list[str], data: st.DataObject, seed: bytes
) -> None:
    values = [data.draw(st.none() | text) for _ in field_names]
    fields = list(zip(field_names, values, strict=True))
    root = record.record_root(fields, seed)
    assert root == naive_root(fields, seed)
    assert root == RecordCommitter(field_names).root(values, seed)
    assert root == merkle.root(leaves_of(fields, seed))
    for name in field_names:
        record.verify_field(record.open_fields(fields, seed, [name])[0], root, names=field_names)


@given(st.integers(1, 40), st.data())
def test_other_numbers_of_leaves(leaves: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, leaves))
    fields: list[tuple[str, str | None]] = [(f"f{i}", str(i)) for i in range(count)]
    root = record.record_root(fields, SEED, leaves=leaves)
    assert root == naive_root(fields, SEED, leaves)
    opened = record.open_fields(fields, SEED, [f"f{count - 1}"], leaves=leaves)[0]
    record.verify_field(opened, root, leaves=leaves)
    with pytest.raises(FieldError):
        record.verify_field(opened, root, leaves=2 * leaves + 1)


@given(st.data())
def test_a_field_opens_to_nothing_but_its_own_value(data: st.DataObject) -> None:
    name, value = data.draw(st.sampled_from(FIELDS))
    root = record.record_root(FIELDS, SEED)
    opened = record.open_fields(FIELDS, SEED, [name])[0]
    other = data.draw((st.none() | text).filter(lambda v: v != value))
    with pytest.raises(FieldError, match="does not match the record root"):
        record.verify_field(replace(opened, value=other), root)
    with pytest.raises(FieldError):
        record.verify_field(replace(opened, name=name + "x"), root)


def test_every_flipped_byte_of_an_opened_field_is_caught() -> None:
    root = record.record_root(FIELDS, SEED)
    opened = record.open_fields(FIELDS, SEED, ["amount"])[0]
    for position in range(16):
        salt = opened.salt[:position] + bytes([opened.salt[position] ^ 0x10]) + opened.salt[position + 1 :]
        with pytest.raises(FieldError):
            record.verify_field(replace(opened, salt=salt), root)
    for hop, node in enumerate(opened.path):
        for position in range(32):
            bad = node[:position] + bytes([node[position] ^ 0x10]) + node[position + 1 :]
            path = (*opened.path[:hop], bad, *opened.path[hop + 1 :])
            with pytest.raises(FieldError):
                record.verify_field(replace(opened, path=path), root)
    for index in set(range(-1, 30)) - {opened.index}:
        with pytest.raises(FieldError):
            record.verify_field(replace(opened, index=index), root)


def test_absent_is_not_empty() -> None:
    assert record.record_root([("a", None)], SEED) != record.record_root([("a", "")], SEED)


def test_one_name_committed_at_two_leaves_opens_only_at_its_own() -> None:
    """A dishonest committer builds the tree by hand: the amount twice, the second where a decoy belongs."""
    salt = bytes(16)
    leaves = leaves_of(FIELDS, SEED)
    leaves[20] = merkle.leaf_hash(salt + b"\x06amount\x01" + b"9.99")
    root = merkle.root(leaves)
    second = record.OpenedField("amount", "9.99", salt, 20, tuple(merkle.inclusion_path(leaves, 20)))
    with pytest.raises(FieldError, match="the wrong leaf"):
        record.verify_field(second, root, names=NAMES)
    with pytest.raises(FieldError, match="no field of this name"):
        record.verify_field(replace(second, name="other"), root, names=NAMES)


def test_an_inner_node_cannot_pass_for_a_field() -> None:
    leaves = leaves_of(FIELDS, SEED)
    opened = record.open_fields(FIELDS, SEED, ["uetr"])[0]
    with pytest.raises(FieldError):
        record.verify_field(replace(opened, path=opened.path[1:]), merkle.root(leaves))


def test_salts_and_decoys_never_repeat_within_or_between_records() -> None:
    seen: set[bytes] = set()
    for number in range(50):
        seed = sha256(b"%d" % number).digest()
        new = [record.open_fields(FIELDS, seed, [name])[0].salt for name in NAMES]
        new += leaves_of(FIELDS, seed)
        assert len(new) == len(NAMES) + record.LEAVES
        assert seen.isdisjoint(new)
        assert len(set(new)) == len(new)
        seen.update(new)


def test_the_number_of_fields_changes_every_salt() -> None:
    """So that one seed used by mistake for two shapes of record does not show a decoy of the other."""
    shorter = record.open_fields(FIELDS[:3], SEED, ["uetr"])[0].salt
    assert shorter != record.open_fields(FIELDS, SEED, ["uetr"])[0].salt


@pytest.mark.parametrize(
    ("field_names", "leaves"),
    [
        ([f"f{i}" for i in range(25)], 24),
        (["a", "a"], 24),
        ([""], 24),
        (["é" * 128], 24),
        ([], 0),
        ([], 65_536),
    ],
)
def test_impossible_shapes_are_refused(field_names: list[str], leaves: int) -> None:
    with pytest.raises(ValueError):
        RecordCommitter(field_names, leaves=leaves)


def test_wrong_arguments_are_refused() -> None:
    committer = RecordCommitter(["a", "b"])
    with pytest.raises(ValueError, match="1 values for 2 fields"):
        committer.root(["x"], SEED)
    with pytest.raises(ValueError, match="seed"):
        committer.root(["x", "y"], b"short")
    with pytest.raises(KeyError):
        committer.open_all(["x", "y"], SEED, ["c"])
    with pytest.raises(InputError, match="UTF-8"):
        committer.root(["x", "\ud800"], SEED)


def test_a_disclosure_with_impossible_text_is_a_failed_proof_not_a_crash() -> None:
    root = record.record_root(FIELDS, SEED)
    opened = record.open_fields(FIELDS, SEED, ["uetr"])[0]
    for bad in (
        replace(opened, value="\ud800"),
        replace(opened, name=""),
        replace(opened, salt=b""),
        replace(opened, path=(b"",)),
    ):
        with pytest.raises(VerificationError):
            record.verify_field(bad, root)

"""The salted commitment to the exact fields of one record, which can be opened field by field.

A record is a Merkle tree with a fixed number of leaves. Leaf *i* is::

    SHA-256(0x00 || salt_i (16) || len(name) (1) || name || tag (1) || value)

with tag 0x01 and the value in UTF-8, or tag 0x00 and no value for an absent field. The encoding is injective,
and 0x00 separates leaves from inner nodes (0x01). Leaves after the last field are decoys, so the tree does
not reveal the number of fields.

Salts and decoys of a record are one output of ``SHAKE-256(domain || leaves || fields || seed)``. This is
secure because the seed is 32 secret bytes (random, or an HMAC with the vault's secret) and is never
disclosed: SHAKE-256 with a secret prefix is a pseudorandom function, so a person who sees part of its output
(the salts of opened fields) cannot distinguish the rest from random bytes. So 128 random bits hide a closed
field even if its value is easy to guess, and a decoy looks like any other leaf hash.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256, shake_256

from ledger.commitment import merkle
from ledger.errors import InputError, VerificationError

__all__ = [
    "LEAVES",
    "SALT_SIZE",
    "FieldError",
    "OpenedField",
    "RecordCommitter",
    "field_leaf",
    "open_fields",
    "record_root",
    "verify_field",
]

#: Number of leaves of a transaction record, including decoys.
LEAVES = 24
#: Bytes of salt in each leaf.
SALT_SIZE = 16

_SEED_SIZE = 32
_HASH_SIZE = 32
_MAX_LEAVES = 65_535
_DOMAIN = b"counterfoil/record/v1"
_ABSENT = b"\x00"
_PRESENT = b"\x01"


class FieldError(VerificationError):
    """Raised when an opened field does not match the record root."""


@dataclass(frozen=True, slots=True)
class OpenedField:
    """One opened field of a record, with all data that is needed to verify it against the record root.

    Parameters
    ----------
    name : str
        Name of the field.
    value : str or None
        Its exact value; None if the record has no value.
    salt : bytes
        The 16-byte salt of its leaf.
    index : int
        Position of its leaf.
    path : tuple of bytes
        Inclusion path from the leaf to the record root.
    """

    name: str
    value: str | None
    salt: bytes
    index: int
    path: tuple[bytes, ...]


class RecordCommitter:
    """Commits to many records with the same fields, faster than `record_root`.

    Parameters
    ----------
    names : sequence of str
        Names of the fields, in their order; each 1 to 255 bytes of UTF-8.
    leaves : int
        Number of leaves of the tree, at least the number of fields.

    Raises
    ------
    ValueError
        When a name occurs twice or is too long, or there are more fields than leaves.

    Examples
    --------
    >>> committer = RecordCommitter(["amount", "currency"])
    >>> seed = bytes(range(32))
    >>> root = committer.root(["100.00", "EUR"], seed)
    >>> (opened,) = committer.open_all(["100.00", "EUR"], seed, ["amount"])
    >>> verify_field(opened, root, names=committer.names)
    """

    __slots__ = ("_decoys", "_heads", "_prefix", "_xof_size", "names")

    def __init__(self, names: Sequence[str], *, leaves: int = LEAVES) -> None:
        if not 1 <= leaves <= _MAX_LEAVES:
            raise ValueError(f"a record has 1 to {_MAX_LEAVES} leaves, not {leaves}")
        if len(names) > leaves:
            raise ValueError(f"{len(names)} fields do not fit in {leaves} leaves")
        if len(set(names)) != len(names):
            raise ValueError("a field name is given twice")
        self.names = tuple(names)
        fields = len(self.names)
        self._prefix = _DOMAIN + struct.pack(">HH", leaves, fields)
        self._decoys = range(
            fields * SALT_SIZE, fields * SALT_SIZE + (leaves - fields) * _HASH_SIZE, _HASH_SIZE
        )
        self._xof_size = fields * SALT_SIZE + (leaves - fields) * _HASH_SIZE
        self._heads = [
            (slice(i * SALT_SIZE, (i + 1) * SALT_SIZE), _name_bytes(name))
            for i, name in enumerate(self.names)
        ]

    def _stream(self, values: Sequence[str | None], seed: bytes) -> bytes:
        if len(values) != len(self.names):
            raise ValueError(f"{len(values)} values for {len(self.names)} fields")
        if len(seed) != _SEED_SIZE:
            raise ValueError(f"the seed must have {_SEED_SIZE} bytes, not {len(seed)}")
        return shake_256(self._prefix + seed).digest(self._xof_size)

    def leaves(self, values: Sequence[str | None], seed: bytes) -> list[bytes]:
        """Compute the leaf hashes of one record.

        Parameters
        ----------
        values : sequence of str or None
            Exact values in the order of the names.
        seed : bytes
            The 32 secret bytes of this record; never use the same seed for two records.

        Returns
        -------
        list of bytes
            One 32-byte hash for each leaf.

        Raises
        ------
        InputError
            When a value cannot be encoded in UTF-8.
        """
        stream = self._stream(values, seed)
        try:
            hashes = [
                sha256(
                    b"\x00"
                    + stream[salt]
                    + (name + b"\x00" if value is None else name + b"\x01" + value.encode())
                ).digest()
                for (salt, name), value in zip(self._heads, values, strict=True)
            ]
        except UnicodeEncodeError as error:
            raise InputError(f"a value cannot be written in UTF-8: {error.reason}") from error
        hashes += [stream[start : start + _HASH_SIZE] for start in self._decoys]
        return hashes

    def root(self, values: Sequence[str | None], seed: bytes) -> bytes:
        """Compute the record root; parameters and errors as for `leaves`."""
        return merkle.root(self.leaves(values, seed))

    def open_all(self, values: Sequence[str | None], seed: bytes, names: Sequence[str]) -> list[OpenedField]:
        """Open fields of one record, hashing it once.

        Raises
        ------
        KeyError
            When the record has no field of that name.
        """
        place = {name: index for index, name in enumerate(self.names)}
        indices = [place[name] for name in names]
        stream = self._stream(values, seed)
        paths = merkle.inclusion_paths(self.leaves(values, seed), indices)
        return [
            OpenedField(self.names[i], values[i], stream[self._heads[i][0]], i, tuple(path))
            for i, path in zip(indices, paths, strict=True)
        ]


def _name_bytes(name: str) -> bytes:
    data = name.encode()
    if not 1 <= len(data) <= 255:
        raise ValueError(f"a field name must have 1 to 255 bytes, not {len(data)}")
    return bytes([len(data)]) + data


def _split(fields: Sequence[tuple[str, str | None]], leaves: int) -> tuple[RecordCommitter, list[str | None]]:
    return RecordCommitter([name for name, _ in fields], leaves=leaves), [value for _, value in fields]


def record_root(fields: Sequence[tuple[str, str | None]], seed: bytes, *, leaves: int = LEAVES) -> bytes:
    """Compute the record root; see `RecordCommitter.root`."""
    committer, values = _split(fields, leaves)
    return committer.root(values, seed)


def open_fields(
    fields: Sequence[tuple[str, str | None]], seed: bytes, names: Sequence[str], *, leaves: int = LEAVES
) -> list[OpenedField]:
    """Open chosen fields of a record; see `RecordCommitter.open_all`."""
    committer, values = _split(fields, leaves)
    return committer.open_all(values, seed, names)


def field_leaf(name: str, value: str | None, salt: bytes) -> bytes:
    """Compute the leaf hash of one opened field.

    Raises
    ------
    FieldError
        When the name, the value or the salt is not allowed in a commitment.
    """
    where = f"field {name!r}"
    if len(salt) != SALT_SIZE:
        raise FieldError("the salt has the wrong size", expected=SALT_SIZE, got=len(salt), where=where)
    try:
        data = _name_bytes(name) + (_ABSENT if value is None else _PRESENT + value.encode())
    except ValueError as error:
        raise FieldError(
            f"the field's name or value is not allowed in a commitment: {error}", where=where
        ) from error
    return merkle.leaf_hash(salt + data)


def verify_field(
    opened: OpenedField, record_root: bytes, *, names: Sequence[str] | None = None, leaves: int = LEAVES
) -> None:
    """Verify that the record with the root `record_root` has exactly this value in this field.

    Parameters
    ----------
    opened : OpenedField
        The disclosed field.
    record_root : bytes
        The record root in the posted row.
    names : sequence of str, optional
        The names of the record's fields, in order. Give them if they are known: without them, a dishonest
        author could commit to the same name at two leaves, and open either of them.
    leaves : int
        Number of leaves of the record.

    Raises
    ------
    FieldError
        When the field does not match the root, or is not at its own leaf.
    """
    if names is not None and opened.name not in names:  # such a name may be anything: it is not repeated
        raise FieldError("a record has no field of this name")
    where = f"field {opened.name!r}"
    if names is not None and names.index(opened.name) != opened.index:
        raise FieldError(
            "the field is at the wrong leaf",
            expected=names.index(opened.name),
            where=where,
        )
    leaf = field_leaf(opened.name, opened.value, opened.salt)
    try:
        merkle.verify_inclusion(leaf, opened.index, leaves, opened.path, record_root)
    except merkle.InclusionError as error:
        raise FieldError(f"the field does not match the record root: {error.what}", where=where) from error

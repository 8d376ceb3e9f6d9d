"""The salted commitment to the exact fields of one record, which can be opened field by field.

A record is a Merkle tree with a fixed number of leaves. Leaf *i* is::

    SHA-256(0x00 || salt_i (16) || len(name) (1) || name || tag (1) || value)

with tag 0x01 and the value in UTF-8, or tag 0x00 and nothing for an absent field. The encoding is injective,
and 0x00 keeps leaves and inner nodes (0x01) apart. Leaves past the last field are decoys, so the tree does
not tell how many fields there are.

Salts and decoys of a record are one output of ``SHAKE-256(domain || leaves || fields || seed)``. This is
sound because the seed is 32 secret bytes (random, or an HMAC under the vault's secret) and is never
disclosed: SHAKE-256 keyed by a secret prefix is a pseudorandom function, so to who sees some of its output
(the salts of opened fields) the rest stays random. A closed field therefore stays hidden behind 128 random
bits even where its value is easy to guess, and a decoy looks like any other leaf hash.
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

#: Number of leaves of a transaction record, fields and decoys together.
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
    """Raised when an opened field is not the one that the record root committed to."""


@dataclass(frozen=True, slots=True)
class OpenedField:
    """One field of a record, opened: all that is needed to check it against the record root.

    Parameters
    ----------
    name : str
        Name of the field.
    value : str or None
        Its exact value; None where the record has none.
    salt : bytes
        The 16 bytes that hid it.
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
    """Commits to many records that have the same fields; the quick way to `record_root`.

    Parameters
    ----------
    names : sequence of str
        Names of the fields, in their order; each 1 to 255 bytes of UTF-8.
    leaves : int
        Number of leaves of the tree, at least that of the fields.

    Raises
    ------
    ValueError
        When a name repeats or is too long, or the fields do not fit the leaves.

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
            raise ValueError(f"{len(names)} fields do not fit {leaves} leaves")
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
            raise ValueError(f"the seed takes {_SEED_SIZE} bytes, not {len(seed)}")
        return shake_256(self._prefix + seed).digest(self._xof_size)

    def leaves(self, values: Sequence[str | None], seed: bytes) -> list[bytes]:
        """Compute the leaf hashes of one record.

        Parameters
        ----------
        values : sequence of str or None
            Exact values in the order of the names.
        seed : bytes
            The 32 secret bytes of this record; never use one for two records.

        Returns
        -------
        list of bytes
            As many 32-byte hashes as the tree has leaves.

        Raises
        ------
        InputError
            When a value is not text that UTF-8 can write.
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
        raise ValueError(f"a field name takes 1 to 255 bytes, not {len(data)}")
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
        When name, value or salt are none that could have been committed.
    """
    where = f"field {name!r}"
    if len(salt) != SALT_SIZE:
        raise FieldError("the salt has the wrong size", expected=SALT_SIZE, got=len(salt), where=where)
    try:
        data = _name_bytes(name) + (_ABSENT if value is None else _PRESENT + value.encode())
    except ValueError as error:
        raise FieldError(
            f"the field is not text that could have been committed: {error}", where=where
        ) from error
    return merkle.leaf_hash(salt + data)


def verify_field(
    opened: OpenedField, record_root: bytes, *, names: Sequence[str] | None = None, leaves: int = LEAVES
) -> None:
    """Check that the record under `record_root` has exactly this value in this field.

    Parameters
    ----------
    opened : OpenedField
        The field as it was disclosed.
    record_root : bytes
        The root that the row committed to.
    names : sequence of str, optional
        The fields of such a record in their order. Give it wherever it is known: without it, who made the
        record could have committed to one name at two leaves, and open now this one and now that.
    leaves : int
        Number of leaves of such a record.

    Raises
    ------
    FieldError
        When anything of it does not fit.
    """
    where = f"field {opened.name!r}"
    if names is not None:
        if opened.name not in names:
            raise FieldError("a record has no such field", where=where)
        if names.index(opened.name) != opened.index:
            raise FieldError(
                "the field is not at its own leaf",
                expected=names.index(opened.name),
                got=opened.index,
                where=where,
            )
    leaf = field_leaf(opened.name, opened.value, opened.salt)
    try:
        merkle.verify_inclusion(leaf, opened.index, leaves, opened.path, record_root)
    except merkle.InclusionError as error:
        raise FieldError(f"the field is not what was committed: {error.what}", where=where) from error

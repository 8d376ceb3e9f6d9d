"""Entries of the case log: their kinds, and how a flag is sealed to the members it concerns.

The identifier of a flag's entry is the `flag_id`. Its payload holds the flag's salted leaf hashes once, and
one envelope per addressee: the common fields and the addressee's own entities and rows, sealed to its HPKE
key. Other members learn only that the flag exists and which members it is addressed to.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from ledger import canonical, documents
from ledger.commitment import merkle
from ledger.documents import Count, Document
from ledger.envelope import key_id, open_envelope, seal
from ledger.errors import VerificationError
from ledger.flag import VIEW_FORMAT, Flag, Salt, verify_view

__all__ = ["CaseKind", "addressees", "open_flag", "seal_flag"]

_PAYLOAD_FORMAT: Final = "counterfoil/case-payload/1"


class PayloadDocument(Document, tag_field="format", tag=_PAYLOAD_FORMAT):
    """Payload of a flag's entry in JSON: leaf hashes, and an envelope per member code; both in base64."""

    leaves: bytes
    sealed: dict[Count, bytes]


class CaseKind(IntEnum):
    """Kind of a case log entry, with its number in the contract."""

    FLAG = 1
    FINDING = 2
    DECISION = 3
    REQUEST = 4
    ANSWER = 5
    NOTE = 6


def addressees(flag: Flag) -> list[int]:
    """Return the codes of the members that keep an entity of the flag or posted a row of it."""
    concerned = {entity.agent for entity in flag.entities} | {row.member for row in flag.rows}
    return sorted(concerned - {0})


def seal_flag(flag: Flag, seed: bytes, hpke_keys: Mapping[int, bytes]) -> bytes:
    """Return the payload of a flag's entry.

    Parameters
    ----------
    flag : Flag
    seed : bytes
        32 random bytes that salt the flag's fields.
    hpke_keys : mapping of member code to HPKE public key
    """
    flag_id = flag.flag_id(seed)
    envelopes = {}
    for code in addressees(flag):
        public = hpke_keys[code]
        leaves = enumerate(flag.view(seed, code)["leaves"])
        opened = canonical.dumps([[index, *leaf] for index, leaf in leaves if not isinstance(leaf, str)])
        envelopes[code] = seal(opened, _context(flag_id, code), [(key_id(public), public)])
    hashes = b"".join(flag.leaf_hashes(seed))
    return documents.write(PayloadDocument(leaves=hashes, sealed=envelopes))


def open_flag(payload: bytes, flag_id: bytes, code: int, private_key: bytes) -> dict[str, Any] | None:
    """Open and verify one member's view in a flag's entry; return None if there is no view for it.

    Raises
    ------
    VerificationError
        When the payload is malformed, cannot be opened, or does not belong to the flag.
    """
    document = documents.read(payload, PayloadDocument, what="case payload")
    envelope = document.sealed.get(code)
    if envelope is None:
        return None
    listed = [document.leaves[i : i + 32] for i in range(0, len(document.leaves), 32)]
    opened = documents.read(
        open_envelope(envelope, _context(flag_id, code), private_key),
        list[tuple[Count, str, str | None, Salt]],
        what="flag view",
    )
    if merkle.root(listed) != flag_id:
        raise VerificationError(
            "the leaves do not belong to the flag", expected=flag_id, got=merkle.root(listed)
        )
    leaves: list[Any] = [leaf.hex() for leaf in listed]
    for index, *leaf in opened:
        if index >= len(leaves):
            raise VerificationError("the flag view opens a leaf that the flag does not have")
        leaves[index] = leaf
    return verify_view({"format": VIEW_FORMAT, "leaves": leaves}, flag_id)


def _context(flag_id: bytes, code: int) -> bytes:
    return b"counterfoil/flag-view/1\x00" + flag_id + code.to_bytes(2, "big")

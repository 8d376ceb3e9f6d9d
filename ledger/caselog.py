"""What an entry of the case log says: kinds, and how a flag is sealed to the members it concerns.

A flag's entry is named by its `flag_id`. Its payload holds the flag's salted leaf hashes, once, and one
envelope per addressee: the common fields and the addressee's own entities and rows, sealed to its HPKE key.
Who is not addressed learns that a flag exists, and to whom it went, nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from ledger import canonical
from ledger.commitment import merkle
from ledger.envelope import key_id, open_envelope, seal
from ledger.errors import VerificationError
from ledger.flag import VIEW_FORMAT, Flag, verify_view

__all__ = ["CaseKind", "addressees", "open_flag", "seal_flag"]

_PAYLOAD_FORMAT: Final = "counterfoil/case-payload/1"


class CaseKind(IntEnum):
    """Kind of a case log entry, as the contract knows it."""

    FLAG = 1
    FINDING = 2
    DECISION = 3
    REQUEST = 4
    ANSWER = 5
    NOTE = 6


def addressees(flag: Flag) -> list[int]:
    """Return the member codes a flag concerns: who keeps an entity of it, or posted a row of it."""
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
        envelope = seal(opened, _context(flag_id, code), [(key_id(public), public)])
        envelopes[str(code)] = base64.b64encode(envelope).decode()
    hashes = base64.b64encode(b"".join(flag.leaf_hashes(seed))).decode()
    return canonical.dumps({"format": _PAYLOAD_FORMAT, "leaves": hashes, "sealed": envelopes})


def open_flag(payload: bytes, flag_id: bytes, code: int, private_key: bytes) -> dict[str, Any] | None:
    """Open and verify what a flag's entry says to one member; None where it is not addressed.

    Raises
    ------
    VerificationError
        When the payload is malformed, does not open, or does not belong to the flag.
    """
    value: Any = canonical.loads(payload, what="case payload")
    try:
        if value["format"] != _PAYLOAD_FORMAT:
            raise VerificationError("unknown case payload", expected=_PAYLOAD_FORMAT, got=value["format"])
        sealed = value["sealed"].get(str(code))
        if sealed is None:
            return None
        hashes, envelope = _unbase64(value["leaves"]), _unbase64(sealed)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VerificationError(f"the case payload is malformed: {error!r}") from error
    opened: Any = canonical.loads(
        open_envelope(envelope, _context(flag_id, code), private_key), what="flag view"
    )
    listed = [hashes[i : i + 32] for i in range(0, len(hashes), 32)]
    if merkle.root(listed) != flag_id:
        raise VerificationError(
            "the leaves do not belong to the flag", expected=flag_id, got=merkle.root(listed)
        )
    leaves: list[Any] = [leaf.hex() for leaf in listed]
    try:
        for index, *leaf in opened:
            leaves[index] = leaf
    except (TypeError, ValueError, IndexError) as error:
        raise VerificationError(f"the flag view is malformed: {error!r}") from error
    return verify_view({"format": VIEW_FORMAT, "leaves": leaves}, flag_id)


def _unbase64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not base64 in its one spelling")
    return data


def _context(flag_id: bytes, code: int) -> bytes:
    return b"counterfoil/flag-view/1\x00" + flag_id + code.to_bytes(2, "big")

"""What an entry of the case log says: kinds, and how a flag is sealed to the members it concerns.

A flag's entry is named by its `flag_id`. Its payload is one envelope per addressee: the common fields and
the addressee's own entities and rows, sealed to its HPKE key. Who is not addressed learns that a flag
exists, and to whom it went, nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from ledger import canonical
from ledger.envelope import key_id, open_envelope, seal
from ledger.errors import VerificationError
from ledger.flag import Flag, verify_view

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
        view = canonical.dumps(flag.view(seed, code))
        envelope = seal(view, _context(flag_id, code), [(key_id(public), public)])
        envelopes[str(code)] = base64.b64encode(envelope).decode()
    return canonical.dumps({"format": _PAYLOAD_FORMAT, "sealed": envelopes})


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
        envelope = None if sealed is None else base64.b64decode(sealed, validate=True)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VerificationError(f"the case payload is malformed: {error!r}") from error
    if envelope is None:
        return None
    view = open_envelope(envelope, _context(flag_id, code), private_key)
    return verify_view(canonical.loads(view, what="flag view"), flag_id)


def _context(flag_id: bytes, code: int) -> bytes:
    return b"counterfoil/flag-view/1\x00" + flag_id + code.to_bytes(2, "big")

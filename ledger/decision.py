"""An officer's decision on a flag: what it says, and how it is sealed for the chain's case log.

The entry's case is the flag. Its payload is one envelope, to the readers and to the officer who writes it;
its content hash covers a random salt, the flag and the author, so nobody can test a guess of the decision,
put it under another flag, or pass it off as their own. Its length does not tell the verdict.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger import canonical
from ledger.envelope import NotAddresseeError, key_id, open_envelope, public_key, seal
from ledger.errors import InputError, VerificationError

__all__ = ["MAX_REASON", "Decision", "Verdict", "officer_reader_key", "open_decision", "seal_decision"]

FORMAT: Final = "counterfoil/decision/1"

#: Most characters of a reason: it is a note for the file, not the file.
MAX_REASON: Final = 2_000

Verdict = Literal["suspicious", "not_suspicious"]

_VERDICTS: Final = ("suspicious", "not_suspicious")
_SALT_SIZE: Final = 32
#: Documents are padded to a multiple of this, so that the length does not tell the verdict.
_STEP: Final = 1_024
_DOMAIN: Final = b"counterfoil/decision/1\x00"
_READER_DOMAIN: Final = b"counterfoil/officer-reader/1"


@dataclass(frozen=True, slots=True)
class Decision:
    """What an officer decided about a flag.

    Parameters
    ----------
    flag_id : bytes
        32 bytes.
    verdict : {"suspicious", "not_suspicious"}
    reason : str
        May be empty.
    decided_at : int
        Unix seconds, by the officer's clock; the order of decisions is the chain's.
    salt : bytes
        32 random bytes.
    """

    flag_id: bytes
    verdict: Verdict
    reason: str
    decided_at: int
    salt: bytes

    @classmethod
    def make(cls, flag_id: bytes, verdict: str, reason: str, decided_at: int) -> Self:
        """Make a decision with a fresh salt.

        Raises
        ------
        InputError
            When there is no such verdict, or the reason is too long.
        """
        if verdict not in _VERDICTS:
            raise InputError(f"there is no verdict {verdict!r}", next_step=f"{' or '.join(_VERDICTS)}")
        if len(reason) > MAX_REASON:
            raise InputError(
                f"a reason of {len(reason):,} characters is too long", next_step=f"At most {MAX_REASON:,}."
            )
        try:
            reason.encode()
        except UnicodeEncodeError as error:
            raise InputError("the reason is not text", where=f"character {error.start + 1}") from error
        salt = os.urandom(_SALT_SIZE)
        return cls(
            flag_id, "suspicious" if verdict == _VERDICTS[0] else "not_suspicious", reason, decided_at, salt
        )

    def to_bytes(self) -> bytes:
        """Return the document that is sealed: canonical JSON, padded."""
        value = {
            "format": FORMAT,
            "flag_id": self.flag_id.hex(),
            "verdict": self.verdict,
            "reason": self.reason,
            "decided_at": self.decided_at,
            "salt": self.salt.hex(),
            "padding": "",
        }
        value["padding"] = " " * (-len(canonical.dumps(value)) % _STEP)
        return canonical.dumps(value)

    @classmethod
    def from_bytes(cls, document: bytes) -> Self:
        """Read a document.

        Raises
        ------
        VerificationError
            When it is malformed, or spelled otherwise than `to_bytes` does.
        """
        value: Any = canonical.loads(document, what="decision")
        try:
            decision = cls(
                bytes.fromhex(value["flag_id"]),
                value["verdict"],
                value["reason"],
                value["decided_at"],
                bytes.fromhex(value["salt"]),
            )
            sizes = (len(decision.flag_id), len(decision.salt))
            typed = isinstance(decision.reason, str) and type(decision.decided_at) is int
            if sizes != (32, _SALT_SIZE) or decision.verdict not in _VERDICTS or not typed:
                raise ValueError("a field has another type or size")
            if len(decision.reason) > MAX_REASON or decision.to_bytes() != document:
                raise ValueError(f"it is not spelled as {FORMAT} is")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise VerificationError(f"the decision is malformed: {error!r}") from error
        return decision

    def content_hash(self, author: str) -> bytes:
        """Return what stands on the chain for it."""
        return sha256(_context(self.flag_id, author) + self.to_bytes()).digest()


def officer_reader_key(account_key: bytes) -> bytes:
    """Derive the X25519 key under which an officer reads again what they wrote, from their account's key."""
    return HKDF(SHA256(), 32, None, _READER_DOMAIN).derive(account_key)


def seal_decision(decision: Decision, author: str, account_key: bytes, readers: Iterable[bytes]) -> bytes:
    """Return the payload of a decision's entry.

    Parameters
    ----------
    decision : Decision
    author : str
        The officer's address.
    account_key : bytes
        The officer's own key, to whom it is sealed too.
    readers : iterable of bytes
        HPKE public keys of the current readers.
    """
    recipients = dict.fromkeys([*readers, public_key(officer_reader_key(account_key))])
    return seal(
        decision.to_bytes(),
        _context(decision.flag_id, author),
        [(key_id(public), public) for public in recipients],
    )


def open_decision(
    payload: bytes, flag_id: bytes, author: str, content_hash: bytes, private_keys: Iterable[bytes]
) -> Decision:
    """Open an entry with whichever key it is sealed to, and check that it belongs where it stands.

    Raises
    ------
    VerificationError
        When no key opens it, or it is malformed, of another flag or author, or not what was hashed.
    """
    document: bytes | None = None
    for private in private_keys:
        try:
            document = open_envelope(payload, _context(flag_id, author), private)
            break
        except NotAddresseeError:
            continue
    if document is None:
        raise VerificationError("the decision is sealed to none of these keys")
    decision = Decision.from_bytes(document)
    if decision.flag_id != flag_id:
        raise VerificationError("the decision is about another flag", expected=flag_id, got=decision.flag_id)
    if decision.content_hash(author) != content_hash:
        raise VerificationError(
            "the decision is not the one that was hashed",
            expected=content_hash,
            got=decision.content_hash(author),
        )
    return decision


def _context(flag_id: bytes, author: str) -> bytes:
    return _DOMAIN + flag_id + bytes.fromhex(author.removeprefix("0x"))

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
from typing import Annotated, Final, Literal, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta

from ledger import documents
from ledger.documents import Document, Hash
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


class DecisionDocument(Document, tag_field="format", tag=FORMAT):
    """A decision in JSON."""

    flag_id: Hash
    verdict: Verdict
    reason: Annotated[str, Meta(max_length=MAX_REASON)]
    decided_at: int
    salt: Hash
    padding: str


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
        document = DecisionDocument(
            flag_id=self.flag_id.hex(),
            verdict=self.verdict,
            reason=self.reason,
            decided_at=self.decided_at,
            salt=self.salt.hex(),
            padding="",
        )
        document.padding = " " * (-len(documents.write(document)) % _STEP)
        return documents.write(document)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a document.

        Raises
        ------
        VerificationError
            When it is malformed, or spelled otherwise than `to_bytes` does.
        """
        document = documents.read(data, DecisionDocument, what="decision")
        decision = cls(
            bytes.fromhex(document.flag_id),
            document.verdict,
            document.reason,
            document.decided_at,
            bytes.fromhex(document.salt),
        )
        if decision.to_bytes() != data:
            raise VerificationError(f"the decision is malformed: it is not padded as {FORMAT} is")
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

"""An officer's decision on a flag: its content, and how it is sealed for the chain's case log.

The flag is the case of the entry. The payload is one envelope, sealed to the readers and to the officer who
wrote it. The content hash covers a random salt, the flag and the author, so nobody can test a guess of the
decision, copy it to another flag, or claim to be its author. The payload's length does not show the verdict.
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
from ledger.errors import ConfigurationError, InputError, VerificationError
from ledger.signing import AccountKey

__all__ = ["MAX_REASON", "Decision", "Verdict", "officer_reader_key", "open_decision", "seal_decision"]

FORMAT: Final = "counterfoil/decision/1"

#: Maximum length of a reason, in characters.
MAX_REASON: Final = 2_000

Verdict = Literal["suspicious", "not_suspicious"]

_VERDICTS: Final = ("suspicious", "not_suspicious")
_SALT_SIZE: Final = 32
#: Documents are padded to a multiple of this size, so that the length does not reveal the verdict.
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
    """An officer's decision on a flag.

    Parameters
    ----------
    flag_id : bytes
        32 bytes.
    verdict : {"suspicious", "not_suspicious"}
    reason : str
        May be empty.
    decided_at : int
        Unix seconds, by the officer's clock; the chain, not this time, orders the decisions.
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
        """Make a decision with a new random salt.

        Raises
        ------
        InputError
            When the verdict is unknown, or the reason is too long or not text.
        """
        if verdict not in _VERDICTS:
            raise InputError(f"unknown verdict {verdict!r}", next_step=f"Use {' or '.join(_VERDICTS)}.")
        if len(reason) > MAX_REASON:
            raise InputError(
                f"a reason of {len(reason):,} characters is too long",
                next_step=f"Shorten it to at most {MAX_REASON:,} characters.",
            )
        try:
            reason.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                "the reason contains a character that is not valid Unicode text",
                where=f"character {error.start + 1}",
                next_step="Remove this character.",
            ) from error
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
            When it is malformed, or differs from what `to_bytes` writes.
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
            raise VerificationError(f"the decision is malformed: its padding does not follow {FORMAT}")
        return decision

    def content_hash(self, author: str) -> bytes:
        """Return the content hash that the chain stores for the decision."""
        return sha256(_context(self.flag_id, author) + self.to_bytes()).digest()


def officer_reader_key(account_key: bytes) -> bytes:
    """Derive, from an officer's account key, the X25519 key that opens the officer's own decisions."""
    return HKDF(SHA256(), 32, None, _READER_DOMAIN).derive(account_key)


def seal_decision(
    decision: Decision,
    author: str,
    account_key: AccountKey,
    readers: Iterable[bytes],
    *,
    reader_key: bytes | None = None,
) -> bytes:
    """Return the payload of a decision's entry.

    Parameters
    ----------
    decision : Decision
    author : str
        The officer's address.
    account_key : AccountKey
        The key of the officer's account; the decision is sealed to the officer too.
    readers : iterable of bytes
        HPKE public keys of the current readers.
    reader_key : bytes, optional
        The X25519 private key with which the officer opens it; derived from the account key by default.

    Raises
    ------
    ConfigurationError
        When the account key is on a token, from which nothing is derived, and no reader key is given.
    """
    if reader_key is None:
        if not isinstance(account_key, bytes):
            raise ConfigurationError(
                "the officer's account key is on a token, and the officer has no key to open decisions",
                where=author,
                next_step="Move the account again with `counterfoil keys import`, which makes that key.",
            )
        reader_key = officer_reader_key(account_key)
    recipients = dict.fromkeys([*readers, public_key(reader_key)])
    return seal(
        decision.to_bytes(),
        _context(decision.flag_id, author),
        [(key_id(public), public) for public in recipients],
    )


def open_decision(
    payload: bytes, flag_id: bytes, author: str, content_hash: bytes, private_keys: Iterable[bytes]
) -> Decision:
    """Open a decision's entry with the first key that fits, and check its flag, author and hash.

    Raises
    ------
    NotAddresseeError
        When it is not sealed to any of the keys.
    VerificationError
        When it is malformed, or its flag, author or hash does not match the entry.
    """
    document: bytes | None = None
    for private in private_keys:
        try:
            document = open_envelope(payload, _context(flag_id, author), private)
            break
        except NotAddresseeError:
            continue
    if document is None:
        raise NotAddresseeError(
            "the decision is not sealed to any of these keys",
            next_step="Use the keys of a reader or of the officer who wrote it.",
        )
    decision = Decision.from_bytes(document)
    if decision.flag_id != flag_id:
        raise VerificationError("the decision is about another flag", expected=flag_id, got=decision.flag_id)
    if decision.content_hash(author) != content_hash:
        raise VerificationError(
            "the decision does not match the hash on the chain",
            expected=content_hash,
            got=decision.content_hash(author),
        )
    return decision


def _context(flag_id: bytes, author: str) -> bytes:
    return _DOMAIN + flag_id + bytes.fromhex(author.removeprefix("0x"))

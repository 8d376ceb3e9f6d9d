"""Signed notes and verifier keys of C2SP: a text, a blank line, and signature lines.

A verifier key names its owner and the type of its signatures. A signature line names a key by the key's name
and its key ID. Lines of unknown keys are ignored by whoever verifies; here they must only be well-formed.

Reading is strict: a note and a verifier key have exactly one byte representation.

References
----------
.. [1] C2SP signed-note, https://c2sp.org/signed-note
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from ledger.errors import ConfigurationError, VerificationError

__all__ = [
    "CheckpointError",
    "KeyType",
    "Note",
    "SignatureLine",
    "VerifierKey",
    "base64_value",
    "decimal",
    "encoded",
]

_MAX_NOTE: Final = 1 << 18
_MAX_SIGNATURES: Final = 128
_MAX_NUMBER: Final = 2**63
_DASH: Final = "\u2014 "
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
#: Characters of a key name: no white space, no plus sign, no control characters of ASCII.
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_TEXT: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(.+)")

#: The y-coordinates of the points of small order of Ed25519: anybody can sign under such a "key".
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
)
_FIELD_PRIME: Final = 2**255 - 19


class CheckpointError(VerificationError):
    """Raised when a note or a checkpoint is malformed, or lacks the signatures that a policy requires."""


class KeyType(IntEnum):
    """The type of a key's signatures: the byte that C2SP assigns to it."""

    #: Ed25519 over the text of the note; the keys of logs.
    ED25519 = 0x01
    #: Timestamped Ed25519 cosignature, version 1; the keys of witnesses.
    COSIGNATURE = 0x04
    #: Timestamped ML-DSA-44 cosignature; keys of logs or of witnesses.
    ML_DSA_44 = 0x06


#: Number of bytes of a public key, by type.
_KEY_SIZE: Final = {KeyType.ED25519: 32, KeyType.COSIGNATURE: 32, KeyType.ML_DSA_44: 1312}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name of its owner and the type of its signatures.

    Parameters
    ----------
    name : str
        1 to 255 bytes of UTF-8, without white space and plus signs.
    type : KeyType
    public : bytes
        32 bytes for the Ed25519 types, 1,312 for ML-DSA-44.

    Raises
    ------
    ConfigurationError
        When the name is not allowed, or the bytes are not a safe key of that type.
    """

    name: str
    type: KeyType
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != _KEY_SIZE[self.type]:
            raise ConfigurationError(
                f"a key of this type has {_KEY_SIZE[self.type]} bytes, not {len(self.public)}",
                where=self.name,
            )
        if self.type is not KeyType.ML_DSA_44 and _is_weak(self.public):
            raise ConfigurationError(
                "the key is not a safe Ed25519 key: anybody could sign with it",
                where=self.name,
                next_step="Ask its owner for another key.",
            )

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that name the key in a signature line."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as text: ``name+key ID+base64(type || key)``."""
        return f"{self.name}+{self.key_id.hex()}+{encoded(bytes([self.type]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key from text.

        Raises
        ------
        ConfigurationError
            When `text` is not a verifier key of a known type, or its key ID does not match its key.
        """
        match = _KEY_TEXT.fullmatch(text)
        raw = b"" if match is None else _decoded(match[3]) or b""
        if match is not None and raw and raw[0] in KeyType._value2member_map_:
            key = cls(match[1], KeyType(raw[0]), raw[1:])
            if key.text == text:
                return key
        raise ConfigurationError(
            "this is not a verifier key of a known type, or its key ID does not match its key",
            where=text[:80],
            next_step="Copy the verifier key as its owner published it: name+key ID+base64.",
        )


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature of a note: name and key ID of a key, and the signature's bytes."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def text(self) -> str:
        """The line, with its line feed."""
        return f"{_DASH}{self.name} {encoded(self.key_id + self.value)}\n"

    def is_of(self, key: VerifierKey) -> bool:
        """Whether the line names this key; it says nothing about the signature."""
        return self.name == key.name and self.key_id == key.key_id

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a signature line, without its line feed.

        Raises
        ------
        CheckpointError
            When it is not a signature line.
        """
        parts = line.split(" ")
        raw = _decoded(parts[2]) if len(parts) == 3 else None
        if raw is None or parts[0] + " " != _DASH or len(raw) <= 4 or not _is_name(parts[1]):
            raise CheckpointError("a line of the note is not a signature line: — <name> <base64>")
        return cls(parts[1], raw[:4], raw[4:])


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note.

    Parameters
    ----------
    body : str
        The signed text, with its last line feed.
    signatures : tuple of SignatureLine
    """

    body: str
    signatures: tuple[SignatureLine, ...]

    @property
    def text(self) -> str:
        """The whole note."""
        return f"{self.body}\n{''.join(line.text for line in self.signatures)}"

    def with_lines(self, *lines: SignatureLine) -> Note:
        """Return the note with more signature lines at its end."""
        return Note(self.body, (*self.signatures, *lines))

    def line_of(self, key: VerifierKey) -> SignatureLine | None:
        """Return the line of a key; None if the note has none.

        Raises
        ------
        CheckpointError
            When the note has two lines of the key.
        """
        lines = [line for line in self.signatures if line.is_of(key)]
        if len(lines) > 1:
            raise CheckpointError("the note has two signatures of one key", where=key.name)
        return lines[0] if lines else None

    @classmethod
    def parse(cls, note: str | bytes) -> Self:
        """Read a note; its signatures are not verified.

        Raises
        ------
        CheckpointError
            When it is not a signed note, or is too large.
        """
        text = _text(note)
        end = text.rfind("\n\n")
        if end < 0 or not text.endswith("\n") or end + 2 >= len(text):
            raise CheckpointError("this is not a signed note: a text, a blank line, and signature lines")
        lines = text[end + 2 : -1].split("\n")
        if len(lines) > _MAX_SIGNATURES:
            raise CheckpointError(
                "the note has too many signatures", expected=f"at most {_MAX_SIGNATURES}", got=len(lines)
            )
        return cls(text[: end + 1], tuple(SignatureLine.parse(line) for line in lines))


def check_name(name: str) -> None:
    """Check the name of a key.

    Raises
    ------
    ConfigurationError
        When it is not allowed.
    """
    if not _is_name(name):
        raise ConfigurationError(
            "a key name has 1 to 255 bytes, without white space and plus signs", where=repr(name[:80])
        )


def decimal(text: str) -> int:
    """Read a number as C2SP writes it: decimal digits without leading zeros.

    Raises
    ------
    CheckpointError
        When it is written in another way, or is 2**63 or more.
    """
    if not _DECIMAL.fullmatch(text) or int(text) >= _MAX_NUMBER:
        raise CheckpointError("a number is not decimal digits without leading zeros, below 2**63")
    return int(text)


def encoded(value: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(value).decode()


def base64_value(text: str, size: int | None = None) -> bytes:
    """Read base64 of `size` bytes, or of one byte or more, in its only canonical form.

    Raises
    ------
    CheckpointError
        When it is not.
    """
    value = _decoded(text)
    if not value or size not in (None, len(value)):
        raise CheckpointError(f"a value is not {size or 'some'} bytes in canonical base64")
    return value


def _decoded(text: str) -> bytes | None:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if encoded(value) == text else None  # other padding bits would decode to the same value


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and len(name.encode()) <= 255


def _is_weak(public: bytes) -> bool:
    """Whether an Ed25519 key has a second encoding, or a small order."""
    number = int.from_bytes(public, "little") & (2**255 - 1)
    return number >= _FIELD_PRIME or number.to_bytes(32, "little") in _SMALL_ORDER


def _text(note: str | bytes) -> str:
    try:
        raw = note.encode() if isinstance(note, str) else note
        if len(raw) > _MAX_NOTE:
            raise CheckpointError("the note is too long", expected=f"at most {_MAX_NOTE} bytes", got=len(raw))
        text = raw.decode()
    except UnicodeError as error:
        raise CheckpointError("the note is not UTF-8") from error
    if _CONTROL.search(text):
        raise CheckpointError("the note has a control character other than a line feed")
    return text

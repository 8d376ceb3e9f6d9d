"""Receipts and disclosures: files that a member issues so that anyone can verify a record offline.

A *receipt* proves that the log contains a packed row: row, path to the rows root, batch header, path to the
checkpoint, and the checkpoint. A *disclosure* adds opened fields and the purpose of the disclosure, signed by
the account that posted the row. Both are canonical JSON, so each has exactly one byte representation.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeVar

from ledger import canonical, documents
from ledger.batch import BatchHeader, HeaderDocument
from ledger.commitment.record import OpenedField
from ledger.documents import Count, Document, Hash, Hex
from ledger.errors import VerificationError
from ledger.signing import SIGNATURE_SIZE, recover_address, sign_text

__all__ = ["DISCLOSURE_FORMAT", "RECEIPT_FORMAT", "Disclosure", "Receipt"]

_Kind = TypeVar("_Kind")

RECEIPT_FORMAT: Final = "counterfoil/receipt/1"
DISCLOSURE_FORMAT: Final = "counterfoil/disclosure/1"

_MAX_SIZE: Final = 1 << 20

#: Half the order of secp256k1; the s value of a valid signature is not above it (EIP-2).
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class ReceiptDocument(Document, tag_field="format", tag=RECEIPT_FORMAT):
    """A receipt in JSON."""

    row: Hex
    index: Count
    rows_path: list[Hash]
    header: HeaderDocument
    log_index: Count
    log_path: list[Hash]
    checkpoint: str


class OpenedDocument(Document):
    """An opened field in JSON."""

    name: str
    value: str | None
    salt: Hex
    index: Count
    path: list[Hash]


class DisclosureDocument(Document, tag_field="format", tag=DISCLOSURE_FORMAT):
    """A disclosure in JSON."""

    receipt: ReceiptDocument
    policy: str
    fields: list[OpenedDocument]
    purpose: str
    signature: Hex


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that the log contains one packed row.

    Parameters
    ----------
    row : bytes
        The packed row, 144 bytes; it ends with the record root.
    index : int
        Index of the row in the batch.
    rows_path : tuple of bytes
        Inclusion path to the header's rows root.
    header : BatchHeader
    log_index : int
        Index of the batch in the log.
    log_path : tuple of bytes
        Inclusion path to the checkpoint's root.
    checkpoint : str
        The signed note.
    """

    row: bytes
    index: int
    rows_path: tuple[bytes, ...]
    header: BatchHeader
    log_index: int
    log_path: tuple[bytes, ...]
    checkpoint: str

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        return {
            "format": RECEIPT_FORMAT,
            "row": self.row.hex(),
            "index": self.index,
            "rows_path": [node.hex() for node in self.rows_path],
            "header": self.header.to_json(),
            "log_index": self.log_index,
            "log_path": [node.hex() for node in self.log_path],
            "checkpoint": self.checkpoint,
        }

    def to_bytes(self) -> bytes:
        """Return the receipt as the bytes of its file."""
        return canonical.dumps(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """Read a receipt.

        Raises
        ------
        VerificationError
            When it is malformed or has content that its format does not allow.
        """
        return cls.from_document(_read(data, ReceiptDocument, "receipt"))

    @classmethod
    def from_document(cls, document: ReceiptDocument) -> Receipt:
        """Return the receipt in a document; raises the same errors as `from_bytes`."""
        return cls(
            row=bytes.fromhex(document.row),
            index=document.index,
            rows_path=tuple(map(bytes.fromhex, document.rows_path)),
            header=BatchHeader.from_document(document.header),
            log_index=document.log_index,
            log_path=tuple(map(bytes.fromhex, document.log_path)),
            checkpoint=document.checkpoint,
        )


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A receipt, opened fields, the policy that encoded them, and the purpose of the disclosure.

    Parameters
    ----------
    receipt : Receipt
    policy : str
        The policy document that the row was encoded with; it allows to compare the row with the fields.
    fields : tuple of OpenedField
    purpose : str
        Why, and for whom, the fields are opened.
    signature : bytes
        EIP-191 signature by the posting account over all the other fields.
    """

    receipt: Receipt
    policy: str
    fields: tuple[OpenedField, ...]
    purpose: str
    signature: bytes = b""

    def _unsigned(self) -> dict[str, Any]:
        return {
            "format": DISCLOSURE_FORMAT,
            "receipt": self.receipt.to_json(),
            "policy": self.policy,
            "fields": [
                {
                    "name": opened.name,
                    "value": opened.value,
                    "salt": opened.salt.hex(),
                    "index": opened.index,
                    "path": [node.hex() for node in opened.path],
                }
                for opened in self.fields
            ],
            "purpose": self.purpose,
        }

    def _message(self) -> str:
        digest = sha256(canonical.dumps(self._unsigned())).hexdigest()
        return f"{DISCLOSURE_FORMAT}\n{digest}"

    def sign(self, key: bytes) -> Disclosure:
        """Return the disclosure signed with the posting account's key."""
        signature = sign_text(self._message(), key)
        return Disclosure(self.receipt, self.policy, self.fields, self.purpose, signature)

    def signer(self) -> bytes:
        """Return the address that signed, 20 bytes.

        Raises
        ------
        VerificationError
            When the signature is malformed or not valid.
        """
        upper = int.from_bytes(self.signature[32:64], "big") > _HALF_ORDER  # (r, n - s) would verify as well
        if len(self.signature) != SIGNATURE_SIZE or self.signature[64] not in (27, 28) or upper:
            raise VerificationError("the disclosure's signature is not in its canonical form")
        try:
            address = recover_address(self._message(), self.signature)
        except VerificationError as error:
            raise VerificationError(f"the disclosure's signature is not valid: {error}") from error
        return bytes.fromhex(address[2:])

    def to_bytes(self) -> bytes:
        """Return the disclosure as the bytes of its file."""
        return canonical.dumps({**self._unsigned(), "signature": self.signature.hex()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Disclosure:
        """Read a disclosure.

        Raises
        ------
        VerificationError
            When it is malformed or has content that its format does not allow.
        """
        document = _read(data, DisclosureDocument, "disclosure")
        return cls(
            receipt=Receipt.from_document(document.receipt),
            policy=document.policy,
            fields=tuple(
                OpenedField(
                    name=opened.name,
                    value=opened.value,
                    salt=bytes.fromhex(opened.salt),
                    index=opened.index,
                    path=tuple(map(bytes.fromhex, opened.path)),
                )
                for opened in document.fields
            ),
            purpose=document.purpose,
            signature=bytes.fromhex(document.signature),
        )


def _read(data: bytes, kind: type[_Kind], what: str) -> _Kind:
    if len(data) > _MAX_SIZE:
        raise VerificationError(f"the {what} is larger than {_MAX_SIZE} bytes")
    return documents.read(data, kind, what=what)

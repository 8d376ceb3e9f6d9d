"""Receipts: files that a member issues so that anyone can verify offline that it posted a row.

A receipt contains the packed row, its path to the rows root, the batch header with the author's signature,
and two proofs of inclusion in the form of C2SP tlog-proof: the batch is in the ledger log (it was posted, in
this block), and its acceptance is in the verdict log. A receipt is canonical JSON, so it has exactly one byte
representation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ledger import documents
from ledger.batch import BatchHeader, HeaderDocument
from ledger.documents import Count, Document, Hash, Hex
from ledger.errors import VerificationError

__all__ = ["MAX_SIZE", "RECEIPT_FORMAT", "Receipt", "ReceiptDocument"]

RECEIPT_FORMAT: Final = "counterfoil/receipt/2"

#: Largest receipt or disclosure, in bytes.
MAX_SIZE: Final = 1 << 20


class ReceiptDocument(Document, tag_field="format", tag=RECEIPT_FORMAT):
    """A receipt in JSON."""

    row: Hex
    index: Count
    rows_path: list[Hash]
    header: HeaderDocument
    signature: Hex
    block: Count
    block_time: Count
    ledger_proof: str
    verdict_proof: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a member posted a packed row, and that the desk accepted it.

    Parameters
    ----------
    row : bytes
        The packed row, 144 bytes; it ends with the record root.
    index : int
        Index of the row in the batch.
    rows_path : tuple of bytes
        Inclusion path to the header's rows root.
    header : BatchHeader
    signature : bytes
        The author's signature over the header, 65 bytes.
    block, block_time : int
        The block that contains the batch, and that block's Unix time.
    ledger_proof : str
        Inclusion of the batch in the ledger log (C2SP tlog-proof, with a checkpoint).
    verdict_proof : str
        Inclusion of the verdict "accepted" in the verdict log (C2SP tlog-proof, with a checkpoint).
    """

    row: bytes
    index: int
    rows_path: tuple[bytes, ...]
    header: BatchHeader
    signature: bytes
    block: int
    block_time: int
    ledger_proof: str
    verdict_proof: str

    def to_document(self) -> ReceiptDocument:
        """Return the receipt as a document."""
        return ReceiptDocument(
            row=self.row.hex(),
            index=self.index,
            rows_path=[node.hex() for node in self.rows_path],
            header=documents.convert(self.header.to_json(), HeaderDocument, what="batch header"),
            signature=self.signature.hex(),
            block=self.block,
            block_time=self.block_time,
            ledger_proof=self.ledger_proof,
            verdict_proof=self.verdict_proof,
        )

    def to_bytes(self) -> bytes:
        """Return the receipt as the bytes of its file."""
        return documents.write(self.to_document())

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """Read a receipt.

        Raises
        ------
        VerificationError
            When it is malformed or has content that its format does not allow.
        """
        if len(data) > MAX_SIZE:
            raise VerificationError(f"the receipt is larger than {MAX_SIZE} bytes")
        return cls.from_document(documents.read(data, ReceiptDocument, what="receipt"))

    @classmethod
    def from_json(cls, value: Any) -> Receipt:
        """Return the receipt in JSON values; raises the same errors as `from_bytes`."""
        return cls.from_document(documents.convert(value, ReceiptDocument, what="receipt"))

    @classmethod
    def from_document(cls, document: ReceiptDocument) -> Receipt:
        """Return the receipt in a document; raises the same errors as `from_bytes`."""
        return cls(
            row=bytes.fromhex(document.row),
            index=document.index,
            rows_path=tuple(map(bytes.fromhex, document.rows_path)),
            header=BatchHeader.from_document(document.header),
            signature=bytes.fromhex(document.signature),
            block=document.block,
            block_time=document.block_time,
            ledger_proof=document.ledger_proof,
            verdict_proof=document.verdict_proof,
        )

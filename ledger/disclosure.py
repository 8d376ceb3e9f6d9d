"""Disclosures: a receipt, and exact fields of its record, opened for one recipient and one purpose.

The posting account signs the disclosure as typed data (EIP-712), so that a wallet shows purpose and
recipient, and so that the signature holds in one consortium only. A field may carry a proof that its value is
the one in the row: the evaluation of a pseudonym, or the opening of the match token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, Literal

from ledger import documents
from ledger.commitment.record import OpenedField
from ledger.documents import Count, Document, Hash, Hex
from ledger.encoding.evaluation import Evaluation, EvaluationDocument
from ledger.errors import VerificationError
from ledger.receipt import MAX_SIZE, Receipt, ReceiptDocument
from ledger.signing import AccountKey
from ledger.typed_data import DISCLOSURE, Domain, recover_typed, sign_typed

__all__ = [
    "DISCLOSURE_FORMAT",
    "MAX_TEXT",
    "DisclosedField",
    "Disclosure",
    "PseudonymOpening",
    "TokenOpening",
]

DISCLOSURE_FORMAT: Final = "counterfoil/disclosure/2"

#: Largest number of characters of a purpose or a recipient.
MAX_TEXT: Final = 500


class PseudonymDocument(Document, tag_field="kind", tag="pseudonym"):
    """The opening of a pseudonym in JSON; `evaluation` and `element` are indices, counted from 0."""

    evaluation: Count
    element: Count
    blind: Hash


class TokenDocument(Document, tag_field="kind", tag="token"):
    """The opening of a match token in JSON."""

    t: Hash


class FieldDocument(Document):
    """A disclosed field in JSON."""

    name: str
    value: str | None
    salt: Hex
    index: Count
    path: list[Hash]
    proof: PseudonymDocument | TokenDocument | None


class DisclosureDocument(Document, tag_field="format", tag=DISCLOSURE_FORMAT):
    """A disclosure in JSON."""

    receipt: ReceiptDocument
    policy: str
    fields: list[FieldDocument]
    evaluations: list[EvaluationDocument]
    purpose: str
    recipient: str
    signature: Hex


@dataclass(frozen=True, slots=True)
class PseudonymOpening:
    """The place of an identifier in an evaluation, and its blind.

    Parameters
    ----------
    evaluation : int
        Index in the disclosure's evaluations.
    element : int
        Index in the evaluation's batch.
    blind : bytes
        The scalar that blinded the identifier, 32 bytes.
    """

    evaluation: int
    element: int
    blind: bytes

    kind: Literal["pseudonym"] = "pseudonym"


@dataclass(frozen=True, slots=True)
class TokenOpening:
    """The secret that opens one match token, 32 bytes; it opens no other token."""

    t: bytes

    kind: Literal["token"] = "token"


@dataclass(frozen=True, slots=True)
class DisclosedField:
    """An opened field of the record, and the proof that the row has the same value (None: no proof)."""

    opened: OpenedField
    proof: PseudonymOpening | TokenOpening | None = None


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A receipt, opened fields, the policy that encoded them, and for whom and why they are opened.

    Parameters
    ----------
    receipt : Receipt
    policy : str
        The policy document that the row was encoded with; it allows to compare the row with the fields.
    fields : sequence of DisclosedField
    evaluations : sequence of Evaluation
        The key holder's answers that the openings of pseudonyms refer to.
    purpose, recipient : str
        Why the fields are opened, and for whom.
    signature : bytes
        EIP-712 signature of the posting account.
    """

    receipt: Receipt
    policy: str
    fields: Sequence[DisclosedField]
    evaluations: Sequence[Evaluation]
    purpose: str
    recipient: str
    signature: bytes = b""

    def to_document(self) -> DisclosureDocument:
        """Return the disclosure as a document."""
        return DisclosureDocument(
            receipt=self.receipt.to_document(),
            policy=self.policy,
            fields=[_field_document(field) for field in self.fields],
            evaluations=[EvaluationDocument.of(evaluation) for evaluation in self.evaluations],
            purpose=self.purpose,
            recipient=self.recipient,
            signature=self.signature.hex(),
        )

    def to_bytes(self) -> bytes:
        """Return the disclosure as the bytes of its file."""
        return documents.write(self.to_document())

    def signed_values(self) -> dict[str, str | bytes]:
        """Return what the account signs: purpose, recipient, and the SHA-256 of all that is disclosed.

        The hash covers the canonical JSON of the disclosure with an empty `signature`.
        """
        unsigned = replace(self, signature=b"").to_bytes()
        return {
            "purpose": self.purpose,
            "recipient": self.recipient,
            "document": sha256(unsigned).digest(),
        }

    def sign(self, domain: Domain, key: AccountKey) -> Disclosure:
        """Return the disclosure signed with the posting account's key, for the contract `BatchLedger`."""
        return replace(self, signature=sign_typed(domain, DISCLOSURE, self.signed_values(), key))

    def signer(self, domain: Domain) -> bytes:
        """Return the address that signed, 20 bytes.

        Raises
        ------
        VerificationError
            When the signature is malformed or not valid.
        """
        return recover_typed(domain, DISCLOSURE, self.signed_values(), self.signature)

    @classmethod
    def from_bytes(cls, data: bytes) -> Disclosure:
        """Read a disclosure.

        Raises
        ------
        VerificationError
            When it is malformed or has content that its format does not allow.
        """
        if len(data) > MAX_SIZE:
            raise VerificationError(f"the disclosure is larger than {MAX_SIZE} bytes")
        return cls.from_document(documents.read(data, DisclosureDocument, what="disclosure"))

    @classmethod
    def from_json(cls, value: Any) -> Disclosure:
        """Return the disclosure in JSON values; raises the same errors as `from_bytes`."""
        return cls.from_document(documents.convert(value, DisclosureDocument, what="disclosure"))

    @classmethod
    def from_document(cls, document: DisclosureDocument) -> Disclosure:
        """Return the disclosure in a document; raises the same errors as `from_bytes`."""
        for text in (document.purpose, document.recipient):
            if not text.strip() or len(text) > MAX_TEXT:
                raise VerificationError(
                    f"the disclosure's purpose or recipient is empty, or longer than {MAX_TEXT} characters"
                )
        return cls(
            receipt=Receipt.from_document(document.receipt),
            policy=document.policy,
            fields=tuple(map(_field, document.fields)),
            evaluations=tuple(held.evaluation() for held in document.evaluations),
            purpose=document.purpose,
            recipient=document.recipient,
            signature=bytes.fromhex(document.signature),
        )


def _field_document(field: DisclosedField) -> FieldDocument:
    opened, proof = field.opened, field.proof
    told: PseudonymDocument | TokenDocument | None = None
    if isinstance(proof, PseudonymOpening):
        told = PseudonymDocument(evaluation=proof.evaluation, element=proof.element, blind=proof.blind.hex())
    elif isinstance(proof, TokenOpening):
        told = TokenDocument(t=proof.t.hex())
    return FieldDocument(
        name=opened.name,
        value=opened.value,
        salt=opened.salt.hex(),
        index=opened.index,
        path=[node.hex() for node in opened.path],
        proof=told,
    )


def _field(document: FieldDocument) -> DisclosedField:
    opened = OpenedField(
        name=document.name,
        value=document.value,
        salt=bytes.fromhex(document.salt),
        index=document.index,
        path=tuple(map(bytes.fromhex, document.path)),
    )
    told = document.proof
    if isinstance(told, PseudonymDocument):
        return DisclosedField(
            opened, PseudonymOpening(told.evaluation, told.element, bytes.fromhex(told.blind))
        )
    return DisclosedField(opened, None if told is None else TokenOpening(bytes.fromhex(told.t)))

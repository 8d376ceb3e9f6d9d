"""Opened draws: what a member shows of the elements that an auditor drew (`ledger.draw`).

An element is *opened* with its path to the root that the chain has, and with a disclosure of a posted row
that has the element's account or party. The disclosure's own opening of the pseudonym has the element and
its blind. If the pseudonym was made from another element of the same identifier, the blind stands here. An
element that no posted row explains is named with a reason. The posting account signs the whole file, so
that also "waiting" is the bank's word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Final

from msgspec import Meta

from ledger import documents
from ledger.disclosure import MAX_TEXT, Disclosure, DisclosureDocument
from ledger.documents import Count, Document, Hash, Hex
from ledger.draw import MOST_DRAWN, Place
from ledger.errors import VerificationError
from ledger.signing import AccountKey
from ledger.typed_data import OPENED_DRAW, Domain, recover_typed, sign_typed

__all__ = ["MAX_OPENED", "OPENED_FORMAT", "OpenedDraw", "OpenedElement", "Reason", "UnexplainedElement"]

OPENED_FORMAT: Final = "counterfoil/opened-draw/1"

#: Largest opened draw, in bytes.
MAX_OPENED: Final = 64 << 20

#: Most hashes of a path: a request has at most 2**20 elements.
_LONGEST: Final = 20

_Number = Annotated[int, Meta(ge=1)]


class Reason(StrEnum):
    """Why a member cannot open an element.

    - `WAITING`: its row, or its evaluation, waits.
    - `APART`: its row was posted, and the desk kept the batch apart.
    - `UNKNOWN`: the member has no such element, or no row for it.
    """

    WAITING = "waiting"
    APART = "apart"
    UNKNOWN = "unknown"


class OpenedDocument(Document, tag_field="kind", tag="opened"):
    """An `OpenedElement` in JSON."""

    request: _Number
    position: Count
    element: Hash
    path: Annotated[list[Hash], Meta(max_length=_LONGEST)]
    disclosure: Count
    field: str
    blind: Hash | None


class UnexplainedDocument(Document, tag_field="kind", tag="unexplained"):
    """An `UnexplainedElement` in JSON."""

    request: _Number
    position: Count
    reason: Reason


class OpenedDrawDocument(Document, tag_field="format", tag=OPENED_FORMAT):
    """An opened draw in JSON."""

    draw: Hash
    member: str
    recipient: str
    elements: Annotated[list[OpenedDocument | UnexplainedDocument], Meta(max_length=MOST_DRAWN)]
    disclosures: Annotated[list[DisclosureDocument], Meta(max_length=MOST_DRAWN)]
    signature: Hex


@dataclass(frozen=True, slots=True)
class OpenedElement:
    """An element that a posted row explains.

    Parameters
    ----------
    place : Place
    element : bytes
        The blinded element, 32 bytes.
    path : tuple of bytes
        Its path to the root of its request.
    disclosure : int
        Index of the disclosure of the row.
    field : str
        The disclosed field with the element's account or party.
    blind : bytes or None
        The element's blind; None if the field's own proof is of this element.
    """

    place: Place
    element: bytes
    path: tuple[bytes, ...]
    disclosure: int
    field: str
    blind: bytes | None = None


@dataclass(frozen=True, slots=True)
class UnexplainedElement:
    """An element that the member cannot open, and why."""

    place: Place
    reason: Reason


@dataclass(frozen=True, slots=True)
class OpenedDraw:
    """The elements of a draw, opened for one recipient.

    Parameters
    ----------
    draw : bytes
        `ledger.draw.Draw.digest`.
    member : str
        The member's agent identifier.
    recipient : str
    elements : sequence of OpenedElement or UnexplainedElement
        In the order of the draw.
    disclosures : sequence of Disclosure
        Each serves one element or several.
    signature : bytes
        EIP-712 signature of the member's account.
    """

    draw: bytes
    member: str
    recipient: str
    elements: Sequence[OpenedElement | UnexplainedElement]
    disclosures: Sequence[Disclosure]
    signature: bytes = b""

    def unexplained(self) -> Counter[Reason]:
        """Return the number of elements that are not opened, by reason."""
        return Counter(e.reason for e in self.elements if isinstance(e, UnexplainedElement))

    def to_bytes(self) -> bytes:
        """Return the bytes of the file."""
        return documents.write(
            OpenedDrawDocument(
                draw=self.draw.hex(),
                member=self.member,
                recipient=self.recipient,
                elements=[_document(element) for element in self.elements],
                disclosures=[disclosure.to_document() for disclosure in self.disclosures],
                signature=self.signature.hex(),
            )
        )

    def signed_values(self) -> dict[str, str | bytes]:
        """Return what the account signs: draw, recipient, and the SHA-256 of the file without `signature`."""
        unsigned = replace(self, signature=b"").to_bytes()
        return {"draw": self.draw, "recipient": self.recipient, "document": sha256(unsigned).digest()}

    def sign(self, domain: Domain, key: AccountKey) -> OpenedDraw:
        """Return the file signed with the member's account, for the contract `EvaluationLog`."""
        return replace(self, signature=sign_typed(domain, OPENED_DRAW, self.signed_values(), key))

    def signer(self, domain: Domain) -> bytes:
        """Return the address that signed, 20 bytes.

        Raises
        ------
        VerificationError
            When the signature is malformed or not valid.
        """
        return recover_typed(domain, OPENED_DRAW, self.signed_values(), self.signature)

    @classmethod
    def from_bytes(cls, data: bytes) -> OpenedDraw:
        """Read an opened draw.

        Raises
        ------
        VerificationError
            When it is malformed or has content that its format does not allow.
        """
        read = documents.read(data, OpenedDrawDocument, what="opened draw", most_bytes=MAX_OPENED)
        if not read.recipient.strip() or len(read.recipient) > MAX_TEXT:
            raise VerificationError(
                f"the opened draw's recipient is empty, or longer than {MAX_TEXT} characters"
            )
        return cls(
            bytes.fromhex(read.draw),
            read.member,
            read.recipient,
            tuple(map(_element, read.elements)),
            tuple(map(Disclosure.from_document, read.disclosures)),
            bytes.fromhex(read.signature),
        )


def _document(element: OpenedElement | UnexplainedElement) -> OpenedDocument | UnexplainedDocument:
    request, position = element.place
    if isinstance(element, UnexplainedElement):
        return UnexplainedDocument(request=request, position=position, reason=element.reason)
    return OpenedDocument(
        request=request,
        position=position,
        element=element.element.hex(),
        path=[node.hex() for node in element.path],
        disclosure=element.disclosure,
        field=element.field,
        blind=None if element.blind is None else element.blind.hex(),
    )


def _element(document: OpenedDocument | UnexplainedDocument) -> OpenedElement | UnexplainedElement:
    place = Place(document.request, document.position)
    if isinstance(document, UnexplainedDocument):
        return UnexplainedElement(place, document.reason)
    return OpenedElement(
        place,
        bytes.fromhex(document.element),
        tuple(map(bytes.fromhex, document.path)),
        document.disclosure,
        document.field,
        None if document.blind is None else bytes.fromhex(document.blind),
    )

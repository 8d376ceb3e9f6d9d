"""Bundles: one file with the evidence of a flag, which an auditor verifies offline.

A bundle holds the flag as it was raised, the receipts of the rows that are its evidence, what banks disclosed
of them, and the officers' decisions. The flag and each decision carry the proof that the ledger log has their
entry of the case log. A bundle can also be made without a flag, from receipts and disclosures alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from msgspec import Meta

from ledger import documents
from ledger.decision import Decision
from ledger.disclosure import Disclosure, DisclosureDocument
from ledger.documents import Address, Count, Document, Hash
from ledger.entries import CaseAnchor
from ledger.errors import VerificationError
from ledger.flag import ViewDocument
from ledger.receipt import Receipt, ReceiptDocument

__all__ = [
    "BUNDLE_FORMAT",
    "MAX_BUNDLE",
    "AnchoredDecision",
    "AnchoredFlag",
    "Bundle",
    "BundleDocument",
    "CaseProof",
]

BUNDLE_FORMAT: Final = "counterfoil/bundle/1"

#: Largest bundle, in bytes; 1,000 disclosures with opened accounts take about 20 MiB.
MAX_BUNDLE: Final = 64 << 20


class CaseProofDocument(Document):
    """An entry of the case log in JSON, with its proof of inclusion in the ledger log."""

    index: Count
    kind: Annotated[int, Meta(ge=1, le=255)]
    case_id: Hash
    content_hash: Hash
    author: Address
    payload_hash: Hash
    head: Hash
    block: Count
    block_time: Count
    ledger_proof: str


class FlagDocument(Document):
    """The flag of a bundle in JSON."""

    flag_id: Hash
    view: ViewDocument
    anchor: CaseProofDocument


class DecisionDocument(Document):
    """A decision of a bundle in JSON; `document` is the text of a `counterfoil/decision/1`."""

    document: str
    anchor: CaseProofDocument


class BundleDocument(Document, tag_field="format", tag=BUNDLE_FORMAT):
    """A bundle in JSON."""

    trust: Hash
    flag: FlagDocument | None
    receipts: list[ReceiptDocument]
    disclosures: list[DisclosureDocument]
    decisions: list[DecisionDocument]
    policies: list[str]
    ledger_checkpoint: str
    verdict_checkpoint: str


@dataclass(frozen=True, slots=True)
class CaseProof:
    """An entry of the case log, and the proof that the ledger log contains it (C2SP tlog-proof)."""

    anchor: CaseAnchor
    ledger_proof: str


@dataclass(frozen=True, slots=True)
class AnchoredFlag:
    """A flag with every field open, and its entry of the case log.

    Parameters
    ----------
    flag_id : bytes
    view : dict
        `ledger.flag.Flag.view`.
    proof : CaseProof
    """

    flag_id: bytes
    view: dict[str, Any]
    proof: CaseProof


@dataclass(frozen=True, slots=True)
class AnchoredDecision:
    """An officer's decision, and its entry of the case log."""

    decision: Decision
    proof: CaseProof


@dataclass(frozen=True, slots=True)
class Bundle:
    """The evidence of one flag.

    Parameters
    ----------
    trust : str
        Fingerprint of the trust file that the bundle was made with.
    flag : AnchoredFlag or None
    receipts : sequence of Receipt
    disclosures : sequence of Disclosure
    decisions : sequence of AnchoredDecision
        In the order of the case log.
    policies : sequence of str
        The policy documents of the receipts' batches, which turn band and bucket into amount and time.
    ledger_checkpoint, verdict_checkpoint : str
        The newest checkpoints of the two logs when the bundle was made.
    """

    trust: str
    flag: AnchoredFlag | None
    receipts: Sequence[Receipt]
    disclosures: Sequence[Disclosure]
    decisions: Sequence[AnchoredDecision]
    policies: Sequence[str]
    ledger_checkpoint: str
    verdict_checkpoint: str

    def to_bytes(self) -> bytes:
        """Return the bundle as the bytes of its file.

        Raises
        ------
        VerificationError
            When it would be larger than `MAX_BUNDLE`.
        """
        flag = self.flag
        document = BundleDocument(
            trust=self.trust,
            flag=None
            if flag is None
            else FlagDocument(
                flag_id=flag.flag_id.hex(),
                view=documents.convert(flag.view, ViewDocument, what="flag view"),
                anchor=_anchor_document(flag.proof),
            ),
            receipts=[receipt.to_document() for receipt in self.receipts],
            disclosures=[disclosure.to_document() for disclosure in self.disclosures],
            decisions=[
                DecisionDocument(
                    document=held.decision.to_bytes().decode(), anchor=_anchor_document(held.proof)
                )
                for held in self.decisions
            ],
            policies=list(self.policies),
            ledger_checkpoint=self.ledger_checkpoint,
            verdict_checkpoint=self.verdict_checkpoint,
        )
        data = documents.write(document)
        _check_size(data)
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a bundle; nothing in it is verified yet (`ledger.audit.bundle.verify_bundle`).

        Raises
        ------
        VerificationError
            When it is malformed or has content that its format does not allow.
        """
        _check_size(data)
        document = documents.read(data, BundleDocument, what="bundle", most_bytes=MAX_BUNDLE)
        flag = document.flag
        return cls(
            trust=document.trust,
            flag=None
            if flag is None
            else AnchoredFlag(
                bytes.fromhex(flag.flag_id), documents.plain(flag.view), _case_proof(flag.anchor)
            ),
            receipts=tuple(map(Receipt.from_document, document.receipts)),
            disclosures=tuple(map(Disclosure.from_document, document.disclosures)),
            decisions=tuple(
                AnchoredDecision(Decision.from_bytes(held.document.encode()), _case_proof(held.anchor))
                for held in document.decisions
            ),
            policies=tuple(document.policies),
            ledger_checkpoint=document.ledger_checkpoint,
            verdict_checkpoint=document.verdict_checkpoint,
        )


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BUNDLE:
        raise VerificationError(
            f"the bundle is larger than {MAX_BUNDLE >> 20} MiB",
            next_step="Make several bundles, each with a part of the disclosures.",
        )


def _anchor_document(proof: CaseProof) -> CaseProofDocument:
    anchor = proof.anchor
    return CaseProofDocument(
        index=anchor.index,
        kind=anchor.kind,
        case_id=anchor.case_id.hex(),
        content_hash=anchor.content_hash.hex(),
        author=anchor.author.hex(),
        payload_hash=anchor.payload_hash.hex(),
        head=anchor.head.hex(),
        block=anchor.block,
        block_time=anchor.block_time,
        ledger_proof=proof.ledger_proof,
    )


def _case_proof(document: CaseProofDocument) -> CaseProof:
    anchor = CaseAnchor(
        index=document.index,
        kind=document.kind,
        case_id=bytes.fromhex(document.case_id),
        content_hash=bytes.fromhex(document.content_hash),
        author=bytes.fromhex(document.author),
        payload_hash=bytes.fromhex(document.payload_hash),
        head=bytes.fromhex(document.head),
        block=document.block,
        block_time=document.block_time,
    )
    return CaseProof(anchor, document.ledger_proof)

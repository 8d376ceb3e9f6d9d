"""Offline verification of receipts and disclosures against a trust file; any failure raises an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from ledger import canonical
from ledger.audit.fields import ProvenField, prove_fields
from ledger.audit.trust import Trust
from ledger.batch import BatchHeader
from ledger.commitment import merkle
from ledger.commitment.record import verify_field
from ledger.disclosure import DISCLOSURE_FORMAT, Disclosure
from ledger.encoding.policy import Policy
from ledger.entries import CaseAnchor, batch_entry, case_entry
from ledger.errors import VerificationError
from ledger.log import OpenedCheckpoint, open_checkpoint
from ledger.log.proof import Proof
from ledger.receipt import MAX_SIZE, RECEIPT_FORMAT, Receipt
from ledger.schema import FIELDS, ROW_SIZE, ROW_VERSION, Flags, unpack_row
from ledger.verdicts import accepted_entry

__all__ = ["Verified", "Verifier", "verify"]

#: Number of checkpoints, of policies and of signed headers that a verifier remembers.
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class Verified:
    """The proven facts: which bank posted the row, when, that it was accepted, and the opened fields.

    Parameters
    ----------
    agent : str
        The bank that posted it; its own account signed the batch.
    receipt : Receipt
    ledger, verdicts : OpenedCheckpoint
        The checkpoints of the two logs, and who cosigned them.
    row : mapping of column name to value
        The posted row, as `ledger.schema.unpack_row` returns it.
    fields : tuple of ProvenField
        Opened fields, each with what it rests on; empty for a receipt.
    purpose, recipient : str or None
        Why and for whom a disclosure was made; None for a receipt.
    """

    agent: str
    receipt: Receipt
    ledger: OpenedCheckpoint
    verdicts: OpenedCheckpoint
    row: Mapping[str, Any]
    fields: tuple[ProvenField, ...] = ()
    purpose: str | None = None
    recipient: str | None = None


@dataclass
class Verifier:
    """Verifies many proofs against one trust file; a checkpoint that many proofs contain is read once.

    Parameters
    ----------
    trust : Trust
    """

    trust: Trust
    _checkpoints: dict[tuple[str, str], OpenedCheckpoint] = field(default_factory=dict, repr=False)
    _policies: dict[str, Policy] = field(default_factory=dict, repr=False)
    _signed: dict[tuple[BatchHeader, bytes], None] = field(default_factory=dict, repr=False)

    def verify(self, data: bytes, *, recipient: str | None = None) -> Verified:
        """Verify the bytes of a receipt or of a disclosure.

        Parameters
        ----------
        data : bytes
        recipient : str, optional
            Whoever the disclosure must have been made for.

        Raises
        ------
        VerificationError
            When any part is not valid; it names the part, and never a disclosed value.
        """
        if len(data) > MAX_SIZE:
            raise VerificationError(f"the proof is larger than {MAX_SIZE} bytes")
        value = canonical.loads(data, what="proof")
        kind = value.get("format") if isinstance(value, dict) else None
        if kind == DISCLOSURE_FORMAT:
            return self.disclosure(Disclosure.from_json(value), recipient=recipient)
        if kind == RECEIPT_FORMAT:
            if recipient is not None:
                raise VerificationError("this is a receipt: it names no recipient")
            return self.receipt(Receipt.from_json(value))
        if kind in ("counterfoil/receipt/1", "counterfoil/disclosure/1"):
            raise VerificationError(
                f"{kind} is a format of an earlier version, which did not prove who posted the row",
                next_step="Ask the bank to issue the proof again.",
            )
        raise VerificationError("this is neither a receipt nor a disclosure")

    def receipt(self, receipt: Receipt) -> Verified:
        """Verify a receipt: author, row, posting and acceptance.

        Raises
        ------
        VerificationError
            When any part is not valid.
        """
        deployment, header = self.trust.deployment, receipt.header
        _equal("chain id", deployment.chain_id, header.chain_id)
        _equal("contract", deployment.address("BatchLedger"), header.contract)
        member = self.trust.accounts.get(header.member)
        if member is None:
            raise VerificationError(
                f"0x{header.member.hex()} posted the batch, but is not a member in the trust file",
                next_step="If the member is new, get a newer trust file from the consortium.",
            )
        if (header, receipt.signature) not in self._signed:
            header.check_author(receipt.signature, deployment.genesis)
            _remember(self._signed, (header, receipt.signature), None)
        _equal("row size", ROW_SIZE, len(receipt.row))
        merkle.verify_inclusion(
            merkle.leaf_hash(receipt.row),
            receipt.index,
            header.row_count,
            receipt.rows_path,
            header.rows_root,
        )
        row = unpack_row(receipt.row)
        _equal("row version", ROW_VERSION, row["version"])
        if Flags(row["flags"]) & Flags.DECOY:
            raise VerificationError("the row is padding (a decoy): it stands for no transaction")
        posted = batch_entry(header, receipt.signature, receipt.block, receipt.block_time)
        index, ledger = self._included(receipt.ledger_proof, posted, deployment.ledger_origin)
        accepted = accepted_entry(index, header.hash)
        _, verdicts = self._included(receipt.verdict_proof, accepted, deployment.verdict_origin)
        return Verified(member.agent, receipt, ledger, verdicts, row)

    def disclosure(
        self, disclosure: Disclosure, *, recipient: str | None = None, known: Verified | None = None
    ) -> Verified:
        """Verify a disclosure: its receipt, its signature, and each opened field.

        Parameters
        ----------
        disclosure : Disclosure
        recipient : str, optional
            Whoever the disclosure must have been made for.
        known : Verified, optional
            What this verifier found for the same receipt; another receipt is verified anew.

        Raises
        ------
        VerificationError
            When any part is not valid, or the disclosure was made for another `recipient`.
        """
        same = known is not None and known.receipt == disclosure.receipt
        proven = known if known is not None and same else self.receipt(disclosure.receipt)
        header = disclosure.receipt.header
        signer = disclosure.signer(self.trust.deployment.domain("BatchLedger"))
        by = self.trust.accounts.get(signer)
        if by is None or by.agent != proven.agent:
            raise VerificationError(
                "the disclosure is not signed by the bank that posted the row",
                expected=header.member,
                got=signer,
            )
        if recipient is not None and disclosure.recipient != recipient:
            raise VerificationError("the disclosure was made for another recipient")
        given = sha256(disclosure.policy.encode()).digest()
        if given != header.policy_hash:
            raise VerificationError(
                "the disclosure's policy is not the policy of the batch",
                expected=header.policy_hash,
                got=given,
            )
        policy = self._policy(disclosure.policy)
        seen: set[str] = set()
        for disclosed in disclosure.fields:
            verify_field(disclosed.opened, proven.row["record_root"], names=FIELDS)
            if disclosed.opened.name in seen:
                raise VerificationError(f"the disclosure opens the field {disclosed.opened.name} twice")
            seen.add(disclosed.opened.name)
        fields = prove_fields(
            disclosure.fields,
            disclosure.evaluations,
            proven.row,
            policy,
            agent=proven.agent,
            epoch=header.epoch,
            trust=self.trust,
        )
        return Verified(
            proven.agent,
            proven.receipt,
            proven.ledger,
            proven.verdicts,
            proven.row,
            fields,
            disclosure.purpose,
            disclosure.recipient,
        )

    def checkpoint(self, note: str | bytes) -> OpenedCheckpoint:
        """Verify a checkpoint of either log; see `ledger.log.open_checkpoint`."""
        text = note.decode("utf-8", "replace") if isinstance(note, bytes) else note
        origin = text.partition("\n")[0]
        if origin not in (self.trust.deployment.ledger_origin, self.trust.deployment.verdict_origin):
            raise VerificationError("the checkpoint is of a log of another consortium")
        return open_checkpoint(note, self.trust.policy, origin=origin)

    def anchored(self, anchor: CaseAnchor, proof: str) -> OpenedCheckpoint:
        """Verify that the ledger log contains an entry of the case log.

        Raises
        ------
        VerificationError
            When it does not, or the checkpoint does not meet the policy.
        """
        _, opened = self._included(proof, case_entry(anchor), self.trust.deployment.ledger_origin)
        return opened

    def _included(self, text: str, entry: bytes, origin: str) -> tuple[int, OpenedCheckpoint]:
        """Check that a log contains an entry; return its index and the checkpoint."""
        proof = Proof.parse(text)
        opened = self._checkpoints.get((proof.checkpoint, origin))
        if opened is None:
            opened = open_checkpoint(proof.checkpoint, self.trust.policy, origin=origin)
            _remember(self._checkpoints, (proof.checkpoint, origin), opened)
        head = opened.checkpoint
        merkle.verify_inclusion(merkle.leaf_hash(entry), proof.index, head.size, proof.path, head.root)
        return proof.index, opened

    def _policy(self, document: str) -> Policy:
        policy = self._policies.get(document)
        if policy is None:
            policy = Policy.from_document(document.encode())
            _remember(self._policies, document, policy)
        return policy


def verify(data: bytes, trust: Trust, *, recipient: str | None = None) -> Verified:
    """Verify the bytes of a receipt or of a disclosure; see `Verifier.verify`."""
    return Verifier(trust).verify(data, recipient=recipient)


def _remember(memory: dict[Any, Any], key: Any, value: Any) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value


def _equal(what: str, expected: object, got: object) -> None:
    if expected != got:
        shown = got if isinstance(got, bytes) else None  # a number of a proof may be anything
        raise VerificationError(f"wrong {what}", expected=expected, got=shown)

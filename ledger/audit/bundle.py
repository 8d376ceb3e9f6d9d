"""Verify a bundle offline: the flag, each row of its evidence, what was disclosed, the decisions.

Everything in the bundle must verify. What the bundle does not prove is named in `not_proven`: rows without a
receipt, payments that one bank alone reports, values that are a bank's word, and what no file can show.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final

from ledger.audit.confirmation import Half, Payment, payments
from ledger.audit.fields import Basis
from ledger.audit.trust import Trust
from ledger.audit.verify import Verified, Verifier
from ledger.bundle import AnchoredDecision, AnchoredFlag, Bundle, CaseProof
from ledger.caselog import CaseKind
from ledger.decision import Decision
from ledger.encoding.policy import Policy
from ledger.entries import CaseAnchor
from ledger.errors import VerificationError
from ledger.flag import RowRef, verify_view
from ledger.log import OpenedCheckpoint
from ledger.receipt import Receipt

__all__ = [
    "BundleError",
    "Problem",
    "VerifiedBundle",
    "VerifiedDecision",
    "VerifiedFlag",
    "VerifiedRow",
    "verify_bundle",
]

_FLAG_KINDS: Final = {"detector": CaseKind.FLAG, "rule": CaseKind.FINDING}


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a bundle that does not verify, and why."""

    where: str
    error: VerificationError


class BundleError(VerificationError):
    """Raised when a part of a bundle does not verify.

    Parameters
    ----------
    problems : sequence of Problem
        Every part that does not verify; at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        first, more = problems[0], len(problems) - 1
        super().__init__(
            first.error.what + (f" (and {more} more)" if more else ""),
            where=first.where,
            next_step=first.error.next_step or "Ask whoever made the bundle to make it again.",
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class VerifiedFlag:
    """A flag that the desk put on the chain's case log.

    Parameters
    ----------
    flag_id : bytes
    shown : mapping
        The opened fields, as `ledger.flag.verify_view` returns them.
    anchor : CaseAnchor
        Its entry of the case log, with block and block time.
    """

    flag_id: bytes
    shown: Mapping[str, Any]
    anchor: CaseAnchor

    @property
    def rows(self) -> tuple[RowRef, ...]:
        """The rows of the evidence that the bundle shows."""
        return tuple(RowRef(**row) for row in self.shown["rows"])


@dataclass(frozen=True, slots=True)
class VerifiedRow:
    """A row of the evidence: its receipt, and what was disclosed of it.

    Parameters
    ----------
    ref : RowRef
    evidence : bool
        Whether the flag names it; if not, it is the other half of a payment that the flag names.
    proven : Verified or None
        What its receipt proves; None if the bundle has none.
    disclosures : tuple of Verified
    """

    ref: RowRef
    evidence: bool
    proven: Verified | None
    disclosures: tuple[Verified, ...]


@dataclass(frozen=True, slots=True)
class VerifiedDecision:
    """An officer's decision on the flag, and its entry of the case log."""

    decision: Decision
    anchor: CaseAnchor


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """What a bundle proves, and what it does not.

    Parameters
    ----------
    trust : str
        Fingerprint of the trust file that it was verified against.
    made_against : str
        Fingerprint of the trust file that it was made with.
    flag : VerifiedFlag or None
    rows : tuple of VerifiedRow
        The evidence in the flag's order, then the other halves of its payments.
    payments : tuple of Payment
        The payments of the rows with a receipt; the key of a half is the row's `RowRef`.
    decisions : tuple of VerifiedDecision
        In the order of the chain; the last one is in force.
    policies : mapping of policy hash to Policy
    ledger, verdicts : OpenedCheckpoint
        The newest checkpoints of the two logs when the bundle was made.
    recipient : str or None
        For whom the fields were disclosed.
    not_proven : tuple of str
        Sentences: what the bundle does not prove.
    """

    trust: str
    made_against: str
    flag: VerifiedFlag | None
    rows: tuple[VerifiedRow, ...]
    payments: tuple[Payment, ...]
    decisions: tuple[VerifiedDecision, ...]
    policies: Mapping[bytes, Policy]
    ledger: OpenedCheckpoint
    verdicts: OpenedCheckpoint
    recipient: str | None
    not_proven: tuple[str, ...]


def verify_bundle(bundle: Bundle | bytes, trust: Trust, *, recipient: str | None = None) -> VerifiedBundle:
    """Verify every part of a bundle.

    Parameters
    ----------
    bundle : Bundle or bytes
    trust : Trust
    recipient : str, optional
        Whoever the disclosures must have been made for.

    Raises
    ------
    BundleError
        With every part that does not verify.
    VerificationError
        When the file is not a bundle.
    """
    held = Bundle.from_bytes(bundle) if isinstance(bundle, bytes) else bundle
    return _Examination(trust, recipient).of(held)


class _Part:
    """A part of a bundle: in a with statement, it notes the error by which the part does not verify."""

    def __init__(self, where: str, problems: list[Problem]) -> None:
        self._where, self._problems = where, problems

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, VerificationError):
            return False
        self._problems.append(Problem(self._where, error))
        return True


class _Examination:
    """Verifies the parts of one bundle, and collects what does not verify."""

    def __init__(self, trust: Trust, recipient: str | None) -> None:
        self._trust = trust
        self._verifier = Verifier(trust)
        self._recipient = recipient
        self._problems: list[Problem] = []
        self._heads: dict[tuple[str, int], bytes] = {}

    def of(self, bundle: Bundle) -> VerifiedBundle:
        ledger = self._checkpoint("checkpoint of the ledger log", bundle.ledger_checkpoint)
        verdicts = self._checkpoint("checkpoint of the verdict log", bundle.verdict_checkpoint)
        flag = None if bundle.flag is None else self._flag(bundle.flag)
        policies = self._policies(bundle.policies)
        receipts = self._receipts(bundle)
        disclosed, recipient = self._disclosures(bundle, receipts)
        decisions = self._decisions(bundle)
        rows = self._rows(flag, bundle.flag is not None, receipts, disclosed)
        found = tuple(payments(self._halves(rows, policies)))
        if not self._problems:
            self._require_used(policies, rows)
        if self._problems or ledger is None or verdicts is None:
            raise BundleError(self._problems)
        proven = VerifiedBundle(
            trust=self._trust.fingerprint,
            made_against=bundle.trust,
            flag=flag,
            rows=rows,
            payments=found,
            decisions=decisions,
            policies=policies,
            ledger=ledger,
            verdicts=verdicts,
            recipient=recipient,
            not_proven=(),
        )
        return replace(proven, not_proven=tuple(_not_proven(proven, self._trust)))

    def _part(self, where: str) -> _Part:
        return _Part(where, self._problems)

    def _same_history(self, opened: OpenedCheckpoint) -> None:
        """Refuse two checkpoints of one log with the same size and different roots."""
        head = opened.checkpoint
        if self._heads.setdefault((head.origin, head.size), head.root) != head.root:
            raise VerificationError(
                "two checkpoints of one log have the same size and different roots: its desk signed two "
                "histories",
                where=head.origin,
                next_step="Show both checkpoints to the members and to the supervisor.",
            )

    def _checkpoint(self, where: str, note: str) -> OpenedCheckpoint | None:
        deployment = self._trust.deployment
        expected = deployment.ledger_origin if "ledger log" in where else deployment.verdict_origin
        with self._part(where):
            opened = self._verifier.checkpoint(note)
            if opened.checkpoint.origin != expected:
                raise VerificationError("this is the checkpoint of the other log", expected=expected)
            self._same_history(opened)
            return opened
        return None

    def _anchored(self, proof: CaseProof, kinds: Collection[CaseKind]) -> CaseAnchor:
        anchor = proof.anchor
        if anchor.kind not in kinds:
            raise VerificationError("its entry of the case log is of another kind", got=anchor.kind)
        self._same_history(self._verifier.anchored(anchor, proof.ledger_proof))
        return anchor

    def _flag(self, held: AnchoredFlag) -> VerifiedFlag | None:
        with self._part("flag"):
            shown = verify_view(held.view, held.flag_id)
            anchor = self._anchored(held.proof, [_FLAG_KINDS[shown["source"]["kind"]]])
            if (anchor.content_hash, anchor.case_id) != (held.flag_id, held.flag_id):
                raise VerificationError(
                    "the entry of the case log is that of another flag",
                    expected=held.flag_id,
                    got=anchor.content_hash,
                )
            return VerifiedFlag(held.flag_id, shown, anchor)
        return None

    def _policies(self, texts: Sequence[str]) -> dict[bytes, Policy]:
        found: dict[bytes, Policy] = {}
        for number, text in enumerate(texts):
            with self._part(f"policy {number}"):
                policy = Policy.from_document(text.encode())
                if policy.hash in found:
                    raise VerificationError("the bundle has the same policy twice")
                found[policy.hash] = policy
        return found

    def _receipts(self, bundle: Bundle) -> dict[RowRef, Verified]:
        found: dict[RowRef, Verified] = {}
        for number, receipt in enumerate(bundle.receipts):
            with self._part(f"receipt {number}"):
                proven = self._verifier.receipt(receipt)
                self._seen(proven)
                ref = self._ref(receipt)
                if ref in found:
                    raise VerificationError("the bundle has two receipts of the same row")
                found[ref] = proven
        return found

    def _disclosures(
        self, bundle: Bundle, receipts: Mapping[RowRef, Verified]
    ) -> tuple[dict[RowRef, list[Verified]], str | None]:
        found: dict[RowRef, list[Verified]] = {}
        recipient = self._recipient
        for number, disclosure in enumerate(bundle.disclosures):
            with self._part(f"disclosure {number}"):
                recipient = disclosure.recipient if recipient is None else recipient
                known = receipts.get(self._ref(disclosure.receipt))
                proven = self._verifier.disclosure(disclosure, recipient=recipient, known=known)
                self._seen(proven)
                found.setdefault(self._ref(proven.receipt), []).append(proven)
        return found, recipient

    def _seen(self, proven: Verified) -> None:
        self._same_history(proven.ledger)
        self._same_history(proven.verdicts)

    def _ref(self, receipt: Receipt) -> RowRef:
        member = self._trust.accounts.get(receipt.header.member)
        code = 0 if member is None else member.code  # no member has the code 0
        return RowRef(code, receipt.header.sequence, receipt.index)

    def _decisions(self, bundle: Bundle) -> tuple[VerifiedDecision, ...]:
        found: list[VerifiedDecision] = []
        for number, held in enumerate(bundle.decisions):
            with self._part(f"decision {number}"):
                found.append(self._decision(held, bundle.flag, found))
        return tuple(found)

    def _decision(
        self, held: AnchoredDecision, flag: AnchoredFlag | None, before: Sequence[VerifiedDecision]
    ) -> VerifiedDecision:
        decision = held.decision
        anchor = self._anchored(held.proof, [CaseKind.DECISION])
        if flag is None or decision.flag_id != flag.flag_id or anchor.case_id != flag.flag_id:
            raise VerificationError("the decision is about another flag")
        expected = decision.content_hash(anchor.author.hex())
        if anchor.content_hash != expected:
            raise VerificationError(
                "the decision is not the one on the case log", expected=anchor.content_hash, got=expected
            )
        if before and before[-1].anchor.index >= anchor.index:
            raise VerificationError("the decisions are not in the order of the case log")
        return VerifiedDecision(decision, anchor)

    def _rows(
        self,
        flag: VerifiedFlag | None,
        has_flag: bool,
        receipts: Mapping[RowRef, Verified],
        disclosed: Mapping[RowRef, list[Verified]],
    ) -> tuple[VerifiedRow, ...]:
        named = () if flag is None else tuple(dict.fromkeys(flag.rows))
        others = [ref for ref in dict.fromkeys([*receipts, *disclosed]) if ref not in set(named)]

        def row(ref: RowRef, evidence: bool) -> VerifiedRow:
            opened = tuple(disclosed.get(ref, ()))
            proven = receipts.get(ref) or (opened[0] if opened else None)
            return VerifiedRow(ref, evidence, proven, opened)

        found = [row(ref, evidence=True) for ref in named]
        tokens = {bytes(held.proven.row["match_token"]) for held in found if held.proven is not None}
        for ref in others:
            other = row(ref, evidence=not has_flag)
            found.append(other)
            if flag is None or (other.proven and bytes(other.proven.row["match_token"]) in tokens):
                continue
            with self._part(_place(ref, self._trust.agents)):
                raise VerificationError(
                    "the row is neither evidence of the flag nor the other half of one of its payments"
                )
        return tuple(found)

    def _require_used(self, policies: Mapping[bytes, Policy], rows: Iterable[VerifiedRow]) -> None:
        used = {row.proven.receipt.header.policy_hash for row in rows if row.proven is not None}
        with self._part("policies"):
            if not policies.keys() <= used:
                raise VerificationError("the bundle has a policy that no batch of its receipts names")

    def _halves(self, rows: Iterable[VerifiedRow], policies: Mapping[bytes, Policy]) -> Iterator[Half]:
        for row in rows:
            if row.proven is not None:
                policy = policies.get(row.proven.receipt.header.policy_hash)
                yield Half(row.ref, row.proven.agent, row.ref.member, row.proven.row, policy)


def _place(ref: RowRef, agents: Mapping[int, str]) -> str:
    bank = agents.get(ref.member, f"member {ref.member}")
    return f"row {ref.index} of batch {ref.sequence} of {bank}"


def _not_proven(proven: VerifiedBundle, trust: Trust) -> Iterator[str]:
    """Say in sentences what the bundle does not prove."""
    agents = trust.agents
    if proven.made_against != proven.trust:
        yield (
            "The bundle was made with another trust file than the one that it was verified against, whose "
            f"fingerprint is {proven.trust}."
        )
    if trust.policy.quorum == "none":
        yield (
            "No witness is required by the trust file: that nobody was shown another history rests on the "
            "desk's word."
        )
    yield from _not_proven_of_evidence(proven, agents)
    yield from _not_proven_of_payments(proven.payments, agents)
    yield from _not_proven_of_fields(proven.rows, agents)
    if proven.flag is not None:
        if not proven.decisions:
            yield "The bundle has no decision of an officer on the flag."
        yield "That there is no other or later decision on the flag: it has those that were put in."
        yield "That the flag follows from the rows: `counterfoil flag replay` computes it again."
    yield (
        "That the evidence is complete: payments that no bank posted, or that the flag does not name, are "
        "not in the bundle."
    )


def _not_proven_of_evidence(proven: VerifiedBundle, agents: Mapping[int, str]) -> Iterator[str]:
    flag = proven.flag
    if flag is None:
        yield "The bundle has no flag: it proves rows, and not why they belong together."
    else:
        hidden = int(flag.shown["row_count"]) - len(flag.rows)
        if hidden:
            yield f"The bundle does not show {hidden} of the flag's {flag.shown['row_count']} rows."
        if flag.shown["truncated"]:
            yield "The flag is truncated: it had more evidence than a flag can name."
    for row in proven.rows:
        if row.proven is None:
            place = _place(row.ref, agents)
            yield f"The {place} is evidence of the flag, and the bundle has no receipt for it."
    unknown = {
        row.proven.receipt.header.policy_hash
        for row in proven.rows
        if row.proven is not None and row.proven.receipt.header.policy_hash not in proven.policies
    }
    for value in sorted(unknown):
        yield f"Amounts and times of the rows under the policy {value.hex()}: the bundle does not have it."


def _not_proven_of_payments(found: Iterable[Payment], agents: Mapping[int, str]) -> Iterator[str]:
    for payment in found:
        places = " and ".join(_place(half.key, agents) for half in payment.halves)
        if payment.differ:
            yield f"The two banks contradict each other, {places}: {', '.join(payment.differ)}."
        elif payment.unknown:
            yield f"The two banks could not be compared, {places}: {', '.join(payment.unknown)}."
        elif payment.inside:
            yield f"The {places} is a payment inside one bank: no other bank confirms it."
        elif payment.outside:
            yield f"The {places} is a payment with a bank outside the consortium: no other bank confirms it."
        elif not payment.confirmed:
            yield f"The {places} is not confirmed by the other bank in this bundle."


def _not_proven_of_fields(rows: Iterable[VerifiedRow], agents: Mapping[int, str]) -> Iterator[str]:
    for row in rows:
        for disclosed in row.disclosures:
            word = [field.name for field in disclosed.fields if field.basis is Basis.RECORD]
            near = [field.name for field in disclosed.fields if field.basis is Basis.INTERVAL]
            if word:
                yield f"{disclosed.agent}'s word alone, {_place(row.ref, agents)}: {', '.join(word)}."
            if near:
                yield (
                    f"The exact value, {_place(row.ref, agents)}: {', '.join(near)}; the row proves only the "
                    "interval that contains it."
                )

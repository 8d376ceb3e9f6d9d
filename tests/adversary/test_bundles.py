"""Attacks on evidence files: parts are swapped, taken from other flags, other recipients, other consortia.

Each attack changes a bundle that verifies, in one place, with every key that the attacker can have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ledger import canonical
from ledger.audit.bundle import BundleError, VerifiedBundle, verify_bundle
from ledger.bundle import AnchoredDecision, AnchoredFlag, Bundle, CaseProof
from ledger.caselog import CaseKind
from ledger.commitment import merkle
from ledger.decision import Decision
from ledger.disclosure import Disclosure
from ledger.entries import case_entry
from ledger.errors import VerificationError
from ledger.log import Proof
from ledger.verdicts import Reason
from tests.support.evidence import BANKS, DESK, OFFICER, POLICY, Consortium, Payment, Posted, account

ALFA, BRAVO, CHARLIE = BANKS


@dataclass
class Case:
    """A consortium with two flags and their bundles; `bundle` is of the first flag."""

    consortium: Consortium
    debits: Posted
    credits: Posted
    bundle: Bundle
    other: Bundle

    def verify(self, bundle: Bundle, **options: Any) -> VerifiedBundle:
        """Verify a bundle as it is written to a file."""
        return verify_bundle(bundle.to_bytes(), self.consortium.trust, **options)

    def refused(self, bundle: Bundle, match: str, **options: Any) -> BundleError:
        """Check that a bundle does not verify."""
        with pytest.raises(BundleError, match=match) as caught:
            self.verify(bundle, **options)
        return caught.value


@pytest.fixture(scope="module")
def case() -> Case:
    made = Consortium()
    payments = [Payment(n) for n in range(6)]
    debits, credits = made.post(ALFA, payments), made.post(BRAVO, payments)
    first = made.anchored_flag(made.flag([debits.ref(0), debits.ref(1), credits.ref(0)]))
    second = made.anchored_flag(
        made.flag([debits.ref(4), debits.ref(5)], title="layering"), seed=b"\x06" * 32
    )
    decided = [made.decide(first[0]), made.decide(first[0], "not_suspicious", "A salary.")]
    others = [made.decide(second[0])]
    rows = [(debits, 0), (debits, 1), (credits, 0), (credits, 1)]
    disclosed = [made.disclosure(debits, 0)]
    bundle = made.bundle(first, rows, disclosures=disclosed, decisions=decided)
    other = made.bundle(second, [(debits, 4), (debits, 5)], decisions=others)
    return Case(made, debits, credits, bundle, other)


def test_the_honest_bundles_verify(case: Case) -> None:
    found = case.verify(case.bundle)
    assert [row.proven is not None for row in found.rows] == [True] * 4
    assert [payment.confirmed for payment in found.payments] == [True, True]
    assert [held.decision.verdict for held in found.decisions] == ["suspicious", "not_suspicious"]
    assert found.flag is not None
    assert found.flag.shown["title"] == "structuring"
    assert found.recipient == "FIU"
    case.verify(case.other)


# -- evidence -----------------------------------------------------------------------------------------------


def test_a_swapped_receipt_is_refused_as_evidence_and_the_row_stays_missing(case: Case) -> None:
    receipts = [case.consortium.receipt(case.debits, 3), *case.bundle.receipts[1:]]
    error = case.refused(
        replace(case.bundle, receipts=receipts, disclosures=[]), "neither evidence of the flag"
    )
    assert error.problems[0].where == f"row 3 of batch 0 of {ALFA}"


def test_a_row_that_another_receipt_shows_is_refused(case: Case) -> None:
    """The row of another receipt, under the paths and signatures of the right one."""
    right, wrong = case.bundle.receipts[0], case.consortium.receipt(case.debits, 4)
    receipts = [replace(right, row=wrong.row), *case.bundle.receipts[1:]]
    case.refused(replace(case.bundle, receipts=receipts), "inclusion path")


def test_two_receipts_of_one_row_are_refused(case: Case) -> None:
    case.refused(
        replace(case.bundle, receipts=[*case.bundle.receipts, case.bundle.receipts[0]]), "two receipts"
    )


def test_missing_rows_are_named_and_never_counted_as_proven(case: Case) -> None:
    found = case.verify(replace(case.bundle, receipts=[case.bundle.receipts[1]], disclosures=[]))
    assert [row.proven is not None for row in found.rows] == [False, True, False]
    named = [said for said in found.not_proven if "no receipt" in said]
    assert len(named) == 2
    assert f"row 0 of batch 0 of {ALFA}" in named[0]
    assert f"row 0 of batch 0 of {BRAVO}" in named[1]


def test_a_payment_whose_other_half_is_missing_is_not_confirmed(case: Case) -> None:
    found = case.verify(replace(case.bundle, receipts=case.bundle.receipts[:3]))
    assert [payment.confirmed for payment in found.payments] == [True, False]
    assert any(f"row 1 of batch 0 of {ALFA} is not confirmed" in said for said in found.not_proven)


def test_a_receipt_of_a_batch_that_was_kept_apart_is_refused() -> None:
    made = Consortium()
    apart = made.post(ALFA, [Payment(0)], reason=Reason.SIDE)
    bundle = made.bundle(None, [(apart, 0)])
    with pytest.raises(BundleError, match="inclusion path"):
        verify_bundle(bundle, made.trust)


def test_one_bank_alone_confirms_nothing() -> None:
    """A bank posts both halves itself: its second row names its own side only, and never another bank."""
    made = Consortium()
    payment = Payment(0)
    mine, again = made.post(ALFA, [payment]), made.post(ALFA, [payment])
    found = verify_bundle(made.bundle(None, [(mine, 0), (again, 0)]), made.trust)
    assert not any(payment.confirmed for payment in found.payments)


def test_banks_that_contradict_each_other_confirm_nothing() -> None:
    made = Consortium()
    debit = made.post(ALFA, [Payment(0, amount=950_000)])
    credit = made.post(BRAVO, [Payment(0, amount=90_000)])
    found = verify_bundle(made.bundle(None, [(debit, 0), (credit, 0)]), made.trust)
    assert [(p.confirmed, p.differ) for p in found.payments] == [(False, ("amount",))]
    assert any("contradict each other" in said and "amount" in said for said in found.not_proven)


# -- the flag and its anchor --------------------------------------------------------------------------------


def test_the_anchor_of_another_flag_is_refused(case: Case) -> None:
    assert case.bundle.flag is not None
    assert case.other.flag is not None
    flag = replace(case.bundle.flag, proof=case.other.flag.proof)
    case.refused(replace(case.bundle, flag=flag), "that of another flag")


def test_an_anchor_that_is_not_in_the_log_is_refused(case: Case) -> None:
    """The attacker writes an entry of the case log itself, and takes the proof of a real one."""
    assert case.bundle.flag is not None
    proof = case.bundle.flag.proof
    for change in (
        {"block": 1},
        {"block_time": 1},
        {"author": b"\x01" * 20},
        {"head": bytes(32)},
        {"index": 9},
    ):
        flag = replace(case.bundle.flag, proof=replace(proof, anchor=replace(proof.anchor, **change)))
        case.refused(replace(case.bundle, flag=flag), "inclusion path")


def test_a_members_answer_is_no_flag() -> None:
    """A member may append an ANSWER with any content hash: it is not a flag of the desk."""
    made = Consortium()
    posted = made.post(ALFA, [Payment(0)])
    flag, seed = made.flag([posted.ref(0)]), b"\x07" * 32
    flag_id = flag.flag_id(seed)
    anchor = made.anchor(CaseKind.ANSWER, flag_id, flag_id, made.keys[ALFA].account)
    forged = (flag_id, flag.view(seed), anchor, len(made.ledger_entries) - 1)
    with pytest.raises(BundleError, match="another kind"):
        verify_bundle(made.bundle(forged, [(posted, 0)]), made.trust)


def test_a_changed_view_is_refused(case: Case) -> None:
    assert case.bundle.flag is not None
    view = canonical.loads(canonical.dumps(case.bundle.flag.view))
    leaf = next(leaf for leaf in view["leaves"] if not isinstance(leaf, str) and leaf[0] == "severity")
    leaf[1] = '"low"'
    case.refused(
        replace(case.bundle, flag=replace(case.bundle.flag, view=view)), "does not belong to the flag"
    )


def test_a_hidden_row_of_the_flag_is_counted(case: Case) -> None:
    """The maker closes a leaf of the view, so that a row of the evidence is not seen."""
    assert case.bundle.flag is not None
    view = canonical.loads(canonical.dumps(case.bundle.flag.view))
    whole = case.consortium.flag([case.debits.ref(0), case.debits.ref(1), case.credits.ref(0)])
    whole = replace(whole, position=_position(view, whole))
    hashes = [leaf.hex() for leaf in whole.leaf_hashes(b"\x05" * 32)]
    hidden = next(i for i, leaf in enumerate(view["leaves"]) if leaf[0] == "rows/2")
    view["leaves"][hidden] = hashes[hidden]
    changed = replace(
        case.bundle,
        flag=replace(case.bundle.flag, view=view),
        receipts=case.bundle.receipts[:2],
        disclosures=[],
    )
    found = case.verify(changed)
    assert "The bundle does not show 1 of the flag's 3 rows." in found.not_proven


def _position(view: dict[str, Any], flag: Any) -> Any:
    text = next(leaf[1] for leaf in view["leaves"] if not isinstance(leaf, str) and leaf[0] == "position")
    return replace(flag.position, **canonical.loads(text.encode()))


# -- decisions ----------------------------------------------------------------------------------------------


def test_a_decision_on_another_flag_is_refused(case: Case) -> None:
    case.refused(replace(case.bundle, decisions=case.other.decisions), "about another flag")


def test_a_decision_under_another_decisions_anchor_is_refused(case: Case) -> None:
    first, second = case.bundle.decisions
    swapped = [replace(first, decision=second.decision), replace(second, decision=first.decision)]
    case.refused(replace(case.bundle, decisions=swapped), "not the one on the case log")


def test_a_decision_that_was_written_anew_is_refused(case: Case) -> None:
    (first, _) = case.bundle.decisions
    assert case.bundle.flag is not None
    forged = Decision.make(case.bundle.flag.flag_id, "not_suspicious", "It is fine.", 0)
    case.refused(
        replace(case.bundle, decisions=[replace(first, decision=forged)]), "not the one on the case log"
    )


def test_decisions_in_another_order_are_refused(case: Case) -> None:
    """The last decision is in force, so the order matters."""
    case.refused(replace(case.bundle, decisions=case.bundle.decisions[::-1]), "not in the order")


def test_the_same_decision_twice_is_refused(case: Case) -> None:
    case.refused(replace(case.bundle, decisions=[case.bundle.decisions[0]] * 2), "not in the order")


def test_a_decision_by_a_desk_entry_is_refused() -> None:
    """The desk may write flags and notes; it cannot pass one of them off as an officer's decision."""
    made = Consortium()
    posted = made.post(ALFA, [Payment(0)])
    flagged = made.anchored_flag(made.flag([posted.ref(0)]))
    decision = Decision.make(flagged[0], "suspicious", "", 0)
    content = decision.content_hash(account(DESK).hex())
    anchor = made.anchor(CaseKind.NOTE, flagged[0], content, DESK)
    index = len(made.ledger_entries) - 1
    bundle = made.bundle(flagged, [(posted, 0)], decisions=[(decision, anchor, index)])
    with pytest.raises(BundleError, match="another kind"):
        verify_bundle(bundle, made.trust)


def test_decisions_that_are_left_out_cannot_be_seen_and_the_bundle_says_so(case: Case) -> None:
    found = case.verify(replace(case.bundle, decisions=case.bundle.decisions[:1]))
    assert any("no other or later decision" in said for said in found.not_proven)
    found = case.verify(replace(case.bundle, decisions=[]))
    assert "The bundle has no decision of an officer on the flag." in found.not_proven


# -- disclosures --------------------------------------------------------------------------------------------


def test_a_disclosure_to_another_recipient_is_refused(case: Case) -> None:
    other = case.consortium.disclosure(case.debits, 1, recipient="a journalist")
    changed = replace(case.bundle, disclosures=[*case.bundle.disclosures, other])
    case.refused(changed, "another recipient")
    case.refused(case.bundle, "another recipient", recipient="Supervisor")
    assert case.verify(case.bundle, recipient="FIU").recipient == "FIU"


@pytest.mark.parametrize("change", [{"purpose": "another request"}, {"recipient": "Supervisor"}])
def test_a_purpose_or_recipient_that_the_bank_did_not_sign_is_refused(
    case: Case, change: dict[str, str]
) -> None:
    (signed,) = case.bundle.disclosures
    case.refused(replace(case.bundle, disclosures=[replace(signed, **change)]), "not signed by the bank")


def test_a_disclosure_signed_by_another_bank_is_refused(case: Case) -> None:
    (signed,) = case.bundle.disclosures
    made = case.consortium
    forged = replace(signed, signature=b"").sign(
        made.deployment.domain("BatchLedger"), made.keys[BRAVO].account
    )
    case.refused(replace(case.bundle, disclosures=[forged]), "not signed by the bank")


def test_a_disclosure_for_another_chain_with_the_same_number_is_refused(case: Case) -> None:
    (signed,) = case.bundle.disclosures
    made = case.consortium
    domain = replace(made.deployment.domain("BatchLedger"), genesis_hash=b"\x0a" * 32)
    forged = replace(signed, signature=b"").sign(domain, made.keys[ALFA].account)
    case.refused(replace(case.bundle, disclosures=[forged]), "not signed by the bank")


def test_a_disclosure_of_a_row_that_is_not_evidence_is_refused(case: Case) -> None:
    stray = case.consortium.disclosure(case.debits, 5)
    case.refused(replace(case.bundle, disclosures=[stray]), "neither evidence of the flag")


def test_the_words_of_a_bank_are_named_as_such(case: Case) -> None:
    found = case.verify(case.bundle)
    assert any(said.startswith(f"{ALFA}'s word alone") and "purpose" in said for said in found.not_proven)
    assert any(said.startswith("The exact value") and "amount" in said for said in found.not_proven)


# -- trust and logs -----------------------------------------------------------------------------------------


def test_a_changed_trust_fingerprint_is_named(case: Case) -> None:
    """Nothing is verified against what the bundle says of itself."""
    found = case.verify(replace(case.bundle, trust="00" * 32))
    assert found.trust == case.consortium.trust.fingerprint
    assert any("made with another trust file" in said for said in found.not_proven)
    assert not any("made with another trust file" in said for said in case.verify(case.bundle).not_proven)


def test_a_bundle_of_another_consortium_is_refused(case: Case) -> None:
    elsewhere = Consortium(genesis=b"\x0b" * 32)
    with pytest.raises(BundleError):
        verify_bundle(case.bundle, elsewhere.trust)


def test_a_checkpoint_without_the_quorum_is_refused(case: Case) -> None:
    lonely = "\n\n".join(
        [case.bundle.ledger_checkpoint.split("\n\n")[0], _lines(case.bundle.ledger_checkpoint, 1)]
    )
    error = case.refused(replace(case.bundle, ledger_checkpoint=lonely), "quorum")
    assert error.problems[0].where == "checkpoint of the ledger log"


def _lines(note: str, count: int) -> str:
    return "".join(note.split("\n\n")[1].splitlines(keepends=True)[:count])


def test_the_checkpoint_of_the_other_log_is_refused(case: Case) -> None:
    changed = replace(case.bundle, ledger_checkpoint=case.bundle.verdict_checkpoint)
    case.refused(changed, "checkpoint of the other log")


def test_two_histories_in_one_bundle_are_refused() -> None:
    """The desk, and as many witnesses as are required, sign two ledgers of the same size."""
    made = Consortium()
    posted = made.post(ALFA, [Payment(0)])
    bundle = made.bundle(None, [(posted, 0)])
    forked = made.note("ledger", entries=[b"\x05another entry"])
    with pytest.raises(BundleError, match="two histories"):
        verify_bundle(replace(bundle, ledger_checkpoint=forked), made.trust)


def test_a_self_signed_log_of_one_entry_proves_nothing(case: Case) -> None:
    """The desk alone writes a log that holds only the forged flag."""
    made = case.consortium
    flag, seed = made.flag([case.debits.ref(0)], title="invented"), b"\x08" * 32
    flag_id = flag.flag_id(seed)
    anchor = replace(case.bundle.flag.proof.anchor, case_id=flag_id, content_hash=flag_id)  # type: ignore[union-attr]
    entry = case_entry(anchor)
    note = made.note("ledger", entries=[entry], cosigners=())
    proof = Proof(0, (), note).to_text()
    assert merkle.leaf_hash(entry) == merkle.root([merkle.leaf_hash(entry)])
    forged = AnchoredFlag(flag_id, flag.view(seed), CaseProof(anchor, proof))
    case.refused(replace(case.bundle, flag=forged, decisions=[]), "quorum")


def test_policies_are_those_of_the_batches(case: Case) -> None:
    other = replace(POLICY, tolerance=10**6).document.decode()
    case.refused(
        replace(case.bundle, policies=[*case.bundle.policies, other]), "no batch of its receipts names"
    )
    case.refused(replace(case.bundle, policies=[*case.bundle.policies] * 2), "same policy twice")
    found = case.verify(replace(case.bundle, policies=[]))
    assert not any(payment.confirmed for payment in found.payments)
    assert any("the bundle does not have it" in said for said in found.not_proven)


def test_every_problem_is_named(case: Case) -> None:
    changed = replace(
        case.bundle,
        receipts=[replace(case.bundle.receipts[0], block=1), *case.bundle.receipts[1:]],
        decisions=case.other.decisions,
    )
    error = case.refused(changed, "and 1 more")
    assert [problem.where for problem in error.problems] == ["receipt 0", "decision 0"]


# -- the file -----------------------------------------------------------------------------------------------


def test_no_changed_byte_changes_what_is_stated(case: Case) -> None:
    """Each byte in turn, in steps: the bundle is refused, or states the same."""
    data = case.bundle.to_bytes()
    honest = case.verify(case.bundle)
    for place in range(0, len(data), 97):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            found = verify_bundle(bytes(changed), case.consortium.trust)
        except VerificationError:
            continue
        # the fingerprint that the bundle claims is not a part of any proof; it is compared, and named
        assert replace(found, made_against=honest.made_against, not_proven=honest.not_proven) == honest


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(note="hello"),
        lambda value: value.pop("policies"),
        lambda value: value["flag"].pop("anchor"),
        lambda value: value["flag"]["anchor"].update(kind=True),
        lambda value: value["flag"]["anchor"].update(kind=256),
        lambda value: value["receipts"][0].update(index=True),
        lambda value: value.update(trust=None),
        lambda value: value.update(format="counterfoil/bundle/2"),
    ],
)
def test_a_file_of_another_form_is_refused(case: Case, change: Callable[[Any], Any]) -> None:
    value = canonical.loads(case.bundle.to_bytes())
    change(value)
    with pytest.raises(VerificationError):
        verify_bundle(canonical.dumps(value), case.consortium.trust)


def test_no_error_repeats_a_persons_data() -> None:
    """The account and the purpose that a bank disclosed are in no error, whatever else is wrong."""
    made = Consortium()
    posted = made.post(ALFA, [Payment(0, purpose="ALIMONY JANE ROE")])

    def lie(unsigned: Disclosure) -> Disclosure:
        fields = [replace(f, opened=replace(f.opened, value=f"{f.opened.value}X")) for f in unsigned.fields]
        return replace(unsigned, fields=fields)

    disclosed = made.disclosure(posted, 0, ("purpose", "debtor_account", "amount"), change=lie)
    with pytest.raises(BundleError) as caught:
        verify_bundle(made.bundle(None, [(posted, 0)], disclosures=[disclosed]), made.trust)
    said = str(caught.value) + "".join(str(problem.error) for problem in caught.value.problems)
    for secret in ("ALIMONY", "JANE", "acct:", "9500"):
        assert secret not in said


def test_the_officer_is_the_author_of_the_entry(case: Case) -> None:
    found = case.verify(case.bundle)
    assert {held.anchor.author for held in found.decisions} == {account(OFFICER)}


def test_a_decision_without_a_flag_is_refused(case: Case) -> None:
    first: AnchoredDecision = case.bundle.decisions[0]
    changed = replace(case.bundle, flag=None, decisions=[first])
    case.refused(changed, "about another flag")

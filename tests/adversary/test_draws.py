"""Attacks on the audit of evaluations: a member that hides a guess, and an auditor that chooses.

The attacker of most tests is the member: it signs what it likes with its own keys. It anchored elements of
guessed accounts, and would have opened them with rows that do not belong to them. Guesses themselves are in
`tests/counterfoil/test_draws.py`, on a consortium of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from counterfoil import Auditor, Member
from ledger.audit.draws import check_opened
from ledger.deployment import Deployment
from ledger.disclosure import Disclosure, PseudonymOpening
from ledger.draw import Draw, Place, drawn, requests_of
from ledger.encoding import oprf
from ledger.errors import InputError, VerificationError
from ledger.opened_draw import OpenedDraw, OpenedElement, Reason, UnexplainedElement
from tests.support.consortium import SmallConsortium
from tests.support.mutations import mutated_bytes, mutated_json

ALFA, BRAVO = "ALFADEFF", "BRAVFRPP"
SUPERVISOR = "The supervisor"
Elements = Sequence[OpenedElement | UnexplainedElement]


@dataclass(frozen=True)
class Case:
    """A draw of ALFA, what it opened, and a draw of BRAVO with what it opened."""

    consortium: SmallConsortium
    draw: Draw
    opened: OpenedDraw
    theirs: Draw
    their_opened: OpenedDraw

    @property
    def deployment(self) -> Deployment:
        """Where the consortium is deployed."""
        return self.consortium.gateway.deployment

    def elements(self) -> list[OpenedElement]:
        """The opened elements; all are opened."""
        found = [e for e in self.opened.elements if isinstance(e, OpenedElement)]
        assert len(found) == len(self.draw.places)
        return found

    def signed(self, opened: OpenedDraw, bank: str = ALFA) -> OpenedDraw:
        """Sign with a bank's own account, whatever it says."""
        domain = self.deployment.domain("EvaluationLog")
        return opened.sign(domain, self.consortium.keys[bank].account)

    def disclosed(self, disclosure: Disclosure, bank: str = ALFA) -> Disclosure:
        """Sign a disclosure anew."""
        domain = self.deployment.domain("BatchLedger")
        return disclosure.sign(domain, self.consortium.keys[bank].account)

    def check(self, opened: OpenedDraw | bytes, draw: Draw | None = None) -> None:
        """Verify, and demand that everything is explained."""
        data = opened if isinstance(opened, bytes) else opened.to_bytes()
        gateway, trust = self.consortium.gateway, self.consortium.trust
        check_opened(data, draw or self.draw, gateway, trust, recipient=SUPERVISOR).raise_if_unexplained()

    def refused(self, match: str, **changes: Any) -> None:
        """Check that what ALFA changed and signed is refused, and that the error shows no account."""
        with pytest.raises(VerificationError, match=match) as refused:
            self.check(self.signed(replace(self.opened, **changes)))
        assert not shown(self, refused.value)


def shown(case: Case, error: BaseException | None) -> set[str]:
    """Return the disclosed values that an error, or what caused it, repeats."""
    text = ""
    while error is not None:
        text += repr(vars(error)) + repr(error.args) + str(error)
        error = error.__cause__
    values = {field.opened.value for d in case.opened.disclosures for field in d.fields}
    return {value for value in values if value is not None and value in text}


@pytest.fixture(scope="module")
def case(consortium: SmallConsortium) -> Case:
    auditor = Auditor(consortium.home, chain=consortium.url)
    draws = [auditor.draw(bank, count=8) for bank in (ALFA, BRAVO)]
    opened = [
        Member(bank, consortium.home, chain=consortium.url).open_draw(draw, recipient=SUPERVISOR)
        for bank, draw in zip((ALFA, BRAVO), draws, strict=True)
    ]
    return Case(consortium, draws[0], opened[0], draws[1], opened[1])


def test_what_both_banks_opened_verifies(case: Case) -> None:
    case.check(case.opened)
    case.check(case.their_opened, case.theirs)
    case.check(case.signed(replace(case.opened, signature=b"")))


def test_the_row_of_another_element_explains_nothing(case: Case) -> None:
    """The member has a row, but not one of this account."""
    first, *rest = case.elements()
    other = next(e for e in rest if e.disclosure != first.disclosure)
    swapped = [
        replace(first, disclosure=other.disclosure, field=other.field) if e is first
        else replace(other, disclosure=first.disclosure, field=first.field) if e is other
        else e
        for e in case.elements()
    ]  # fmt: skip
    case.refused("another account or party than the element", elements=swapped)


@pytest.mark.parametrize("blind", [oprf.generate_key, lambda: bytes(32), lambda: b"\xff" * 32])
def test_another_blind_explains_nothing(case: Case, blind: Callable[[], bytes]) -> None:
    """The member gives a blind of its choice: none makes this element of another account."""
    first, *others = case.elements()
    case.refused("blind", elements=[replace(first, blind=blind()), *others])


def test_the_blind_itself_may_stand_there(case: Case) -> None:
    first, *others = case.elements()
    disclosure = case.opened.disclosures[first.disclosure]
    proof = next(field.proof for field in disclosure.fields if field.opened.name == first.field)
    assert isinstance(proof, PseudonymOpening)
    elements = [replace(first, blind=proof.blind), *others]
    case.check(case.signed(replace(case.opened, elements=elements)))


def test_another_element_than_the_one_that_was_anchored_is_refused(case: Case) -> None:
    """The member shows an element that it can explain, at the place of one that it cannot."""
    first, second, *others = case.elements()
    lie = replace(second, place=first.place)
    case.refused("not the one that was anchored", elements=[lie, second, *others])
    own = replace(first, path=second.path)
    case.refused("not the one that was anchored", elements=[own, second, *others])
    short = replace(first, path=first.path[:-1])
    case.refused("not the one that was anchored", elements=[short, second, *others])


def test_a_path_to_the_root_of_another_bank_is_refused(case: Case) -> None:
    """Another bank's element, with its path and its row, stands in no request of this member."""
    first, *others = case.elements()
    foreign = next(e for e in case.their_opened.elements if isinstance(e, OpenedElement))
    case.refused(
        "not the one that was anchored",
        elements=[replace(first, element=foreign.element, path=foreign.path), *others],
    )


def test_the_disclosure_of_another_member_is_refused(case: Case) -> None:
    """Another bank helps: it discloses its own row of the account for this draw."""
    first = case.elements()[0]
    helping = replace(case.their_opened.disclosures[0], purpose=case.draw.purpose)
    disclosures = list(case.opened.disclosures)
    disclosures[first.disclosure] = case.disclosed(helping, BRAVO)
    case.refused("the row was posted by BRAVFRPP, not by ALFADEFF", disclosures=disclosures)
    disclosures[first.disclosure] = case.disclosed(helping, ALFA)
    case.refused("not signed by the bank that posted the row", disclosures=disclosures)


def test_an_account_without_its_proof_explains_nothing(case: Case) -> None:
    """The member's word alone: it leaves the opening of the pseudonym out."""
    first = case.elements()[0]
    disclosures = list(case.opened.disclosures)
    held = disclosures[first.disclosure]
    fields = [replace(field, proof=None) for field in held.fields]
    disclosures[first.disclosure] = case.disclosed(replace(held, fields=fields, evaluations=()))
    case.refused("not opened with its proof", disclosures=disclosures)


@pytest.mark.parametrize("field", ["amount", "debtor_agent", "on_behalf_of", "nothing"])
def test_a_field_that_is_not_the_opened_account_explains_nothing(case: Case, field: str) -> None:
    first, *others = case.elements()
    case.refused("not opened with its proof", elements=[replace(first, field=field), *others])


def test_a_party_that_the_row_does_not_have_explains_nothing(case: Case) -> None:
    """An absent party is proven by the row, too, but it is nobody's element."""
    consortium = case.consortium
    first, *others = case.elements()
    names = ("debtor_account", "creditor_account", "party_id", "on_behalf_of")
    index = case.opened.disclosures[first.disclosure].receipt.index
    absent = consortium.disclosure(ALFA, names, index, recipient=SUPERVISOR)
    disclosures = list(case.opened.disclosures)
    disclosures[first.disclosure] = case.disclosed(replace(absent, purpose=case.draw.purpose))
    case.refused(
        "no such account or party",
        disclosures=disclosures,
        elements=[replace(first, field="on_behalf_of"), *others],
    )


def test_no_element_is_left_out_and_none_counts_twice(case: Case) -> None:
    first, second, *others = case.elements()
    for elements in ([second, *others], [first, first, *others], [second, first, *others]):
        case.refused("not those of the draw, in its order", elements=elements)


def test_a_disclosure_that_no_element_uses_is_refused(case: Case) -> None:
    """Nobody would look at it; it would only open more accounts."""
    case.refused("no element uses", disclosures=[*case.opened.disclosures, case.opened.disclosures[0]])
    case.refused("the row of the element is missing", disclosures=case.opened.disclosures[:-1])


def test_an_element_that_is_named_unexplained_is_found(case: Case) -> None:
    first, *others = case.elements()
    used = {e.disclosure for e in others}
    told: Elements = [UnexplainedElement(first.place, Reason.UNKNOWN), *others]
    if first.disclosure in used:
        case.refused("cannot explain 1 of 8 drawn elements", elements=told)
    else:
        kept = [d for n, d in enumerate(case.opened.disclosures) if n != first.disclosure]
        moved = [replace(e, disclosure=e.disclosure - (e.disclosure > first.disclosure)) for e in others]
        case.refused("cannot explain 1 of 8 drawn elements", elements=[told[0], *moved], disclosures=kept)


def test_what_was_opened_for_another_draw_or_recipient_is_refused(case: Case) -> None:
    """The member answers a new draw with an old answer, or with rows that it disclosed before."""
    auditor = Auditor(case.consortium.home, chain=case.consortium.url)
    later = auditor.draw(ALFA, count=8)
    with pytest.raises(VerificationError, match="opened for another draw"):
        case.check(case.opened, later)
    case.refused("opened for another draw", draw=later.digest)
    renamed = replace(case.draw, drawn_at=case.draw.drawn_at - 1)  # the same elements, another draw
    reused = case.signed(replace(case.opened, draw=renamed.digest))
    with pytest.raises(VerificationError, match="disclosed for another purpose"):
        case.check(reused, renamed)
    case.refused("opened for another recipient", recipient="Somebody")
    given = case.signed(replace(case.opened, recipient="Somebody")).to_bytes()
    with pytest.raises(VerificationError, match="made for another recipient"):
        check_opened(given, case.draw, case.consortium.gateway, case.consortium.trust)


def test_only_the_member_speaks_for_itself(case: Case) -> None:
    """Another bank says in the member's name that its rows wait."""
    told = [UnexplainedElement(place, Reason.WAITING) for place in case.draw.places]
    lie = replace(case.opened, elements=told, disclosures=())
    with pytest.raises(VerificationError, match="not signed by ALFADEFF"):
        case.check(case.signed(lie, BRAVO))
    with pytest.raises(VerificationError, match="not signed by ALFADEFF"):
        case.check(case.signed(replace(lie, member=BRAVO)))


def test_chosen_elements_are_refused_by_the_member_and_by_everybody(case: Case) -> None:
    """The auditor wants to see one element of its choice, or the member wants to be asked others."""
    places = (Place(case.draw.places[0].request, 0), *case.draw.places)
    chosen = tuple(dict.fromkeys(places))[: len(case.draw.places)]
    if chosen == case.draw.places:
        chosen = chosen[::-1]
    member = Member(ALFA, case.consortium.home, chain=case.consortium.url)
    for draw in (
        replace(case.draw, places=chosen),
        replace(case.draw, seed=bytes(32)),
        replace(case.draw, total=case.draw.total - 1),
        replace(case.draw, requests_until=1),
        replace(case.draw, consortium="counterfoil/1/00/00"),
    ):
        with pytest.raises(VerificationError):
            member.open_draw(draw.to_bytes(), recipient=SUPERVISOR)
        with pytest.raises(VerificationError):
            case.check(case.signed(replace(case.opened, draw=draw.digest)), draw)


def test_a_member_opens_its_own_elements_only_and_says_for_whom(case: Case) -> None:
    member = Member(ALFA, case.consortium.home, chain=case.consortium.url)
    with pytest.raises(InputError, match="of elements of BRAVFRPP, not of ALFADEFF"):
        member.open_draw(case.theirs, recipient=SUPERVISOR)
    with pytest.raises(VerificationError):  # BRAVO's elements under ALFA's name
        member.open_draw(replace(case.theirs, member=ALFA), recipient=SUPERVISOR)
    for nobody in (" ", "x" * 501):
        with pytest.raises(InputError, match="recipient is empty, or longer"):
            member.open_draw(case.draw, recipient=nobody)


def test_a_draw_of_blocks_that_the_node_does_not_have_is_refused(case: Case) -> None:
    """With a later block, a row that is posted after the draw would explain an element."""
    ahead = replace(case.draw, drawn_at=case.consortium.gateway.height() + 1)
    with pytest.raises(VerificationError, match="the node has"):
        case.check(case.signed(replace(case.opened, draw=ahead.digest)), ahead)


def test_a_row_that_was_posted_after_the_draw_does_not_count(case: Case) -> None:
    """The draw was made between the request and the rows: the rows came late."""
    consortium = case.consortium
    code = next(m.code for m in consortium.gateway.members() if m.agent == ALFA)
    block = next(r.block for r in consortium.gateway.evaluation_requests() if r.member == code)
    requests = requests_of(consortium.gateway.evaluation_requests(), code, block)
    total = sum(request.count for request in requests)
    early = Draw(
        case.draw.consortium, ALFA, block, block, total, case.draw.seed, drawn(case.draw.seed, requests, 8)
    )
    answer = Member(ALFA, consortium.home, chain=consortium.url).open_draw(early, recipient=SUPERVISOR)
    report = check_opened(answer.to_bytes(), early, consortium.gateway, consortium.trust)
    assert {element.outcome for element in report.elements} == {"late"}
    assert report.most_guesses() == 1
    with pytest.raises(VerificationError, match=r"after the draw; the draw was 0\.0 days after the request"):
        check_opened(
            answer.to_bytes(), early, consortium.gateway, consortium.trust, grace_days=-1
        ).raise_if_unexplained()


def test_no_change_of_the_file_is_accepted_and_no_error_shows_an_account(case: Case) -> None:
    """Whoever changes the file after it was signed gains nothing, and learns nothing from the errors."""
    sound, others = case.opened.to_bytes(), [case.their_opened.to_bytes()]
    for number in range(150):
        chosen = Random(f"draw {number}")
        changed = mutated_bytes(sound, chosen) if number % 3 == 0 else mutated_json(sound, chosen, others)
        if changed != sound:
            with pytest.raises(VerificationError) as refused:
                case.check(changed)
            assert not shown(case, refused.value)


def refusal(case: Case, changed: bytes) -> VerificationError | None:
    """Return why a changed file is refused that the member signed anew; None if everything is explained."""
    try:
        case.check(case.signed(OpenedDraw.from_bytes(changed)))
    except VerificationError as error:
        return error
    return None


def test_no_change_that_the_member_signs_shows_an_account_in_an_error(case: Case) -> None:
    """The member itself signs what it changed: it is refused, or every element is still explained."""
    sound, others = case.opened.to_bytes(), [case.their_opened.to_bytes()]
    changes = (mutated_json(sound, Random(f"signed {n}"), others, spared="draw") for n in range(80))
    errors = [error for changed in changes if (error := refusal(case, changed)) is not None]
    assert len(errors) > 40
    assert not set().union(*(shown(case, error) for error in errors))

"""A group of key holders: any t of them give what the whole key gives, and nobody who cheats gets through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding import oprf, ristretto, sharing
from ledger.encoding.answers import Answer, evaluate_in_batches, wrong_answers
from ledger.encoding.evaluation import PROOF_BATCH, EpochKey, check_pseudonym, unblinded, verify_evaluation
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.encoding.threshold import Problem, ThresholdEvaluator
from ledger.errors import (
    ConfigurationError,
    KeyHolderError,
    QuotaExceededError,
    VerificationError,
)
from tests.support.ceremonies import generate, reshare
from tests.support.pseudonyms import ShareHolder, ThresholdGroup, evaluated, values
from tests.support.vectors import suites

SECRET = oprf.derive_key_pair(bytes(32), b"threshold tests")[0]
IDENTIFIERS = [f"acct:BANK:{number}" for number in range(2 * PROOF_BATCH + 3)]
EXPECTED = [oprf.prf(SECRET, identifier.encode())[:16] for identifier in IDENTIFIERS]
DEAD = KeyHolderError("the key holder does not answer", where="http://127.0.0.1:9")


class Group:
    """Holders of shares of `SECRET`, the evaluator that asks them, and the problems that it notes."""

    def __init__(self, threshold: int = 3, count: int = 5) -> None:
        self.group = ThresholdGroup(threshold, count, secret=SECRET)
        self.holders = {index: ShareHolder(share) for index, share in enumerate(self.group.shares, start=1)}
        self.problems: list[Problem] = []

    def evaluator(self) -> ThresholdEvaluator:
        return ThresholdEvaluator(self.group.key, self.holders, note=self.problems.append)

    def values(self, identifiers: Sequence[str] = IDENTIFIERS, *, processes: int = 1) -> list[bytes]:
        pseudonymiser = Pseudonymiser(self.evaluator())
        try:
            return values(pseudonymiser, identifiers, processes=processes)
        finally:
            pseudonymiser.close()

    @property
    def asked(self) -> dict[int, int]:
        return {index: len(holder.requests) for index, holder in self.holders.items() if holder.requests}


# what is right


@pytest.mark.parametrize("suite", suites())
def test_any_three_of_five_holders_give_the_outputs_of_the_rfc(suite: dict[str, Any]) -> None:
    """The key of the vectors is shared; blinds, blinded elements and outputs are those of the RFC."""
    group = ThresholdGroup(3, 5, secret=bytes.fromhex(suite["skSm"]))
    assert group.key.public_key.hex() == suite["pkSm"]
    for vector in suite["vectors"]:
        inputs, blinds, blinded, evaluated, outputs = (
            [bytes.fromhex(text) for text in vector[name].split(",")]
            for name in ("Input", "Blind", "BlindedElement", "EvaluationElement", "Output")
        )
        made = [oprf.blind(data, blind) for data, blind in zip(inputs, blinds, strict=True)]
        assert [item.element for item in made] == blinded
        for indices in combinations(range(1, 6), 3):
            evaluation = group.evaluate(blinded, indices)
            verify_evaluation(evaluation, group.key)
            shares = [share.elements for share in evaluation.shares]
            for whole, parts in zip(evaluated, zip(*shares, strict=True), strict=True):
                assert sharing.combined(sharing.weights(indices), parts) == whole
            assert unblinded(indices, made, shares) == outputs


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_holders_of_any_group_give_the_same_pseudonyms(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 7), "n")
    group = Group(data.draw(st.integers(1, count), "t"), count)
    most = count - group.evaluator().threshold
    dead = data.draw(st.lists(st.integers(1, count), max_size=most, unique=True), "dead")
    for index in dead:
        group.holders[index].fails = DEAD
    assert group.values() == EXPECTED
    assert {problem.index for problem in group.problems} <= {*dead}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 32), min_size=1, max_size=6, unique=True))
def test_small_sums_are_the_sums_with_the_weights(indices: list[int]) -> None:
    chosen = tuple(sorted(indices))
    elements = [ristretto.multiply_base(ristretto.random_scalar()) for _ in chosen]
    factors, divisor = sharing.combination(chosen)
    total = sharing.combined(sharing.weights(chosen), elements)
    assert ristretto.multiply(divisor, total) == sharing.sum_with(factors, elements)


def test_what_the_group_gives_convinces_an_auditor() -> None:
    group = Group()
    group.holders[2].fails = DEAD
    keys = {(1, 0): group.group.key}
    for evaluation, made in evaluated(Pseudonymiser(group.evaluator()), IDENTIFIERS):
        assert [share.index for share in evaluation.shares] == [1, 3, 4]
        for element, (identifier, value, blind) in enumerate(made):
            check_pseudonym(identifier, value, evaluation, element, blind, keys)


def test_exactly_as_many_holders_are_asked_as_are_needed() -> None:
    group = Group()
    assert group.values() == EXPECTED
    assert group.asked == {1: 1, 2: 1, 3: 1}
    assert group.holders[1].requests == [(1, 0, len(IDENTIFIERS))]
    assert group.problems == []


def test_holders_work_at_the_same_time() -> None:
    """Each waits for the two others: one after the other, they would never answer."""
    group, meeting = Group(), threading.Barrier(3, timeout=20)

    def wait(answer: Answer) -> Answer:
        meeting.wait()
        return answer

    for holder in group.holders.values():
        holder.wrong = wait
    assert group.values() == EXPECTED


def test_a_ceremony_makes_what_the_evaluator_needs_and_a_reshare_keeps_every_pseudonym() -> None:
    """Two keys of one epoch, old evaluations beside new ones, and shares that do not mix."""
    first = generate(2, 3)
    second = reshare(first.key, first.shares, (1, 3), 3, 4)
    proven = {}
    for held in (first, second):
        holders = {index: ShareHolder(share) for index, share in held.shares.items()}
        batches = evaluated(Pseudonymiser(ThresholdEvaluator(held.key, holders)), IDENTIFIERS)
        proven[held.key.generation] = batches
    old, new = ([made.value for b in proven[number] for made in b.pseudonyms] for number in (0, 1))
    assert old == new
    keys = {(held.key.number, held.key.generation): held.key for held in (first, second)}
    for batches in proven.values():
        for evaluation, made in batches:
            check_pseudonym(made[0].identifier, made[0].value, evaluation, 0, made[0].blind, keys)
    relabelled = replace(proven[0][0].evaluation, generation=1)
    with pytest.raises(VerificationError):
        verify_evaluation(relabelled, second.key)
    mixed = replace(
        proven[1][0].evaluation,
        shares=(proven[0][0].evaluation.shares[0], *proven[1][0].evaluation.shares[1:]),
    )
    with pytest.raises(VerificationError):
        verify_evaluation(mixed, second.key)


# holders that fail


@pytest.fixture
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that `IDENTIFIERS` take three requests."""
    monkeypatch.setattr("ledger.evaluation_request.CHUNK", PROOF_BATCH)


@pytest.mark.usefixtures("small_requests")
@pytest.mark.parametrize("processes", [1, 2])
def test_a_dead_holder_is_named_replaced_and_not_waited_for_again(processes: int) -> None:
    group = Group()
    group.holders[1].fails = DEAD
    assert group.values(processes=processes) == EXPECTED
    assert [(problem.index, problem.error) for problem in group.problems] == [(1, DEAD)]
    assert len(group.holders[1].requests) == 1
    assert [len(group.holders[index].requests) for index in (2, 3, 4, 5)] == [3, 3, 3, 0]


def test_a_holder_that_recovers_is_asked_again_when_it_is_needed() -> None:
    group = Group(2, 3)
    group.holders[1].fails = DEAD
    pseudonymiser = Pseudonymiser(group.evaluator())
    assert values(pseudonymiser, IDENTIFIERS) == EXPECTED
    group.holders[1].fails, group.holders[2].fails = None, DEAD
    assert values(pseudonymiser, IDENTIFIERS) == EXPECTED
    assert [problem.index for problem in group.problems] == [1, 2]


def test_too_few_holders_are_an_error_that_names_each_and_its_reason() -> None:
    group = Group()
    for index, error in ((1, DEAD), (3, KeyHolderError("the key holder refuses: not a member")), (4, DEAD)):
        group.holders[index].fails = error
    with pytest.raises(KeyHolderError) as caught:
        group.values()
    told = str(caught.value)
    assert told.startswith("2 of 5 key holders answered for epoch 1, and 3 are needed. holder 1: ")
    assert "holder 3: the key holder refuses: not a member" in told
    assert "holder 4: the key holder does not answer" in told
    assert sorted(problem.index for problem in group.problems) == [1, 3, 4]


def test_a_used_up_quota_is_told_as_such() -> None:
    group = Group(3, 3)
    group.holders[2].fails = QuotaExceededError("the quota is used up")
    with pytest.raises(QuotaExceededError, match="holder 2: the quota is used up"):
        group.values()


def test_an_error_that_is_no_answer_of_a_holder_is_not_hidden() -> None:
    group = Group()
    group.holders[2].fails = ZeroDivisionError("a mistake in the program")
    with pytest.raises(ZeroDivisionError):
        group.values()


@pytest.mark.parametrize("known", [(), (1, 2), (1, 2, 6), (0, 1, 2)])
def test_an_evaluator_needs_enough_addresses_of_its_holders(known: tuple[int, ...]) -> None:
    group = Group()
    with pytest.raises(ConfigurationError, match="3 of 5 key holders are needed"):
        ThresholdEvaluator(group.group.key, dict.fromkeys(known, group.holders[1]))


def test_commitments_that_do_not_make_the_key_are_refused_before_anybody_is_asked() -> None:
    group = Group()
    for key in (
        replace(group.group.key, public_key=oprf.public_key(oprf.generate_key())),
        replace(group.group.key, share_commitments=group.group.key.share_commitments[:2]),
        replace(group.group.key, public_key=bytes(32)),
    ):
        with pytest.raises(VerificationError):
            ThresholdEvaluator(key, group.holders)


# holders that cheat


def other_key(answer: Answer) -> Answer:
    """Evaluate with another key, and prove that."""
    blinded = [oprf.blind(b"%d" % number).element for number in range(len(answer.elements))]
    return evaluate_in_batches(oprf.generate_key(), blinded)


def one_element(answer: Answer) -> Answer:
    wrong = ristretto.multiply_base(oprf.generate_key())
    return answer._replace(elements=[*answer.elements[:-1], wrong])


def one_composite(answer: Answer) -> Answer:
    wrong = ristretto.multiply_base(oprf.generate_key())
    return answer._replace(composites=[wrong, *answer.composites[1:]])


CHEATS: dict[str, Callable[[Answer], Answer]] = {
    "another key": other_key,
    "one wrong element": one_element,
    "one wrong composite": one_composite,
    "a composite that is no element": lambda a: a._replace(composites=[b"\xff" * 32, *a.composites[1:]]),
    "a composite that is the identity": lambda a: a._replace(composites=[bytes(32), *a.composites[1:]]),
    "composites exchanged": lambda a: a._replace(composites=a.composites[::-1]),
    "a composite less": lambda a: a._replace(composites=a.composites[:-1]),
    "an element that is no element": lambda a: a._replace(elements=[b"\xff" * 32, *a.elements[1:]]),
    "the identity": lambda a: a._replace(elements=[bytes(32), *a.elements[1:]]),
    "elements exchanged": lambda a: a._replace(elements=[a.elements[1], a.elements[0], *a.elements[2:]]),
    "proofs exchanged": lambda a: a._replace(proofs=a.proofs[::-1]),
    "an element less": lambda a: a._replace(elements=a.elements[:-1]),
    "a proof less": lambda a: a._replace(proofs=a.proofs[:-1]),
    "nothing": lambda a: Answer([], []),
    "proofs of zeros": lambda a: a._replace(proofs=[bytes(64)] * len(a.proofs)),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_wrong_share_is_named_and_another_holder_asked_for_that_request(cheat: str) -> None:
    group = Group()
    group.holders[2].wrong = CHEATS[cheat]
    assert group.values() == EXPECTED
    assert [problem.index for problem in group.problems] == [2]
    assert isinstance(group.problems[0].error, VerificationError)
    assert group.asked == {1: 1, 2: 1, 3: 1, 4: 1}


def test_a_holder_that_cheated_is_not_asked_again_and_only_the_new_share_is_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified: list[int] = []
    real = wrong_answers

    def noting(holders: Any, blinded: Any, given: dict[int, Answer]) -> Any:
        verified.extend(given)
        return real(holders, blinded, given)

    monkeypatch.setattr("ledger.encoding.pseudonym.wrong_answers", noting)
    group = Group()
    group.holders[1].wrong = one_element
    pseudonymiser = Pseudonymiser(group.evaluator())
    assert values(pseudonymiser, IDENTIFIERS) == EXPECTED
    assert verified == [1, 2, 3, 4]
    assert values(pseudonymiser, IDENTIFIERS) == EXPECTED
    assert verified == [1, 2, 3, 4, 2, 3, 4]
    assert len(group.holders[1].requests) == 1


@pytest.mark.usefixtures("small_requests")
def test_worker_processes_name_the_cheat_too() -> None:
    group = Group()
    group.holders[3].wrong = one_element
    assert group.values(processes=2) == EXPECTED
    assert {problem.index for problem in group.problems} == {3}


def test_with_too_many_cheats_there_are_no_pseudonyms() -> None:
    group = Group()
    for index in (1, 2, 4):
        group.holders[index].wrong = one_element
    with pytest.raises(KeyHolderError, match="2 of 5 key holders answered") as caught:
        group.values()
    assert all(f"holder {index}: the answer was not computed" in str(caught.value) for index in (1, 2, 4))


@pytest.mark.parametrize(
    "wrong",
    [
        {"claimed": oprf.public_key(oprf.generate_key())},
        {"secret": oprf.generate_key(), "claimed": None},
    ],
)
def test_a_holder_of_another_share_is_refused_before_it_costs_quota(wrong: dict[str, Any]) -> None:
    group = Group()
    group.holders[1] = ShareHolder(**{"secret": group.holders[1].secret, **wrong})
    assert group.values() == EXPECTED
    assert [problem.index for problem in group.problems] == [1]
    assert "differs from the one on the chain" in str(group.problems[0].error)
    assert group.holders[1].requests == []


def replaying(made_for: Sequence[bytes], secret: bytes) -> Callable[[Answer], Answer]:
    """Answer with what was computed for another request, where all of it is valid."""
    old = evaluate_in_batches(secret, made_for)
    return lambda answer: old


def test_a_share_of_another_request_epoch_or_generation_is_refused() -> None:
    group = Group()
    others = [oprf.blind(identifier.encode()).element for identifier in IDENTIFIERS]
    group.holders[1].wrong = replaying(others, group.holders[1].secret)
    assert group.values() == EXPECTED
    assert [problem.index for problem in group.problems] == [1]
    for secret in (oprf.generate_key(), ThresholdGroup(3, 5, secret=SECRET).shares[0]):
        blinded = [oprf.blind(identifier.encode()) for identifier in IDENTIFIERS]
        elements = [item.element for item in blinded]
        given = {index: evaluate_in_batches(group.holders[index].secret, elements) for index in (2, 3)}
        wrong = wrong_answers(
            group.group.key.holders, elements, {1: evaluate_in_batches(secret, elements), **given}
        )
        assert [*wrong] == [1]


def test_two_colluding_holders_of_five_cannot_evaluate() -> None:
    """They have two shares, and try everything: their own weights, shares twice, an invented third share."""
    group = ThresholdGroup(3, 5, secret=SECRET)
    blinded = oprf.blind(b"acct:BANK:victim")
    honest = ristretto.multiply(SECRET, blinded.element)
    parts = {index: ristretto.multiply(group.shares[index - 1], blinded.element) for index in (2, 5)}
    assert sharing.combined(sharing.weights((2, 5)), [*parts.values()]) != honest
    evaluation = group.evaluate([blinded.element], (2, 5))
    with pytest.raises(VerificationError, match="do not make the key"):
        verify_evaluation(evaluation, group.key)
    for forged in (
        (*evaluation.shares, replace(evaluation.shares[0], index=3)),
        (evaluation.shares[0], evaluation.shares[0], evaluation.shares[1]),
        (*group.evaluate([blinded.element], (2,)).shares, *evaluation.shares),
    ):
        with pytest.raises(VerificationError):
            verify_evaluation(replace(evaluation, shares=forged), group.key)
    own = EpochKey(1, 0, group.key.public_key, group.key.share_commitments[1:2])
    with pytest.raises(VerificationError):  # a key of their own that claims to be the group's
        ThresholdEvaluator(own, {1: ShareHolder(group.shares[1])})


def forged_for_a_composite(secret: bytes, blinded: Sequence[bytes], answer: Answer) -> Answer:
    """A wrong element, and a proof that is valid for a composite that fits the wrong element.

    Z is the weighted sum of the evaluated elements. With M' = Z / secret, which the cheat can compute, the
    proof shows truly that Z = secret x M'. Only the comparison of M' with the blinded elements finds it.
    """
    public = oprf.public_key(secret)
    wrong = one_element(Answer(answer.elements[:PROOF_BATCH], [])).elements
    weights = oprf._weights(public, blinded[:PROOF_BATCH], wrong)
    after = oprf._weigh(weights, wrong)
    before = ristretto.multiply(ristretto.invert_scalar(secret), after)
    random = oprf.generate_key()
    commitment, shifted = ristretto.multiply_base(random), ristretto.multiply(random, before)
    challenge = oprf._challenge(public, before, after, commitment, shifted)
    response = ristretto.subtract_scalars(random, ristretto.multiply_scalars(challenge, secret))
    return Answer(
        [*wrong, *answer.elements[PROOF_BATCH:]],
        [challenge + response, *answer.proofs[1:]],
        [before, *answer.composites[1:]],
    )


@pytest.mark.parametrize("cheats", [(1,), (2, 3), (1, 2, 3)])
def test_a_proof_for_an_invented_composite_is_found(cheats: tuple[int, ...]) -> None:
    group = Group()
    blinded = [oprf.blind(identifier.encode()).element for identifier in IDENTIFIERS]
    given = {index: evaluate_in_batches(group.holders[index].secret, blinded) for index in (1, 2, 3)}
    for index in cheats:
        given[index] = forged_for_a_composite(group.holders[index].secret, blinded, given[index])
        oprf.verify_with_composite(  # it passes for who believes the composite
            group.group.key.holders[index - 1],
            blinded[:PROOF_BATCH],
            given[index].elements[:PROOF_BATCH],
            given[index].proofs[0],
            given[index].composites[0],
        )
    wrong = wrong_answers(group.group.key.holders, blinded, given)
    assert tuple(wrong) == cheats
    alone = wrong_answers(group.group.key.holders, blinded, {cheats[0]: given[cheats[0]]})
    assert tuple(alone) == cheats[:1]


def test_answers_without_composites_are_verified_all_the_same() -> None:
    group = Group()
    group.holders[1].wrong = lambda answer: answer._replace(composites=[])
    assert group.values() == EXPECTED
    assert group.problems == []
    group.holders[1].wrong = lambda answer: one_element(answer)._replace(composites=[])
    assert group.values() == EXPECTED
    assert [problem.index for problem in group.problems] == [1]

"""Evaluations: what a bank keeps of a pseudonym convinces a stranger, and only of the truth.

Each attack is written out: the forger has all that the bank has, and often the key holder's help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical, documents
from ledger.encoding import evaluation as module
from ledger.encoding import oprf, ristretto, sharing
from ledger.encoding.evaluation import (
    MOST_ELEMENTS,
    PROOF_BATCH,
    EpochKey,
    Evaluation,
    EvaluationDocument,
    EvaluationError,
    Share,
    check_pseudonym,
    verify_evaluation,
)
from ledger.encoding.oprf import ProofError
from ledger.encoding.ristretto import ORDER, ElementError
from ledger.encoding.sharing import ShareError
from ledger.errors import VerificationError
from tests.support.pseudonyms import SECRET, ThresholdGroup, proven

PUBLIC = oprf.public_key(SECRET)
KEYS = {(1, 0): EpochKey(1, 0, PUBLIC)}
IBAN = "iban:DE89370400440532013000"
IDENTIFIERS = [IBAN, *(f"acct:EXAMPLEXX:{number}" for number in range(PROOF_BATCH - 1))]
IDENTITY = bytes(32)


@dataclass(frozen=True)
class Claim:
    """The arguments of `check_pseudonym`."""

    value: str
    pseudonym: bytes
    evaluation: Evaluation
    element: int
    blind: bytes
    keys: Mapping[tuple[int, int], EpochKey]

    def check(self) -> None:
        check_pseudonym(self.value, self.pseudonym, self.evaluation, self.element, self.blind, self.keys)


def claims(*, epoch: int = 1, secret: bytes = SECRET) -> list[Claim]:
    """True claims about the identifiers, made anew."""
    (batch,) = proven(IDENTIFIERS, epoch=epoch, secret=secret)
    keys = {(epoch, 0): EpochKey(epoch, 0, oprf.public_key(secret))}
    return [
        Claim(made.identifier, made.value, batch.evaluation, element, made.blind, keys)
        for element, made in enumerate(batch.pseudonyms)
    ]


CLAIMS = claims()
CLAIM, OTHER = CLAIMS[1:3]
SHARE = CLAIM.evaluation.shares[0]


def with_share(**changes: Any) -> Claim:
    return replace(CLAIM, evaluation=replace(CLAIM.evaluation, shares=(replace(SHARE, **changes),)))


def with_evaluation(**changes: Any) -> Claim:
    return replace(CLAIM, evaluation=replace(CLAIM.evaluation, **changes))


def swapped(items: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return (items[1], items[0], *items[2:])


def put(items: tuple[bytes, ...], element: bytes) -> tuple[bytes, ...]:
    return (*items[: CLAIM.element], element, *items[CLAIM.element + 1 :])


def raised(scalar: bytes) -> bytes:
    """Return the other 32 bytes that stand for the same scalar."""
    return (int.from_bytes(scalar, "little") + ORDER).to_bytes(32, "little")


# what is true


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.element))
def test_a_true_claim_convinces(claim: Claim) -> None:
    claim.check()
    assert claim.pseudonym == oprf.prf(SECRET, claim.value.encode())[:16]


@pytest.mark.parametrize("count", range(1, PROOF_BATCH + 1))
def test_batches_of_every_length_convince(count: int) -> None:
    (batch,) = proven(IDENTIFIERS[:count])
    for element, made in enumerate(batch.pseudonyms):
        check_pseudonym(made.identifier, made.value, batch.evaluation, element, made.blind, KEYS)


def test_an_evaluation_is_verified_once_however_often_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[bytes] = []
    real = oprf.verify_proof

    def counting(public: bytes, *rest: Any) -> None:
        verified.append(public)
        real(public, *rest)

    made = claims()
    monkeypatch.setattr(module.oprf, "verify_proof", counting)
    for claim in made:
        again = EvaluationDocument.of(claim.evaluation).evaluation()
        replace(claim, evaluation=again).check()
    assert verified == [PUBLIC]


def test_what_was_verified_vouches_for_nothing_that_differs() -> None:
    CLAIM.check()
    with_share(proof=SHARE.proof[:32] + SHARE.proof[32:]).check()
    for _ in range(2):
        with pytest.raises(ProofError):
            with_share(proof=oprf.evaluate(oprf.generate_key(), CLAIM.evaluation.blinded)[1]).check()
        with pytest.raises(ProofError):
            replace(CLAIM, keys={(1, 0): EpochKey(1, 0, oprf.public_key(oprf.generate_key()))}).check()
    CLAIM.check()


# attacks


def proof_of_another_identifier() -> Claim:
    return replace(OTHER, value=CLAIM.value)


def pseudonym_of_another_identifier() -> Claim:
    return replace(CLAIM, pseudonym=OTHER.pseudonym)


def another_spelling() -> Claim:
    return replace(CLAIMS[0], value="iban:de89 3704 0044 0532 0130 00")


def an_evaluation_by_a_key_of_ones_own() -> Claim:
    forged = claims(secret=oprf.generate_key())[CLAIM.element]
    return replace(forged, keys=KEYS)


def an_evaluation_of_another_epoch() -> Claim:
    """The next epoch's evaluation, by its own name, for the row of this epoch."""
    following = claims(epoch=2, secret=oprf.generate_key())[CLAIM.element]
    return replace(following, pseudonym=CLAIM.pseudonym, keys={**KEYS, **following.keys})


def an_evaluation_of_another_epoch_under_this_ones_name() -> Claim:
    following = claims(epoch=2, secret=oprf.generate_key())[CLAIM.element]
    return replace(following, evaluation=replace(following.evaluation, epoch=1), keys=KEYS)


def a_holder_that_evaluates_one_element_with_another_key() -> Claim:
    """The holder helps: it proves the batch, and then puts in another element."""
    return with_share(elements=put(SHARE.elements, ristretto.multiply(oprf.generate_key(), PUBLIC)))


def errors_that_cancel() -> Claim:
    """Add a point to one element and take it from another: the sum of all stays."""
    point = ristretto.multiply_base(oprf.generate_key())
    minus = ristretto.multiply((ORDER - 1).to_bytes(32, "little"), point)
    first, second, *rest = SHARE.elements
    return with_share(elements=(ristretto.add(first, point), ristretto.add(second, minus), *rest))


def a_blind_that_moves_the_value() -> Claim:
    """Blind another value so that the blinded element is the same: it needs a logarithm nobody knows."""
    return replace(OTHER, blind=CLAIM.blind, element=CLAIM.element)


def a_longer_batch() -> Claim:
    blinded = [oprf.blind(b"%d" % number).element for number in range(MOST_ELEMENTS + 1)]
    elements, proof = oprf.evaluate(SECRET, blinded)
    return with_evaluation(blinded=tuple(blinded), shares=(Share(1, tuple(elements), proof),))


ATTACKS: dict[str, Callable[[], Claim]] = {
    made.__name__.replace("_", " "): made
    for made in (
        proof_of_another_identifier,
        pseudonym_of_another_identifier,
        another_spelling,
        an_evaluation_by_a_key_of_ones_own,
        an_evaluation_of_another_epoch,
        an_evaluation_of_another_epoch_under_this_ones_name,
        a_holder_that_evaluates_one_element_with_another_key,
        errors_that_cancel,
        a_blind_that_moves_the_value,
        a_longer_batch,
    )
} | {
    "no identifier": lambda: replace(CLAIM, value="DE89370400440532013000"),
    "no text in UTF-8": lambda: replace(CLAIM, value="acct:B:\ud800"),
    "an empty value": lambda: replace(CLAIM, value=""),
    "the position of a neighbour": lambda: replace(CLAIM, element=OTHER.element),
    "a position past the end": lambda: replace(CLAIM, element=PROOF_BATCH),
    "a position before the start": lambda: replace(CLAIM, element=CLAIM.element - PROOF_BATCH),
    "the blind of a neighbour": lambda: replace(CLAIM, blind=OTHER.blind),
    "a blind of zero": lambda: replace(CLAIM, blind=bytes(32)),
    "a blind above the order": lambda: replace(CLAIM, blind=raised(CLAIM.blind)),
    "a short blind": lambda: replace(CLAIM, blind=CLAIM.blind[:-1]),
    "a long blind": lambda: replace(CLAIM, blind=CLAIM.blind + b"\x00"),
    "a short pseudonym": lambda: replace(CLAIM, pseudonym=CLAIM.pseudonym[:-1]),
    "an empty pseudonym": lambda: replace(CLAIM, pseudonym=b""),
    "no key of this epoch": lambda: replace(CLAIM, keys={}),
    "a key filed under another epoch": lambda: replace(CLAIM, keys={(1, 0): EpochKey(2, 0, PUBLIC)}),
    "a key that is the identity": lambda: replace(CLAIM, keys={(1, 0): EpochKey(1, 0, IDENTITY)}),
    "another generation": lambda: with_evaluation(generation=1),
    "a key of another generation": lambda: replace(CLAIM, keys={(1, 0): EpochKey(1, 1, PUBLIC)}),
    "no elements": lambda: with_evaluation(blinded=()),
    "no elements at all": lambda: with_evaluation(blinded=(), shares=(Share(1, (), SHARE.proof),)),
    "an element less": lambda: with_evaluation(blinded=CLAIM.evaluation.blinded[:-1]),
    "an evaluated element less": lambda: with_share(elements=SHARE.elements[:-1]),
    "an evaluated element more": lambda: with_share(elements=(*SHARE.elements, PUBLIC)),
    "blinded elements exchanged": lambda: with_evaluation(blinded=swapped(CLAIM.evaluation.blinded)),
    "evaluated elements exchanged": lambda: with_share(elements=swapped(SHARE.elements)),
    "both exchanged": lambda: with_evaluation(
        blinded=swapped(CLAIM.evaluation.blinded), shares=(replace(SHARE, elements=swapped(SHARE.elements)),)
    ),
    "the batch in another order": lambda: with_evaluation(
        blinded=CLAIM.evaluation.blinded[::-1],
        shares=(replace(SHARE, elements=SHARE.elements[::-1]),),
    ),
    "elements not evaluated": lambda: with_share(elements=CLAIM.evaluation.blinded),
    "an identity among the blinded": lambda: with_evaluation(blinded=put(CLAIM.evaluation.blinded, IDENTITY)),
    "an identity among the evaluated": lambda: with_share(elements=put(SHARE.elements, IDENTITY)),
    "a neighbour that is the identity": lambda: with_share(elements=(IDENTITY, *SHARE.elements[1:])),
    "a neighbour that is no element": lambda: with_share(elements=(b"\xff" * 32, *SHARE.elements[1:])),
    "a short element": lambda: with_share(elements=put(SHARE.elements, SHARE.elements[0][:-1])),
    "a huge element": lambda: with_share(elements=put(SHARE.elements, bytes(70_000))),
    "a challenge of zero": lambda: with_share(proof=bytes(32) + SHARE.proof[32:]),
    "a response of zero": lambda: with_share(proof=SHARE.proof[:32] + bytes(32)),
    "a challenge above the order": lambda: with_share(proof=raised(SHARE.proof[:32]) + SHARE.proof[32:]),
    "a response above the order": lambda: with_share(proof=SHARE.proof[:32] + raised(SHARE.proof[32:])),
    "challenge and response exchanged": lambda: with_share(proof=SHARE.proof[32:] + SHARE.proof[:32]),
    "a short proof": lambda: with_share(proof=SHARE.proof[:-1]),
    "a long proof": lambda: with_share(proof=SHARE.proof + b"\x00"),
    "no proof": lambda: with_share(proof=b""),
    "the proof of the same elements made elsewhere": lambda: with_share(
        proof=oprf.evaluate(oprf.generate_key(), CLAIM.evaluation.blinded)[1]
    ),
    "the proof of another batch": lambda: with_share(proof=claims()[0].evaluation.shares[0].proof),
    "a share with index 0": lambda: with_share(index=0),
    "a share with index 2": lambda: with_share(index=2),
    "a share with a negative index": lambda: with_share(index=-1),
    "no share": lambda: with_evaluation(shares=()),
    "the same share twice": lambda: with_evaluation(shares=(SHARE, SHARE)),
    "a second share": lambda: with_evaluation(shares=(SHARE, replace(SHARE, index=2))),
    "a second share that is empty": lambda: with_evaluation(shares=(SHARE, Share(2, (), b""))),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_and_the_error_names_nobody(attack: str) -> None:
    claim = ATTACKS[attack]()
    for _ in range(2):  # the second time, the cache answers
        with pytest.raises(VerificationError) as caught:
            claim.check()
        assert not claim.value or claim.value not in str(caught.value)
        assert CLAIM.value not in str(caught.value)
        assert "EXAMPLEXX" not in str(caught.value)
    CLAIM.check()


def test_errors_say_what_is_wrong() -> None:
    for attack, error, message in (
        ("proof of another identifier", EvaluationError, "not the value with this blind"),
        ("pseudonym of another identifier", EvaluationError, "another pseudonym"),
        ("another spelling", EvaluationError, "not in its normal form"),
        ("no identifier", EvaluationError, "not an identifier"),
        ("no key of this epoch", EvaluationError, "key of epoch 1, generation 0 is not known"),
        ("another generation", EvaluationError, "generation 1 is not known"),
        (
            "a position past the end",
            EvaluationError,
            f"{PROOF_BATCH} elements, and none at the given position",
        ),
        (
            "an identity among the evaluated",
            ElementError,
            f"evaluated element {CLAIM.element} is the identity",
        ),
        ("an identity among the blinded", EvaluationError, "not the value with this blind"),
        ("a second share", ShareError, "holders 1 to 1"),
        ("an evaluation by a key of ones own", ProofError, "private key of this public key"),
    ):
        with pytest.raises(error, match=message):
            ATTACKS[attack]().check()


PARTS = ("pseudonym", "blind", "blinded", "elements", "proof", "public key")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PARTS), st.integers(0, 2**20), st.integers(1, 255))
def test_no_mutated_byte_of_any_part_passes(part: str, place: int, change: int) -> None:
    """Also in the elements of the neighbours, which the claim is not about."""

    def mutated(data: bytes) -> bytes:
        at = place % len(data)
        return data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]

    def mutated_one(items: tuple[bytes, ...]) -> tuple[bytes, ...]:
        data = mutated(b"".join(items))
        return tuple(data[start : start + 32] for start in range(0, len(data), 32))

    claim = {
        "pseudonym": lambda: replace(CLAIM, pseudonym=mutated(CLAIM.pseudonym)),
        "blind": lambda: replace(CLAIM, blind=mutated(CLAIM.blind)),
        "blinded": lambda: with_evaluation(blinded=mutated_one(CLAIM.evaluation.blinded)),
        "elements": lambda: with_share(elements=mutated_one(SHARE.elements)),
        "proof": lambda: with_share(proof=mutated(SHARE.proof)),
        "public key": lambda: replace(CLAIM, keys={(1, 0): EpochKey(1, 0, mutated(PUBLIC))}),
    }[part]()
    with pytest.raises(VerificationError):
        claim.check()


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=20) | st.sampled_from([made.value for made in CLAIMS]),
    st.binary(max_size=40) | st.sampled_from([made.pseudonym for made in CLAIMS]),
    st.integers(-10, 10),
    st.binary(max_size=40) | st.sampled_from([made.blind for made in CLAIMS]),
    st.sampled_from([made.evaluation for made in (CLAIM, *claims()[:1])]),
)
def test_parts_put_together_at_will_pass_only_when_they_belong_together(
    value: str, pseudonym: bytes, element: int, blind: bytes, evaluation: Evaluation
) -> None:
    claim = Claim(value, pseudonym, evaluation, element, blind, KEYS)
    if claim in CLAIMS:
        claim.check()
    else:
        with pytest.raises(VerificationError):
            claim.check()


# documents

DOCUMENT = EvaluationDocument.of(CLAIM.evaluation)


def read(value: Any) -> Evaluation:
    return documents.read(canonical.dumps(value), EvaluationDocument, what="evaluation").evaluation()


def test_a_document_is_read_as_it_was_written() -> None:
    assert read(documents.plain(DOCUMENT)) == CLAIM.evaluation


def changed(*path: str | int, to: Any) -> Any:
    document = documents.plain(DOCUMENT)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return document


@pytest.mark.parametrize(
    "document",
    [
        changed("epoch", to=-1), changed("epoch", to=True), changed("epoch", to="1"),
        changed("epoch", to=1.5), changed("extra", to=1),
        changed("generation", to=None), changed("generation", to=-1),
        changed("blinded", to=[]), changed("blinded", to=None), changed("blinded", 0, to="00" * 31),
        changed("blinded", 0, to=DOCUMENT.blinded[0].upper()), changed("blinded", 0, to=7),
        changed("blinded", to=DOCUMENT.blinded[:1] * (MOST_ELEMENTS + 1)),
        changed("shares", to=[]), changed("shares", to={}), changed("shares", 0, to=None),
        changed("shares", 0, "index", to=0), changed("shares", 0, "index", to=True),
        changed("shares", 0, "index", to="1"), changed("shares", 0, "index", to=256),
        changed("shares", 0, "elements", to=[]), changed("shares", 0, "elements", 0, to="zz" * 32),
        changed("shares", 0, "proof", to=SHARE.proof.hex()[2:]),
        changed("shares", 0, "proof", to=SHARE.proof.hex() + "00"),
        changed("shares", 0, "proof", to=SHARE.proof.hex() + "\n"),
        changed("shares", 0, "extra", to=1),
    ],
)  # fmt: skip
def test_a_document_of_another_form_is_refused(document: Any) -> None:
    with pytest.raises(VerificationError, match="malformed"):
        read(document)


@pytest.mark.parametrize(
    ("holders", "elements", "most"),
    [(1, PROOF_BATCH, 1_500), (5, PROOF_BATCH, 4_300), (5, MOST_ELEMENTS, 16_384)],
)
def test_an_opened_account_takes_at_most_16_kib_in_a_document(holders: int, elements: int, most: int) -> None:
    """With the largest numbers, and the field's own part of the proof."""
    group = ThresholdGroup(holders, 5)
    blinded = [oprf.blind(b"%d" % number).element for number in range(elements)]
    evaluation = group.evaluate(blinded, range(1, holders + 1))
    shares = tuple(replace(share, index=255 - share.index) for share in evaluation.shares)
    largest = replace(evaluation, epoch=2**32 - 1, generation=2**16 - 1, shares=shares)
    field = {"kind": "pseudonym", "evaluation": 9999, "element": 31, "blind": "0" * 64}
    parts = (documents.plain(EvaluationDocument.of(largest)), field)
    assert sum(len(canonical.dumps(part)) for part in parts) <= most


# several holders


@pytest.fixture(scope="module")
def group() -> ThresholdGroup:
    return ThresholdGroup(3, 5)


def group_claim(group: ThresholdGroup, indices: tuple[int, ...], *, count: int = 2) -> Claim:
    """A claim whose first element is the IBAN's, evaluated by these holders."""
    blinded = [oprf.blind(identifier.encode()) for identifier in IDENTIFIERS[:count]]
    evaluation = group.evaluate([item.element for item in blinded], indices)
    pseudonym = oprf.prf(group.secret, IBAN.encode())[:16]
    return Claim(IBAN, pseudonym, evaluation, 0, blinded[0].scalar, {(1, group.key.generation): group.key})


def test_any_three_of_five_holders_give_the_pseudonym_that_the_whole_key_gives(group: ThresholdGroup) -> None:
    for indices in combinations(range(1, 6), 3):
        group_claim(group, indices).check()
    for more in ((1, 2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 4, 5)):
        group_claim(group, more).check()


def test_an_independent_holder_of_the_whole_key_agrees_with_the_group(oracle: Any) -> None:
    whole = oracle.Evaluator.from_seed(bytes(32), b"epoch 1")
    group = ThresholdGroup(3, 5, secret=oprf.derive_key_pair(bytes(32), b"epoch 1")[0])
    assert group.key.public_key == whole.public_key.serialize()
    claim = group_claim(group, (2, 3, 5))
    replace(claim, pseudonym=whole.evaluate_known_input(IBAN.encode())[:16]).check()
    verify_evaluation(claim.evaluation, group.key)
    weights = sharing.weights((2, 3, 5))
    request = oracle.BlindedInput.deserialize(claim.evaluation.blinded[1])
    combined = sharing.combined(weights, [share.elements[1] for share in claim.evaluation.shares])
    assert combined in whole.evaluate(request).serialize()


@pytest.mark.parametrize("indices", [(1,), (5,), (1, 2), (3, 5)])
def test_too_few_holders_show_nothing(group: ThresholdGroup, indices: tuple[int, ...]) -> None:
    claim = group_claim(group, indices)
    with pytest.raises(EvaluationError, match="do not make the key of the epoch"):
        claim.check()


def reshared(claim: Claim, change: Callable[[list[Share]], list[Share]]) -> Claim:
    shares = tuple(change(list(claim.evaluation.shares)))
    return replace(claim, evaluation=replace(claim.evaluation, shares=shares))


GROUP_ATTACKS: dict[str, Callable[[list[Share]], list[Share]]] = {
    "one share twice": lambda s: [s[0], s[0], s[2]],
    "one share twice under two names": lambda s: [s[0], replace(s[0], index=2), s[2]],
    "two holders exchange their indices": lambda s: [
        replace(s[1], index=s[0].index), replace(s[0], index=s[1].index), s[2],
    ],
    "shares in another order": lambda s: s[::-1],
    "a share under another index": lambda s: [*s[:2], replace(s[2], index=5)],
    "a share with an index past the last": lambda s: [*s[:2], replace(s[2], index=6)],
    "a share with index 0": lambda s: [replace(s[0], index=0), *s[1:]],
    "an index that is equal modulo the order": lambda s: [*s[:2], replace(s[2], index=s[2].index + ORDER)],
    "the elements of another share": lambda s: [replace(s[0], elements=s[1].elements), *s[1:]],
    "the proof of another share": lambda s: [replace(s[0], proof=s[1].proof), *s[1:]],
    "a share of the identity": lambda s: [replace(s[0], elements=(IDENTITY,) * 2), *s[1:]],
    "a share left out": lambda s: s[:2],
    "a share of a key of one's own": lambda s: [replace(s[0], proof=s[0].proof[32:] * 2), *s[1:]],
}  # fmt: skip


@pytest.mark.parametrize("attack", GROUP_ATTACKS)
def test_a_wrong_share_is_refused(group: ThresholdGroup, attack: str) -> None:
    with pytest.raises(VerificationError):
        reshared(group_claim(group, (1, 2, 4)), GROUP_ATTACKS[attack]).check()


def test_two_lying_holders_whose_errors_cancel_are_refused(group: ThresholdGroup) -> None:
    """Each proof is verified by itself, so that it does not help that the combination would be right."""
    claim = group_claim(group, (1, 2, 3), count=1)
    weights = [int.from_bytes(weight, "little") for weight in sharing.weights((1, 2, 3))]
    point = ristretto.multiply_base(oprf.generate_key())

    def shifted(shares: list[Share]) -> list[Share]:
        factor = (-weights[0] * pow(weights[1], -1, ORDER)) % ORDER
        shifts = (point, ristretto.multiply(factor.to_bytes(32, "little"), point))
        wrong = [
            replace(share, elements=(ristretto.add(share.elements[0], shift),))
            for share, shift in zip(shares, shifts, strict=False)
        ]
        return [*wrong, shares[2]]

    with pytest.raises(ProofError):
        reshared(claim, shifted).check()


def test_a_key_of_another_generation_or_without_its_commitments_is_refused(group: ThresholdGroup) -> None:
    claim = group_claim(group, (1, 2, 3))
    refreshed = ThresholdGroup(3, 5, generation=1, secret=group.secret)
    assert refreshed.key.public_key == group.key.public_key
    for key in (
        refreshed.key,
        replace(refreshed.key, generation=0),
        replace(group.key, share_commitments=()),
        replace(group.key, share_commitments=group.key.share_commitments[::-1]),
        replace(group.key, share_commitments=(*group.key.share_commitments[:1], IDENTITY, IDENTITY)),
        replace(group.key, public_key=PUBLIC),
        replace(group.key, public_key=IDENTITY),
    ):
        with pytest.raises(VerificationError):
            replace(claim, keys={(1, 0): key}).check()


def test_a_refresh_changes_the_shares_and_no_pseudonym(group: ThresholdGroup) -> None:
    refreshed = ThresholdGroup(3, 5, generation=1, secret=group.secret)
    before, after = group_claim(group, (1, 2, 3)), group_claim(refreshed, (1, 2, 3))
    assert before.pseudonym == after.pseudonym
    before.check()
    after.check()

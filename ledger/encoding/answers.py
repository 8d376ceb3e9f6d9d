"""The answers of holders to a request: evaluated elements with their proofs, and the verification of several.

The holders of a threshold group answer the same request. A proof of RFC 9497 is verified with two composites,
which are sums with weights of this proof: M of the blinded elements, Z of the evaluated ones. A holder sends
M too, and it is not believed: with random factors, all of them are compared in one equation with the blinded
elements, and a wrong one passes with a probability of about 2**-252. So the blinded elements are multiplied
once, and not once for each holder. If the equation does not hold, each proof is verified alone, which names
the holder. What is accepted is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ledger.encoding import oprf, ristretto, sharing
from ledger.encoding.evaluation import PROOF_BATCH
from ledger.errors import VerificationError

__all__ = ["Answer", "evaluate_in_batches", "wrong_answers"]


class Answer(NamedTuple):
    """A holder's answer for one chunk of a request.

    It has the evaluated elements in order, and one proof for each `PROOF_BATCH` elements: the first proof
    covers the first of them, and so on; the last one covers what remains. There is a composite (RFC 9497,
    2.2.1: M) for each proof, or none at all: with them, several answers are verified faster.
    """

    elements: list[bytes]
    proofs: list[bytes]
    composites: list[bytes] = []  # noqa: RUF012 - never changed


def evaluate_in_batches(secret: bytes, blinded: Sequence[bytes]) -> Answer:
    """Evaluate blinded elements with a key or a share of it, with a proof for each `PROOF_BATCH` of them."""
    answer = Answer([], [], [])
    for start in range(0, len(blinded), PROOF_BATCH):
        part = blinded[start : start + PROOF_BATCH]
        elements, proof, composite = oprf.evaluate_with_composite(secret, part)
        answer.elements.extend(elements)
        answer.proofs.append(proof)
        answer.composites.append(composite)
    return answer


def wrong_answers(
    holders: Sequence[bytes], blinded: Sequence[bytes], answers: Mapping[int, Answer]
) -> dict[int, VerificationError]:
    """Verify the answers of some holders to one request, and return those that are wrong, with the reason.

    Parameters
    ----------
    holders : sequence of bytes
        The public key of each holder's share, in the order of their indices, from 1.
    blinded : sequence of bytes
    answers : mapping of index to Answer
    """
    wrong: dict[int, VerificationError] = {}
    told = {index: answer for index, answer in answers.items() if len(answers) > 1 and answer.composites}
    weights: dict[int, list[list[bytes]]] = {}
    for index, answer in answers.items():
        try:
            found = _verify(holders[index - 1], blinded, answer, composites=index in told)
        except VerificationError as error:
            wrong[index] = error
        else:
            if index in told:
                weights[index] = found
    if weights and not _composites_hold(blinded, {index: told[index] for index in weights}, weights):
        for index in weights:
            try:
                _verify(holders[index - 1], blinded, answers[index], composites=False)
            except VerificationError as error:
                wrong[index] = error
    return wrong


def _verify(
    public: bytes, blinded: Sequence[bytes], answer: Answer, *, composites: bool
) -> list[list[bytes]]:
    """Verify each proof of an answer, with its own composites or without; return the weights."""
    starts = range(0, len(blinded), PROOF_BATCH)
    for what, expected, got in (
        ("elements", len(blinded), len(answer.elements)),
        ("proofs", len(starts), len(answer.proofs)),
        ("composites", len(starts), len(answer.composites) or len(starts)),
    ):
        if expected != got:
            raise oprf.ProofError(
                f"the key holder's answer has the wrong number of {what}", expected=expected, got=got
            )
    return [
        oprf.verify_with_composite(
            public,
            blinded[start : start + PROOF_BATCH],
            answer.elements[start : start + PROOF_BATCH],
            answer.proofs[number],
            answer.composites[number] if composites else None,
        )
        for number, start in enumerate(starts)
    ]


def _composites_hold(
    blinded: Sequence[bytes], answers: Mapping[int, Answer], weights: Mapping[int, list[list[bytes]]]
) -> bool:
    """Whether each composite is the sum of its blinded elements with the weights, by one random equation."""
    factors: list[bytes] = []
    composites: list[bytes] = []
    totals = [0] * len(blinded)
    for index, answer in answers.items():
        for number, composite in enumerate(answer.composites):
            factor = ristretto.random_scalar()
            factors.append(factor)
            composites.append(composite)
            random = int.from_bytes(factor, "little")
            for place, weight in enumerate(weights[index][number], start=number * PROOF_BATCH):
                totals[place] += random * int.from_bytes(weight, "little")
    expected = [(total % ristretto.ORDER).to_bytes(ristretto.SCALAR_SIZE, "little") for total in totals]
    return sharing.combined(factors, composites) == sharing.combined(expected, blinded)

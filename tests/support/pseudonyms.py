"""Pseudonyms for tests: holders in memory, a threshold group among them, and the values of proven batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.encoding import oprf, sharing
from ledger.encoding.answers import Answer, evaluate_in_batches
from ledger.encoding.evaluation import PROOF_BATCH, EpochKey, Evaluation, Share
from ledger.encoding.pseudonym import ProvenBatch, Pseudonymiser
from ledger.encoding.threshold import Holder, ThresholdEvaluator
from ledger.evaluation_request import Chunk, chunks

__all__ = [
    "SECRET",
    "MemoryHolder",
    "ShareHolder",
    "ThresholdGroup",
    "evaluated",
    "proof_in",
    "proven",
    "single_holder",
    "values",
    "with_proof",
]

#: The key of `proven`.
SECRET = oprf.derive_key_pair(bytes(32), b"pseudonyms of tests")[0]


class MemoryHolder:
    """A key holder in memory; `secret` is what it computes with, `claimed` what it says its key is."""

    def __init__(self, secret: bytes, claimed: bytes | None = None) -> None:
        self.secret = secret
        self.claimed = oprf.public_key(secret) if claimed is None else claimed
        self.requests: list[int] = []

    def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
        blinded = chunk.elements
        self.requests.append(len(blinded))
        groups = [blinded[start : start + PROOF_BATCH] for start in range(0, len(blinded), PROOF_BATCH)]
        parts = [oprf.evaluate(self.secret, group) for group in groups]
        return Answer([element for elements, _ in parts for element in elements], [part[1] for part in parts])

    def public_key(self, epoch: int, generation: int) -> bytes:
        return self.claimed


class ThresholdGroup:
    """A key that a dealer split among `count` holders, any `threshold` of which can evaluate (Shamir)."""

    def __init__(
        self, threshold: int, count: int, *, generation: int = 0, secret: bytes | None = None
    ) -> None:
        self.secret = secret or oprf.generate_key()
        coefficients = sharing.polynomial(threshold, self.secret)
        self.shares = [sharing.share(coefficients, index) for index in range(1, count + 1)]
        self.key = EpochKey(
            1, generation, oprf.public_key(self.secret), tuple(map(oprf.public_key, self.shares))
        )

    def evaluate(self, blinded: Sequence[bytes], indices: Sequence[int]) -> Evaluation:
        """Return the evaluation of these holders."""
        parts = [(index, *oprf.evaluate(self.shares[index - 1], blinded)) for index in indices]
        shares = tuple(Share(index, tuple(elements), proof) for index, elements, proof in parts)
        return Evaluation(self.key.number, self.key.generation, tuple(blinded), shares)


class ShareHolder:
    """A holder of one share in memory; `wrong` changes its answers, `fails` is raised instead of them."""

    def __init__(
        self,
        secret: bytes,
        *,
        wrong: Callable[[Answer], Answer] | None = None,
        fails: Exception | None = None,
        claimed: bytes | None = None,
    ) -> None:
        self.secret = secret
        self.wrong = wrong
        self.fails = fails
        self.claimed = oprf.public_key(secret) if claimed is None else claimed
        self.requests: list[tuple[int, int, int]] = []

    def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
        blinded = chunk.elements
        self.requests.append((epoch, generation, len(blinded)))
        if self.fails is not None:
            raise self.fails
        answer = evaluate_in_batches(self.secret, blinded)
        return answer if self.wrong is None else self.wrong(answer)

    def public_key(self, epoch: int, generation: int) -> bytes:
        return self.claimed


def proven(identifiers: Sequence[str], *, epoch: int = 1, secret: bytes = SECRET) -> list[ProvenBatch]:
    """Return the pseudonyms of identifiers with their evaluations, of a holder in memory."""
    holder = MemoryHolder(secret)
    return evaluated(Pseudonymiser(single_holder(holder, epoch, holder.claimed)), identifiers)


def single_holder(holder: Holder, epoch: int, public_key: bytes) -> ThresholdEvaluator:
    """Return the evaluator for a group of one holder."""
    return ThresholdEvaluator(EpochKey(epoch, 0, public_key), {1: holder})


def evaluated(
    pseudonymiser: Pseudonymiser, identifiers: Sequence[str], *, processes: int = 1
) -> list[ProvenBatch]:
    """Return proven pseudonyms of identifiers, from a request that is on no chain."""
    blinded = pseudonymiser.blind(identifiers, processes=processes)
    parts = chunks(1, [item.element for item in blinded])
    work = [(part, blinded[part.start : part.start + len(part.elements)]) for part in parts]
    return [batch for _, made in pseudonymiser.evaluate(work, processes=processes) for batch in made]


def values(pseudonymiser: Pseudonymiser, identifiers: Sequence[str], *, processes: int = 1) -> list[bytes]:
    """Return the pseudonyms alone, one for each distinct identifier in their order."""
    batches = evaluated(pseudonymiser, identifiers, processes=processes)
    return [made.value for batch in batches for made in batch.pseudonyms]


def proof_in(answer: bytes, evaluated: bytes) -> bytes:
    """Return the proof in an answer as `voprf` serialises it: before or after the evaluated elements."""
    return answer[:64] if answer.index(evaluated) >= 64 else answer[-64:]


def with_proof(answer: bytes, evaluated: bytes, proof: bytes) -> bytes:
    """Put another proof into an answer as `voprf` serialises it."""
    return proof + answer[64:] if answer.index(evaluated) >= 64 else answer[:-64] + proof

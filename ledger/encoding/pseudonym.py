"""Turn identifiers into pseudonyms of 16 bytes; the key holder helps, but does not see the identifiers.

The pseudonym is the VOPRF output (`ledger.encoding.oprf`) with the key of the epoch, truncated to 16 bytes.
Each pseudonym comes with what proves it later (`ledger.encoding.evaluation`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import NamedTuple, Protocol

from ledger.encoding import oprf, ristretto
from ledger.encoding.evaluation import (
    PROOF_BATCH,
    EpochKey,
    Evaluation,
    Share,
    evaluated_element,
    verify_evaluation,
)
from ledger.encoding.identifiers import normalise_identifier
from ledger.processes import Workers
from ledger.schema import PSEUDONYM_BYTES

__all__ = ["BATCH", "Answer", "Evaluator", "ProvenBatch", "Pseudonym", "Pseudonymiser"]

#: Identifiers sent to a holder in one request.
BATCH = 512


class Answer(NamedTuple):
    """A holder's answer to one request.

    It has the evaluated elements in order, and one proof for each `PROOF_BATCH` elements: the first proof
    covers the first of them, and so on; the last one covers what remains.
    """

    elements: list[bytes]
    proofs: list[bytes]


class Pseudonym(NamedTuple):
    """The pseudonym of an identifier (in its normal form), and the blind of its element."""

    identifier: str
    value: bytes
    blind: bytes


class ProvenBatch(NamedTuple):
    """A verified evaluation, and the pseudonym of each of its elements in the same order."""

    evaluation: Evaluation
    pseudonyms: tuple[Pseudonym, ...]


class Evaluator(Protocol):
    """A holder that evaluates blinded elements with the key of an epoch: one process, or a threshold group.

    A holder sees only blinded points. It counts each of them against the quota of the requesting member.
    """

    def evaluate(self, epoch: int, blinded: Sequence[bytes]) -> Answer:
        """Evaluate blinded elements under the key of `epoch`, with proofs."""
        ...

    def public_key(self, epoch: int) -> bytes:
        """Return the holder's public key for `epoch`."""
        ...


class Pseudonymiser:
    """Turns identifiers into the pseudonyms of one epoch.

    Parameters
    ----------
    holder : Evaluator
    epoch : int
    public_key : bytes
        The key on the chain for this epoch. A holder with another key is refused: its public key is compared
        first, and then every proof is verified.

    See Also
    --------
    ledger.encoding.keyholder.LocalKeyHolder : a holder in this process.
    ledger.encoding.keyholder_client.HttpKeyHolder : a remote holder.
    """

    def __init__(self, holder: Evaluator, epoch: int, public_key: bytes) -> None:
        ristretto.check_element(public_key, "the public key of the epoch")
        self._holder = holder
        self._key = EpochKey(epoch, 0, public_key)
        self._holder_checked = False
        self._pool: Workers | None = None
        self._workers = 0

    def pseudonyms(self, identifiers: Sequence[str], *, processes: int = 1) -> list[ProvenBatch]:
        """Compute the pseudonyms of identifiers.

        Parameters
        ----------
        identifiers : sequence of str
            In any of the four forms; one that occurs twice is asked for once, at its first place.
            Neighbours share an evaluation and its proof.
        processes : int
            Processes that share the blinding and unblinding, which is most of the work here. They are
            spawned, so a script that asks for several needs its ``if __name__ == "__main__"``, and kept for
            the next call until `close`.

        Returns
        -------
        list of ProvenBatch
            The pseudonyms in the order of the identifiers, `PROOF_BATCH` in each but a request's last batch.

        Raises
        ------
        InputError
            When an identifier is malformed; in this case no request was sent.
        KeyHolderError
            When the holder cannot be reached, or refuses.
        VerificationError
            When a proof that the holder used the epoch's key is not valid.
        """
        distinct = list(dict.fromkeys(map(normalise_identifier, identifiers)))
        if not distinct:
            return []
        self._check_holder()
        requests = [
            [identifier.encode() for identifier in distinct[start : start + BATCH]]
            for start in range(0, len(distinct), BATCH)
        ]
        answers = self._spread(requests, processes) if processes > 1 else map(self._one_request, requests)
        return [batch for answer in answers for batch in answer]

    def _check_holder(self) -> None:
        """Compare public keys before the first batch, so that a wrong holder does not use up any quota."""
        if self._holder_checked:
            return
        claimed = self._holder.public_key(self._key.number)
        if claimed != self._key.public_key:
            raise oprf.ProofError(
                f"the key holder's public key for epoch {self._key.number} differs from the one on the chain",
                expected=self._key.public_key,
                got=claimed,
                next_step="Give the address of this consortium's key holder.",
            )
        self._holder_checked = True

    def _one_request(self, request: list[bytes]) -> list[ProvenBatch]:
        blinded = _blind(request)
        return _finalize(blinded, self._ask(blinded), self._key)

    def _ask(self, blinded: list[oprf.Blinded]) -> Answer:
        return self._holder.evaluate(self._key.number, [item.element for item in blinded])

    def _spread(self, requests: list[list[bytes]], workers: int) -> Iterator[list[ProvenBatch]]:
        """Blind later requests and finalise earlier ones while the holder evaluates; memory is bounded."""
        pool = self._processes(workers)
        waiting = iter(requests)
        ahead: deque[Future[list[oprf.Blinded]]] = deque()
        behind: deque[Future[list[ProvenBatch]]] = deque()
        ahead.extend(pool.submit(_blind, request) for request in islice(waiting, 2 * workers))
        while ahead:
            blinded = ahead.popleft().result()
            ahead.extend(pool.submit(_blind, request) for request in islice(waiting, 1))
            behind.append(pool.submit(_finalize, blinded, self._ask(blinded), self._key))
            if len(behind) > 2 * workers:
                yield behind.popleft().result()
        for future in behind:
            yield future.result()

    def _processes(self, workers: int) -> Workers:
        if self._pool is None or self._workers != workers:
            self.close()
            self._pool = Workers(workers)
            self._workers = workers
        return self._pool

    def close(self) -> None:
        """Stop the worker processes of `pseudonyms`; it starts new ones when it needs them."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _blind(request: list[bytes]) -> list[oprf.Blinded]:
    return [oprf.blind(data) for data in request]


def _finalize(blinded: list[oprf.Blinded], answer: Answer, key: EpochKey) -> list[ProvenBatch]:
    """Verify the proofs of an answer, remove the blinds, and keep what proves each pseudonym later."""
    evaluations = _evaluations([item.element for item in blinded], answer, key)
    elements = [
        evaluated_element(evaluation, weights, position)
        for evaluation in evaluations
        for weights in [verify_evaluation(evaluation, key)]
        for position in range(len(evaluation.blinded))
    ]
    outputs = oprf.unblind(blinded, elements)
    made = (
        Pseudonym(item.input.decode(), output[:PSEUDONYM_BYTES], item.scalar)
        for item, output in zip(blinded, outputs, strict=True)
    )
    return [
        ProvenBatch(evaluation, tuple(islice(made, len(evaluation.blinded)))) for evaluation in evaluations
    ]


def _evaluations(blinded: list[bytes], answer: Answer, key: EpochKey) -> list[Evaluation]:
    """Divide a request and its answer into the batches that the proofs cover."""
    starts = range(0, len(blinded), PROOF_BATCH)
    for what, expected, got in (
        ("elements", len(blinded), len(answer.elements)),
        ("proofs", len(starts), len(answer.proofs)),
    ):
        if expected != got:
            raise oprf.ProofError(
                f"the key holder's answer has the wrong number of {what}", expected=expected, got=got
            )
    return [
        Evaluation(
            key.number,
            key.generation,
            tuple(blinded[start : start + PROOF_BATCH]),
            (Share(1, tuple(answer.elements[start : start + PROOF_BATCH]), proof),),
        )
        for start, proof in zip(starts, answer.proofs, strict=True)
    ]

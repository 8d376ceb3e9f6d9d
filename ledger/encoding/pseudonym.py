"""Turn identifiers into pseudonyms of 16 bytes; the key holders help, but do not see the identifiers.

The pseudonym is the VOPRF output (`ledger.encoding.oprf`) with the key of the epoch, truncated to 16 bytes.
Each pseudonym comes with what proves it later (`ledger.encoding.evaluation`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ledger.encoding import oprf
from ledger.encoding.answers import Answer, wrong_answers
from ledger.encoding.evaluation import (
    PROOF_BATCH,
    EpochKey,
    Evaluation,
    Share,
    check_shares_of,
    unblinded,
)
from ledger.encoding.identifiers import normalise_identifier
from ledger.errors import VerificationError
from ledger.processes import Workers
from ledger.schema import PSEUDONYM_BYTES

if TYPE_CHECKING:
    from ledger.encoding.threshold import Asked, ThresholdEvaluator

__all__ = ["BATCH", "ProvenBatch", "Pseudonym", "Pseudonymiser"]

#: Identifiers sent to a holder in one request.
BATCH = 512

#: Requests that the holders have at once: while they evaluate one, the next one waits at their side.
_UNDER_WAY: Final = 2


class Pseudonym(NamedTuple):
    """The pseudonym of an identifier (in its normal form), and the blind of its element."""

    identifier: str
    value: bytes
    blind: bytes


class ProvenBatch(NamedTuple):
    """A verified evaluation, and the pseudonym of each of its elements in the same order."""

    evaluation: Evaluation
    pseudonyms: tuple[Pseudonym, ...]


class Pseudonymiser:
    """Turns identifiers into the pseudonyms of one epoch.

    Parameters
    ----------
    evaluator : ThresholdEvaluator
        The holders of the key, as many as there are (`ledger.encoding.threshold`); it knows the key on the
        chain. A holder with another key is refused: its public key is compared first, and then each of its
        proofs is verified.
    """

    def __init__(self, evaluator: ThresholdEvaluator) -> None:
        self._evaluator = evaluator
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
            Processes that share the blinding, verifying and unblinding, which is most of the work here. They
            are spawned, so a script that asks for several needs its ``if __name__ == "__main__"``, and kept
            for the next call until `close`.

        Returns
        -------
        list of ProvenBatch
            The pseudonyms in the order of the identifiers, `PROOF_BATCH` in each but a request's last batch.

        Raises
        ------
        InputError
            When an identifier is malformed; in this case no request was sent.
        KeyHolderError
            When too few holders can be reached, or too many refuse or give wrong answers.
        VerificationError
            When a proof of a single holder is not valid.
        """
        distinct = list(dict.fromkeys(map(normalise_identifier, identifiers)))
        if not distinct:
            return []
        requests = [
            [identifier.encode() for identifier in distinct[start : start + BATCH]]
            for start in range(0, len(distinct), BATCH)
        ]
        answers = self._spread(requests, processes) if processes > 1 else map(self._one_request, requests)
        return [batch for answer in answers for batch in answer]

    def _one_request(self, request: list[bytes]) -> list[ProvenBatch]:
        blinded = _blind(request)
        asked = self._ask(blinded)
        return self._finished(asked, lambda checked: _finalize(blinded, asked.answers(), self._key, checked))

    def _spread(self, requests: list[list[bytes]], workers: int) -> Iterator[list[ProvenBatch]]:
        """Blind later requests and finalise earlier ones while the holders evaluate; memory is bounded."""
        pool = self._processes(workers)
        waiting = iter(requests)
        ahead: deque[Future[list[oprf.Blinded]]] = deque()
        sent: deque[tuple[list[oprf.Blinded], Asked]] = deque()
        behind: deque[_Behind] = deque()
        ahead.extend(pool.submit(_blind, request) for request in islice(waiting, 2 * workers))
        while ahead or sent:
            while ahead and len(sent) < _UNDER_WAY:
                blinded = ahead.popleft().result()
                ahead.extend(pool.submit(_blind, request) for request in islice(waiting, 1))
                sent.append((blinded, self._ask(blinded)))
            blinded, asked = sent.popleft()
            future = pool.submit(_finalize, blinded, asked.answers(), self._key, frozenset())
            behind.append(_Behind(blinded, asked, future))
            if len(behind) > 2 * workers:
                yield self._wait_for(pool, behind.popleft())
        for entry in behind:
            yield self._wait_for(pool, entry)

    def _wait_for(self, pool: Workers, entry: _Behind) -> list[ProvenBatch]:
        first: Future[_Finalized] | None = entry.future

        def finalize(checked: frozenset[int]) -> _Finalized:
            nonlocal first
            future = first or pool.submit(_finalize, entry.blinded, entry.asked.answers(), self._key, checked)
            first = None
            return future.result()

        return self._finished(entry.asked, finalize)

    def _finished(self, asked: Asked, finalize: Callable[[frozenset[int]], _Finalized]) -> list[ProvenBatch]:
        """Finalise a request; replace each holder whose share is wrong, and verify only the new share."""
        checked: frozenset[int] = frozenset()
        while True:
            done = finalize(checked)
            if not done.wrong:
                return done.batches
            for index, error in done.wrong.items():
                asked.refuse(index, error)
            checked = done.checked

    @property
    def _key(self) -> EpochKey:
        return self._evaluator.key

    def _ask(self, blinded: list[oprf.Blinded]) -> Asked:
        return self._evaluator.ask([item.element for item in blinded])

    def _processes(self, workers: int) -> Workers:
        if self._pool is None or self._workers != workers:
            self._stop_processes()
            self._pool = Workers(workers)
            self._workers = workers
        return self._pool

    def close(self) -> None:
        """Stop the worker processes and the lines to the holders; both start again when they are needed."""
        self._stop_processes()
        self._evaluator.close()

    def _stop_processes(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


class _Finalized(NamedTuple):
    """The pseudonyms of a request; or the holders whose share is wrong, and those whose share is not."""

    batches: list[ProvenBatch]
    wrong: dict[int, VerificationError]
    checked: frozenset[int]


class _Behind(NamedTuple):
    blinded: list[oprf.Blinded]
    asked: Asked
    future: Future[_Finalized]


def _blind(request: list[bytes]) -> list[oprf.Blinded]:
    return [oprf.blind(data) for data in request]


def _finalize(
    blinded: list[oprf.Blinded], answers: Mapping[int, Answer], key: EpochKey, checked: frozenset[int]
) -> _Finalized:
    """Verify each holder's share, remove the blinds, and keep what proves each pseudonym later."""
    elements = [item.element for item in blinded]
    unchecked = {index: answer for index, answer in answers.items() if index not in checked}
    wrong = wrong_answers(key.holders, elements, unchecked)
    if wrong:
        return _Finalized([], wrong, frozenset(answers) - frozenset(wrong))
    evaluations = [
        Evaluation(
            key.number,
            key.generation,
            tuple(elements[start : start + PROOF_BATCH]),
            tuple(
                Share(
                    index,
                    tuple(answer.elements[start : start + PROOF_BATCH]),
                    answer.proofs[start // PROOF_BATCH],
                )
                for index, answer in answers.items()
            ),
        )
        for start in range(0, len(elements), PROOF_BATCH)
    ]
    check_shares_of(key, tuple(answers))
    outputs = unblinded(tuple(answers), blinded, [answer.elements for answer in answers.values()])
    made = (
        Pseudonym(item.input.decode(), output[:PSEUDONYM_BYTES], item.scalar)
        for item, output in zip(blinded, outputs, strict=True)
    )
    batches = [
        ProvenBatch(evaluation, tuple(islice(made, len(evaluation.blinded)))) for evaluation in evaluations
    ]
    return _Finalized(batches, {}, frozenset(answers))

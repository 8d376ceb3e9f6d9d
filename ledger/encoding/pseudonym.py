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
from ledger.evaluation_request import CHUNK, Chunk
from ledger.processes import Workers
from ledger.schema import PSEUDONYM_BYTES

if TYPE_CHECKING:
    from ledger.encoding.threshold import Asked, ThresholdEvaluator

__all__ = ["ProvenBatch", "Pseudonym", "Pseudonymiser"]

#: Chunks that the holders have at once: while they evaluate one, the next one waits at their side.
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

    def blind(self, identifiers: Sequence[str], *, processes: int = 1) -> list[oprf.Blinded]:
        """Blind identifiers: the elements of a request, which is anchored before it is evaluated.

        Parameters
        ----------
        identifiers : sequence of str
            In any of the four forms; one that occurs twice is blinded once, at its first place.
        processes : int
            Processes that share the work. They are spawned, so a script that asks for several needs its
            ``if __name__ == "__main__"``, and kept for the next call until `close`.

        Raises
        ------
        InputError
            When an identifier is malformed.
        """
        distinct = [text.encode() for text in dict.fromkeys(map(normalise_identifier, identifiers))]
        parts = [distinct[start : start + CHUNK] for start in range(0, len(distinct), CHUNK)]
        blinded = self._processes(processes).map(_blind, parts) if processes > 1 else map(_blind, parts)
        return [item for part in blinded for item in part]

    def evaluate(
        self, work: Sequence[tuple[Chunk, Sequence[oprf.Blinded]]], *, processes: int = 1
    ) -> Iterator[tuple[Chunk, list[ProvenBatch]]]:
        """Ask the holders for chunks of a request that is anchored, and compute the pseudonyms.

        Parameters
        ----------
        work : sequence of (Chunk, sequence of Blinded)
            Each chunk with the blinded identifiers of its elements.
        processes : int
            Processes that share the verifying and unblinding, which is most of the work here; see `blind`.

        Yields
        ------
        (Chunk, list of ProvenBatch)
            Each chunk with its pseudonyms in order, `PROOF_BATCH` in each batch but the last.

        Raises
        ------
        KeyHolderError
            When too few holders can be reached, or too many refuse or give wrong answers.
        VerificationError
            When a proof of a single holder is not valid.
        """
        if processes > 1:
            yield from self._spread(work, processes)
            return
        for chunk, blinded in work:
            yield chunk, self._one_chunk(self._evaluator.ask(chunk), list(blinded))

    def _one_chunk(self, asked: Asked, blinded: list[oprf.Blinded]) -> list[ProvenBatch]:
        return self._finished(asked, lambda checked: _finalize(blinded, asked.answers(), self._key, checked))

    def _spread(
        self, work: Sequence[tuple[Chunk, Sequence[oprf.Blinded]]], workers: int
    ) -> Iterator[tuple[Chunk, list[ProvenBatch]]]:
        """Finalise earlier chunks while the holders evaluate later ones; memory is bounded."""
        pool = self._processes(workers)
        waiting = iter(work)
        sent: deque[tuple[Chunk, list[oprf.Blinded], Asked]] = deque()
        behind: deque[tuple[Chunk, _Behind]] = deque()

        def send() -> None:
            sent.extend(
                (chunk, list(blinded), self._evaluator.ask(chunk))
                for chunk, blinded in islice(waiting, _UNDER_WAY - len(sent))
            )

        send()
        while sent:
            chunk, blinded, asked = sent.popleft()
            answers = asked.answers()
            send()
            future = pool.submit(_finalize, blinded, answers, self._key, frozenset())
            behind.append((chunk, _Behind(blinded, asked, future)))
            if len(behind) > 2 * workers:
                first, entry = behind.popleft()
                yield first, self._wait_for(pool, entry)
        for first, entry in behind:
            yield first, self._wait_for(pool, entry)

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

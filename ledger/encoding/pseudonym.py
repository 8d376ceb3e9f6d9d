"""Turn identifiers into pseudonyms of 16 bytes; the key holder helps, but does not see the identifiers.

The pseudonym is the VOPRF output (`ledger.encoding.oprf`) with the key of the epoch, truncated to 16 bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import NamedTuple, Protocol

from ledger.encoding import oprf, ristretto
from ledger.encoding.identifiers import normalise_identifier
from ledger.processes import Workers

__all__ = ["BATCH", "PSEUDONYM_SIZE", "Evaluation", "Evaluator", "Pseudonymiser"]

#: Bytes of a pseudonym.
PSEUDONYM_SIZE = 16
#: Identifiers sent to a holder in one request.
BATCH = 512


class Evaluation(NamedTuple):
    """A holder's answer to one batch: evaluated elements in order, and one proof for all of them."""

    elements: list[bytes]
    proof: bytes


class Evaluator(Protocol):
    """A holder that evaluates blinded elements with the key of an epoch: one process, or a threshold group.

    A holder sees only blinded points. It counts each of them against the quota of the requesting member.
    """

    def evaluate(self, epoch: int, blinded: Sequence[bytes]) -> Evaluation:
        """Evaluate a batch of blinded elements under the key of `epoch`, with a proof."""
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
        self._epoch = epoch
        self._public_key = public_key
        self._holder_checked = False
        self._pool: Workers | None = None
        self._workers = 0

    def pseudonyms(self, identifiers: Sequence[str], *, processes: int = 1) -> list[bytes]:
        """Compute pseudonyms.

        Parameters
        ----------
        identifiers : sequence of str
            In any of the four forms; one that occurs twice is asked for once.
        processes : int
            Processes that share the blinding and unblinding, which is most of the work here. They are
            spawned, so a script that asks for several needs its ``if __name__ == "__main__"``, and kept for
            the next call until `close`.

        Returns
        -------
        list of bytes
            16 bytes each, in the order of the identifiers.

        Raises
        ------
        InputError
            When an identifier is malformed; in this case no request was sent.
        KeyHolderError
            When the holder cannot be reached, or refuses.
        VerificationError
            When the proof that the holder used the epoch's key is not valid.
        """
        normal = [normalise_identifier(identifier) for identifier in identifiers]
        distinct = list(dict.fromkeys(normal))
        if not distinct:
            return []
        self._check_holder()
        batches = [
            [identifier.encode() for identifier in distinct[start : start + BATCH]]
            for start in range(0, len(distinct), BATCH)
        ]
        answers = self._spread(batches, processes) if processes > 1 else map(self._one_batch, batches)
        outputs = [output for batch in answers for output in batch]
        table = dict(zip(distinct, outputs, strict=True))
        return [table[identifier] for identifier in normal]

    def _check_holder(self) -> None:
        """Compare public keys before the first batch, so that a wrong holder does not use up any quota."""
        if self._holder_checked:
            return
        claimed = self._holder.public_key(self._epoch)
        if claimed != self._public_key:
            raise oprf.ProofError(
                f"the key holder's public key for epoch {self._epoch} differs from the one on the chain",
                expected=self._public_key,
                got=claimed,
                next_step="Give the address of this consortium's key holder.",
            )
        self._holder_checked = True

    def _one_batch(self, batch: list[bytes]) -> list[bytes]:
        blinded = _blind_batch(batch)
        return _finalize_batch(blinded, self._ask(blinded), self._public_key)

    def _ask(self, blinded: list[oprf.Blinded]) -> Evaluation:
        return self._holder.evaluate(self._epoch, [item.element for item in blinded])

    def _spread(self, batches: list[list[bytes]], workers: int) -> Iterator[list[bytes]]:
        """Blind later batches and finalise earlier ones while the holder evaluates; memory is bounded."""
        pool = self._processes(workers)
        waiting = iter(batches)
        ahead: deque[Future[list[oprf.Blinded]]] = deque()
        behind: deque[Future[list[bytes]]] = deque()
        ahead.extend(pool.submit(_blind_batch, batch) for batch in islice(waiting, 2 * workers))
        while ahead:
            blinded = ahead.popleft().result()
            ahead.extend(pool.submit(_blind_batch, batch) for batch in islice(waiting, 1))
            evaluation = self._ask(blinded)
            behind.append(pool.submit(_finalize_batch, blinded, evaluation, self._public_key))
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


def _blind_batch(batch: list[bytes]) -> list[oprf.Blinded]:
    return [oprf.blind(data) for data in batch]


def _finalize_batch(blinded: list[oprf.Blinded], evaluation: Evaluation, public_key: bytes) -> list[bytes]:
    outputs = oprf.finalize(blinded, evaluation.elements, evaluation.proof, public_key)
    return [output[:PSEUDONYM_SIZE] for output in outputs]

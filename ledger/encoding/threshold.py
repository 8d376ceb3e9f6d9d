"""Ask t of n holders of the pseudonym key: in parallel, as few as are needed, and another one if one fails.

Each holder has one share of the key. `ThresholdEvaluator` asks exactly t of them for each request. A holder
that does not answer, or whose proofs are not valid, is named (`Problem`), and another one takes its place for
that request only; what the others answered is kept. Any t holders give the same pseudonyms.

A single holder is a group of one, of which one is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from ledger.encoding import oprf, sharing
from ledger.encoding.answers import Answer
from ledger.encoding.evaluation import EpochKey
from ledger.errors import ConfigurationError, CounterfoilError, KeyHolderError, QuotaExceededError
from ledger.evaluation_request import Chunk

__all__ = [
    "Asked",
    "Holder",
    "Problem",
    "ThresholdEvaluator",
]


class Holder(Protocol):
    """A holder of one share; it sees only blinded points, and evaluates what is anchored."""

    def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
        """Evaluate a chunk of a request with the share of this epoch and generation, with proofs."""
        ...

    def public_key(self, epoch: int, generation: int) -> bytes:
        """Return the public key of the share."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """A holder that was asked in vain: its index, and why."""

    index: int
    error: CounterfoilError

    def __str__(self) -> str:
        return f"key holder {self.index}: {self.error}"


class ThresholdEvaluator:
    """Asks the holders of one key, and keeps in mind which of them answer well.

    Parameters
    ----------
    key : EpochKey
        The key on the chain, with the share commitments of its generation. How many holders are needed
        follows from it.
    holders : mapping of index to Holder
        The holders whose addresses are known; at least as many as are needed.
    note : callable, optional
        Called with each `Problem`, in the thread that waits for the answers.

    Raises
    ------
    VerificationError
        When the share commitments are not those of the key.
    ConfigurationError
        When too few holders are known.
    """

    def __init__(
        self,
        key: EpochKey,
        holders: Mapping[int, Holder],
        *,
        note: Callable[[Problem], None] | None = None,
    ) -> None:
        self.key = key
        self.threshold = sharing.threshold_of(key.public_key, key.holders)
        if not {*holders} <= {*range(1, len(key.holders) + 1)} or len(holders) < self.threshold:
            raise ConfigurationError(
                f"{self.threshold} of {len(key.holders)} key holders are needed for epoch {key.number}; "
                f"the addresses of these are known: {', '.join(map(str, sorted(holders))) or 'none'}",
                next_step="Give the addresses of more key holders of this consortium.",
            )
        self._note = note
        self._lines = {index: _Line(index, holder, key) for index, holder in sorted(holders.items())}

    def ask(self, chunk: Chunk) -> Asked:
        """Send a chunk to as many holders as are needed; this does not wait for their answers."""
        return Asked(self, chunk)

    def preferred(self, used: Sequence[int]) -> list[_Line]:
        """Return the holders that may be asked beside those in `used`, the best first.

        Those that failed less often come first. A holder that gave a wrong answer is not asked again.
        """
        usable = (line for index, line in self._lines.items() if index not in used and not line.lied)
        return sorted(usable, key=lambda line: (line.failures, line.index))

    def report(self, problem: Problem) -> None:
        """Pass a problem on."""
        if self._note is not None:
            self._note(problem)

    def distrust(self, index: int) -> None:
        """Do not ask a holder again: it gave a wrong answer."""
        self._lines[index].lied = True

    def too_few(self, problems: Sequence[Problem], answered: int) -> CounterfoilError:
        """Return the error for a request that too few holders answered."""
        if len(self.key.holders) == 1 and problems:
            return problems[0].error
        quota = any(isinstance(problem.error, QuotaExceededError) for problem in problems)
        told = "; ".join(f"holder {problem.index}: {problem.error.what}" for problem in problems)
        return (QuotaExceededError if quota else KeyHolderError)(
            f"{answered} of {len(self.key.holders)} key holders answered for epoch {self.key.number}, and "
            f"{self.threshold} are needed. {told or 'The others gave wrong answers before'}",
            next_step="Run the same command again when more of them answer; finished pseudonyms are stored.",
        )

    def close(self) -> None:
        """End the threads when they are idle, without waiting; the next request starts others."""
        for line in self._lines.values():
            line.close()


class Asked:
    """A request that was sent to some holders."""

    def __init__(self, evaluator: ThresholdEvaluator, chunk: Chunk) -> None:
        self._evaluator = evaluator
        self._chunk = chunk
        self._answers: dict[int, Answer] = {}
        self._problems: list[Problem] = []
        self._waiting: list[tuple[_Line, Future[Answer]]] = []
        self._used: list[int] = []
        self._send()

    def answers(self) -> dict[int, Answer]:
        """Wait until as many holders as are needed have answered; return the answers by index, in order.

        Raises
        ------
        KeyHolderError
            With every holder that failed, and why, when too few answered. A single holder's own error, when
            there is only one.
        """
        while self._waiting:
            line, future = self._waiting.pop(0)
            try:
                self._answers[line.index] = future.result()
            except _FailedError as failed:
                self._failed(line.index, failed.error, told=failed.told)
        if len(self._answers) < self._evaluator.threshold:
            raise self._evaluator.too_few(self._problems, len(self._answers)) from (
                self._problems[-1].error if self._problems else None
            )
        return dict(sorted(self._answers.items()))

    def refuse(self, index: int, error: CounterfoilError) -> None:
        """Refuse the answer of a holder, and ask another one; `answers` then waits for that one."""
        del self._answers[index]
        self._evaluator.distrust(index)
        self._failed(index, error, told=False)

    def _failed(self, index: int, error: CounterfoilError, *, told: bool) -> None:
        problem = Problem(index, error)
        self._problems.append(problem)
        if not told:
            self._evaluator.report(problem)
        if isinstance(error, oprf.ProofError):
            self._evaluator.distrust(index)
        self._send()

    def _send(self) -> None:
        missing = self._evaluator.threshold - len(self._answers) - len(self._waiting)
        for line in self._evaluator.preferred(self._used)[:missing]:
            self._used.append(line.index)
            self._waiting.append((line, line.send(self._chunk)))


class _FailedError(Exception):
    """Why a holder failed; `told` if that failure was the answer to an earlier request already."""

    def __init__(self, error: CounterfoilError, *, told: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.told = told


class _Line:
    """The line to one holder: a thread that sends one request after the other.

    It is a daemon, so a holder that does not answer does not keep a program from ending.
    """

    def __init__(self, index: int, holder: Holder, key: EpochKey) -> None:
        self.index = index
        self.failures = 0
        self.lied = False
        self._holder = holder
        self._key = key
        self._checked = False
        self._last: CounterfoilError | None = None
        self._queue: SimpleQueue[tuple[Chunk, int, Future[Answer]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def send(self, chunk: Chunk) -> Future[Answer]:
        """Put a request at the end of the line."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=f"key holder {self.index}", daemon=True)
            self._thread.start()
        future: Future[Answer] = Future()
        self._queue.put((chunk, self.failures, future))
        return future

    def close(self) -> None:
        """End the thread after the requests that are in the line."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread = None

    def _serve(self) -> None:
        while (entry := self._queue.get()) is not None:
            chunk, failures, future = entry
            try:
                if self._last is not None and self.failures != failures:
                    # it failed after this was sent: another holder can be asked without waiting once more
                    raise _FailedError(self._last, told=True)
                future.set_result(self._call(chunk))
            except BaseException as error:
                future.set_exception(error)

    def _call(self, chunk: Chunk) -> Answer:
        """Call the holder; this is the only place that does."""
        try:
            if not self._checked:
                self._check_key()
            return self._holder.evaluate(self._key.number, self._key.generation, chunk)
        except CounterfoilError as error:
            self.failures += 1
            self._last = error
            raise _FailedError(error, told=False) from error

    def _check_key(self) -> None:
        """Compare public keys before the first request, so that a wrong holder is found early."""
        claimed = self._holder.public_key(self._key.number, self._key.generation)
        expected = self._key.holders[self.index - 1]
        if claimed != expected:
            raise oprf.ProofError(
                f"the key holder's public key for epoch {self._key.number} differs from the one on the chain",
                expected=expected,
                got=claimed,
                next_step="Give the address of this consortium's key holder.",
            )
        self._checked = True

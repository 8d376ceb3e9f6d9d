"""The state machine of a witness: it decides whether to cosign a checkpoint.

The order of the checks and the numbers of the answers are those of C2SP tlog-witness. One checkpoint is
decided at a time; it is stored, durably, before the cosignature leaves the process. So a witness never
cosigns a checkpoint that contradicts one it cosigned before, whatever is sent at once and whenever it is
killed.

References
----------
.. [1] C2SP tlog-witness, https://c2sp.org/tlog-witness
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.commitment.merkle import ConsistencyError, verify_consistency
from ledger.errors import CounterfoilError
from ledger.log.checkpoint import Checkpoint, public_key, read_checkpoint, signed_by_log
from ledger.log.cosignature import cosign, witness_key
from ledger.log.notes import CheckpointError, Note, VerifierKey
from ledger.log.signer import CheckpointKey
from ledger.log.submission import Submission
from ledger.storage import private_file, private_folder, storing
from ledger.witness.book import WitnessBook
from ledger.witness.rules import ContradictionError, NotYetError, Rule

__all__ = ["RefusedError", "Witness"]

_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_UNPROCESSABLE: Final = 422
_UNAVAILABLE: Final = 503


class RefusedError(CounterfoilError):
    """Raised when a checkpoint is not cosigned.

    Parameters
    ----------
    status : int
        HTTP status of the answer.
    what : str
        Why.
    size : int, optional
        Size of the last cosigned checkpoint, when the answer states it.
    """

    def __init__(self, status: int, what: str, *, size: int | None = None) -> None:
        super().__init__(what)
        self.status = status
        self.size = size


class Witness:
    """A witness; safe to use from several threads and processes.

    Parameters
    ----------
    folder : Path
        Its folder, which no other witness uses.
    name : str
        Name of its key.
    private : CheckpointKey
        Its Ed25519 key.
    logs : sequence of VerifierKey
        Keys of the logs that it knows; each is named as its log's origin.
    rules : mapping of origin to Rule, optional
        What is checked beyond C2SP.
    clock : callable, optional
        Returns the Unix time in seconds.
    warn : callable, optional
        Called with a sentence when a log contradicts the chain or itself.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        private: CheckpointKey,
        logs: Sequence[VerifierKey],
        *,
        rules: Mapping[str, Rule] | None = None,
        clock: Callable[[], float] = time.time,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self.key = witness_key(name, public_key(private))
        self._private = private
        self._logs = tuple(logs)
        self._rules = dict(rules or {})
        self._clock = clock
        self._warn = warn

    def add_checkpoint(self, body: bytes) -> str:
        """Answer the call `add-checkpoint`.

        Parameters
        ----------
        body : bytes
            The body of the request.

        Returns
        -------
        str
            The signature line of the cosignature.

        Raises
        ------
        RefusedError
            When the checkpoint is not cosigned.
        """
        try:
            submission = Submission.parse(body)
            checkpoint = read_checkpoint(submission.note)
        except CheckpointError as error:
            raise RefusedError(_BAD_REQUEST, f"the request is malformed: {error}") from error
        if checkpoint.origin not in {key.name for key in self._logs}:
            raise RefusedError(_NOT_FOUND, "the witness does not know this log")
        try:
            signed_by_log(submission.note, self._logs)
        except CheckpointError as error:
            raise RefusedError(_FORBIDDEN, str(error)) from error
        if submission.old > checkpoint.size:
            raise RefusedError(_BAD_REQUEST, "the old size is larger than the checkpoint")
        with self._one_at_a_time(), WitnessBook(self.folder) as book:
            try:
                return self._decide(book, submission, checkpoint)
            except RefusedError as refusal:
                if refusal.status != _CONFLICT:  # a log asks for the size like this
                    book.refuse(checkpoint, refusal.what, int(self._clock()))
                raise

    def latest(self, origin: str) -> str | None:
        """Return the largest cosigned checkpoint of a log, with its cosignature; None if there is none."""
        with WitnessBook(self.folder) as book:
            return book.note(origin)

    def review(self) -> None:
        """Check the largest cosigned checkpoint of each log again, against the witness's node as it is now.

        Raises
        ------
        ContradictionError
            When one contradicts the chain now; it is kept as evidence.
        NotYetError
            When the chain does not have now what a checkpoint states.
        ChainError
            When the node does not answer.
        """
        with self._one_at_a_time(), WitnessBook(self.folder) as book:
            for origin, rule in self._rules.items():
                note = book.note(origin)
                try:
                    rule.check(book.last(origin))
                except ContradictionError as error:
                    if note is not None:
                        self._accuse(book, Note.parse(note), error.what)
                    raise

    @property
    def origins(self) -> frozenset[str]:
        """The logs that the witness knows."""
        return frozenset(key.name for key in self._logs)

    def _decide(self, book: WitnessBook, submission: Submission, checkpoint: Checkpoint) -> str:
        against = self._against(checkpoint)
        if isinstance(against, ContradictionError):
            self._accuse(book, submission.note, against.what)
        with book.deciding():
            held = book.note(checkpoint.origin, checkpoint.size)
            if held is not None and read_checkpoint(Note.parse(held)).root != checkpoint.root:
                self._accuse(
                    book,
                    submission.note,
                    f"the log signed two checkpoints of {checkpoint.size} entries with different roots",
                )
            last = book.last(checkpoint.origin)
            if submission.old != last.size:
                raise RefusedError(
                    _CONFLICT, f"the last cosigned checkpoint has {last.size} entries", size=last.size
                )
            if checkpoint.size == last.size and last.size and checkpoint.root != last.root:
                raise RefusedError(
                    _CONFLICT,
                    "the last cosigned checkpoint has the same size and another root",
                    size=last.size,
                )
            if against is not None:
                status = _UNPROCESSABLE if isinstance(against, ContradictionError) else _UNAVAILABLE
                raise RefusedError(status, str(against)) from against
            try:
                verify_consistency(last.size, checkpoint.size, last.root, checkpoint.root, submission.proof)
            except ConsistencyError as error:
                self._wrong_proof(book, submission.note, error)
                raise RefusedError(_UNPROCESSABLE, f"the consistency proof is wrong: {error.what}") from error
            now = int(self._clock())
            line = cosign(submission.note, self.key.name, self._private, now)
            own = [of_log for key in self._logs if (of_log := submission.note.line_of(key)) is not None]
            book.remember(checkpoint, Note(submission.note.body, (*own, line)).text, now)
        return line.text

    def _against(self, checkpoint: Checkpoint) -> CounterfoilError | None:
        """Return what speaks against the checkpoint by the rule of its log."""
        rule = self._rules.get(checkpoint.origin)
        if rule is None:
            return None
        try:
            rule.check(checkpoint)
        except (ContradictionError, NotYetError) as error:
            return error
        except CounterfoilError as error:
            self._warn(str(error))
            return NotYetError(f"the witness cannot derive the log from its own node: {error.what}")
        return None

    def _accuse(self, book: WitnessBook, note: Note, what: str) -> None:
        case = book.accuse("contradiction", note, what, int(self._clock()))
        self._warn(f"{case.what}. The evidence is in {case.folder}: tell the other members.")

    def _wrong_proof(self, book: WitnessBook, note: Note, error: ConsistencyError) -> None:
        """Keep a checkpoint that came with a wrong proof, unless a rule says that it is the true one.

        Anybody can send a log's true checkpoint with a wrong proof.
        """
        if read_checkpoint(note).origin not in self._rules:
            book.accuse("no-proof", note, f"the consistency proof is wrong: {error.what}", int(self._clock()))

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Hold the lock of the witness's folder; the system releases it when the process dies."""
        with storing(self.folder):
            private_folder(self.folder)
            private_file(self.folder / "lock")
            file = (self.folder / "lock").open("wb")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

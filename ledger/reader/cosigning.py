"""Collect cosignatures: send a checkpoint to the witnesses of a policy, all at once, within a short time.

References
----------
.. [1] C2SP tlog-witness, https://c2sp.org/tlog-witness
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ledger.errors import CounterfoilError
from ledger.log.checkpoint import read_checkpoint
from ledger.log.cosignature import verified
from ledger.log.notes import CheckpointError, Note, SignatureLine
from ledger.log.policy import Witness
from ledger.log.submission import PATH, SIZE_TYPE, Submission, answered_lines, answered_size
from ledger.log.tiles import Tiles

__all__ = ["SECONDS", "Answer", "Task", "collect"]

#: Seconds to wait for all witnesses together.
SECONDS: Final = 5.0

_MOST_ANSWER: Final = 1 << 16
#: Requests for one checkpoint: the first may use another old size than the witness's.
_MOST_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Task:
    """A checkpoint for one witness.

    Parameters
    ----------
    note : Note
        The checkpoint, signed by its log.
    tiles : Tiles
        The log.
    old : int
        Size of the checkpoint that the witness probably cosigned last.
    witness : Witness
        A witness with a URL.
    """

    note: Note
    tiles: Tiles
    old: int
    witness: Witness


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a witness: its signature line, or why there is none."""

    line: SignatureLine | None
    problem: str | None = None


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Refuse: a checkpoint goes only to the witness that the policy names."""


_OPENER: Final = build_opener(_NoRedirect)


def collect(tasks: Sequence[Task], *, seconds: float = SECONDS) -> list[Answer]:
    """Send checkpoints to witnesses, and return the answers in the order of the tasks.

    A witness that does not answer in time is one more problem in the result; it does not delay the others.
    """
    answers: list[Answer | None] = [None] * len(tasks)
    deadline = time.monotonic() + seconds

    def work(place: int) -> None:
        try:
            answers[place] = Answer(_cosigned(tasks[place], deadline))
        except CounterfoilError as error:
            answers[place] = Answer(None, error.what)
        except (OSError, http.client.HTTPException, ValueError) as error:
            answers[place] = Answer(None, f"it does not answer: {_reason(error)}")

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = Answer(None, f"it did not answer within {seconds:g} s")
    return [late if answer is None else answer for answer in list(answers)]


def _cosigned(task: Task, deadline: float) -> SignatureLine:
    """Return the witness's cosignature of a checkpoint.

    Raises
    ------
    CheckpointError
        When it refuses, or its answer is not its cosignature of this checkpoint.
    """
    size, old = read_checkpoint(task.note).size, task.old
    for _ in range(_MOST_TRIES):
        proof = tuple(task.tiles.consistency_path(old, size))
        body = Submission(old, proof, task.note).to_bytes()
        status, kind, answer = _post(task.witness.url or "", body, deadline)
        if status == http.client.CONFLICT and kind == SIZE_TYPE:
            old = _other_size(answered_size(answer), old, size)
            continue
        if status != http.client.OK:
            raise CheckpointError(f"it answered HTTP {status}: {_said(answer)}")
        note = task.note.with_lines(*answered_lines(answer))
        line = note.line_of(task.witness.key)
        if line is None:
            raise CheckpointError("its answer has no cosignature of the key in the policy")
        verified(task.witness.key, note, line)
        return line
    raise CheckpointError("it stated a different size of the log each time")


def _other_size(stated: int, old: int, size: int) -> int:
    """Check the size that a witness says it cosigned last, and return it."""
    if stated > size:
        raise CheckpointError(f"it cosigned {stated} entries already, and this checkpoint has {size}")
    if stated == old:
        raise CheckpointError(f"it cosigned another root of {stated} entries: the log shows two histories")
    return stated


def _post(url: str, body: bytes, deadline: float) -> tuple[int, str, bytes]:
    """Send a request; return status, media type and body of the answer."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise CheckpointError("its URL in the policy is not one of http or https")
    request = Request(url.rstrip("/") + PATH, data=body, method="POST")  # noqa: S310 - checked above
    request.add_header("Content-Type", "text/plain; charset=utf-8")
    try:
        answer = _OPENER.open(request, timeout=max(0.1, deadline - time.monotonic()))
    except HTTPError as error:  # any status but 2xx
        answer = error
    with answer:
        return answer.status, answer.headers.get("Content-Type", ""), bytes(answer.read(_MOST_ANSWER))


def _said(answer: bytes) -> str:
    """Return the first line of a witness's text, shortened and without control characters."""
    text = answer[:400].decode("utf-8", "replace").split("\n")[0][:200]
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or type(reason).__name__

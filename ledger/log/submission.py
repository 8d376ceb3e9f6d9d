"""What a log sends to a witness, and what the witness answers: the call `add-checkpoint` of C2SP.

References
----------
.. [1] C2SP tlog-witness, https://c2sp.org/tlog-witness
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from ledger.log.notes import CheckpointError, Note, SignatureLine, base64_value, decimal, encoded

__all__ = ["MOST_BYTES", "PATH", "SIZE_TYPE", "Submission", "answered_lines", "answered_size"]

#: Path of the call below the URL of a witness.
PATH: Final = "/add-checkpoint"
#: Media type of an answer that states the size of the last cosigned checkpoint.
SIZE_TYPE: Final = "text/x.tlog.size"
#: Maximum size of a request; a note has at most 256 KiB.
MOST_BYTES: Final = (1 << 18) + 4096

_MAX_PROOF: Final = 63
_OLD: Final = "old "


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint for a witness.

    Parameters
    ----------
    old : int
        Size of the checkpoint that the witness cosigned last; 0 if there is none.
    proof : tuple of bytes
        Proof that the log only grew since then (RFC 6962, 2.1.2).
    note : Note
        The checkpoint.
    """

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def to_bytes(self) -> bytes:
        """Return the body of the request."""
        lines = [f"{_OLD}{self.old}", *map(encoded, self.proof), "", ""]
        return ("\n".join(lines) + self.note.text).encode()

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body of a request.

        Raises
        ------
        CheckpointError
            When it is malformed.
        """
        head, blank, note = body.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeError as error:
            raise CheckpointError("the lines before the checkpoint are not ASCII") from error
        if not blank or not first.startswith(_OLD) or len(lines) > _MAX_PROOF:
            raise CheckpointError(
                f"a request is the line 'old <size>', at most {_MAX_PROOF} hashes, an empty line, "
                "and a checkpoint"
            )
        proof = tuple(base64_value(line, 32) for line in lines)
        return cls(decimal(first.removeprefix(_OLD)), proof, Note.parse(note))


def answered_lines(body: bytes) -> tuple[SignatureLine, ...]:
    """Read the signature lines that a witness answered with.

    Raises
    ------
    CheckpointError
        When the answer is not signature lines.
    """
    try:
        text = body.decode()
    except UnicodeError as error:
        raise CheckpointError("the answer is not UTF-8") from error
    if not text.endswith("\n"):
        raise CheckpointError("the answer is not signature lines")
    return tuple(SignatureLine.parse(line) for line in text[:-1].split("\n"))


def answered_size(body: bytes) -> int:
    """Read the size that a witness answered with.

    Raises
    ------
    CheckpointError
        When the answer is not a size.
    """
    text = body.decode("ascii", "replace")
    if not text.endswith("\n"):
        raise CheckpointError("the answer is not a size")
    return decimal(text[:-1])

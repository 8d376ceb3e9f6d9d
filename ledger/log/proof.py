"""Proofs that an entry is in a log, as text that anyone can verify offline.

A proof is the entry's index, the path from the entry to the root, and a checkpoint with its cosignatures.
Whoever verifies it computes the entry itself, and needs a policy.

References
----------
.. [1] C2SP tlog-proof, https://c2sp.org/tlog-proof
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from ledger.commitment.merkle import leaf_hash, verify_inclusion
from ledger.log.checkpoint import OpenedCheckpoint, open_checkpoint
from ledger.log.notes import CheckpointError, base64_value, decimal, encoded

if TYPE_CHECKING:
    from ledger.log.policy import Policy

__all__ = ["Proof"]

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "
_MAX_PATH: Final = 63
_MAX_TEXT: Final = 1 << 19


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that an entry is in a log.

    Parameters
    ----------
    index : int
        Index of the entry, counted from 0.
    path : tuple of bytes
        Inclusion path, lowest node first, 32 bytes each.
    checkpoint : str
        The signed note of the checkpoint.
    extra : bytes, optional
        Data that no signature covers; ours have none.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def to_text(self) -> str:
        """Return the proof as text."""
        extra = [] if self.extra is None else [f"{_EXTRA}{encoded(self.extra)}"]
        lines = [_HEADER, *extra, f"{_INDEX}{self.index}", *map(encoded, self.path), "", ""]
        return "\n".join(lines) + self.checkpoint

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read a proof; it has exactly one byte representation.

        Raises
        ------
        CheckpointError
            When the text is not a proof. Its signatures and its path are not verified; see `verify`.
        """
        try:
            given = text.decode() if isinstance(text, bytes) else text
        except UnicodeError as error:
            raise CheckpointError("the proof is not UTF-8") from error
        head, blank, checkpoint = given.partition("\n\n")
        header, *lines = head.split("\n")
        if header != _HEADER or not blank or len(given) > _MAX_TEXT:
            raise CheckpointError(f"this is not a proof of a log: its first line is {_HEADER}")
        extra = None
        if lines and lines[0].startswith(_EXTRA):
            extra = base64_value(lines.pop(0).removeprefix(_EXTRA))
        if not lines or not lines[0].startswith(_INDEX) or len(lines) > 1 + _MAX_PATH:
            raise CheckpointError(f"a proof has an index, and a path of at most {_MAX_PATH} hashes")
        path = tuple(base64_value(line, 32) for line in lines[1:])
        return cls(decimal(lines[0].removeprefix(_INDEX)), path, checkpoint, extra)

    def verify(self, entry: bytes, policy: Policy, *, origin: str) -> OpenedCheckpoint:
        """Check that an entry is in the log under a checkpoint that meets a policy.

        Parameters
        ----------
        entry : bytes
            The entry's data.
        policy : Policy
        origin : str
            Name of the log.

        Raises
        ------
        CheckpointError
            As for `open_checkpoint`.
        InclusionError
            When the entry is not at this index of the log.
        """
        opened = open_checkpoint(self.checkpoint, policy, origin=origin)
        checkpoint = opened.checkpoint
        verify_inclusion(leaf_hash(entry), self.index, checkpoint.size, self.path, checkpoint.root)
        return opened

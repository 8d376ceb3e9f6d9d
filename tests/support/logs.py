"""Small logs for tests: entries, keys, signed checkpoints, and a policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from ledger.commitment import merkle
from ledger.log import Checkpoint, KeyType, Note, Policy, VerifierKey, public_key, sign_checkpoint
from ledger.log.cosignature import cosign, witness_key
from ledger.log.policy import Log, Witness, consortium_policy
from ledger.log.submission import Submission

__all__ = ["ORIGIN", "SmallLog", "SmallWitness", "secret"]

ORIGIN: Final = "counterfoil.example/ledger"
MOMENT: Final = 1_790_000_000


def secret(name: str) -> bytes:
    """Return a private key that depends on a name only."""
    return sha256(name.encode()).digest()


@dataclass
class SmallLog:
    """A log in memory that signs what it is told to sign."""

    entries: list[bytes] = field(default_factory=list)
    origin: str = ORIGIN
    private: bytes = secret("log")

    @classmethod
    def of(cls, count: int, **options: str | bytes) -> SmallLog:
        """Return a log of `count` entries."""
        return cls([f"entry {i}".encode() for i in range(count)], **options)  # type: ignore[arg-type]

    @property
    def key(self) -> VerifierKey:
        """The log's verifier key."""
        return VerifierKey(self.origin, KeyType.ED25519, public_key(self.private))

    @property
    def leaves(self) -> list[bytes]:
        """Hashes of the entries."""
        return [merkle.leaf_hash(entry) for entry in self.entries]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """Return the checkpoint of the first `size` entries."""
        leaves = self.leaves[:size]
        return Checkpoint(self.origin, len(leaves), merkle.root(leaves))

    def note(self, size: int | None = None) -> Note:
        """Return the signed checkpoint of the first `size` entries."""
        return Note.parse(sign_checkpoint(self.checkpoint(size), self.origin, self.private))

    def proof(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        """Return a consistency proof."""
        return tuple(merkle.consistency_path(self.leaves[:size], old))

    def submission(self, old: int, size: int | None = None) -> bytes:
        """Return what is sent to a witness that cosigned `old` entries last."""
        return Submission(old, self.proof(old, size), self.note(size)).to_bytes()


@dataclass(frozen=True)
class SmallWitness:
    """A witness that cosigns whatever it gets."""

    agent: str

    @property
    def name(self) -> str:
        """Name of its key."""
        return f"counterfoil.example/witness/{self.agent}"

    @property
    def private(self) -> bytes:
        """Its private key."""
        return secret(self.agent)

    @property
    def line(self) -> Witness:
        """Its line of a policy."""
        return Witness(self.agent, witness_key(self.name, public_key(self.private)))

    def cosigned(self, note: Note, moment: int = MOMENT) -> Note:
        """Return a checkpoint with its cosignature."""
        return note.with_lines(cosign(note, self.name, self.private, moment))


def policy_of(logs: Sequence[SmallLog], witnesses: Sequence[SmallWitness] = (), k: int = 0) -> Policy:
    """Return the policy that trusts these."""
    return consortium_policy([Log(log.key) for log in logs], [w.line for w in witnesses], k)

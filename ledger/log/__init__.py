"""The two public logs of a consortium, in the formats of C2SP, which the software of others understands.

The *ledger log* has what the chain records; anyone with a node derives it. The *verdict log* has what the
desk says about each batch. Both are trees of RFC 6962 (`ledger.commitment.merkle`).

- `notes`: signed notes and verifier keys
- `checkpoint`: the state of a log, signed; `cosignature`: signatures of logs and witnesses
- `signer`: the keys of logs and witnesses
- `policy`: which logs and witnesses are trusted; `proof`: an entry is in a log
- `tiles`: a log in files that only grow; `submission`: what a log sends to a witness
- `anchors`: the heads of the verdict log that the chain records
- `follow`: both logs as one party derives them from its own node
"""

from __future__ import annotations

from ledger.log.checkpoint import (
    Checkpoint,
    OpenedCheckpoint,
    generate_signing_key,
    open_checkpoint,
    public_key,
    sign_checkpoint,
)
from ledger.log.notes import CheckpointError, KeyType, Note, VerifierKey
from ledger.log.policy import Policy, consortium_policy
from ledger.log.proof import Proof
from ledger.log.signer import CheckpointKey, CheckpointSigner, as_checkpoint_signer

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CheckpointKey",
    "CheckpointSigner",
    "KeyType",
    "Note",
    "OpenedCheckpoint",
    "Policy",
    "Proof",
    "VerifierKey",
    "as_checkpoint_signer",
    "consortium_policy",
    "generate_signing_key",
    "open_checkpoint",
    "public_key",
    "sign_checkpoint",
]

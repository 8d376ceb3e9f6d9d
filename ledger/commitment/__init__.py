"""Commitments: a reader stores a hash today and can verify a plaintext against it in ten years.

- `merkle`: the RFC 6962 tree on which all proofs are based, its inclusion and consistency proofs, and the
  compact `Frontier` of a growing log. Start here.
- `record`: the salted commitment to the exact fields of one record, which can be opened field by field.

Everything that verifies raises a subclass of `ledger.errors.VerificationError`; nothing returns a bool.
"""

from __future__ import annotations

from ledger.commitment.merkle import (
    ConsistencyError,
    Frontier,
    InclusionError,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from ledger.commitment.record import (
    LEAVES,
    FieldError,
    OpenedField,
    RecordCommitter,
    open_fields,
    record_leaves,
    record_root,
    verify_field,
)

__all__ = [
    "LEAVES",
    "ConsistencyError",
    "FieldError",
    "Frontier",
    "InclusionError",
    "OpenedField",
    "RecordCommitter",
    "consistency_path",
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "open_fields",
    "record_leaves",
    "record_root",
    "root",
    "verify_consistency",
    "verify_field",
    "verify_inclusion",
]

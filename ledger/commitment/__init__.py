"""Commitments: what lets a reader hold a hash today and check a plaintext against it in ten years.

- `merkle`: the RFC 6962 tree that everything hangs on, its inclusion and consistency proofs, and the
  compact `Frontier` that follows a growing log. Start here.
- `record`: the salted commitment to the exact fields of one record, which opens field by field.

Everything that verifies raises a subclass of `ledger.errors.VerificationError`; nothing returns a bool.
"""

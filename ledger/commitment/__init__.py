"""Commitments: a reader stores a hash today and can verify a plaintext against it in ten years.

- `merkle`: the RFC 6962 tree on which all proofs are based, its inclusion and consistency proofs, and the
  compact `Frontier` of a growing log. Start here.
- `record`: the salted commitment to the exact fields of one record, which can be opened field by field.

Everything that verifies raises a subclass of `ledger.errors.VerificationError`; nothing returns a bool.
"""

"""What a bank runs: it reads its own transactions, keeps them, and posts their encoded half.

A transaction travels `intake` (read and check) -> `vault` (keep) -> `outbox` (pseudonymise, encode, seal,
post). `receipts` makes the proofs a member hands out, `inbox` opens what is addressed to it, `keys` holds
its secrets.
"""

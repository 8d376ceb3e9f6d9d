"""The member's tools: read a bank's own transactions, store them, and post their encoded rows.

A transaction passes through `intake` (read and check) -> `vault` (store) -> `outbox` (pseudonymise, encode,
seal, post). `receipts` makes receipts and disclosures, `inbox` opens the flags addressed to the member, and
`keys` holds its private keys.
"""

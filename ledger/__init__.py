"""The ledger: encode, commit, seal and post transactions; mirror, match and verify them.

Every party uses: `schema` (transactions and encoded rows), `batch`, `envelope`, `log`, `flag`, `receipt`,
`caselog`, `segment` (the mirror's files), `opening` (checks a posted batch), `matching` (joins two halves to
a transfer), `storage` (atomic file writes), `signing` (Ethereum accounts and signatures), `installation`
(extras), `processes`, `errors`, `encoding` (exact fields to encoded rows), `commitment` (Merkle trees), and
`gateway`, the only package that uses web3.
Three packages belong to one party each and never import one another, so that a party installs only what it
runs: `member` (start at `member.outbox`), `reader` (at `reader.mirror`), `audit` (at `audit.verify`).
"""

"""What makes and reads the ledger: encode, commit, seal, post, mirror, match, verify.

Common ground: `schema` (what a transaction, a row and a transfer are), `batch`, `envelope`, `log`, `flag`,
`receipt`, `caselog`, `segment` (the mirror's files), `opening` (checking a posted batch), `matching` (halves
become transfers), `storage` (files that are whole or not there), `signing` (Ethereum accounts and what they
sign), `installation` (extras), `processes`, `errors`, and `gateway`, the one place that speaks web3.
`encoding` turns exact fields into rows, `commitment` binds them.
Three flats never import one another, so that each party installs and trusts only what it runs: `member`
(start at `member.outbox`), `reader` (start at `reader.mirror`), `audit` (start at `audit.verify`).
"""

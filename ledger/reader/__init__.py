"""What the desk runs: it mirrors the ledger's rows and has their halves matched.

Start at `desk.sync`, the desk's round. `mirror` follows the chain; `cases` keeps flags and anchors them;
`keys` holds what the desk must keep secret.
"""

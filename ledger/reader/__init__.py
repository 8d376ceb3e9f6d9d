"""What the desk runs: it mirrors the ledger's rows and has their halves matched.

Start at `desk.sync`, the desk's round. `mirror` follows the chain. `cases` keeps flags, anchors and lists
them; `decisions` keeps the officers' decisions and `notes` the desk's own notes. `listing` says how flags
are listed, `casefile` in which tables all of them are kept. `keys` holds what the desk must keep secret.
"""

"""The desk's tools: mirror the ledger's rows, match their halves, and store flags and decisions.

Start at `desk.sync`, which brings the desk up to date. `mirror` follows the chain. `cases` stores, anchors
and lists flags; `decisions` stores the officers' decisions, and `notes` the desk's notes. `listing` builds
the queries that list flags, `casefile` defines the tables, and `keys` holds the desk's private keys.
"""

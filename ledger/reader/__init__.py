"""What the desk runs: it mirrors the ledger's rows and matches their halves.

Start at `mirror.Mirror.sync`. `matching` joins the two halves of a
transfer; `cases` anchors flags on the chain; `keys` holds what the desk must keep secret.
"""

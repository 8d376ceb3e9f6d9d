"""What an auditor runs: it trusts the files it pinned, and nothing the operator says.

Start at `verify.verify`, which checks a receipt or a disclosure offline against a `trust.Trust` file.
`fsck` re-derives the mirror from the chain; `completeness` says what is proven, claimed and unknown.
"""

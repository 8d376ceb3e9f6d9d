"""The auditor's tools; they trust only the pinned trust file, not the operator.

Start at `verify.verify`, which checks a receipt or a disclosure offline against a `trust.Trust` file.
`fsck` rebuilds the mirror from the chain; `completeness` counts proven, claimed and missing rows.
"""

"""Checks: a rule compiled once, run on encoded rows (intervals) and on exact rows (intervals of no width).

* `interval`: the amounts that trip a rule, in minor units, and where bands are cut for it.
* `definition`: a rule's check: which rows, which amounts, which window, what the rows do not carry.
* `table`: the transfers a check reads.
* `execute`: the SQL of a check, on DuckDB in memory.
* `findings`: what a check found, as flags.
"""

"""Checks: a rule compiled once, run on encoded rows (intervals) and on exact rows (intervals of no width).

* `interval`: the amounts that trip a rule, in minor units, and where bands are cut for it.
* `definition`: a rule's checks: which banks and rows, amounts and window, what the rows do not carry.
* `table`: the transfers a check reads, and where their banks stand.
* `sql`: the statements of a check, written once for every engine.
* `execute`: them on DuckDB in memory; `spark`: on Spark.
* `owed`, `findings`: what was found, which bank owes what by when, as flags.
* `boundary`: transactions at the edges of a rule, with the answer of the law.
"""

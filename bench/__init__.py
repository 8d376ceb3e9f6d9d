"""Benchmarks: measurements without assertions. Each run repeats, compares side by side and names the machine.

Run them with ``make bench``. `ledger_path` measures every stage from a bank's file to flags, and one row per
Ethereum transaction in the same run as the baseline; `report` prints the table. `memory` and `scan_period`
measure growing ledgers, `detection` and `flags` the accuracy; a "peer" is another product, for comparison.
`python -m bench.chain_length` grows the embedded chain to 10,000 blocks; `python -m bench.gas` calls every
function of the contracts.
`python -m bench.distinct` finds the distinct numbers of an array by NumPy and by a sort;
`python -m bench.latency` measures a request with and without TCP_NODELAY;
`python -m bench.startup` measures the start of each command.
`python -m bench.graph_features` measures features of arriving payments, beside a peer where one is named.
"""

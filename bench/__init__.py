"""Measurements, never tests: ratios side by side in one run, repeated, with the machine named.

Run them with ``make bench``. `ledger_path` measures every stage from file to flags; `baseline` is one row per
Ethereum transaction on the same chain in the same run; `report` prints the table.
`python -m bench.chain_length` grows the embedded chain to 10,000 blocks; `python -m bench.gas` calls every
function of the contracts.
`python -m bench.distinct` finds the distinct numbers of an array by NumPy and by a sort;
`python -m bench.latency` measures a request with and without TCP_NODELAY.
`python -m bench.graph_features` measures features of arriving payments, beside a peer where one is named.
"""

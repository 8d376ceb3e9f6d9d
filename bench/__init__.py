"""Benchmarks: measurements without assertions. Each run repeats, compares side by side and names the machine.

``make bench`` measures every stage from a bank's file to flags (`ledger_path`), and one row per Ethereum
transaction in the same run as the baseline; `report` prints the table. Other benchmarks run with
``python -m bench.NAME``: `chain_length` (chains up to 10,000 blocks), `gas` (all functions of the contracts),
`memory` and `scan_period` (growing ledgers), `graph_features` (speed, compared with another product, the
"peer"), `detection` and `flags` (accuracy).
"""

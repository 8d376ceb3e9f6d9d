"""Tools to work with transfers, for all readers of the ledger; detectors and checks start here.

- `mirror`    reads transfers from the desk's mirror: all, those of a period, or those of a flag
- `table`     checks that a table has the columns of a transfer
- `period`    the interval of ledger time that a scan reads
- `places`    maps transfers to the ledger positions of their rows, and back
- `evidence`  the transfers of a flag as a graph (networkx), as GraphML and as SVG
"""

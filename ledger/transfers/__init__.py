"""What every reader of the ledger needs to work with transfers; detectors and checks start here.

- `mirror`    reads transfers from the desk's mirror: all, of a period, or those that a flag names
- `table`     checks that a table has a transfer's columns
- `period`    the interval of ledger time that a scan reads
- `places`    from a transfer to its rows' places on the ledger, and back
- `evidence`  the transfers of a flag as a graph (networkx), as GraphML and as SVG
"""

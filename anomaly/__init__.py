"""Detection of money laundering in the graph of transfers: from a table of transfers to flags.

Start with `anomaly.scan.scan`: transfers in, flags out. `tables` reads a plain file; `ledger.transfers` reads
the desk's mirror.

Detectors
    - `graph`         the temporal graph, and the only definition of order in time
    - `kernels/`      searches for patterns in arrays, one numba kernel per file
    - `detectors/`    one typology per file: a kernel, criteria and an explanation; and the registry
    - `features`      features of accounts; `isolation` finds unusual accounts with them
    - `scan`          runs all detectors, merges and ranks flags; `replay` recomputes a flag
    - `telling`       turns a detector's result into a flag
    - `score`         compares flags with a truth table

Models
    - `transactions/` features of single payments, from a whole table
    - `engine/`       graph features of single payments, batch by batch
    - `models/`       classifiers, calibration, alert thresholds, drift, scores without labels
    - `learning/`     trains a model on officers' decisions and scores flags with it

Measurement
    - `simulation/`   a synthetic consortium with planted schemes
    - `evaluation/`   metrics on labelled files, with bootstrap intervals

Detectors and features never read labels; no feature is an identifier or depends on the order of rows.
"""

"""Detection: what a graph of transfers shows that no single payment does.

Start with `anomaly.scan.scan`: transfers in, flags out.

- `mirror`      transfers from the desk's mirror, by `period` or by row; `tables` from a plain file
- `places`      where transfers stand on the ledger
- `graph`       the temporal graph, and the only definition of "later"
- `kernels/`    the patterns, one numba kernel a file; they know arrays, not law or evidence
- `detectors/`  one typology a file: a kernel, criteria an officer can follow, a sentence; and their registry
- `features`    what can be said of one account in numbers; `isolation` finds what has no name in them
- `scan`        all detectors, merged and ranked; `replay` recomputes a flag; `telling` words it
- `evidence`    the picture of a flag: networkx, GraphML, SVG
- `score`       flags against a truth table
- `simulation/` a synthetic consortium with planted schemes

Nothing here reads a label, and no identifier or order of rows is a feature.
"""

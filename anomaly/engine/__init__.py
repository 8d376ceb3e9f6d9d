"""The engine: graph features of each transaction, kept up to date as batches arrive.

Start with `GraphFeatureEngine`: `update` takes a batch of payments and returns one row of features for each.

- `parameters`   which features to compute, their windows, and the limits of each search
- `graph`        the live part of the multigraph: a ring buffer of edges, lists by account and by ordered pair
- `windows`      sliding windows with moments up to order four, computed without subtraction
- `statistics`   fan, degree, ratio and moments of the four sides of an edge
- `temporal_cycle`, `hop_cycle`  cycles that a payment closes: in order of time, or with few payments
- `neighbours`   scatter-gather, stack and bipartite: patterns of two hops
- `side`         gather-scatter and pass-through: what an account received before it paid
- `quiet`        time since both accounts and the pair were last active
- `structuring`  payments just under a threshold
- `round_trip`   payments from the creditor back to the debtor
- `burst`        number of new counterparties of an account within a short window
- `chain`        the longest sequence of hand-overs that ends in this payment
- `families`     adds a batch to the graph and runs each family of features on it
- `bins`         maps sizes to the bins of a histogram
- `columns`      the name, meaning and unit of every feature
- `rows`         checks the columns of a batch
- `extractor`    the engine itself
- `transformer`  the engine as a scikit-learn transformer over a table of transfers

Nothing here reads a label, and no feature is an identifier or depends on the order of rows.
"""

from anomaly.engine.extractor import GraphFeatureEngine
from anomaly.engine.parameters import DAY, HOUR, EngineParameters
from anomaly.engine.rows import LateRowError, RowError
from anomaly.engine.transformer import GraphFeatures

__all__ = [
    "DAY",
    "HOUR",
    "EngineParameters",
    "GraphFeatureEngine",
    "GraphFeatures",
    "LateRowError",
    "RowError",
]

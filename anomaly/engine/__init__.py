"""The engine: graph features of each transaction, kept up to date as batches arrive.

Start with `GraphFeatureEngine`: `update` takes a batch of payments and returns one row of numbers for each.

- `parameters`   what to compute, over which windows, and how far to search
- `graph`        the live part of the multigraph: a ring of edges, lists by account and by ordered pair
- `windows`      sliding windows with moments of any order up to four, without subtraction
- `statistics`   fan, degree, ratio and moments of the four sides of an edge
- `temporal_cycle`, `hop_cycle`  cycles that a payment closes: in order of time, or of few payments
- `neighbours`   scatter-gather, stack and bipartite: patterns of two hops
- `side`         gather-scatter and pass-through: what one account received before it paid
- `quiet`        how long both accounts and the pair have been quiet
- `structuring`  payments just under a threshold
- `round_trip`   payments that go straight back to the one that pays
- `burst`        how many that did not deal with an account before do so at once
- `chain`        the longest row of payments, each handing on the one before, that ends in this one
- `families`     adds a batch and asks each family about it
- `bins`         sizes to bins of a histogram
- `columns`      the name, meaning and unit of every feature
- `rows`         the columns of a batch, checked
- `extractor`    the engine itself
- `transformer`  the engine over a table of transfers, for scikit-learn

Kernels know arrays. Nothing here reads a label, and no identifier or order of rows is a feature.
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

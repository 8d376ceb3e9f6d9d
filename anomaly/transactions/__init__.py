"""Features of single payments, computed from the payment itself and from the payments around it.

Start with `TransactionFeatures`, a scikit-learn transformer: a table of transfers in, one row of documented
features for each transfer out.

- `features`    the transformer and the description of every column
- `relation`    earlier payments between the two accounts, and the time since each account was first seen
- `activity`    counts, sums and counterparties of both accounts in sliding windows
- `passing`     money before and after: payments that fit best in amount and time, and sequences of them
- `shapes`      membership in bipartite groups, scatter-gather patterns and cycles
- `neighbours`  scores of neighbouring payments, for stacked models

No feature depends on the order of rows, the names of accounts, or the place on the ledger. Times are in whole
minutes, because seconds depend on how a system records times (in one public generator 86 % of laundering
rows, and 0.4 % of the other rows, have seconds other than zero).
"""

from anomaly.transactions.features import Column, Scoring, TransactionFeatures

__all__ = ["Column", "Scoring", "TransactionFeatures"]

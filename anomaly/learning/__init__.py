"""The desk learns: officers' decisions become a model, which scores flags and finds more; drift is watched.

- `labels`    decisions on flags to labels of payments
- `training`  a challenger from earlier decisions, tried on later ones against the champion
- `model`     from transfers to calibrated probabilities
- `trees`     boosted trees as plain arrays: a model is data, not code
- `shelf`     models in files named by their hash, and which one is champion
- `scoring`   the champion's scores on flags, its own flags, and how both are recomputed
- `watch`     whether payments still come from the population that the champion learnt from

Decisions are handed in; nothing here reads the chain or the desk's state.
"""

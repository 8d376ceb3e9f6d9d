"""Learning from officers' decisions: a model is trained, scores and raises flags, and is checked for drift.

- `labels`    turns decisions on flags into labels of payments
- `training`  trains a challenger on earlier decisions and compares it with the champion on later ones
- `model`     the model: from transfers to calibrated probabilities
- `trees`     boosted trees as plain arrays: a model is data, not code
- `shelf`     stores models in files named by their hash, and records which one is the champion
- `scoring`   the champion's scores of flags, its own flags, and the replay of both
- `watch`     whether payments still come from the population that the champion was trained on

Decisions are passed by the caller; nothing here reads the chain or the desk's state.
"""

"""Models: from features to probabilities, from probabilities to alerts, and the detection of drift.

- `rare`           classifiers for rare cases; reference settings of the literature and the tuned default
- `neighbourhood`  two stages: the second reads the first stage's scores of neighbouring payments
- `unlabelled`     isolation forest and typology scores, for use without labels
- `chance`         the null model of the typology scores: payments with shuffled payees
- `calibration`    scores to probabilities, for the expected share of cases
- `decision`       the alert threshold, from the costs of errors or from a budget
- `champion`       a challenger replaces the champion only if it wins on a later, held-back window
- `drift`          whether scores and features still come from the same population

Labels are always passed by the caller; no module reads them from a file.
"""

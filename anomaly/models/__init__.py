"""Models: from features to probabilities, from probabilities to alerts, and when to trust them no longer.

- `rare`           few cases among many; the reference settings of the literature and the tuned default
- `neighbourhood`  two stages: the second sees what the first thinks of the neighbours
- `unlabelled`     isolation forest and typology scores, for the start without labels
- `chance`         what chance alone would draw, which typology scores are measured against
- `calibration`    scores to probabilities, for the share of cases that is expected
- `decision`       the alert threshold: by the costs of errors, or by a budget
- `champion`       a challenger replaces the champion only when it wins on a later window held back
- `drift`          whether scores and features still come from the same population

Everything here is told labels by its caller; none is read from a file.
"""

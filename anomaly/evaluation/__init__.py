"""Honest measurement: what the detectors find on labelled files, by arm, by encoding, and with what doubt.

Start with `evaluate`; `counterfoil evaluate` prints what it returns.

- `labelled`   a labelled file as transfers, and its labels apart
- `split`      parts by time, with an embargo
- `encode`     the same payments as a policy would have told them: bands and time buckets
- `metrics`    weighted metrics of a ranking, so that a bootstrap is a matter of weights
- `bootstrap`  intervals that resample pattern instances, and pairs of models on the same resamples
- `figures`    one number with all that one must know to read it
- `arms`       each bank alone, a shared model on private rows, the shared ledger
- `banks`      what each bank gets out of an arm, and the mean over the banks
- `controls`   what the number would be without graph, with edges shuffled, with a typology never seen
- `accounts`   files whose labels stand on accounts
- `plan`       what to measure; `measure` turns a ranking into figures; `run` does all of it in one go

Only this package reads labels, and only here are they told apart from what a detector may see.
"""

from anomaly.evaluation.figures import Figure
from anomaly.evaluation.labelled import LabelledFile, read_labelled
from anomaly.evaluation.plan import Plan
from anomaly.evaluation.run import evaluate

__all__ = ["Figure", "LabelledFile", "Plan", "evaluate", "read_labelled"]

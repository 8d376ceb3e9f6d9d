"""Evaluation: what models and scores find on labelled files, by arm and by encoding, with intervals.

Start with `evaluate`; `counterfoil evaluate` prints its result.

- `labelled`   a labelled file: transfers, and labels separate from them
- `split`      training, validation and test part by time, with an embargo
- `encode`     encodes exact payments as a policy would: amount bands and time buckets
- `metrics`    weighted metrics of a ranking, so that a bootstrap only changes weights
- `bootstrap`  bootstrap intervals that resample pattern instances; paired for two models
- `figures`    one number with everything needed to interpret it
- `arms`       each bank alone, a shared model on private rows, the shared ledger
- `banks`      the result of an arm for each bank, and the mean over the banks
- `controls`   features for the control that compares with a published feature extractor
- `accounts`   files with labels on accounts instead of payments
- `plan`       what to measure; `measure` turns a ranking into figures; `run` measures everything

Detectors and features never read labels; this package keeps labels separate from their input.
"""

from anomaly.evaluation.figures import Figure
from anomaly.evaluation.labelled import LabelledFile, read_labelled
from anomaly.evaluation.plan import Plan
from anomaly.evaluation.run import evaluate

__all__ = ["Figure", "LabelledFile", "Plan", "evaluate", "read_labelled"]

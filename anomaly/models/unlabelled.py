"""Scores without labels: how unusual a payment is, and how similar it is to a typology.

Neither score is a probability of laundering. A typology's strength is converted to -log10 of an empirical
p-value: the share of rows at least as strong in the same file with shuffled payees, where each account keeps
its activity but no scheme is left. All typologies thereby have one scale. A further alert on the same
accounts is less useful to an officer: the p-value of the k-th alert is multiplied by k squared, so that one
scheme of many payments does not displace the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.ensemble import IsolationForest
from sklearn.utils.validation import check_is_fitted, validate_data

from anomaly.kernels.jit import jit

__all__ = ["TYPOLOGIES", "IsolationScores", "typology_scores"]

Floats = npt.NDArray[np.float64]
Columns = dict[str, npt.NDArray[np.float32]]

#: The p-value of the k-th alert on the same accounts is multiplied by k to this power.
_REPEATS: Final = 2.0


class IsolationScores(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """An isolation forest with the interface of scikit-learn's outlier detectors.

    Parameters
    ----------
    trees, samples : int
        As in `sklearn.ensemble.IsolationForest`.
    random_state : int, RandomState or None

    References
    ----------
    Liu, Ting, Zhou, "Isolation Forest", ICDM 2008.
    """

    def __init__(
        self, trees: int = 200, samples: int = 256, random_state: int | np.random.RandomState | None = None
    ) -> None:
        self.trees = trees
        self.samples = samples
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: N803  # scikit-learn's name
        """Fit the forest."""
        array = validate_data(self, X)
        samples = min(self.samples, len(array))
        forest = IsolationForest(
            n_estimators=self.trees, max_samples=samples, random_state=self.random_state, n_jobs=1
        )
        self.forest_ = forest.fit(array)
        self.offset_ = self.forest_.offset_
        return self

    def score_samples(self, X: npt.ArrayLike) -> Floats:  # noqa: N803
        """Return scores as scikit-learn defines them: the lower, the more unusual."""
        check_is_fitted(self, "forest_")
        array = validate_data(self, X, reset=False)
        return np.asarray(self.forest_.score_samples(array), dtype=np.float64)

    def decision_function(self, X: npt.ArrayLike) -> Floats:  # noqa: N803
        """Return the scores minus the offset; negative is unusual."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.int64]:  # noqa: N803
        """Return -1 for unusual rows, else 1."""
        return np.where(self.decision_function(X) < 0, -1, 1)


def _bipartite(c: Columns) -> npt.NDArray[np.float32]:
    # a group needs other accounts on both sides
    return c["butterflies"] * np.minimum(c["group_payers"], c["group_payees"])


def _strength_of_round(
    hops: npt.NDArray[np.float32], rarity: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    # each hop is one more passing relation that has to fit; cycles of three accounts are common
    return np.where(hops > 3, hops - 3 + np.clip(rarity, 0, 4), 0.0)


def _chain(c: Columns) -> npt.NDArray[np.float32]:
    rarest = c["before_chain_weight"] + c.get("after_chain_weight", np.zeros(1, np.float32))
    hops = c["before_chain_length"] + c.get("after_chain_length", np.zeros(1, np.float32))
    return np.where(hops >= 2, rarest, 0.0)


def _fan_in(c: Columns) -> npt.NDArray[np.float32]:
    return np.where(c["pair_before"] == 0, c["window_payee_in_new"] - 0.5 * c["long_payee_in_parties"], 0.0)


def _fan_out(c: Columns) -> npt.NDArray[np.float32]:
    return np.where(c["pair_before"] == 0, c["window_payer_out_new"] - 0.5 * c["long_payer_out_parties"], 0.0)


#: Strength of a payment in each typology; 0 or less: not part of it.
TYPOLOGIES: Final[dict[str, Callable[[Columns], npt.NDArray[np.float32]]]] = {
    "bipartite": _bipartite,
    # the payment that closes a cycle represents it; "round" scores the other payments
    "cycle": lambda c: _strength_of_round(c["closes_hops"], c["closes_weight"]),
    "round": lambda c: _strength_of_round(c["round_hops"], c["round_weight"]),
    "gather": lambda c: c["gather"],
    "scatter": lambda c: c["scatter"],
    "chain": _chain,
    "fan_in": _fan_in,
    "fan_out": _fan_out,
}


def typology_scores(
    values: npt.NDArray[np.float32],
    shuffled: npt.NDArray[np.float32],
    names: npt.NDArray[np.object_],
    source: npt.NDArray[np.int64],
    target: npt.NDArray[np.int64],
    *,
    seed: int = 0,
) -> tuple[Floats, dict[str, Floats]]:
    """Return each payment's score (the highest of its typology scores), and the scores by typology.

    Parameters
    ----------
    values : (n, features) float32
        From `TransactionFeatures`.
    shuffled : (draws * n, features) float32
        The same with shuffled payees; several draws make small p-values more precise.
    names : (features,) object
    source, target : (n,) int64
        Numbers of the accounts, to count earlier alerts on the same accounts.
    seed : int
        Seed of the random order of equal strengths.
    """
    columns: Columns = {str(name): values[:, i] for i, name in enumerate(names)}
    drawn: Columns = {str(name): shuffled[:, i] for i, name in enumerate(names)}
    n = len(values)
    random = np.random.default_rng(seed)
    best = np.zeros(n)
    by_typology = {}
    accounts = int(max(source.max(initial=-1), target.max(initial=-1))) + 1
    for name, strength_of in TYPOLOGIES.items():
        strength = strength_of(columns).astype(np.float64)
        null = np.sort(strength_of(drawn).astype(np.float64))
        as_strong = len(null) - np.searchsorted(null, strength, "left")
        order = np.lexsort((random.random(n), -strength))
        order = order[strength[order] > 0]
        before = _alerts_before(order, source, target, accounts)
        surprise = np.zeros(n)
        chance_of = (as_strong[order] + 1.0) / (len(null) + 1.0)
        surprise[order] = -np.log10(chance_of) - _REPEATS * np.log10(1.0 + before)
        by_typology[name] = np.maximum(surprise, 0.0)
        best = np.maximum(best, surprise)
    return best, by_typology


@jit
def _alerts_before(
    order: npt.NDArray[np.int64],
    source: npt.NDArray[np.int64],
    target: npt.NDArray[np.int64],
    accounts: int,
) -> Floats:
    """Return for each payment, in `order`, how many payments before it have its payer or its payee."""
    before = np.zeros(len(order))
    sent = np.zeros(accounts, np.int64)
    received = np.zeros(accounts, np.int64)
    for i in range(len(order)):
        e = order[i]
        before[i] = sent[source[e]] + received[target[e]]
        sent[source[e]] += 1
        received[target[e]] += 1
    return before

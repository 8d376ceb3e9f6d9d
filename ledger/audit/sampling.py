"""What a sample says about the whole: an exact upper bound of a share (Clopper and Pearson).

References
----------
.. [1] Clopper, C. J. and Pearson, E. S., The use of confidence or fiducial limits illustrated in the case of
   the binomial, Biometrika 26 (1934).
.. [2] Hanley, J. A. and Lippman-Hand, A., If nothing goes wrong, is everything all right?, JAMA 249 (1983):
   the rule of three.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p

__all__ = ["upper_bound"]

_STEPS = 60


def upper_bound(found: int, drawn: int, *, confidence: float = 0.95) -> float:
    """Return the share that is not exceeded with a confidence, when `found` of `drawn` elements were found.

    This is the one-sided bound: the largest share for which `found` or fewer have a probability of
    1 - `confidence`. For an element drawn without repetition the true bound is lower still.

    Examples
    --------
    >>> round(upper_bound(0, 100), 4)
    0.0295
    >>> upper_bound(3, 3)
    1.0
    """
    if not 0 <= found <= drawn or drawn < 1 or not 0 < confidence < 1:
        raise ValueError("found is 0 to drawn, drawn is at least 1, and the confidence between 0 and 1")
    if found == drawn:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _at_most(found, drawn, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(found: int, drawn: int, share: float) -> float:
    """Return the probability of `found` or fewer among `drawn`, for a share between 0 and 1."""
    return sum(
        exp(
            lgamma(drawn + 1)
            - lgamma(k + 1)
            - lgamma(drawn - k + 1)
            + k * log(share)
            + (drawn - k) * log1p(-share)
        )
        for k in range(found + 1)
    )

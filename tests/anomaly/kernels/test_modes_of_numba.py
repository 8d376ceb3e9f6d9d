"""`make kernels` runs the tests around this one in two other modes; this one says whether the mode is on."""

from __future__ import annotations

import os

import numpy as np
import pytest

from anomaly.engine.graph import newest_before
from anomaly.kernels.jit import jit


@jit
def beyond(values: np.ndarray) -> int:
    """Look one place beyond the end."""
    return values[len(values)]


def test_the_mode_asked_for_is_on() -> None:
    plain, checked = (os.environ.get(f"NUMBA_{mode}") == "1" for mode in ("DISABLE_JIT", "BOUNDSCHECK"))
    assert hasattr(newest_before, "py_func") is not plain
    if plain or checked:
        with pytest.raises(IndexError):
            beyond(np.arange(3))

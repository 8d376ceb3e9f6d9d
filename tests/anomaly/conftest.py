"""One thread for what learns: the trees' own team of threads only waits for cores that others use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sklearn.ensemble  # noqa: F401  # its threads can be limited once it is loaded
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Let scikit-learn use one thread, as the desk does when it trains."""
    with threadpool_limits(1, user_api="openmp"):
        yield

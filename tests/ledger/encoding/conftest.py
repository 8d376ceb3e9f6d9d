"""Fixtures of the encoding's tests."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def oracle() -> Any:
    """An independent VOPRF: voprf (Rust, curve25519-dalek)."""
    reason = "the independent implementation is not installed"
    return pytest.importorskip("voprf", reason=reason).ristretto

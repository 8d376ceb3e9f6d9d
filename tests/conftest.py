"""Fixtures for the whole suite; `tests.support` builds what they hand out."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

pytest_plugins = ["tests.support.consortium"]

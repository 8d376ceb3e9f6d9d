"""Software of others that implements the C2SP documents; `make test` fetches it into `.venv/foreign`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["foreign"]

FOLDER: Final = Path(__file__).parents[2] / ".venv" / "foreign"


def foreign(name: str) -> Any:
    """Import a package of others; skip the test if it was not fetched."""
    if not FOLDER.is_dir():
        pytest.skip(f"{name} was not fetched: run `make .venv/foreign/.ready`, which needs a package index")
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return import_module(name)

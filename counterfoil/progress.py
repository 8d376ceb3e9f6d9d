"""The type of the callable that reports the progress of long work."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress"]

#: Called with the stage, the number of steps done and the total number (0 if it is not known yet).
Progress = Callable[[str, int, int], None]

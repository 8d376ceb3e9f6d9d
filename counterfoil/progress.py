"""How long work tells its caller how far it is."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress"]

#: Called with the stage, the steps done and the steps in all (0: not known yet).
Progress = Callable[[str, int, int], None]

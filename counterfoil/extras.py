"""Methods that need a package of an extra say which extra to install when the package is missing."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isfunction
from typing import TypeVar

from ledger.installation import requiring

__all__ = ["needs"]

Party = TypeVar("Party", bound=type)


def needs(extra: str | None = None) -> Callable[[Party], Party]:
    """Return a class decorator: every public method names this extra where a package of it is missing.

    Parameters
    ----------
    extra : {"member", "desk", "operator"}, optional
        The party's extra; without it, the error names every extra that brings the package.
    """

    def decorate(party: Party) -> Party:
        for name, method in list(vars(party).items()):
            if isfunction(method) and not name.startswith("_"):
                setattr(party, name, requiring(extra)(method))
        return party

    return decorate

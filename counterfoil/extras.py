"""Name the extra to install in the error, if a method needs a package that is missing."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isfunction
from typing import TypeVar

from ledger.installation import requiring

__all__ = ["needs"]

Party = TypeVar("Party", bound=type)


def needs(extra: str | None = None) -> Callable[[Party], Party]:
    """Return a class decorator: if a package is missing, the error of a public method names this extra.

    Parameters
    ----------
    extra : {"member", "desk", "operator"}, optional
        The extra of the party; without it, the error names every extra that contains the package.
    """

    def decorate(party: Party) -> Party:
        for name, method in list(vars(party).items()):
            if isfunction(method) and not name.startswith("_"):
                setattr(party, name, requiring(extra)(method))
        return party

    return decorate

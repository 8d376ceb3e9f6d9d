"""Types of other packages that the command line and the HTTP API use in requests and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.reader.listing import FlagCount, FlagFilter, FlagSummary

if TYPE_CHECKING:
    from compliance.model import Rule

__all__ = ["FlagCount", "FlagFilter", "FlagSummary", "Rule"]


def __getattr__(name: str) -> Any:
    """Import the model of a rule, which needs pydantic, when it is first used."""
    if name == "Rule":
        from compliance.model import Rule

        return Rule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Types of the lower rooms that an answer over HTTP carries as they are."""

from __future__ import annotations

from compliance.model import Rule

__all__ = ["Rule"]

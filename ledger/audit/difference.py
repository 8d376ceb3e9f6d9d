"""A difference between the chain and what somebody keeps of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its place and its description."""

    where: str
    what: str

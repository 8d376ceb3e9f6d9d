"""The encoding policy: the precision of amounts and times in a row, as one document on the chain.

The chain stores the whole policy, not only its hash, so that a batch can still be decoded in ten years.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Final, Literal

from ledger import documents
from ledger.documents import Count, Document, Hash
from ledger.encoding.bands import Bands, logarithmic_grid
from ledger.errors import ConfigurationError, VerificationError
from ledger.money import NUMERIC

__all__ = ["FORMAT", "TIME_UNITS", "Policy", "TimeUnit"]

FORMAT: Final = "counterfoil/policy/1"

TimeUnit = Literal["exact", "minute", "hour", "day"]

#: Length of a time bucket, in seconds.
TIME_UNITS: Final[Mapping[TimeUnit, int]] = {"exact": 1, "minute": 60, "hour": 3_600, "day": 86_400}

_PRODUCTION_UNITS = ("hour", "day")


class TimeDocument(Document):
    """The time bucket in JSON: its unit, and its length in seconds."""

    unit: TimeUnit
    seconds: Count


class MatchDocument(Document):
    """The parameters of matching, in JSON."""

    tolerance: Count
    deadline: Count


class PolicyDocument(Document, tag_field="format", tag=FORMAT):
    """A policy in JSON."""

    time: TimeDocument
    grid: list[Count]
    cuts: dict[str, list[Count]]
    rule_set: Hash | None
    match: MatchDocument
    development: bool


@dataclass(frozen=True)
class Policy:
    """The rules by which exact transactions are encoded as rows.

    Parameters
    ----------
    time_unit : {"hour", "day", "minute", "exact"}
        Length of the time bucket. ``minute`` and ``exact`` exist only to measure the effect of the encoding.
    cuts : mapping of currency code to minor units
        Thresholds of the active rules, on the side that their comparison needs.
    grid : sequence of int
        Edges for every currency, in minor units.
    rule_set : str, optional
        SHA-256 (hex) of the rule set from which the cuts come.
    tolerance : int
        Maximum time difference in seconds between two halves that match.
    deadline : int
        Seconds after which a half without the other half is unmatched.
    development : bool
        Whether this consortium has only test data.

    Raises
    ------
    ConfigurationError
        When a unit is allowed only in a development consortium, or a unit or a currency is unknown.
    """

    time_unit: TimeUnit = "hour"
    cuts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    grid: Sequence[int] = field(default_factory=logarithmic_grid)
    rule_set: str | None = None
    tolerance: int = 2 * 3_600
    deadline: int = 3 * 86_400
    development: bool = False

    def __post_init__(self) -> None:
        if self.time_unit not in TIME_UNITS:
            raise ConfigurationError(
                f"unknown time unit {self.time_unit!r}; use one of {', '.join(TIME_UNITS)}"
            )
        if self.time_unit not in _PRODUCTION_UNITS and not self.development:
            raise ConfigurationError(
                f"the time unit {self.time_unit!r} is allowed only in a development consortium",
                next_step="Use hour or day; finer units exist only to measure the effect of the encoding.",
            )
        unknown = sorted(set(self.cuts) - set(NUMERIC))
        if unknown:
            raise ConfigurationError(
                f"the policy has cuts for unknown currencies: {', '.join(unknown)}",
                next_step="Use ISO 4217 alphabetic codes.",
            )

    @property
    def bucket_seconds(self) -> int:
        """Length of a time bucket in seconds."""
        return TIME_UNITS[self.time_unit]

    @cached_property
    def _bands(self) -> dict[str, Bands]:
        return {}

    def bands(self, currency: str) -> Bands:
        """Return the bands of a currency (ISO 4217 alphabetic code)."""
        if currency not in self._bands:
            self._bands[currency] = Bands([*self.grid, *self.cuts.get(currency, ())])
        return self._bands[currency]

    @cached_property
    def document(self) -> bytes:
        """The policy in canonical JSON, as the chain stores it."""
        return documents.write(
            PolicyDocument(
                time=TimeDocument(unit=self.time_unit, seconds=self.bucket_seconds),
                grid=list(self.grid),
                cuts={currency: sorted(set(self.cuts[currency])) for currency in sorted(self.cuts)},
                rule_set=self.rule_set,
                match=MatchDocument(tolerance=self.tolerance, deadline=self.deadline),
                development=self.development,
            )
        )

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the document; a batch header contains it."""
        return sha256(self.document).digest()

    @classmethod
    def from_document(cls, document: bytes) -> Policy:
        """Read a policy from the chain.

        Raises
        ------
        VerificationError
            When the document is not a policy of a known format in canonical form.
        """
        found = documents.read(document, PolicyDocument, what="policy")
        try:
            policy = cls(
                time_unit=found.time.unit,
                cuts={currency: tuple(edges) for currency, edges in found.cuts.items()},
                grid=tuple(found.grid),
                rule_set=found.rule_set,
                tolerance=found.match.tolerance,
                deadline=found.match.deadline,
                development=found.development,
            )
        except ConfigurationError as error:
            raise VerificationError(f"the policy is malformed: {error.what}") from error
        if policy.document != document:
            raise VerificationError("the policy's content differs from what its format allows")
        return policy

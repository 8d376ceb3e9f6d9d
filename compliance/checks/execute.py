"""The execution of a check: its statements over the prepared transfers, by DuckDB in memory by default."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa

from compliance.calendars import calendar_of, day_number, numbered_day
from compliance.checks import sql
from compliance.checks.definition import Check
from compliance.checks.table import NOBODY, Prepared
from compliance.currencies import number
from compliance.jurisdictions import Establishment, home_of
from compliance.rates import RateTable
from ledger.errors import InputError
from ledger.memory import memory_database

__all__ = ["DuckDB", "Engine", "Hit", "Outcome", "Runner"]

_DAYS: Final = pa.schema([(name, pa.int64()) for name in ("place", "day", "business", "month", "year")])
_RATES: Final = pa.schema([(name, pa.int64()) for name in ("currency", "day", "numerator", "denominator")])
_KEPT: Final = ("number", "entity", "agent", "direction", "bucket", "first", "last", "claim")


class Engine(Protocol):
    """Runs SQL over tables."""

    def table(self, name: str, table: pa.Table) -> None:
        """Make a table known under a name, in the place of an earlier one."""

    def fetch(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement (DuckDB's dialect) and return its rows."""


class DuckDB:
    """The default engine: in memory, in this process."""

    def __init__(self) -> None:
        opened = ExitStack()
        self._connection = opened.enter_context(memory_database())
        weakref.finalize(self, opened.close)

    def table(self, name: str, table: pa.Table) -> None:
        """Make a table known under a name."""
        self._connection.register(name, table)

    def fetch(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement and return its rows."""
        cursor = self._connection.execute(statement)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Hit:
    """Rows that trip a check, by their number in the table, with the interval of their (summed) amount."""

    rows: tuple[int, ...]
    low: int
    high: int
    window: tuple[int, int]
    certainty: str
    exempted: bool
    entity: Any = None
    agent: int | None = None
    direction: str | None = None

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides of its rows that it speaks of: of a sum, the customer's only."""
        return {"in": ("creditor",), "out": ("debtor",)}.get(self.direction or "", ("debtor", "creditor"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found: hits, how many rows it looked at, and how many it could not look at."""

    hits: tuple[Hit, ...]
    rows: int
    unconverted: int


class Runner:
    """Runs checks over one table of transfers.

    Parameters
    ----------
    prepared : Prepared
    rates : RateTable, optional
    engine : Engine, optional
        DuckDB in memory by default.
    """

    def __init__(
        self, prepared: Prepared, rates: RateTable | None = None, engine: Engine | None = None
    ) -> None:
        self._prepared = prepared
        self._rates = rates or RateTable()
        self._engine: Engine = engine or DuckDB()
        table = prepared.table
        self._engine.table("transfers", table)
        times = [np.asarray(table[name].to_numpy(), np.int64) for name in ("time_low", "time_high")]
        self._width = max(1, int((times[1] - times[0]).max())) if table.num_rows else 1
        self._dates = np.unique(table["business_date"].to_numpy()).tolist() if table.num_rows else []
        self._currencies = np.unique(table["currency"].to_numpy()).tolist() if table.num_rows else []

    def run(self, check: Check) -> Outcome:
        """Run one check over all rows.

        Returns
        -------
        Outcome
            Rolling windows of one customer that overlap are told once, by the first.
        """
        places = self._bound(check)
        self._engine.table("days", self._days(check))
        self._engine.table("rates", self._factors(check))
        found = self._engine.fetch(sql.groups(check, width=self._width, places=places))
        if check.shape == "single":
            hits = [_hit(group, (group["row"],)) for group in found]
        else:
            hits = self._summed(check, found, places)
        return Outcome(
            tuple(hits),
            self._count(sql.counted(check, places=places)),
            self._count(sql.unconverted(check, places=places)) if check.equivalent else 0,
        )

    def _bound(self, check: Check) -> frozenset[int] | None:
        countries = check.countries
        if countries is None or not self._prepared.located:
            return None
        places = self._prepared.places
        return frozenset(i for i, home in enumerate(places) if home is not None and home.number in countries)

    def _summed(self, check: Check, found: list[dict[str, Any]], places: frozenset[int] | None) -> list[Hit]:
        if check.shape == "rolling":
            if self._width > check.seconds:
                found = [group for group in found if group["claim"] == "possible"]
            found = _apart(found)
        for place, group in enumerate(found):
            group["number"] = place
        if not found:
            return []
        self._engine.table("kept", self._kept(found))
        rows: dict[int, list[int]] = {}
        for entry in self._engine.fetch(sql.members(check, places=places)):
            rows.setdefault(entry["number"], []).append(entry["row"])
        hits = [_hit(group, tuple(rows.get(group["number"], ()))) for group in found]
        if check.reach == "consortium":
            hits = [hit for hit in hits if not self._one_bank_reaches(check, hit)]
        return hits

    def _one_bank_reaches(self, check: Check, hit: Hit) -> bool:
        """Say whether one bank's rows alone surely reach the amount: then that bank's own check tells it."""
        table = self._prepared.table.select(["debtor_agent", "creditor_agent", "amount_low"])
        side = f"{hit.sides[0]}_agent"
        sums: dict[int, int] = {}
        for row in table.take(list(hit.rows)).to_pylist():
            sums[row[side]] = sums.get(row[side], 0) + row["amount_low"]
        return max(sums.values()) >= check.interval.low

    def _kept(self, found: list[dict[str, Any]]) -> pa.Table:
        entities = self._prepared.table["debtor_account"].type
        kinds = {"entity": entities, "direction": pa.string(), "claim": pa.string()}
        return pa.table(
            {name: pa.array([g[name] for g in found], kinds.get(name, pa.int64())) for name in _KEPT}
        )

    def _days(self, check: Check) -> pa.Table:
        """Return the day of the sum for each place and date: a closed day counts with the next open one."""
        rows: list[tuple[int, ...]] = []
        if check.shape == "calendar":
            for place, home in [*enumerate(self._prepared.places), (NOBODY, None)]:
                rows += [(place, day, *_buckets(home or _seat(check), day)) for day in self._dates]
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(_DAYS)
        return pa.table({name: pa.array(c, pa.int64()) for name, c in zip(_DAYS.names, columns, strict=True)})

    def _factors(self, check: Check) -> pa.Table:
        rows = []
        if check.equivalent:
            for source in self._rates.currencies(check.currency):
                if number(source) not in self._currencies:
                    continue
                for day in self._dates:
                    factor = self._rates.factor(source, check.currency, day)
                    if factor is not None:
                        rows.append((number(source), day, factor.numerator, factor.denominator))
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(_RATES)
        return pa.table(
            {name: pa.array(c, pa.int64()) for name, c in zip(_RATES.names, columns, strict=True)}
        )

    def _count(self, statement: str) -> int:
        return int(self._engine.fetch(statement)[0]["found"])


def _apart(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep of the windows of one customer those that share no time with one kept before."""
    kept: list[dict[str, Any]] = []
    told: dict[Any, list[tuple[int, int]]] = {}
    for group in found:
        others = told.setdefault((group["entity"], group["agent"]), [])
        if all(group["until"] <= since or until <= group["since"] for since, until in others):
            others.append((group["since"], group["until"]))
            kept.append(group)
    return kept


def _hit(group: dict[str, Any], rows: Sequence[int]) -> Hit:
    summed = group["entity"] is not None
    return Hit(
        tuple(rows),
        int(group["low"]),
        int(group["high"]),
        (int(group["since"]), int(group["until"])),
        group["claim"],
        bool(group["exempted"]),
        group["entity"],
        int(group["agent"]) if summed else None,
        group["direction"],
    )


def _seat(check: Check) -> Establishment | None:
    """Return the home that a rule's own jurisdiction names, for banks of unknown home."""
    name = check.jurisdiction
    try:
        return home_of(name) if name and name != "EU" else None
    except InputError:
        return None


def _buckets(home: Establishment | None, day: int) -> tuple[int, int, int]:
    actual = numbered_day(day)
    business = actual if home is None else calendar_of(home).business_day(actual)
    return day_number(business), actual.year * 12 + actual.month, actual.year

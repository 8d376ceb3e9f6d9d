"""The execution of a check: one SQL over the prepared transfers, run by DuckDB in memory.

Amounts are intervals in minor units, both ends included; times are half-open intervals of Unix seconds. A sum
lies between the sum of the lows and the sum of the highs. For a rolling window of W seconds the rows surely
inside start at the earliest start of one of them; the rows possibly inside are most where a window starts at
the latest second of one of them. Both are exact where all rows have buckets of one length, else sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from compliance.checks.definition import Check
from compliance.checks.table import Prepared
from ledger.encoding.bands import MAX_AMOUNT
from ledger.schema import Channel, Flags

__all__ = ["Hit", "Outcome", "Runner"]

#: What no sum reaches: the upper end of an open comparison.
_OPEN: Final = 2**62
_NAMES: Final = {
    "cash": Channel.CASH,
    "wire": Channel.WIRE,
    "instant": Channel.INSTANT,
    "crypto": Channel.CRYPTO,
    "cheque": Channel.CHEQUE,
    "cash_in": Flags.CASH_IN,
    "cash_out": Flags.CASH_OUT,
    "occasional": Flags.OCCASIONAL,
    "exempt": Flags.EXEMPT,
}
_SINGLE: Final = """
SELECT [row] AS rows, amount_low AS low, amount_high AS high, time_low AS since, time_high AS until,
       CASE WHEN amount_low >= $low AND amount_high <= $high THEN 'certain' ELSE 'possible' END AS certainty,
       (flags & $exempt) > 0 AS exempted, NULL AS entity, NULL AS agent
FROM typed WHERE amount_high >= $low AND amount_low <= $high ORDER BY row
"""
_CALENDAR: Final = """
WITH sums AS (
  SELECT list(row ORDER BY row) AS rows, sum(amount_low) AS low, sum(amount_high) AS high,
         min(time_low) AS since, max(time_high) AS until, entity, agent, direction, {bucket} AS bucket
  FROM sides GROUP BY entity, agent, direction, bucket HAVING count(*) > 1
)
SELECT rows, low, high, since, until,
       CASE WHEN low >= $low AND high <= $high THEN 'certain' ELSE 'possible' END AS certainty,
       FALSE AS exempted, entity, agent
FROM sums WHERE high >= $low AND low <= $high ORDER BY bucket, rows
"""
_ROLLING: Final = """
WITH sums AS (
  SELECT list(row) OVER surely AS rows,
         sum(amount_low) OVER surely AS low, sum(amount_high) OVER surely AS high,
         min(time_low) OVER surely AS since, max(time_high) OVER surely AS until,
         'certain' AS claim, entity, agent
  FROM sides WINDOW surely AS (PARTITION BY entity, agent, direction ORDER BY time_low
                               RANGE BETWEEN CURRENT ROW AND {surely} FOLLOWING)
  UNION ALL
  SELECT list(row) OVER maybe, sum(amount_low) OVER maybe, sum(amount_high) OVER maybe,
         min(time_low) OVER maybe, max(time_high) OVER maybe, 'possible', entity, agent
  FROM sides WINDOW maybe AS (PARTITION BY entity, agent, direction ORDER BY time_high
                              RANGE BETWEEN CURRENT ROW AND {maybe} FOLLOWING)
)
SELECT list_sort(rows) AS rows, low, high, since, until, claim AS certainty, FALSE AS exempted, entity, agent
FROM sums
WHERE len(rows) > 1 AND ((claim = 'certain' AND low >= $low AND high <= $high)
                         OR (claim = 'possible' AND high >= $low AND low <= $high))
ORDER BY claim, since, len(rows) DESC, rows
"""
#: Each transfer as its creditor receives it ("in") and as its debtor gives it ("out"); who acts for another
#: is counted for both, "by or on behalf of".
_SIDES: Final = """
CREATE OR REPLACE TEMP VIEW sides AS
SELECT DISTINCT row, amount_low, amount_high, time_low, time_high, business_date, entity, agent, direction
FROM (
  SELECT *, 'in' AS direction, creditor_agent AS agent,
         unnest([coalesce(creditor_party, creditor_account), creditor_on_behalf]) AS entity
  FROM typed WHERE NOT ((flags & $cash_out) > 0 AND (flags & $cash_in) = 0)
  UNION ALL
  SELECT *, 'out' AS direction, debtor_agent AS agent,
         unnest([coalesce(debtor_party, debtor_account), debtor_on_behalf]) AS entity
  FROM typed WHERE NOT ((flags & $cash_in) > 0 AND (flags & $cash_out) = 0)
) WHERE entity IS NOT NULL AND (flags & $exempt) = 0
"""


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found: hits, how many rows it looked at, and how many it could not look at."""

    hits: tuple[Hit, ...]
    rows: int
    unconverted: int


class Runner:
    """Runs checks on one table of transfers.

    Parameters
    ----------
    prepared : Prepared
    """

    def __init__(self, prepared: Prepared) -> None:
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET threads = 1")
        self._connection.register("given", prepared.table)
        self._connection.execute(
            "CREATE TEMP TABLE transfers AS "
            "SELECT * REPLACE (greatest(time_high, time_low + 1) AS time_high) FROM given"
        )
        width = self._connection.execute(
            "SELECT coalesce(max(time_high - time_low), 1) FROM transfers"
        ).fetchone()
        self._width = int(width[0]) if width else 1

    def run(self, check: Check) -> Outcome:
        """Run one check over all rows.

        Returns
        -------
        Outcome
            Rolling windows of one customer that overlap are told once, by the first.
        """
        where = _inlined(check.where)
        mine = f"currency = {check.currency_number} AND {where}"
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW typed AS SELECT * FROM transfers WHERE {mine}")
        rows = self._count("SELECT count(*) FROM typed")
        equivalent = check.rule.trigger is not None and check.rule.trigger.equivalent_currency
        elsewhere = f"SELECT count(*) FROM transfers WHERE currency <> {check.currency_number} AND {where}"
        unconverted = self._count(elsewhere) if equivalent else 0
        top = check.interval.high if check.interval.high < MAX_AMOUNT else _OPEN
        bounds = {"low": check.interval.low, "high": top}
        if check.shape == "single":
            found = self._fetch(_inlined(_SINGLE), bounds)
        else:
            self._connection.execute(_inlined(_SIDES))
            if check.shape == "calendar":
                found = self._fetch(_CALENDAR.format(bucket=check.bucket), bounds)
            else:
                found = self._rolling(check, bounds)
        return Outcome(tuple(found), rows, unconverted)

    def _rolling(self, check: Check, bounds: dict[str, int]) -> list[Hit]:
        surely = max(0, check.seconds - self._width)
        maybe = check.seconds + self._width - 2
        hits = self._fetch(_ROLLING.format(surely=surely, maybe=max(0, maybe)), bounds)
        if self._width > check.seconds:
            hits = [hit for hit in hits if hit.certainty == "possible"]
        kept: list[Hit] = []
        told: dict[Any, list[Hit]] = {}
        for hit in hits:
            others = told.setdefault((hit.entity, hit.agent), [])
            if all(not set(hit.rows) & set(other.rows) for other in others):
                others.append(hit)
                kept.append(hit)
        return kept

    def _count(self, sql: str) -> int:
        found = self._connection.execute(sql).fetchone()
        return int(found[0]) if found else 0

    def _fetch(self, sql: str, bounds: dict[str, int]) -> list[Hit]:
        rows: Sequence[tuple[Any, ...]] = self._connection.execute(sql, bounds).fetchall()
        return [
            Hit(tuple(r[0]), int(r[1]), int(r[2]), (int(r[3]), int(r[4])), r[5], bool(r[6]), r[7], r[8])
            for r in rows
        ]


def _inlined(sql: str) -> str:
    """Write the named codes of the schema into a condition; amounts stay bound parameters."""
    for name in sorted(_NAMES, key=len, reverse=True):
        sql = sql.replace(f"${name}", str(_NAMES[name].value))
    return sql

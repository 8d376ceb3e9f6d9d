"""The SQL of a check, written once: DuckDB's dialect, and any other by transpiling it (`sqlglot`).

A check is two statements. The first finds *groups*: a transfer that trips by itself, or a customer's
transfers of one day or window whose sum does. The second names the rows of the groups that are kept. Both
read

* `transfers`: the prepared transfers (`compliance.checks.table`),
* `days`: place, day, business, month, year: the day of the sum for each place and date,
* `rates`: currency, day, numerator, denominator: what turns minor units of another currency into the rule's,
* `kept` (second statement only): the groups whose rows are wanted.

Amounts are intervals in minor units, both ends included; times are half-open intervals of Unix seconds. A sum
lies between the sum of the lows and the sum of the highs. For a rolling window of W seconds the rows surely
inside start at the earliest start of one of them; the rows possibly inside are most where a window starts at
the latest second of one of them. Both are exact where all rows have buckets of one length, else sound.
"""

from __future__ import annotations

from typing import Final

import sqlglot
from sqlglot import exp

from compliance.checks.definition import Check
from compliance.checks.table import NOBODY, UNKNOWN
from ledger.encoding.bands import MAX_AMOUNT
from ledger.schema import Channel, Flags

__all__ = ["counted", "groups", "members", "transpile", "unconverted"]

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
_CARRIED: Final = (
    "t.row, t.time_low, t.time_high, t.business_date, t.flags, t.debtor_account, t.creditor_account, "
    "t.debtor_party, t.creditor_party, t.debtor_on_behalf, t.creditor_on_behalf, t.debtor_agent, "
    "t.creditor_agent, t.debtor_place, t.creditor_place"
)
_DOWN: Final = "CAST({0} AS HUGEINT) * r.numerator // r.denominator"
_UP: Final = "(CAST({0} AS HUGEINT) * r.numerator + r.denominator - 1) // r.denominator"
#: Each transfer as its creditor receives it ("in") and as its debtor gives it ("out"); who acts for another
#: is counted for both, "by or on behalf of".
_SIDE: Final = """
  SELECT row, low, high, time_low, time_high, business_date, {entity} AS entity, {side}_agent AS agent,
         {side}_place AS place, '{direction}' AS direction
  FROM typed
  WHERE {entity} IS NOT NULL AND (flags & $exempt) = 0
        AND NOT ((flags & {away}) > 0 AND (flags & {here}) = 0)"""
_SINGLE: Final = """
SELECT row, NULL AS entity, NULL AS agent, NULL AS direction, 0 AS bucket,
       time_low AS first, time_low AS last, time_low AS since, time_high AS until, low, high, 1 AS members,
       CASE WHEN low >= $low AND high <= $high THEN 'certain' ELSE 'possible' END AS claim,
       (flags & $exempt) > 0 AS exempted
FROM typed WHERE high >= $low AND low <= $high AND ({scope}) ORDER BY row"""
_CALENDAR: Final = """
SELECT -1 AS row, entity, {agent} AS agent, direction, {bucket} AS bucket,
       min(time_low) AS first, max(time_low) AS last, min(time_low) AS since, max(time_high) AS until,
       sum(low) AS low, sum(high) AS high, count(*) AS members,
       CASE WHEN sum(low) >= $low AND sum(high) <= $high THEN 'certain' ELSE 'possible' END AS claim,
       FALSE AS exempted
FROM sides JOIN days ON days.place = sides.place AND days.day = sides.business_date
GROUP BY entity, {keys}direction, {bucket}
HAVING count(*) > 1 AND sum(high) >= $low AND sum(low) <= $high{several}
ORDER BY bucket, first, members DESC, direction"""
_ROLLING: Final = """
SELECT * FROM (
  SELECT -1 AS row, entity, {agent} AS agent, direction, 0 AS bucket, time_low AS first,
         max(time_low) OVER surely AS last, min(time_low) OVER surely AS since,
         max(time_high) OVER surely AS until, sum(low) OVER surely AS low, sum(high) OVER surely AS high,
         count(*) OVER surely AS members, 'certain' AS claim, FALSE AS exempted,
         min(agent) OVER surely AS one, max(agent) OVER surely AS other
  FROM sides WINDOW surely AS (PARTITION BY entity, {keys}direction ORDER BY time_low
                               RANGE BETWEEN CURRENT ROW AND {seconds_surely} FOLLOWING)
  UNION ALL
  SELECT -1 AS row, entity, {agent} AS agent, direction, 0 AS bucket, time_high AS first,
         max(time_high) OVER maybe AS last, min(time_low) OVER maybe AS since,
         max(time_high) OVER maybe AS until, sum(low) OVER maybe AS low, sum(high) OVER maybe AS high,
         count(*) OVER maybe AS members, 'possible' AS claim, FALSE AS exempted,
         min(agent) OVER maybe AS one, max(agent) OVER maybe AS other
  FROM sides WINDOW maybe AS (PARTITION BY entity, {keys}direction ORDER BY time_high
                              RANGE BETWEEN CURRENT ROW AND {seconds_maybe} FOLLOWING)
) AS windows
WHERE members > 1 AND ((claim = 'certain' AND low >= $low AND high <= $high)
                       OR (claim = 'possible' AND high >= $low AND low <= $high)){several}
ORDER BY claim, since, members DESC, direction, until"""


def groups(check: Check, *, width: int, places: frozenset[int] | None) -> str:
    """Return the statement that finds the groups that trip a check.

    Parameters
    ----------
    check : Check
    width : int
        Length of the time buckets, in seconds (the longest).
    places : frozenset of int or None
        Places of banks that the rule binds; None: of all.
    """
    high = check.interval.high if check.interval.high < MAX_AMOUNT else _OPEN
    alone = check.reach == "bank"
    whose = {"agent": "agent" if alone else "0", "keys": "agent, " if alone else ""}
    if check.shape == "single":
        body = _SINGLE.format(scope=_scope(places, ("debtor_place", "creditor_place")))
    elif check.shape == "calendar":
        several = "" if alone else " AND min(agent) <> max(agent)"
        body = _CALENDAR.format(bucket=f"days.{check.bucket}", several=several, **whose)
    else:
        body = _ROLLING.format(
            seconds_surely=max(0, check.seconds - width),
            seconds_maybe=max(0, check.seconds + width - 2),
            several="" if alone else " AND one <> other",
            **whose,
        )
    head = f"WITH typed AS ({_typed(check)})"
    if check.shape != "single":
        head += f", sides AS ({_sides(check, places)})"
    return _inlined(head + body).replace("$low", str(check.interval.low)).replace("$high", str(high))


def members(check: Check, *, places: frozenset[int] | None) -> str:
    """Return the statement that names the rows of the groups in `kept`: pairs of group and row."""
    head = f"WITH typed AS ({_typed(check)}), sides AS ({_sides(check, places)})"
    same = "kept.entity = sides.entity AND kept.direction = sides.direction"
    if check.reach == "bank":
        same += " AND kept.agent = sides.agent"
    if check.shape == "calendar":
        tail = (
            f"FROM kept JOIN days ON days.{check.bucket} = kept.bucket JOIN sides ON {same} "
            "AND days.place = sides.place AND days.day = sides.business_date"
        )
    else:
        tail = (
            f"FROM kept JOIN sides ON {same} AND ("
            "(kept.claim = 'certain' AND sides.time_low BETWEEN kept.first AND kept.last) OR "
            "(kept.claim = 'possible' AND sides.time_high BETWEEN kept.first AND kept.last))"
        )
    return _inlined(
        f"{head} SELECT DISTINCT kept.number AS number, sides.row AS row {tail} ORDER BY number, row"
    )


def counted(check: Check, *, places: frozenset[int] | None) -> str:
    """Return the statement that counts the transfers a check looks at."""
    scope = _scope(places, ("debtor_place", "creditor_place"))
    return _inlined(f"WITH typed AS ({_typed(check)}) SELECT count(*) AS found FROM typed WHERE ({scope})")


def unconverted(check: Check, *, places: frozenset[int] | None) -> str:
    """Return the statement that counts the transfers in another currency for which no rate holds."""
    scope = _scope(places, ("t.debtor_place", "t.creditor_place"))
    return _inlined(
        f"SELECT count(*) AS found FROM transfers AS t LEFT JOIN rates AS r "
        f"ON r.currency = t.currency AND r.day = t.business_date "
        f"WHERE t.currency <> {check.currency_number} AND r.day IS NULL AND {check.where} "
        f"AND {_in_force(check)} AND ({scope})"
    )


def transpile(statement: str, dialect: str) -> str:
    """Return a statement in another engine's dialect ("spark").

    Whole numbers wider than 64 bits become decimals of 38 digits, which hold them exactly.
    """
    tree = sqlglot.parse_one(statement, read="duckdb")
    wide = exp.DataType.build("DECIMAL(38, 0)")
    for kind in list(tree.find_all(exp.DataType)):
        if kind.this == exp.DataType.Type.INT128:
            kind.replace(wide.copy())
    return tree.sql(dialect=dialect)


def _typed(check: Check) -> str:
    """Return the rows of the rule's type that are in force, with amounts in the rule's currency."""
    own = f"t.currency = {check.currency_number}"
    low, high = "t.amount_low", "t.amount_high"
    join, wanted = "", own
    if check.equivalent:
        # "more than" and "or less" speak of the exact value: a hair above the amount rounds away from it
        op = check.rule.trigger.op if check.rule.trigger else "ge"
        sums = check.shape != "single"
        down = not sums and op in ("gt", "le")
        up = sums or op in ("gt", "le", "range_incl")
        lower = (_UP if down else _DOWN).format(low)
        upper = (_UP if up else _DOWN).format(high)
        low = f"CASE WHEN {own} THEN {low} ELSE {lower} END"
        high = f"CASE WHEN {own} THEN {high} ELSE {upper} END"
        join = "LEFT JOIN rates AS r ON r.currency = t.currency AND r.day = t.business_date"
        wanted = f"({own} OR r.day IS NOT NULL)"
    return (
        f"SELECT {_CARRIED}, CAST({low} AS HUGEINT) AS low, CAST({high} AS HUGEINT) AS high "
        f"FROM transfers AS t {join} WHERE {wanted} AND {check.where} AND {_in_force(check)}"
    )


def _in_force(check: Check) -> str:
    since, until = check.days
    said = [f"business_date >= {since}"] if since is not None else []
    said += [f"business_date < {until}"] if until is not None else []
    return " AND ".join(said) or "TRUE"


def _sides(check: Check, places: frozenset[int] | None) -> str:
    in_, out = ("creditor", "in", "$cash_out", "$cash_in"), ("debtor", "out", "$cash_in", "$cash_out")
    selects = [
        _SIDE.format(entity=entity.format(side), side=side, direction=direction, away=away, here=here)
        for side, direction, away, here in (in_, out)
        for entity in ("coalesce({0}_party, {0}_account)", "{0}_on_behalf")
    ]
    every = "\n  UNION".join(selects)
    # what trips by itself is told by itself: a sum of linked operations is made of smaller ones
    small = f" AND low < {check.interval.low}" if check.operations else ""
    return f"SELECT * FROM ({every}) AS each WHERE ({_scope(places, ('place',))}){small}"


def _scope(places: frozenset[int] | None, columns: tuple[str, ...]) -> str:
    """Return the condition that a bank of the rule's jurisdiction, or of unknown home, stands at a side."""
    if places is None:
        return "TRUE"
    listed = ", ".join(str(place) for place in sorted({*places, UNKNOWN} - {NOBODY}))
    return " OR ".join(f"{column} IN ({listed})" for column in columns)


def _inlined(sql: str) -> str:
    """Write the named codes of the schema into a statement."""
    for name in sorted(_NAMES, key=len, reverse=True):
        sql = sql.replace(f"${name}", str(_NAMES[name].value))
    return sql

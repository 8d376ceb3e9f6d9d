"""Completeness: how far the rows of each member are confirmed, by month, and what nobody here can know.

If both banks posted a payment, each half proves the other. If only one bank posted its half, that is a claim
of that bank, and it counts in that bank's line alone: what a bank says never becomes another bank's debt.
The claims are listed by who makes them and about whom. A payment inside one bank, or with a bank outside the
consortium, has no second half. If both banks omit a payment, nobody can detect it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ledger.memory import memory_database
from ledger.schema import MatchState

__all__ = ["NO_MONTH", "Apart", "Claim", "Completeness", "MemberMonth", "Unknown", "completeness"]

#: The month of a row whose time is in no year from 1970 to 9999.
NO_MONTH: Final = "no date"


@dataclass(frozen=True, slots=True)
class MemberMonth:
    """One member's month; it depends only on the member's own rows.

    Parameters
    ----------
    agent, month : str
    rows : int
        Posted by the member; the sum of the other columns.
    proven, conflict : int
        Posted by both banks, with equal (proven) or different (conflict) fields.
    claimed : int
        Posted by this member, and not by the other bank, which is a member too.
    on_us, outside : int
        Without a second half: both accounts are here, or the other bank is outside the consortium.
    """

    agent: str
    month: str
    rows: int
    proven: int
    conflict: int
    claimed: int
    on_us: int
    outside: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Payments that one member reports and the other bank does not.

    Parameters
    ----------
    claimant, about : str
        Who posted its half, and the bank that it names.
    month : str
    rows : int
        Of the claimant.
    """

    claimant: str
    about: str
    month: str
    rows: int


@dataclass(frozen=True, slots=True)
class Apart:
    """A batch whose rows this reader does not have: kept apart, or sealed to none of its keys.

    Parameters
    ----------
    account : bytes
        The account that posted it, 20 bytes.
    rows : int
        As its header says.
    reason : str
    """

    account: bytes
    rows: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Batches of one member whose rows are unknown to this reader, for one reason."""

    agent: str
    reason: str
    batches: int
    rows: int


@dataclass(frozen=True, slots=True)
class Completeness:
    """What is proven, what is claimed and by whom, and what is unknown."""

    members: tuple[MemberMonth, ...]
    claims: tuple[Claim, ...]
    unknown: tuple[Unknown, ...]


_ALONE: Final = f"state IN ({int(MatchState.WAITING)}, {int(MatchState.UNMATCHED)})"
_LAST: Final = 253_402_300_799  # the last second of the year 9999
_MONTH: Final = f"""CASE WHEN time_low BETWEEN 0 AND {_LAST}
  THEN strftime(make_timestamp(greatest(0, least(time_low, {_LAST})) * 1000000), '%Y-%m')
  ELSE '{NO_MONTH}' END"""

#: Each row that a member posted: its own code, the other bank's code, the state of its payment.
_POSTED: Final = f"""
WITH posted AS (
  SELECT debit_member AS code, creditor_agent AS other, state, {_MONTH} AS month
    FROM transfers WHERE debit_member >= 0
  UNION ALL
  SELECT credit_member, debtor_agent, state, {_MONTH} FROM transfers WHERE credit_member >= 0
)
"""

_MEMBERS: Final = f"""{_POSTED}
SELECT code, month, count(*),
  count(*) FILTER (state = {int(MatchState.MATCHED)}), count(*) FILTER (state = {int(MatchState.CONFLICT)}),
  count(*) FILTER ({_ALONE}), count(*) FILTER (state = {int(MatchState.ON_US)}),
  count(*) FILTER (state = {int(MatchState.COUNTERPARTY_NOT_MEMBER)})
FROM posted GROUP BY ALL ORDER BY code, month
"""

_CLAIMS: Final = f"""{_POSTED}
SELECT code, other, month, count(*) FROM posted WHERE {_ALONE} GROUP BY ALL ORDER BY code, other, month
"""


def completeness(
    transfers: pa.Table,
    agents: Mapping[int, str],
    *,
    apart: Iterable[Apart] = (),
    accounts: Mapping[bytes, str] | None = None,
) -> Completeness:
    """Count each member's rows by month and by how far the other bank's rows confirm them.

    Parameters
    ----------
    transfers : pyarrow.Table
        Schema `ledger.tables.TRANSFER`.
    agents : mapping of member code to agent identifier
    apart : iterable of Apart
        The batches whose rows are not in `transfers`.
    accounts : mapping of account to agent identifier, optional
        Every account that is or was a member's.
    """

    def name(code: int) -> str:
        return agents.get(code, f"member {code}")

    with memory_database() as connection:
        connection.register("transfers", transfers)
        members = [MemberMonth(name(row[0]), *row[1:]) for row in connection.sql(_MEMBERS).fetchall()]
        claims = [Claim(name(row[0]), name(row[1]), *row[2:]) for row in connection.sql(_CLAIMS).fetchall()]
    return Completeness(tuple(members), tuple(claims), _unknown(apart, accounts or {}))


def _unknown(apart: Iterable[Apart], accounts: Mapping[bytes, str]) -> tuple[Unknown, ...]:
    counts: dict[tuple[str, str], list[int]] = {}
    for batch in apart:
        agent = accounts.get(batch.account, f"0x{batch.account.hex()}")
        counted = counts.setdefault((agent, batch.reason), [0, 0])
        counted[0] += 1
        counted[1] += batch.rows
    return tuple(Unknown(*who, *counted) for who, counted in sorted(counts.items()))

"""Completeness: proven, claimed and missing rows of each member, by month.

If both banks posted a transfer, each half proves the other. If only one bank posted its half, that half is
claimed, and the other bank's half is missing. A payment inside one bank, or with a bank outside the
consortium, has no second half. If both banks omit a transfer, nobody can detect it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from ledger.memory import memory_database
from ledger.schema import MatchState

__all__ = ["MemberMonth", "completeness"]


@dataclass(frozen=True, slots=True)
class MemberMonth:
    """One member's month.

    Parameters
    ----------
    agent, month : str
    rows : int
        Posted by the member.
    proven, conflict : int
        Posted by both banks, with equal (proven) or different (conflict) fields.
    claimed : int
        Posted only by this member, although the counterparty is a member.
    on_us, outside : int
        Without a second half: both accounts are here, or the counterparty is outside the consortium.
    missing : int
        Posted only by the counterparty; this member's half is not on the ledger.
    """

    agent: str
    month: str
    rows: int
    proven: int
    conflict: int
    claimed: int
    on_us: int
    outside: int
    missing: int


_ALONE = f"state IN ({int(MatchState.WAITING)}, {int(MatchState.UNMATCHED)})"

_QUERY = f"""
WITH halves AS (
  SELECT debtor_agent AS code, debit_member >= 0 AS here, state, time_low FROM transfers
  UNION ALL
  SELECT creditor_agent, credit_member >= 0, state, time_low FROM transfers
    WHERE state <> {int(MatchState.ON_US)}
)
SELECT code, strftime(make_timestamp(time_low * 1000000), '%Y-%m') AS month,
  count(*) FILTER (here), count(*) FILTER (state = {int(MatchState.MATCHED)}),
  count(*) FILTER (state = {int(MatchState.CONFLICT)}), count(*) FILTER ({_ALONE} AND here),
  count(*) FILTER (state = {int(MatchState.ON_US)}),
  count(*) FILTER (state = {int(MatchState.COUNTERPARTY_NOT_MEMBER)}),
  count(*) FILTER ({_ALONE} AND NOT here)
FROM halves WHERE code <> 0 GROUP BY ALL ORDER BY code, month
"""


def completeness(transfers: pa.Table, agents: Mapping[int, str]) -> list[MemberMonth]:
    """Count each member's rows by month and by how far the counterparty's rows confirm them.

    Parameters
    ----------
    transfers : pyarrow.Table
        Schema `ledger.tables.TRANSFER`.
    agents : mapping of member code to agent identifier
    """
    with memory_database() as connection:
        connection.register("transfers", transfers)
        rows = connection.sql(_QUERY).fetchall()
    return [MemberMonth(agents.get(row[0], str(row[0])), *row[1:]) for row in rows]

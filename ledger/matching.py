"""Matching: two halves of an interbank transfer with the same match token are joined to one transfer.

Only halves of the same two banks, in the same direction, are joined: what a third bank posts changes nothing.

The token of a UETR occurs once on each side. Its two halves are always joined; if account pseudonyms,
settlement currency, amount (as intervals, if policies differ) or time (within the policy's tolerance) differ,
the transfer is a conflict. The token of a payment without UETR may occur often. Of its halves only those are
joined that agree, in order of time (`ledger.pairing`); the others wait, and are never a conflict. A row with
the bank's own token is a transfer by itself.

Lag class and party fields come only from the half of the account's bank. If both accounts are at one bank,
its row has one party: the debtor, or for a cash deposit the creditor.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np
import pyarrow as pa

from ledger.arrays import row_numbers
from ledger.encoding.policy import Policy
from ledger.errors import ConfigurationError, VerificationError
from ledger.memory import memory_database
from ledger.pairing import Half, pair
from ledger.schema import NOT_A_MEMBER, Conflict, Flags, MatchState, Side, TokenKind
from ledger.segment import FileEntry, check, write_batches
from ledger.storage import storing
from ledger.tables import TRANSFER

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["MatchRules", "match_segments", "rules_at", "states", "transfers"]


@dataclass(frozen=True, slots=True)
class MatchRules:
    """How far two halves may differ in time, and how long a half waits for the other one.

    Parameters
    ----------
    tolerance : int
        Maximum number of seconds between the time intervals of two halves that match.
    deadline : int
        Seconds after which a half without the other half is unmatched.
    as_of : int
        Unix time of the last block that the mirror has read.
    """

    tolerance: int
    deadline: int
    as_of: int


def rules_at(gateway: Gateway, block: int) -> MatchRules:
    """Return the rules at a block: from the newest policy that can be read, and from the block's timestamp.

    A policy that cannot be read changes nothing: batches under it are kept apart. If no policy can be read,
    there are no rows to match.

    Raises
    ------
    ChainError
        When no policy was published yet.
    """
    newest = gateway.active_policy(at=block)
    as_of = gateway.block_time(block)
    for document in (newest, *reversed(gateway.policies(at=block).values())):
        try:
            policy = Policy.from_document(document)
        except VerificationError:
            continue
        return MatchRules(policy.tolerance, policy.deadline, as_of)
    return MatchRules(0, 0, as_of)


#: The halves that belong to one transfer have these columns in common.
_TRANSFER: Final = "token_kind, match_token, debtor_agent, creditor_agent"
#: And these too, if there is no UETR.
_PAYMENT: Final = f"{_TRANSFER}, debtor_account, creditor_account, currency"

#: The tokens without UETR that are not simply of one half, or of two halves that agree.
_REPEATED: Final = f"""
CREATE TEMP TABLE repeated AS
SELECT {_TRANSFER} FROM source WHERE token_kind = {int(TokenKind.TUPLE)}
GROUP BY ALL
HAVING count(*) FILTER (side = {int(Side.DEBIT)}) > 1 OR count(*) FILTER (side = {int(Side.CREDIT)}) > 1
  OR (count(*) = 2 AND (
    max(time_low) - min(time_high) > $tolerance OR max(amount_low) > min(amount_high)
    OR min(debtor_account) <> max(debtor_account) OR min(creditor_account) <> max(creditor_account)
    OR min(currency) <> max(currency)))
"""

_HALVES: Final = f"""
CREATE TEMP TABLE halves AS
SELECT *, row_number() OVER (ORDER BY payment, time_high, side, member, sequence, row_index) AS place
FROM (
  SELECT *, dense_rank() OVER (ORDER BY {_PAYMENT}) AS payment
  FROM source SEMI JOIN repeated USING ({_TRANSFER})
)
"""

#: `nth` is null for a half that is joined with no other.
_PAIRS: Final = f"""
WITH rows AS NOT MATERIALIZED (
  SELECT *, CASE WHEN token_kind <> {int(TokenKind.OWN)} THEN 0 END AS nth
  FROM source ANTI JOIN repeated USING ({_TRANSFER})
  UNION ALL
  SELECT halves.* EXCLUDE (payment, place), joined.nth FROM halves LEFT JOIN joined USING (place)
),
d AS NOT MATERIALIZED (SELECT * FROM rows WHERE side IN ({int(Side.DEBIT)}, {int(Side.ON_US)})),
c AS NOT MATERIALIZED (SELECT * FROM rows WHERE side = {int(Side.CREDIT)}),
pairs AS (
  SELECT d, c,
    coalesce(d.side = {int(Side.ON_US)}, false) AS on_us,
    coalesce(d.side = {int(Side.ON_US)} AND d.flags & {int(Flags.CASH_IN)} > 0, false) AS deposit,
    d.member IS NOT NULL AND c.member IS NOT NULL AS paired,
    CASE WHEN d.member IS NULL THEN c ELSE d END AS any_half,
    greatest(d.amount_low, c.amount_low) AS low, least(d.amount_high, c.amount_high) AS high,
    greatest(d.time_low, c.time_low) AS since, least(d.time_high, c.time_high) AS until
  FROM d FULL OUTER JOIN c ON d.match_token = c.match_token AND d.nth = c.nth
    AND d.token_kind = c.token_kind
    AND d.debtor_agent = c.debtor_agent AND d.creditor_agent = c.creditor_agent
),
judged AS (
  SELECT *, CASE WHEN NOT paired THEN 0 ELSE
      (CASE WHEN d.debtor_account <> c.debtor_account THEN {int(Conflict.DEBTOR_ACCOUNT)} ELSE 0 END)
    + (CASE WHEN d.creditor_account <> c.creditor_account THEN {int(Conflict.CREDITOR_ACCOUNT)} ELSE 0 END)
    + (CASE WHEN d.currency <> c.currency THEN {int(Conflict.CURRENCY)} ELSE 0 END)
    + (CASE WHEN low > high THEN {int(Conflict.AMOUNT)} ELSE 0 END)
    + (CASE WHEN since - until > $tolerance THEN {int(Conflict.TIME)} ELSE 0 END)
    END AS conflict
  FROM pairs
)
SELECT
  CASE
    WHEN on_us THEN {int(MatchState.ON_US)}
    WHEN paired AND conflict = 0 THEN {int(MatchState.MATCHED)}
    WHEN paired THEN {int(MatchState.CONFLICT)}
    WHEN any_half.debtor_agent = {NOT_A_MEMBER} OR any_half.creditor_agent = {NOT_A_MEMBER}
      THEN {int(MatchState.COUNTERPARTY_NOT_MEMBER)}
    WHEN $as_of - any_half.time_high > $deadline THEN {int(MatchState.UNMATCHED)}
    ELSE {int(MatchState.WAITING)}
  END AS state,
  conflict,
  any_half.debtor_account AS debtor_account, any_half.creditor_account AS creditor_account,
  nullif(CASE WHEN deposit THEN NULL ELSE d.party END, $nobody) AS debtor_party,
  nullif(CASE WHEN deposit THEN d.party ELSE c.party END, $nobody) AS creditor_party,
  nullif(CASE WHEN deposit THEN NULL ELSE d.on_behalf_of END, $nobody) AS debtor_on_behalf,
  nullif(CASE WHEN deposit THEN d.on_behalf_of ELSE c.on_behalf_of END, $nobody) AS creditor_on_behalf,
  any_half.debtor_agent AS debtor_agent, any_half.creditor_agent AS creditor_agent,
  any_half.channel AS channel, any_half.currency AS currency,
  CASE WHEN paired AND low <= high AND d.currency = c.currency THEN low ELSE any_half.amount_low END
    AS amount_low,
  CASE WHEN paired AND low <= high AND d.currency = c.currency THEN high ELSE any_half.amount_high END
    AS amount_high,
  CASE WHEN paired AND since < until THEN since ELSE any_half.time_low END AS time_low,
  CASE WHEN paired AND since < until THEN until ELSE any_half.time_high END AS time_high,
  any_half.business_date AS business_date,
  any_half.debtor_country AS debtor_country, any_half.creditor_country AS creditor_country,
  coalesce(CASE WHEN deposit THEN 0 ELSE d.party_type END, 0) AS debtor_party_type,
  coalesce(CASE WHEN deposit THEN d.party_type ELSE c.party_type END, 0) AS creditor_party_type,
  coalesce(d.flags, 0) | coalesce(c.flags, 0) AS flags,
  coalesce(d.lag_class, 0) AS lag_class,
  coalesce(d.member, -1) AS debit_member, coalesce(d.sequence, -1) AS debit_sequence,
  coalesce(d.row_index, -1) AS debit_index,
  coalesce(c.member, -1) AS credit_member, coalesce(c.sequence, -1) AS credit_sequence,
  coalesce(c.row_index, -1) AS credit_index
FROM judged
ORDER BY time_low, debit_member, debit_sequence, debit_index, credit_member, credit_sequence, credit_index
"""

#: Memory of DuckDB's buffers for join and sort; beyond it they use the disk. The process needs about 130 MiB
#: more for the data that is read and written (docs/performance.md).
MATCH_MEMORY_MB: Final = 256

_BATCH_ROWS: Final = 65_536
_NOBODY: Final = bytes(16)
_COLUMNS: Final = [
    "member", "sequence", "row_index", "side", "channel", "flags", "party_type", "lag_class",
    "debtor_agent", "creditor_agent", "currency", "debtor_country", "creditor_country", "business_date",
    "debtor_account", "creditor_account", "party", "on_behalf_of", "match_token", "token_kind",
    "amount_low", "amount_high", "time_low", "time_high",
]  # fmt: skip


def match_segments(
    mirror: Path, segments: tuple[FileEntry, ...], rules: MatchRules, *, memory_mb: int = MATCH_MEMORY_MB
) -> FileEntry:
    """Match every mirrored row and write the table of transfers to the mirror folder.

    The previous table stays until `Mirror.publish` has listed the new one, because a scan may be reading it.
    """
    log_to = segments[-1].log_to if segments else 0
    path = mirror / f"transfers-{log_to:09d}-{rules.as_of}.parquet"
    with transfers(mirror, segments, rules, spill=mirror, memory_mb=memory_mb) as tables:
        return write_batches(path, tables, TRANSFER, log_from=0, log_to=log_to)


@contextmanager
def transfers(
    mirror: Path,
    segments: tuple[FileEntry, ...],
    rules: MatchRules,
    *,
    spill: Path | None = None,
    memory_mb: int = MATCH_MEMORY_MB,
) -> Iterator[Iterator[pa.Table]]:
    """Match every mirrored row; give the transfers in order, as a sequence of small tables.

    Transfers have the schema `ledger.tables.TRANSFER`, ordered by time, then by position on the ledger. Every
    row is in exactly one transfer.

    Data that does not fit in `memory_mb` is sorted and joined on disk, in a folder in `spill` (by default
    the system's folder for temporary files).

    Raises
    ------
    SegmentError
        When a segment does not match its entry.
    StorageError
        When the disk is full.
    ConfigurationError
        When `memory_mb` is not enough, even with the disk.
    """
    for entry in segments:
        check(mirror, entry)
    if not segments:
        yield iter(())
        return
    files = [str(mirror / entry.name) for entry in segments]
    place = spill or Path(tempfile.gettempdir())
    with (
        storing(place),
        memory_database(spill) as connection,
    ):
        connection.execute(f"SET memory_limit = '{memory_mb}MB'")
        connection.execute("SET threads = 2")
        source = connection.read_parquet(files).project(", ".join(_COLUMNS))
        source.create_view("source")
        with _within(memory_mb):
            _join_repeated(connection, rules.tolerance)
            reader = connection.sql(_PAIRS, params=_values(rules)).to_arrow_reader(_BATCH_ROWS)
            yield (pa.Table.from_batches([b]).select(TRANSFER.names).cast(TRANSFER) for b in reader)


def _join_repeated(connection: duckdb.DuckDBPyConnection, tolerance: int) -> None:
    """Make the tables `repeated`, `halves` and `joined`, which gives joined halves the same number."""
    connection.execute(_REPEATED, {"tolerance": tolerance})
    connection.execute(_HALVES)
    columns = ", ".join(("payment", *Half._fields[1:]))
    reader = connection.sql(f"SELECT {columns} FROM halves ORDER BY place").to_arrow_reader(_BATCH_ROWS)
    rows = (zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in reader)
    places = array("q")
    for both in pair(map(Half._make, chain.from_iterable(rows)), tolerance):
        places.extend(both)
    joined = np.frombuffer(places, np.int64)
    numbers = np.repeat(np.arange(1, len(joined) // 2 + 1), 2)
    table = pa.table({"place": row_numbers(joined), "nth": row_numbers(numbers)})
    connection.register("joined", table)


@contextmanager
def _within(memory_mb: int) -> Iterator[None]:
    """Turn DuckDB's error about too little memory into a `ConfigurationError`."""
    try:
        yield
    except (duckdb.OutOfMemoryException, pa.ArrowException) as error:
        if "Out of Memory" not in str(error) or "max_temp_directory_size" in str(error):
            raise
        raise ConfigurationError(
            f"matching needs more than {memory_mb} MB of memory",
            next_step="Raise `ledger.matching.MATCH_MEMORY_MB`; no result of this matching was stored.",
        ) from error


def _values(rules: MatchRules) -> dict[str, object]:
    return {
        "tolerance": rules.tolerance,
        "deadline": rules.deadline,
        "as_of": rules.as_of,
        "nobody": _NOBODY,
    }


def states(transfers: pa.Table) -> dict[str, int]:
    """Count the transfers by state."""
    counts = transfers.column("state").value_counts().to_pylist()
    found = {MatchState(item["values"]).name.lower(): int(item["counts"]) for item in counts}
    return {state.name.lower(): found.get(state.name.lower(), 0) for state in MatchState}

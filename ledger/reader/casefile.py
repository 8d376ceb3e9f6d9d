"""The tables of the desk's case file, and the check of the file's version.

The table `flag` holds the columns that lists show, in small rows; `flag_document` holds the flag itself and
its sealed payload, which are large and read for one flag at a time. The document never changes; the columns
that describe a flag are copied from it when the flag is stored. Only the columns `block`, `latest_score` and
`verdict` change afterwards. The table `delivery` numbers each member's flags; `told` holds what the last note
of deliveries says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from ledger.caselog import addressees
from ledger.decision import Decision
from ledger.delivery import Delivery
from ledger.errors import ConfigurationError
from ledger.flag import Flag
from ledger.storage import transaction

__all__ = ["REMEDY", "VERSION", "insert_decision", "insert_flag", "prepare", "renew_verdicts"]

#: The version of these tables, stored as the file's ``user_version``; a new file has version 0.
VERSION: Final = 2

#: The next step when the file is damaged.
REMEDY: Final = (
    "Restore it from a backup; or move it to another folder and run `counterfoil desk sync`, which reads the "
    "anchored flags again from the chain with the reader's keys."
)

# Sorted in ascending order by the columns that end in `_order`, the most severe flag is first. There is one
# index for each way to list flags (`ledger.reader.listing`).
_TABLES: Final = (
    """
    CREATE TABLE flag (
      number INTEGER PRIMARY KEY, flag_id BLOB NOT NULL UNIQUE, content BLOB NOT NULL UNIQUE,
      kind TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL, citation TEXT,
      certainty TEXT NOT NULL, severity TEXT NOT NULL, score REAL,
      window_begin INTEGER NOT NULL, window_end INTEGER NOT NULL, explanation TEXT NOT NULL,
      entity_count INTEGER NOT NULL, row_count INTEGER NOT NULL, truncated INTEGER NOT NULL,
      block INTEGER, latest_score REAL, verdict TEXT,
      severity_order INTEGER AS (CASE severity WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END),
      score_order REAL AS (-coalesce(latest_score, 0.0)),
      window_order INTEGER AS (-window_end)
    )
    """,
    "CREATE INDEX flag_gravest ON flag (severity_order, score_order, window_order, number, kind, certainty)",
    "CREATE INDEX flag_title_raised ON flag (title, number)",
    "CREATE INDEX flag_title_gravest ON flag (title, severity_order, score_order, window_order, number)",
    "CREATE INDEX flag_undecided_raised ON flag (number) WHERE verdict IS NULL",
    """
    CREATE INDEX flag_undecided_gravest ON flag (severity_order, score_order, window_order, number)
      WHERE verdict IS NULL
    """,
    """
    CREATE TABLE flag_document (
      number INTEGER PRIMARY KEY REFERENCES flag (number), document BLOB NOT NULL, seed BLOB NOT NULL,
      payload BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE flag_addressee (
      member INTEGER NOT NULL, number INTEGER NOT NULL REFERENCES flag (number), PRIMARY KEY (member, number)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE delivery (
      member INTEGER NOT NULL, sequence INTEGER NOT NULL, number INTEGER NOT NULL REFERENCES flag (number),
      previous BLOB NOT NULL, head BLOB NOT NULL, PRIMARY KEY (member, sequence)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX delivery_of_flag ON delivery (number)",
    "CREATE TABLE told (member INTEGER PRIMARY KEY, count INTEGER NOT NULL, head BLOB NOT NULL)",
    """
    CREATE TABLE decision (
      content_hash BLOB NOT NULL, author TEXT NOT NULL, entry INTEGER NOT NULL, block INTEGER NOT NULL,
      flag_id BLOB NOT NULL, verdict TEXT NOT NULL, document BLOB NOT NULL, PRIMARY KEY (content_hash, author)
    )
    """,
    "CREATE INDEX decision_of_flag ON decision (flag_id, entry, verdict)",
    """
    CREATE VIEW verdict_in_force AS SELECT flag_id, verdict FROM decision AS last WHERE NOT EXISTS (
      SELECT 1 FROM decision AS later WHERE later.flag_id = last.flag_id AND later.entry > last.entry
    )
    """,
    """
    CREATE TABLE note (
      content_hash BLOB PRIMARY KEY, case_id BLOB NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
      block INTEGER
    )
    """,
)


def prepare(state: sqlite3.Connection, path: Path) -> None:
    """Create the tables in a new file, in one transaction; check the version of an existing file.

    If the tables exist, the file is only read, so this does not wait for a writing process.

    Raises
    ------
    ConfigurationError
        When an earlier or a later version of the program wrote the file.
    """
    if _ready(state, path):
        return
    with transaction(state, path):
        if _ready(state, path):  # another process was faster
            return
        for statement in _TABLES:
            state.execute(statement)
        state.execute(f"PRAGMA user_version = {VERSION}")


def _ready(state: sqlite3.Connection, path: Path) -> bool:
    (version,) = state.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return True
    if version > VERSION:
        raise ConfigurationError(
            "a later version of this program wrote the desk's file of flags: its tables have version "
            f"{version}, and this program reads version {VERSION}",
            where=str(path),
            next_step="Install the later version of this program.",
        )
    if state.execute("SELECT 1 FROM sqlite_master WHERE type = 'table'").fetchone():
        raise ConfigurationError(
            "an earlier version of this program wrote the desk's file of flags: its tables have version "
            f"{version}, and this program reads version {VERSION}; members could not open its flags",
            where=str(path),
            next_step="Move the file to another folder and run `counterfoil desk sync`: what the desk has "
            "anchored is read again from the chain.",
        )
    return False


def insert_flag(
    state: sqlite3.Connection,
    flag: Flag,
    document: bytes,
    *,
    flag_id: bytes,
    content: bytes,
    seed: bytes,
    payload: bytes,
    block: int | None = None,
    latest_score: float | None = None,
    deliveries: Iterable[Delivery] = (),
) -> None:
    """Write a flag: its document, the columns that describe it, whom it concerns, and its deliveries."""
    columns: dict[str, Any] = {
        "flag_id": flag_id,
        "content": content,
        "kind": flag.source.kind,
        "source": flag.source.id,
        "title": flag.title,
        "citation": flag.citation,
        "certainty": flag.certainty,
        "severity": flag.severity,
        "score": flag.score,
        "window_begin": flag.window[0],
        "window_end": flag.window[1],
        "explanation": flag.explanation,
        "entity_count": len(flag.entities),
        "row_count": len(flag.rows),
        "truncated": flag.truncated,
        "block": block,
        "latest_score": latest_score,
    }
    number = state.execute(
        f"INSERT INTO flag ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
        tuple(columns.values()),
    ).lastrowid
    state.execute("INSERT INTO flag_document VALUES (?, ?, ?, ?)", (number, document, seed, payload))
    state.executemany(
        "INSERT INTO flag_addressee VALUES (?, ?)", [(member, number) for member in addressees(flag)]
    )
    state.executemany(
        "INSERT OR IGNORE INTO delivery VALUES (?, ?, ?, ?, ?)",
        [(each.code, each.sequence, number, each.previous, each.hash) for each in deliveries],
    )


def insert_decision(
    state: sqlite3.Connection, decision: Decision, content_hash: bytes, entry: int, block: int, author: str
) -> None:
    """Write a decision; call `renew_verdicts` before the transaction ends."""
    state.execute(
        "INSERT INTO decision (content_hash, entry, block, author, flag_id, verdict, document) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (content_hash, entry, block, author, decision.flag_id, decision.verdict, decision.to_bytes()),
    )


def renew_verdicts(state: sqlite3.Connection) -> None:
    """Set each flag's verdict to the one in force, after decisions were added or removed."""
    in_force = "(SELECT v.verdict FROM verdict_in_force AS v WHERE v.flag_id = flag.flag_id)"
    state.execute(f"UPDATE flag SET verdict = {in_force} WHERE verdict IS NOT {in_force}")

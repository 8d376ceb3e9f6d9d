"""The tables of the desk's case file, and the upgrade of a file of an earlier version.

The table `flag` holds the columns that lists show, in small rows; `flag_document` holds the flag itself and
its sealed payload, which are large and read for one flag at a time. The document never changes; the columns
that describe a flag are copied from it when the flag is stored. Only the columns `block`, `latest_score` and
`verdict` change afterwards.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, Final

from ledger.caselog import addressees
from ledger.decision import Decision
from ledger.errors import ConfigurationError, CounterfoilError
from ledger.flag import Flag
from ledger.storage import transaction

__all__ = ["REMEDY", "VERSION", "insert_decision", "insert_flag", "renew_verdicts", "upgrade"]

#: The version of these tables, stored as the file's ``user_version``; the oldest files have version 0.
VERSION: Final = 1

#: The next step when the file is damaged.
REMEDY: Final = "Restore it from a backup: the chain holds the flags' identifiers, but not their seeds."

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
    CREATE TABLE decision (
      content_hash BLOB PRIMARY KEY, entry INTEGER NOT NULL, block INTEGER NOT NULL, author TEXT NOT NULL,
      flag_id BLOB NOT NULL, verdict TEXT NOT NULL, document BLOB NOT NULL
    )
    """,
    "CREATE INDEX decision_of_flag ON decision (flag_id, entry, verdict)",
    """
    CREATE VIEW verdict_in_force AS SELECT flag_id, verdict FROM decision AS last WHERE NOT EXISTS (
      SELECT 1 FROM decision AS later WHERE later.flag_id = last.flag_id AND later.entry > last.entry
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS note (
      content_hash BLOB PRIMARY KEY, case_id BLOB NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
      block INTEGER
    )
    """,
)


def upgrade(state: sqlite3.Connection, path: Path) -> None:
    """Create the tables, or upgrade those of an earlier version, in one transaction.

    If the tables are up to date, the file is only read, so this does not wait for a writing process.

    Raises
    ------
    ConfigurationError
        When a later version of the program wrote the file, or a document in it cannot be read.
    """
    if _version(state, path) == VERSION:
        return
    with transaction(state, path):
        if _version(state, path) == VERSION:  # another process was faster
            return
        held = {name for (name,) in state.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for name in held & {"flag", "decision"}:
            state.execute(f"ALTER TABLE {name} RENAME TO {name}_before")
        for statement in _TABLES:
            state.execute(statement)
        try:
            if "flag" in held:
                _move_flags(state)
            if "decision" in held:
                _move_decisions(state)
        except (CounterfoilError, ValueError) as error:
            raise ConfigurationError(
                f"a document in the desk's file of flags cannot be read: {error}",
                where=str(path),
                next_step=REMEDY,
            ) from error
        renew_verdicts(state)
        state.execute(f"PRAGMA user_version = {VERSION}")


def _version(state: sqlite3.Connection, path: Path) -> int:
    (version,) = state.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise ConfigurationError(
            "a later version of this program wrote the desk's file of flags: its tables have version "
            f"{version}, and this program reads version {VERSION}",
            where=str(path),
            next_step="Install the later version of this program.",
        )
    return int(version)


def _move_flags(state: sqlite3.Connection) -> None:
    rows = state.execute(
        "SELECT f.flag_id, content, document, seed, payload, block, score FROM flag_before AS f "
        "LEFT JOIN latest_score AS s ON s.flag_id = f.flag_id ORDER BY f.rowid"
    )
    for flag_id, content, document, seed, payload, block, score in rows:
        flag = Flag.from_json(
            json.loads(document)
        )  # whether it is canonical JSON is checked each time it is read
        insert_flag(
            state, flag, document, flag_id=flag_id, content=content, seed=seed, payload=payload,
            block=block, latest_score=score,
        )  # fmt: skip
    state.execute("DROP TABLE latest_score")
    state.execute("DROP TABLE flag_before")


def _move_decisions(state: sqlite3.Connection) -> None:
    rows = state.execute("SELECT document, content_hash, entry, block, author FROM decision_before")
    for document, content, entry, block, author in rows:
        insert_decision(state, Decision.from_bytes(document), content, entry, block, author)
    state.execute("DROP TABLE decision_before")


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
) -> None:
    """Write a flag: its document, the columns that describe it, and the members it is addressed to."""
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

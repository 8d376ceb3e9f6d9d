"""The vault's SQLite file: its tables, its format, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from ledger.errors import ConfigurationError
from ledger.schema import FIELDS
from ledger.storage import open_database, transaction

__all__ = ["opened"]

_FORMAT: Final = 3

_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS secret (id INTEGER PRIMARY KEY CHECK (id = 1), vault_key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS run (id INTEGER PRIMARY KEY, source TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS record (
  id INTEGER PRIMARY KEY,
  {", ".join(f"{name} TEXT" for name in FIELDS)},
  side INTEGER NOT NULL, time_us INTEGER NOT NULL, amount_minor INTEGER NOT NULL,
  run INTEGER NOT NULL, line INTEGER NOT NULL,
  batch INTEGER, row_index INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS record_uetr ON record (uetr) WHERE uetr IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS record_transaction ON record (transaction_id);
CREATE INDEX IF NOT EXISTS record_waiting ON record (time_us) WHERE batch IS NULL;
CREATE INDEX IF NOT EXISTS record_batch ON record (batch, row_index) WHERE batch IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_incoming ON record (creditor_account, time_us) WHERE side IN (2, 3);
CREATE TABLE IF NOT EXISTS evaluation (
  id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, generation INTEGER NOT NULL,
  request INTEGER NOT NULL, start INTEGER NOT NULL,
  blinded BLOB NOT NULL, shares BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS evaluation_request ON evaluation (request, start);
CREATE TABLE IF NOT EXISTS request (
  id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, count INTEGER NOT NULL, root BLOB NOT NULL, number INTEGER
);
CREATE TABLE IF NOT EXISTS requested (
  request INTEGER NOT NULL, position INTEGER NOT NULL, identifier TEXT NOT NULL,
  blind BLOB NOT NULL, element BLOB NOT NULL,
  PRIMARY KEY (request, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pseudonym (
  epoch INTEGER NOT NULL, identifier TEXT NOT NULL, value BLOB NOT NULL,
  blind BLOB NOT NULL, evaluation INTEGER NOT NULL, element INTEGER NOT NULL,
  PRIMARY KEY (epoch, identifier)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repeated (
  evaluation INTEGER NOT NULL, element INTEGER NOT NULL, identifier TEXT NOT NULL, blind BLOB NOT NULL,
  PRIMARY KEY (evaluation, element)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (
  sequence INTEGER PRIMARY KEY, header TEXT NOT NULL, hash BLOB NOT NULL, signature BLOB NOT NULL,
  rows BLOB NOT NULL, raw BLOB NOT NULL, transaction_hash BLOB NOT NULL, nonce INTEGER NOT NULL,
  block INTEGER, block_time INTEGER
);
"""


def opened(path: Path) -> sqlite3.Connection:
    """Open a vault's file; create it, readable by its owner only, if it is missing.

    Raises
    ------
    ConfigurationError
        When the file is not a vault of this version.
    """
    return open_database(
        path,
        what="the vault",
        remedy="Restore it from a backup; what is posted stands on the chain.",
        upgrade=_create,
    )


def _create(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables that are missing, and the vault's key."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, _FORMAT):
        raise ConfigurationError(
            f"the vault has format {version}, this version reads {_FORMAT}",
            where=str(path),
            next_step="Use the version of Counterfoil that wrote it.",
        )
    with transaction(connection, path):
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={_FORMAT}")
        connection.execute(
            "INSERT INTO secret (id, vault_key) VALUES (1, ?) ON CONFLICT DO NOTHING", (os.urandom(32),)
        )

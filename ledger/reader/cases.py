"""The desk's flags: kept with their salts in a file of its own, and anchored on the chain's case log."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ledger import canonical
from ledger.caselog import CaseKind, seal_flag
from ledger.errors import InputError
from ledger.flag import Flag, FlagSource
from ledger.reader.book import Book
from ledger.storage import transaction

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["CaseBook", "KeptFlag"]

#: Entries in one transaction: well below the size and gas that networks cap.
ENTRIES_PER_TRANSACTION: Final = 16
_BYTES_PER_TRANSACTION: Final = 96 * 1024


@dataclass(frozen=True, slots=True)
class KeptFlag:
    """A flag the desk raised.

    Parameters
    ----------
    flag_id : bytes
    flag : Flag
        As it was raised and stands on the chain; it never changes.
    seed : bytes
    block : int or None
        The block that anchors it; None: not yet.
    latest_score : float or None
        What the last scan with a champion made of it.
    """

    flag_id: bytes
    flag: Flag
    seed: bytes
    block: int | None
    latest_score: float | None = None


class CaseBook(Book):
    """The flags of one desk.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    tables = (
        """
        CREATE TABLE IF NOT EXISTS flag (
          flag_id BLOB PRIMARY KEY, content BLOB NOT NULL UNIQUE, document BLOB NOT NULL, seed BLOB NOT NULL,
          payload BLOB NOT NULL, block INTEGER
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS latest_score (
          flag_id BLOB PRIMARY KEY REFERENCES flag (flag_id), score REAL NOT NULL
        )
        """,
    )
    remedy = "Restore it from a backup: the chain holds identifiers, not what was salted."

    def keep(self, flags: Iterable[Flag], hpke_keys: dict[int, bytes]) -> int:
        """Keep flags, each once; return how many are new.

        What a flag says, apart from its position, its period and its score, is what makes it the same one: a
        later scan that finds the same again adds nothing, and its score becomes the flag's latest.
        """
        new = 0
        with transaction(self._state, self._path) as state:
            for flag in flags:
                bounded = flag.bounded()
                content = _content(bounded)
                known = state.execute("SELECT flag_id FROM flag WHERE content = ?", (content,)).fetchone()
                if known:
                    _score(state, known[0], bounded.score)
                    continue
                seed = os.urandom(32)
                flag_id = bounded.flag_id(seed)
                state.execute(
                    "INSERT INTO flag (flag_id, content, document, seed, payload) VALUES (?, ?, ?, ?, ?)",
                    (
                        flag_id,
                        content,
                        canonical.dumps(bounded.to_json()),
                        seed,
                        seal_flag(bounded, seed, hpke_keys),
                    ),
                )
                _score(state, flag_id, bounded.score)
                new += 1
        return new

    def anchor(self, gateway: Gateway, key: bytes) -> int:
        """Write every flag that is not on the case log yet; return how many were written.

        Entries are idempotent: the contract takes an identifier once, so a crash between the transaction and
        our note of it is healed by looking at the chain first.
        """
        on_chain = {entry.content_hash: entry.block for entry in gateway.case_entries()}
        written = 0
        for chunk in self._chunks(on_chain):
            entries = [
                (
                    CaseKind.FLAG if kept.flag.source.kind == "detector" else CaseKind.FINDING,
                    kept.flag_id,
                    kept.flag_id,
                    payload,
                )
                for kept, payload in chunk
            ]
            block = gateway.transact(key, "CaseLog", "append", entries)
            self._note([(block, kept.flag_id) for kept, _ in chunk])
            written += len(chunk)
        return written

    def _chunks(self, on_chain: dict[bytes, int]) -> Iterator[list[tuple[KeptFlag, bytes]]]:
        rows = self._state.execute(
            "SELECT flag_id, document, seed, block, payload FROM flag WHERE block IS NULL ORDER BY rowid"
        ).fetchall()
        self._note([(on_chain[row[0]], row[0]) for row in rows if row[0] in on_chain])
        chunk: list[tuple[KeptFlag, bytes]] = []
        size = 0
        for row in (row for row in rows if row[0] not in on_chain):
            if chunk and (
                len(chunk) == ENTRIES_PER_TRANSACTION or size + len(row[4]) > _BYTES_PER_TRANSACTION
            ):
                yield chunk
                chunk, size = [], 0
            chunk.append((_kept(row[:4]), row[4]))
            size += len(row[4])
        if chunk:
            yield chunk

    def _note(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        with transaction(self._state, self._path) as state:
            state.executemany("UPDATE flag SET block = ? WHERE flag_id = ?", blocks)

    def flags(self) -> list[KeptFlag]:
        """Return every flag, in the order it was raised."""
        rows = self._state.execute(
            "SELECT f.flag_id, document, seed, block, score FROM flag f "
            "LEFT JOIN latest_score s ON s.flag_id = f.flag_id ORDER BY f.rowid"
        )
        return [_kept(row) for row in rows]

    def find(self, prefix: str) -> KeptFlag:
        """Return the flag whose identifier (hex) starts with `prefix`.

        Raises
        ------
        InputError
            When none or several do.
        """
        found = [kept for kept in self.flags() if kept.flag_id.hex().startswith(prefix.lower())]
        if len(found) != 1:
            raise InputError(
                f"{'no flag starts' if not found else f'{len(found)} flags start'} with {prefix!r}",
                next_step="See `counterfoil flag list`.",
            )
        return found[0]


def _score(state: sqlite3.Connection, flag_id: bytes, score: float | None) -> None:
    if score is not None:
        state.execute("INSERT OR REPLACE INTO latest_score (flag_id, score) VALUES (?, ?)", (flag_id, score))


def _kept(row: Sequence[Any]) -> KeptFlag:
    """Rebuild a flag from its identifier, document, seed, block, and latest score where it was asked for."""
    flag_id, document, seed, block, *score = row
    return KeptFlag(flag_id, Flag.from_json(canonical.loads(document)), seed, block, *score)


def _content(flag: Flag) -> bytes:
    """Return what makes a flag the same one: all but where the ledger stood, what was read, and its score.

    A model's flag is about its payments: another model that finds the same ones finds nothing new. A finding
    is about its rule, whose clause and parameters it carries: a new rule set that leaves the rule as it is
    finds nothing new either, and what an officer decided stands.
    """
    if "model" in flag.source.parameters.get("detector", {}):
        about = {"source": flag.source.id, "rows": flag.to_json()["rows"]}
        return sha256(canonical.dumps(about)).digest()
    kept = {name: v for name, v in flag.source.parameters.items() if name not in ("period", "score")}
    version = "" if flag.source.kind == "rule" else flag.source.version
    source = FlagSource(flag.source.kind, flag.source.id, version, kept)
    value = replace(flag, source=source, score=None).to_json()
    del value["position"]
    return sha256(canonical.dumps(value)).digest()

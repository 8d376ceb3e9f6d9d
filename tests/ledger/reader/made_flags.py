"""Flags, decisions on them, and a file of cases as the first version of the program wrote it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import cast

from ledger import canonical
from ledger.caselog import CaseKind
from ledger.decision import Decision, seal_decision
from ledger.envelope import generate_keypair
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.gateway import CaseEntry, Gateway
from ledger.reader.cases import KeptFlag
from ledger.reader.decisions import KeptDecision
from ledger.reader.notes import KeptNote

OFFICER = b"\x07" * 32
AUTHOR = "0x" + "17" * 20
PRIVATE, PUBLIC = generate_keypair()
KEYS = dict.fromkeys((1, 2, 3), PUBLIC)
TITLES = ("cycle", "fan-in", "rule-1", "rule-2")
SEVERITIES = ("low", "medium", "high")
CERTAINTIES = ("certain", "possible", "none", "needs_member")


def made(random: Random, number: int) -> Flag:
    """Make a flag; many are equal in what a list is sorted by."""
    title = random.choice(TITLES)
    rule = title.startswith("rule")
    begin = random.randrange(3) * 86_400
    return Flag(
        FlagSource("rule" if rule else "detector", title, "1", {"number": number}),
        title,
        Position(1, "0x" + "11" * 20, number, 3),
        tuple(Entity(f"{number:032x}", random.randrange(4)) for _ in range(random.randrange(3))),
        tuple(RowRef(random.randrange(1, 4), number, row) for row in range(random.randrange(3))),
        (begin, begin + random.choice((3_600, 86_400))),
        random.choice((None, 0.0, 0.25, 0.5, 1.0)),
        random.choice(CERTAINTIES),
        random.choice(SEVERITIES),
        f"Flag {number}.",
        citation="Article 1" if rule else None,
        truncated=random.random() < 0.5,
    )


@dataclass
class CaseChain:
    """A case log that holds decisions."""

    entries: list[CaseEntry] = field(default_factory=list)

    def case_entries(self) -> Iterator[CaseEntry]:
        """Give the entries as `Gateway.case_entries` does."""
        return iter(self.entries)

    def decide(self, flag_id: bytes, verdict: str, reason: str = "") -> Decision:
        """Append a decision."""
        decision = Decision.make(flag_id, verdict, reason, 7)
        payload = seal_decision(decision, AUTHOR, OFFICER, [PUBLIC])
        content, index = decision.content_hash(AUTHOR), len(self.entries)
        self.entries.append(
            CaseEntry(index, CaseKind.DECISION, flag_id, AUTHOR, content, bytes(32), 100 + index, payload)
        )
        return decision

    def reorganise(self, entries: Iterable[CaseEntry]) -> None:
        """Put entries in the place of all there are."""
        self.entries = [replace(entry, index=index) for index, entry in enumerate(entries)]

    @property
    def gateway(self) -> Gateway:
        """The gateway to it."""
        return cast(Gateway, self)


#: The tables of the first version, each created by the class that used it.
FIRST_TABLES = {
    "flag": """
        CREATE TABLE IF NOT EXISTS flag (
          flag_id BLOB PRIMARY KEY, content BLOB NOT NULL UNIQUE, document BLOB NOT NULL, seed BLOB NOT NULL,
          payload BLOB NOT NULL, block INTEGER
        );
        CREATE TABLE IF NOT EXISTS latest_score (
          flag_id BLOB PRIMARY KEY REFERENCES flag (flag_id), score REAL NOT NULL
        );
        """,
    "decision": """
        CREATE TABLE IF NOT EXISTS decision (
          content_hash BLOB PRIMARY KEY, entry INTEGER NOT NULL, block INTEGER NOT NULL, author TEXT NOT NULL,
          document BLOB NOT NULL
        );
        """,
    "note": """
        CREATE TABLE IF NOT EXISTS note (
          content_hash BLOB PRIMARY KEY, case_id BLOB NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
          block INTEGER
        );
        """,
}


def write_first_version(
    path: Path,
    flags: Sequence[KeptFlag] = (),
    decisions: Sequence[KeptDecision] = (),
    notes: Sequence[KeptNote] = (),
    *,
    content: Sequence[bytes] = (),
) -> None:
    """Write a file as the first version of the program did; a table of which there is nothing is missing."""
    with sqlite3.connect(path) as state:
        state.execute("PRAGMA journal_mode=WAL")
        for name, rows in (("flag", flags), ("decision", decisions), ("note", notes)):
            if rows:
                state.executescript(FIRST_TABLES[name])
        for number, kept in enumerate(flags):
            state.execute(
                "INSERT INTO flag VALUES (?, ?, ?, ?, ?, ?)",
                (
                    kept.flag_id,
                    content[number] if content else bytes([number]) * 32,
                    canonical.dumps(kept.flag.to_json()),
                    kept.seed,
                    b"payload %d" % number,
                    kept.block,
                ),
            )
            if kept.latest_score is not None:
                state.execute("INSERT INTO latest_score VALUES (?, ?)", (kept.flag_id, kept.latest_score))
        for made_ in decisions:
            state.execute(
                "INSERT INTO decision VALUES (?, ?, ?, ?, ?)",
                (
                    made_.decision.content_hash(made_.author),
                    made_.entry,
                    made_.block,
                    made_.author,
                    made_.decision.to_bytes(),
                ),
            )
        for note in notes:
            state.execute(
                "INSERT INTO note VALUES (?, ?, ?, ?, ?)",
                (
                    note.content_hash,
                    note.case_id,
                    note.says["topic"],
                    canonical.dumps(dict(note.says)),
                    note.block,
                ),
            )
    state.close()

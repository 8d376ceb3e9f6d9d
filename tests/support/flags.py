"""Flags, a desk that raises and anchors them, and members that read them, for tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from counterfoil.caseload import Anchored, keep_and_anchor, restore
from ledger.audit.cases import CaseReport, check_cases
from ledger.caselog import CaseKind
from ledger.envelope import generate_keypair
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.gateway import CaseEntry
from ledger.member.inbox import Inbox, read_inbox
from ledger.reader.cases import CaseBook, KeptFlag
from ledger.signing import address_of
from tests.support.consortium import SmallConsortium

__all__ = ["AUTHOR", "KEYS", "PUBLIC", "READER", "SEED", "FlagDesk", "flag"]

AUTHOR = b"\x21" * 20
KEYS = {code: generate_keypair() for code in range(1, 10)}
PUBLIC = {code: public for code, (_, public) in KEYS.items()}
READER = generate_keypair()
SEED = bytes(range(32))


def flag(entities: int = 4, rows: int = 4, *, agents: tuple[int, ...] = (1, 2), **changes: Any) -> Flag:
    """Make a flag about accounts at these members in turn."""
    made = Flag(
        source=FlagSource("detector", "fan_in", "1", {"window": 86_400}),
        title="fan-in",
        position=Position(20_261, "0x" + "11" * 20, 40, 7),
        entities=tuple(Entity(f"{i:032x}", agents[i % len(agents)]) for i in range(entities)),
        rows=tuple(RowRef(agents[i % len(agents)], 0, i) for i in range(rows)),
        window=(0, 86_400),
        score=0.5,
        certainty="possible",
        severity="medium",
        explanation="Many accounts pay into one within a day.",
        details={"count": entities},
    )
    return replace(made, **changes)


@dataclass
class FlagDesk:
    """The desk of a small consortium, and what a test does to its file and to the chain."""

    consortium: SmallConsortium
    problems: list[str] = field(default_factory=list)

    def raise_flags(self, *flags: Flag) -> Anchored:
        """Store and anchor flags, with the note of deliveries, as a scan does."""
        return keep_and_anchor(self.consortium.home, self.consortium.gateway, flags)

    def sync(self) -> int:
        """Compare the file with the chain, as `counterfoil desk sync` does."""
        return restore(self.consortium.home, self.consortium.gateway)

    def kept(self) -> list[KeptFlag]:
        """Return the flags in the desk's file."""
        with CaseBook(self.consortium.home.desk.cases) as book:
            return list(book.each())

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run SQL on the desk's file."""
        with closing(sqlite3.connect(self.consortium.home.desk.cases)) as state, state:
            return state.execute(statement, parameters).fetchall()

    def delete(self, flag_ids: Sequence[bytes]) -> None:
        """Delete flags from the desk's file, with everything about them."""
        for flag_id in flag_ids:
            ((number,),) = self.execute("SELECT number FROM flag WHERE flag_id = ?", (flag_id,))
            for table in ("flag", "flag_document", "flag_addressee", "delivery"):
                self.execute(f"DELETE FROM {table} WHERE number = ?", (number,))

    def entries(self, *kinds: CaseKind) -> list[CaseEntry]:
        """Return the entries of these kinds on the chain."""
        return [entry for entry in self.consortium.gateway.case_entries() if entry.kind in kinds]

    def append(self, key: bytes, kind: CaseKind, case: bytes, content: bytes, payload: bytes) -> int:
        """Append one entry with any account."""
        return self.consortium.gateway.transact(key, "CaseLog", "append", [(kind, case, content, payload)])

    def inbox(self, number: int) -> Inbox:
        """Return the inbox of a member by its code."""
        bank = self.consortium.banks[number - 1]
        return read_inbox(self.consortium.gateway, self.consortium.keys[bank])

    def fsck(self, *, keys: bool = True, book: bool = True) -> CaseReport:
        """Check the case log, with or without the reader's keys and the desk's file."""
        desk = self.consortium.desk_keys
        with CaseBook(self.consortium.home.desk.cases) as cases:
            stored = cases.stored() if book else None
        return check_cases(
            self.consortium.gateway,
            private_keys=desk.readers.values() if keys else (),
            book=stored,
            desk=address_of(desk.account) if book else None,
        )

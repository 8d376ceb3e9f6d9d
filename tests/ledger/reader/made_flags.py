"""Flags, and decisions on them on a case log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import cast

from ledger.caselog import CaseKind
from ledger.decision import Decision, seal_decision
from ledger.envelope import generate_keypair
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.gateway import CaseEntry, Gateway
from ledger.reader.recipients import Recipients

OFFICER = b"\x07" * 32
AUTHOR = "0x" + "17" * 20
PRIVATE, PUBLIC = generate_keypair()
TO = Recipients(bytes(20), dict.fromkeys((1, 2, 3), PUBLIC), (PUBLIC,))
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

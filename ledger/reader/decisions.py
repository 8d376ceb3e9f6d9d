"""The officers' decisions: the desk reads them from the chain's case log and stores them with its flags.

Only decisions on the chain are valid. Author and content hash identify one: if another officer appends the
same content hash, this changes nothing. The case file stores the opened decisions, so that they can be read
without a chain, and after a reader's key is destroyed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.caselog import CaseKind
from ledger.decision import Decision, Verdict, open_decision
from ledger.errors import VerificationError
from ledger.reader.book import Book
from ledger.reader.casefile import insert_decision, renew_verdicts
from ledger.storage import transaction

if TYPE_CHECKING:
    from ledger.gateway import CaseEntry, Gateway

__all__ = ["DecisionBook", "KeptDecision"]


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """A decision, its author's address, and its entry and block on the chain."""

    decision: Decision
    author: str
    entry: int
    block: int

    def to_json(self) -> dict[str, Any]:
        """Return the decision as JSON values for display."""
        return {
            "verdict": self.decision.verdict,
            "reason": self.decision.reason,
            "decided_at": self.decision.decided_at,
            "author": self.author,
            "block": self.block,
        }


class DecisionBook(Book):
    """The decisions that one desk has read.

    Parameters
    ----------
    path : Path
        The case file of the desk.
    """

    def sync(self, gateway: Gateway, private_keys: Iterable[bytes]) -> list[tuple[int, str]]:
        """Read the decisions on the case log.

        Parameters
        ----------
        gateway : Gateway
        private_keys : iterable of bytes
            The desk's HPKE keys.

        Returns
        -------
        list of (int, str)
            Index and error of each entry that could not be read; all other entries are read.
        """
        keys = list(private_keys)
        known = set(self._state.execute("SELECT content_hash, author FROM decision"))
        entries = [entry for entry in gateway.case_entries() if entry.kind == CaseKind.DECISION]
        opened: list[tuple[CaseEntry, Decision]] = []
        problems = []
        for entry in entries:
            if (entry.content_hash, entry.author) in known:
                continue
            try:
                decision = open_decision(entry.payload, entry.case_id, entry.author, entry.content_hash, keys)
            except VerificationError as error:
                problems.append((entry.index, error.what))
                continue
            opened.append((entry, decision))
        with transaction(self._state, self._path) as state:
            # after a reorganisation, an entry may be in another block, or no longer on the chain
            places = {(entry.content_hash, entry.author): (entry.index, entry.block) for entry in entries}
            state.executemany(
                "DELETE FROM decision WHERE content_hash = ? AND author = ?", list(known - places.keys())
            )
            state.executemany(
                "UPDATE decision SET entry = ?, block = ? WHERE content_hash = ? AND author = ?",
                [(*places[key], *key) for key in known & places.keys()],
            )
            for entry, decision in opened:
                insert_decision(state, decision, entry.content_hash, entry.index, entry.block, entry.author)
            renew_verdicts(state)
        return problems

    def of(self, flag_id: bytes) -> list[KeptDecision]:
        """Return one flag's decisions, oldest first; the last one is in force."""
        rows = self._state.execute(
            "SELECT document, author, entry, block FROM decision WHERE flag_id = ? ORDER BY entry", (flag_id,)
        )
        return [_kept(row) for row in rows]

    def verdicts(self) -> dict[bytes, Verdict]:
        """Return the verdict in force for each flag with a decision."""
        return dict(self._state.execute("SELECT flag_id, verdict FROM verdict_in_force"))


def _kept(row: Sequence[Any]) -> KeptDecision:
    document, *others = row
    return KeptDecision(Decision.from_bytes(document), *others)

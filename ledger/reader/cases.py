"""The desk's flags: stored with their seeds in the case file, and anchored on the chain's case log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ledger import canonical
from ledger.caselog import CaseKind, seal_flag
from ledger.decision import Verdict
from ledger.errors import InputError
from ledger.flag import Flag, FlagSource
from ledger.reader.book import Book
from ledger.reader.casefile import insert_flag
from ledger.reader.listing import (
    EVERY_FLAG,
    PLACE,
    SUMMARY,
    FlagCount,
    FlagFilter,
    FlagSummary,
    Order,
    counting,
    listing,
)
from ledger.storage import transaction

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["CaseBook", "KeptFlag"]

#: Entries in one transaction: well below the size and gas limits of networks.
ENTRIES_PER_TRANSACTION: Final = 16
_BYTES_PER_TRANSACTION: Final = 96 * 1024

#: An entry of the case log: kind, case, content hash, payload.
_Entry = tuple[CaseKind, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class KeptFlag:
    """A flag that the desk raised.

    Parameters
    ----------
    flag_id : bytes
    flag : Flag
        The flag as it was raised and anchored; it never changes.
    seed : bytes
    block : int or None
        The block that anchors it; None: not anchored yet.
    latest_score : float or None
        The score of the last scan with a champion model; None: no such scan found the flag.
    verdict : str or None
        The verdict in force, which is the last decision's; None: undecided.
    """

    flag_id: bytes
    flag: Flag
    seed: bytes
    block: int | None
    latest_score: float | None = None
    verdict: Verdict | None = None


class CaseBook(Book):
    """The flags of one desk.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    def keep(self, flags: Iterable[Flag], hpke_keys: dict[int, bytes]) -> int:
        """Store flags, each once; return the number of new ones.

        Two flags are the same if their content is equal, apart from position, period and score. If a later
        scan finds the same flag again, only its latest score is updated.
        """
        new = 0
        with transaction(self._state, self._path) as state:
            for flag in flags:
                bounded = flag.bounded()
                content = _content(bounded)
                known = state.execute("SELECT flag_id FROM flag WHERE content = ?", (content,)).fetchone()
                if known:
                    if bounded.score is not None:
                        state.execute(
                            "UPDATE flag SET latest_score = ? WHERE flag_id = ?", (bounded.score, known[0])
                        )
                    continue
                seed = os.urandom(32)
                insert_flag(
                    state,
                    bounded,
                    canonical.dumps(bounded.to_json()),
                    flag_id=bounded.flag_id(seed),
                    content=content,
                    seed=seed,
                    payload=seal_flag(bounded, seed, hpke_keys),
                    latest_score=bounded.score,
                )
                new += 1
        return new

    def anchor(self, gateway: Gateway, key: bytes) -> int:
        """Write every flag that is not on the case log yet; return the number of written flags.

        The contract accepts an identifier only once. So the chain is read first, to find flags that were
        written before a crash and are not yet marked as anchored in the case file.
        """
        on_chain = {entry.content_hash: entry.block for entry in gateway.case_entries()}
        waiting = self._state.execute(
            "SELECT number, flag_id, kind FROM flag WHERE block IS NULL ORDER BY number"
        ).fetchall()
        self._note([(on_chain[row[1]], row[1]) for row in waiting if row[1] in on_chain])
        written = 0
        for entries in self._entries(row for row in waiting if row[1] not in on_chain):
            block = gateway.transact(key, "CaseLog", "append", entries)
            self._note([(block, flag_id) for _, _, flag_id, _ in entries])
            written += len(entries)
        return written

    def _entries(self, rows: Iterable[tuple[int, bytes, str]]) -> Iterator[list[_Entry]]:
        """Yield the case log entries of flags, in groups that fit in one transaction."""
        entries: list[_Entry] = []
        size = 0
        for number, flag_id, kind in rows:
            (payload,) = self._state.execute(
                "SELECT payload FROM flag_document WHERE number = ?", (number,)
            ).fetchone()
            if entries and (
                len(entries) == ENTRIES_PER_TRANSACTION or size + len(payload) > _BYTES_PER_TRANSACTION
            ):
                yield entries
                entries, size = [], 0
            entries.append(
                (CaseKind.FLAG if kind == "detector" else CaseKind.FINDING, flag_id, flag_id, payload)
            )
            size += len(payload)
        if entries:
            yield entries

    def _note(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        with transaction(self._state, self._path) as state:
            state.executemany("UPDATE flag SET block = ? WHERE flag_id = ?", blocks)

    def page(
        self,
        wanted: FlagFilter = EVERY_FLAG,
        *,
        order: Order = "raised",
        after: bytes | None = None,
        limit: int = 50,
    ) -> tuple[list[FlagSummary], bytes | None]:
        """Return one page of a list of flags, and the value of `after` for the next page (None: no more).

        If flags are raised between two pages, no flag is lost and none is shown twice. In the order
        ``gravest``, a flag whose latest score changes between two pages moves to another position.

        Parameters
        ----------
        wanted : FlagFilter
            By default every flag.
        order : {"raised", "gravest"}
        after : bytes, optional
            The identifier of the last flag on the previous page. By default the first page is returned.
        limit : int
            The maximum number of flags on the page.

        Raises
        ------
        InputError
            When there is no flag `after`, or it does not concern the addressee of `wanted`.
        """
        if limit < 1:
            raise InputError(f"a page cannot have {limit} flags", next_step="Ask for 1 flag or more.")
        place = None if after is None else self._place(after, wanted.addressee)
        query = listing(SUMMARY, wanted, order, after=place, limit=limit + 1)
        found = [FlagSummary.of_row(row) for row in self._state.execute(*query)]
        return found[:limit], found[limit - 1].flag_id if len(found) > limit else None

    def _place(self, flag_id: bytes, addressee: int | None) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._state.execute(
            f"SELECT {', '.join(PLACE)} FROM flag WHERE flag_id = ?1 AND (?2 IS NULL OR EXISTS ("
            "SELECT 1 FROM flag_addressee AS mine WHERE mine.member = ?2 AND mine.number = flag.number))",
            (flag_id, addressee),
        ).fetchone()
        if row is None:
            raise InputError(
                "the flag after which the page should begin does not exist",
                next_step="Start again with the first page.",
            )
        return row

    def summaries(self, wanted: FlagFilter = EVERY_FLAG, *, order: Order = "raised") -> Iterator[FlagSummary]:
        """Yield the summary of each flag, one at a time."""
        return map(FlagSummary.of_row, self._state.execute(*listing(SUMMARY, wanted, order)))

    def each(self, wanted: FlagFilter = EVERY_FLAG, *, order: Order = "raised") -> Iterator[KeptFlag]:
        """Yield each complete flag, one at a time."""
        query = listing(_WHOLE, wanted, order, join=f"CROSS JOIN {_DOCUMENT}")
        return map(_kept, self._state.execute(*query))

    def counts(self, wanted: FlagFilter = EVERY_FLAG) -> list[FlagCount]:
        """Count the flags of each title, by severity and without decision; sorted by title."""
        return [FlagCount(*row) for row in self._state.execute(*counting(wanted))]

    def starting(self, prefix: str, *, limit: int = 50) -> list[FlagSummary]:
        """Return the flags whose identifiers (hex) start with `prefix`, sorted by identifier."""
        bounds = _bounds(prefix.lower())
        if bounds is None:
            return []
        query = f"SELECT {SUMMARY} FROM flag WHERE flag_id BETWEEN ? AND ? ORDER BY flag_id LIMIT ?"
        return [FlagSummary.of_row(row) for row in self._state.execute(query, (*bounds, limit))]

    def find(self, prefix: str) -> KeptFlag:
        """Return the flag whose identifier (hex) starts with `prefix`.

        Raises
        ------
        InputError
            When no flag, or more than one flag, matches.
        """
        bounds, count = _bounds(prefix.lower()), 0
        if bounds is not None:
            (count,) = self._state.execute(
                "SELECT count(*) FROM flag WHERE flag_id BETWEEN ? AND ?", bounds
            ).fetchone()
        if bounds is None or count != 1:
            raise InputError(
                f"{f'{count} flags start' if count else 'no flag starts'} with {prefix!r}",
                next_step="Run `counterfoil flag list` to see the identifiers.",
            )
        query = f"SELECT {_WHOLE} FROM flag JOIN {_DOCUMENT} WHERE flag_id BETWEEN ? AND ?"
        return _kept(self._state.execute(query, bounds).fetchone())


_DOCUMENT: Final = "flag_document ON flag_document.number = flag.number"

#: The columns that `_kept` reads.
_WHOLE: Final = "flag.flag_id, flag_document.document, flag_document.seed, block, latest_score, verdict"


def _kept(row: Sequence[Any]) -> KeptFlag:
    flag_id, document, *others = row
    return KeptFlag(flag_id, Flag.from_json(canonical.loads(document)), *others)


def _bounds(prefix: str) -> tuple[bytes, bytes] | None:
    """Return the lowest and the highest identifier that starts with `prefix`; None: it is not hex."""
    if not re.fullmatch("[0-9a-f]{0,64}", prefix):
        return None
    return bytes.fromhex(prefix.ljust(64, "0")), bytes.fromhex(prefix.ljust(64, "f"))


def _content(flag: Flag) -> bytes:
    """Return the hash of a flag's content, which identifies it: all but position, period and score.

    For a model's flag, only the payments count: if another model finds the same payments, that is the same
    flag. For a finding, the version of the rule set does not count: if a new rule set leaves the rule
    unchanged, the findings and the officers' decisions on them stay.
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

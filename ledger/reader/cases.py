"""The desk's flags: stored in the case file with their seeds, sealed payloads and deliveries, and listed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger import canonical
from ledger.caselog import addressees
from ledger.decision import Verdict
from ledger.delivery import NOTHING, Delivery
from ledger.envelope import SealError
from ledger.errors import InputError
from ledger.flag import Flag
from ledger.flag_payload import Addressee, seal_flag
from ledger.reader.anchoring import AnchorBook, content_of
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
from ledger.reader.recipients import Recipients
from ledger.storage import transaction

__all__ = ["CaseBook", "KeptFlag"]


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


class CaseBook(AnchorBook):
    """The flags of one desk.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    def keep(
        self, flags: Iterable[Flag], recipients: Recipients, note: Callable[[str], None] | None = None
    ) -> int:
        """Store flags with their sealed payloads, each once; return the number of new ones.

        Two flags are the same if their content is equal, apart from position, period and score. If a later
        scan finds the same flag again, only its latest score is updated. The numbers of the deliveries are
        stored in the same transaction, so a flag keeps its numbers whatever happens before it is anchored.

        Parameters
        ----------
        flags : iterable of Flag
        recipients : Recipients
        note : callable, optional
            Called with a sentence for each flag that cannot be sealed, to one member or at all; the other
            flags and members are not affected.
        """
        new = 0
        with transaction(self._state, self._path) as state:
            for flag in flags:
                bounded = flag.bounded()
                content = content_of(bounded)
                known = state.execute("SELECT flag_id FROM flag WHERE content = ?", (content,)).fetchone()
                if known:
                    if bounded.score is not None:
                        state.execute(
                            "UPDATE flag SET latest_score = ? WHERE flag_id = ?", (bounded.score, known[0])
                        )
                    continue
                new += self._seal(bounded, content, recipients, note or _ignored)
        return new

    def _seal(self, flag: Flag, content: bytes, recipients: Recipients, note: Callable[[str], None]) -> bool:
        seed = os.urandom(32)
        flag_id = flag.flag_id(seed)
        addressed = [
            Addressee(recipients.members[code], self._next(code, flag_id))
            for code in addressees(flag)
            if code in recipients.members
        ]
        try:
            sealed = seal_flag(
                flag, seed, author=recipients.author, addressees=addressed, readers=recipients.readers
            )
        except SealError as error:
            note(f"A flag of {flag.title!r} cannot be sealed and is left out: {error.what}.")
            return False
        for code in sealed.left_out:
            note(
                f"Flag {flag_id.hex()[:12]}: the part of member {code} is left out, because the member's key "
                "on the chain cannot be used. Ask the member to change its keys."
            )
        insert_flag(
            self._state,
            flag,
            canonical.dumps(flag.to_json()),
            flag_id=flag_id,
            content=content,
            seed=seed,
            payload=sealed.payload,
            latest_score=flag.score,
            deliveries=[a.delivery for a in addressed if a.delivery.code not in sealed.left_out],
        )
        return True

    def _next(self, code: int, flag_id: bytes) -> Delivery:
        """Return the member's next delivery."""
        last = self._state.execute(
            "SELECT sequence + 1, head FROM delivery WHERE member = ? ORDER BY sequence DESC LIMIT 1", (code,)
        ).fetchone()
        sequence, previous = last or (0, NOTHING)
        return Delivery(code, sequence, previous, flag_id)

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
            f"SELECT {', '.join(PLACE)} FROM flag WHERE flag_id = ?1 AND (?2 IS NULL OR block IS NOT NULL "
            "AND EXISTS (SELECT 1 FROM flag_addressee AS mine "
            "WHERE mine.member = ?2 AND mine.number = flag.number))",
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


def _ignored(_: str) -> None:
    return None

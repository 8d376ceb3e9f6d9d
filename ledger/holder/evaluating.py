"""A holder's evaluations: only elements that an active member has anchored on the chain, and only for it.

A chunk may be asked for again, since the answer is the same and a crash may have lost it; how often is
limited, so that one member cannot keep a holder busy. A repeated request spends nothing: what counts
is on the chain.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.encoding import ristretto
from ledger.encoding.answers import Answer, evaluate_in_batches
from ledger.errors import KeyHolderError, QuotaExceededError, VerificationError
from ledger.evaluation_request import Chunk, check_chunk
from ledger.holder.keys import HolderKeys
from ledger.holder.shares import HeldShare, UnknownShareError, held_shares, load_share

if TYPE_CHECKING:
    from ledger.gateway import EvaluationRequest, Gateway

__all__ = ["MOST_ANSWERS", "NotAnchoredError", "ShareAnswer", "ShareHolder"]

#: How often a holder answers for one chunk in a day (UTC).
MOST_ANSWERS: Final = 64

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS answered (
    request INTEGER NOT NULL,
    start INTEGER NOT NULL,
    day INTEGER NOT NULL,
    times INTEGER NOT NULL CHECK (times > 0),
    PRIMARY KEY (request, start)
) STRICT, WITHOUT ROWID
"""


class NotAnchoredError(KeyHolderError):
    """Raised when the chain does not say that this member may have these elements evaluated."""


@dataclass(frozen=True, slots=True)
class ShareAnswer:
    """An answer, with the generation and the index of the share that made it."""

    generation: int
    index: int
    answer: Answer


class ShareHolder:
    """A holder with its keys and shares in a folder.

    Parameters
    ----------
    folder : Path
    gateway : callable
        Returns the gateway to the consortium's chain.
    clock : callable
        Returns the Unix time in seconds.

    Notes
    -----
    Any number of threads and processes may share one folder.
    """

    def __init__(
        self, folder: Path, gateway: Callable[[], Gateway], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._gateway = gateway
        self._shares: dict[tuple[int, int], HeldShare] = {}
        self._requests: dict[int, EvaluationRequest] = {}
        self._members: tuple[int, dict[str, int]] = (-1, {})
        self._generations: tuple[int, dict[int, int]] = (-1, {})
        self._account = self.keys.address
        with closing(self._book()):
            pass  # report a problem with the folder now, not at the first request

    @property
    def keys(self) -> HolderKeys:
        """The holder's keys; a key ceremony replaces the encryption key."""
        return HolderKeys.load(self._folder / "keys.json")

    def shares(self) -> list[HeldShare]:
        """Return the shares that this holder has, in the order of epoch and generation."""
        return [load_share(self._folder, *place) for place in held_shares(self._folder)]

    def evaluate(self, account: str, chunk: Chunk) -> ShareAnswer:
        """Evaluate a chunk of a request with this holder's share.

        Parameters
        ----------
        account : str
            Address of the member that asks; the caller has checked its signature.
        chunk : Chunk

        Raises
        ------
        NotAnchoredError
            When there is no such request of this member, or its link was not approved by this holder.
        VerificationError
            When the elements are not the chunk that was anchored, or no elements at all.
        UnknownShareError
            When the holder has no share of the generation in force.
        QuotaExceededError
            When the chunk was answered too often.
        """
        request = self._allowed(account, chunk.request)
        check_chunk(chunk, request.count, request.root)
        for number, element in enumerate(chunk.elements):
            ristretto.check_element(element, f"blinded element {number}")
        share = self._share(request.epoch)
        self._count(chunk)
        made = evaluate_in_batches(share.secret, chunk.elements)
        return ShareAnswer(share.generation, share.index, made)

    def _allowed(self, account: str, number: int) -> EvaluationRequest:
        """Return a request, if it is this member's and may be answered."""
        gateway = self._gateway()
        height = gateway.height()
        if self._members[0] != height:
            active = {m.account.lower(): m.code for m in gateway.members() if m.status == "active"}
            self._members = height, active
        code = self._members[1].get(account.lower())
        if code is None:
            raise NotAnchoredError(f"{account} is not an active member on the chain")
        request = self._requests.get(number) or gateway.evaluation_request(number)
        if request is None or request.member != code:
            raise NotAnchoredError(
                f"the chain has no request {number} of this member",
                next_step="Anchor the request first; `counterfoil member post` does so.",
            )
        self._requests[number] = request
        if request.linked_epoch is not None and not gateway.is_link_approved(number, self._account):
            raise NotAnchoredError(
                f"this holder has not approved that request {number} links epochs "
                f"{request.linked_epoch} and {request.epoch}",
                next_step="Ask the holder's operator to run `counterfoil keyholder approve-link`.",
            )
        return request

    def _share(self, epoch: int) -> HeldShare:
        gateway = self._gateway()
        height = gateway.height()
        if self._generations[0] != height:
            newest: dict[int, int] = {}
            for key in gateway.epoch_keys():
                newest[key.number] = max(newest.get(key.number, 0), key.generation)
            self._generations = height, newest
        generation = self._generations[1].get(epoch)
        if generation is None:
            raise UnknownShareError(f"epoch {epoch} has no key")
        place = epoch, generation
        share = self._shares.get(place)
        if share is None:
            try:
                share = load_share(self._folder, *place)
            except VerificationError as error:
                raise KeyHolderError(
                    "the share file of the key holder is damaged",  # its own fault, not that of who asks
                    next_step="Ask another holder; the operator of this one restores the file from a backup.",
                ) from error
            self._shares = {place: share}
        return share

    def _count(self, chunk: Chunk) -> None:
        with closing(self._book()) as book:
            book.execute("BEGIN IMMEDIATE")
            book.execute(
                "INSERT INTO answered (request, start, day, times) VALUES (?, ?, ?, 1) "
                "ON CONFLICT (request, start) DO UPDATE SET "
                "times = iif(day = excluded.day, times + 1, 1), day = excluded.day",
                (chunk.request, chunk.start, int(self._clock()) // 86_400),
            )
            (times,) = book.execute(
                "SELECT times FROM answered WHERE request = ? AND start = ?", (chunk.request, chunk.start)
            ).fetchone()
            if times > MOST_ANSWERS:
                book.execute("ROLLBACK")
                raise QuotaExceededError(
                    f"these elements of request {chunk.request} were evaluated {MOST_ANSWERS} times today",
                    next_step="Use the stored answers: an element has one answer. Or ask tomorrow.",
                )
            book.execute("COMMIT")

    def _book(self) -> sqlite3.Connection:
        from ledger.storage import open_database  # imported here because it loads SQLite, which is slow

        # One connection per request: it costs far less than an evaluation and belongs to no thread.
        return open_database(
            self._folder / "answered.sqlite",
            what="the count of answers",
            remedy="Delete it; without it, the answers are counted from zero.",
            tables=_TABLES,
        )

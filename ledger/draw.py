"""The draw of an audit: which of the elements that a member anchored it must open.

A holder of the pseudonym key evaluates what a member anchored (`ledger.evaluation_request`), and cannot see
whether an element is an account of a payment or a guess. So an auditor draws some elements, and the member
shows for each the account and the row that it was needed for (`ledger.opened_draw`).

The draw is uniform, without repetition, over all elements of the member's requests up to a block. The auditor
takes a random seed of 32 bytes; everything else follows from the seed and the chain, so that anybody can
compute the draw again:

1. The elements have the numbers 0 to N - 1: by the number of their request, and then by their position.
2. Word i, from 0, is the first 8 bytes, big-endian, of SHA-256(domain ‖ seed ‖ i in 8 bytes, big-endian).
3. A word that is not below the largest multiple of N in 64 bits is left out; so no element is likelier.
4. The word modulo N is the next element that is drawn; an element that was drawn before is left out.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count as counting
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from msgspec import Meta

from ledger import documents
from ledger.documents import Count, Document, Hash
from ledger.errors import InputError, VerificationError

if TYPE_CHECKING:
    from ledger.gateway.records import EvaluationRequest

__all__ = ["DRAW_FORMAT", "MOST_DRAWN", "Draw", "Place", "draw_elements", "drawn", "requests_of"]

DRAW_FORMAT: Final = "counterfoil/draw/1"

#: Most elements of one draw: each one that is opened re-identifies an account.
MOST_DRAWN: Final = 1_000

_DOMAIN: Final = DRAW_FORMAT.encode() + b"\x00"
_WORDS: Final = 2**64
_MOST_BYTES: Final = 1 << 20

_Number = Annotated[int, Meta(ge=1)]


class Place(NamedTuple):
    """An element's place: the number of its request on the chain, and its position in it, from 0."""

    request: int
    position: int

    def __str__(self) -> str:
        return f"request {self.request}, element {self.position}"


class PlaceDocument(Document):
    """A `Place` in JSON."""

    request: _Number
    position: Count


class DrawDocument(Document, tag_field="format", tag=DRAW_FORMAT):
    """A draw in JSON."""

    consortium: str
    member: str
    requests_until: Count
    drawn_at: Count
    total: _Number
    count: Annotated[int, Meta(ge=1, le=MOST_DRAWN)]
    seed: Hash
    elements: Annotated[list[PlaceDocument], Meta(max_length=MOST_DRAWN)]


@dataclass(frozen=True, slots=True)
class Draw:
    """The elements that a member must open.

    Parameters
    ----------
    consortium : str
        Name of the consortium (`ledger.deployment.Deployment.name`).
    member : str
        The member's agent identifier.
    requests_until : int
        The draw is over the member's requests up to this block.
    drawn_at : int
        The newest block when it was drawn. A row that was posted later explains no element: otherwise a
        member could post rows for the elements that happened to be drawn.
    total : int
        How many elements took part.
    seed : bytes
        32 random bytes.
    places : tuple of Place
        In the order in which they were drawn.
    """

    consortium: str
    member: str
    requests_until: int
    drawn_at: int
    total: int
    seed: bytes
    places: tuple[Place, ...]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the draw's file; what is opened for a draw names it."""
        return sha256(self.to_bytes()).digest()

    @property
    def purpose(self) -> str:
        """The purpose of the disclosures that are made for this draw."""
        return f"audit of evaluations, draw {self.digest.hex()}"

    def to_bytes(self) -> bytes:
        """Return the bytes of the draw's file."""
        return documents.write(
            DrawDocument(
                consortium=self.consortium,
                member=self.member,
                requests_until=self.requests_until,
                drawn_at=self.drawn_at,
                total=self.total,
                count=len(self.places),
                seed=self.seed.hex(),
                elements=[PlaceDocument(request=p.request, position=p.position) for p in self.places],
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Draw:
        """Read a draw; `check` then compares it with the chain.

        Raises
        ------
        VerificationError
            When it is malformed.
        """
        read = documents.read(data, DrawDocument, what="draw", most_bytes=_MOST_BYTES)
        if len(read.elements) != read.count:
            raise VerificationError(
                "the draw has another number of elements than it says", expected=read.count
            )
        if read.requests_until > read.drawn_at:
            raise VerificationError("the draw counts requests of blocks after the one in which it was made")
        return cls(
            read.consortium,
            read.member,
            read.requests_until,
            read.drawn_at,
            read.total,
            bytes.fromhex(read.seed),
            tuple(Place(place.request, place.position) for place in read.elements),
        )

    def check(self, consortium: str, requests: Sequence[EvaluationRequest]) -> None:
        """Compute the draw again from its seed.

        Parameters
        ----------
        consortium : str
            Name of the consortium.
        requests : sequence of EvaluationRequest
            The member's requests up to the block `requests_until` (`requests_of`), from the chain.

        Raises
        ------
        VerificationError
            When it is of another consortium, or its elements do not follow from its seed and the chain.
        """
        if self.consortium != consortium:
            raise VerificationError("the draw is of another consortium")
        total = sum(request.count for request in requests)
        if total != self.total:
            raise VerificationError(
                f"the draw is over another number of elements than {self.member} anchored up to block "
                f"{self.requests_until}",
                expected=total,
                got=self.total,
                next_step="Compare the node with another one; ask the auditor for a draw of this member.",
            )
        if drawn(self.seed, requests, len(self.places)) != self.places:
            raise VerificationError(
                "the elements of the draw do not follow from its seed: they were chosen, not drawn",
                next_step="Ask the auditor for the draw as it was made.",
            )


def draw_elements(
    consortium: str,
    member: str,
    requests: Sequence[EvaluationRequest],
    count: int,
    *,
    requests_until: int,
    drawn_at: int,
) -> Draw:
    """Draw elements with a new random seed; all of them, if there are fewer than `count`.

    Parameters
    ----------
    consortium, member : str
    requests : sequence of EvaluationRequest
        The member's requests up to the block `requests_until`.
    count : int
        1 to `MOST_DRAWN`.
    requests_until, drawn_at : int
        As in `Draw`.

    Raises
    ------
    InputError
        When `count` is out of range, or the member anchored nothing.
    """
    if not 1 <= count <= MOST_DRAWN:
        raise InputError(
            f"a draw has 1 to {MOST_DRAWN:,} elements, not {count:,}", next_step="Make several draws."
        )
    total = sum(request.count for request in requests)
    if not total:
        raise InputError(
            f"{member} anchored no elements up to block {requests_until}",
            next_step="Draw after the member has posted, or over the requests up to a later block.",
        )
    seed = os.urandom(32)
    places = drawn(seed, requests, min(count, total))
    return Draw(consortium, member, requests_until, drawn_at, total, seed, places)


def requests_of(requests: Iterable[EvaluationRequest], code: int, until: int) -> list[EvaluationRequest]:
    """Return the requests of the member with a code, up to a block, by their number."""
    own = (request for request in requests if request.member == code and request.block <= until)
    return sorted(own, key=lambda request: request.number)


def drawn(seed: bytes, requests: Sequence[EvaluationRequest], count: int) -> tuple[Place, ...]:
    """Return the first elements that a seed draws from requests, as many as there are at most."""
    starts, total = [], 0
    for request in requests:
        starts.append(total)
        total += request.count
    chosen: dict[int, None] = {}
    numbers = _numbers(seed, total)
    while len(chosen) < min(count, total):
        chosen[next(numbers)] = None
    return tuple(_place(number, starts, requests) for number in chosen)


def _place(number: int, starts: Sequence[int], requests: Sequence[EvaluationRequest]) -> Place:
    at = bisect_right(starts, number) - 1
    return Place(requests[at].number, number - starts[at])


def _numbers(seed: bytes, total: int) -> Iterator[int]:
    """Yield uniform numbers below `total`, with repetitions: SHA-256 in counter mode, with rejection."""
    usable = _WORDS - _WORDS % total
    for index in counting():
        word = int.from_bytes(sha256(_DOMAIN + seed + index.to_bytes(8, "big")).digest()[:8], "big")
        if word < usable:
            yield word % total

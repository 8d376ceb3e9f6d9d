"""Verify what a member opened of the elements that were drawn: each is an account of a row that it posted.

The requests and their roots come from the auditor's own node, everything else from the trust file. An element
that a posted row does not explain is a guess for all that anybody can know, and the report says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ledger.audit.fields import Basis
from ledger.audit.sampling import upper_bound
from ledger.audit.trust import Trust
from ledger.audit.verify import Verified, Verifier
from ledger.disclosure import DisclosedField, Disclosure, PseudonymOpening
from ledger.draw import Draw, Place, requests_of
from ledger.encoding import oprf
from ledger.errors import InputError, VerificationError
from ledger.evaluation_request import check_element
from ledger.opened_draw import OpenedDraw, OpenedElement, Reason, UnexplainedElement

if TYPE_CHECKING:
    from ledger.gateway import Gateway
    from ledger.gateway.records import EvaluationRequest

__all__ = ["GRACE_DAYS", "DrawReport", "JudgedElement", "Outcome", "check_opened", "code_of", "own_requests"]

#: How many days an honest row may take from the request of its pseudonyms to the chain.
GRACE_DAYS: Final = 7

_DAY: Final = 86_400
_FIELDS: Final = ("debtor_account", "creditor_account", "party_id", "on_behalf_of")


class Outcome(StrEnum):
    """What is known of a drawn element.

    - `EXPLAINED`: a row that was posted before the draw has its account or party.
    - `LATE`: such a row was posted, but after the draw, within the days of grace.
    - `WAITING`: the member says that its row waits, and the days of grace are not over.
    - `UNEXPLAINED`: none of these.
    """

    EXPLAINED = "explained"
    LATE = "late"
    WAITING = "waiting"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class JudgedElement:
    """A drawn element, and what explains it.

    Parameters
    ----------
    place : Place
    outcome : Outcome
    batch, row, block : int or None
        The row that explains it, and the block that has its batch.
    field : str or None
        The row's field.
    why : str or None
        Why it is not explained.
    """

    place: Place
    outcome: Outcome
    batch: int | None = None
    row: int | None = None
    block: int | None = None
    field: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class DrawReport:
    """What a member explained of a draw.

    Parameters
    ----------
    member : str
    draw : bytes
        SHA-256 of the draw.
    recipient : str
    requests, total : int
        How many requests and elements of the member the draw was over.
    rows : int
        How many rows were disclosed.
    elements : tuple of JudgedElement
        In the order of the draw.
    """

    member: str
    draw: bytes
    recipient: str
    requests: int
    total: int
    rows: int
    elements: tuple[JudgedElement, ...]

    def count(self, outcome: Outcome | str) -> int:
        """Return the number of elements with an outcome, or with the name of one."""
        return sum(element.outcome == outcome for element in self.elements)

    @property
    def open(self) -> int:
        """The number of elements that no row before the draw explains."""
        return len(self.elements) - self.count(Outcome.EXPLAINED)

    def most_guesses(self, *, confidence: float = 0.95) -> float:
        """Return the share of the member's elements that may be guesses at most, with a confidence.

        Every element that is not explained counts as a guess, also one that waits.
        """
        if len(self.elements) == self.total:
            return self.open / self.total
        return upper_bound(self.open, len(self.elements), confidence=confidence)

    def raise_if_unexplained(self) -> None:
        """Raise VerificationError if an element is unexplained."""
        found = [element for element in self.elements if element.outcome is Outcome.UNEXPLAINED]
        if found:
            first = found[0]
            raise VerificationError(
                f"{self.member} cannot explain {len(found)} of {len(self.elements)} drawn elements by a row "
                f"that it posted: {first.why}",
                where=f"{first.place}",
                next_step="Ask the member for the reason; tell the other members, which decide on its quota.",
            )


def code_of(trust: Trust, agent: str) -> int:
    """Return a member's code.

    Raises
    ------
    InputError
        When the trust file lists no such member.
    """
    found = [code for code, name in trust.agents.items() if name == agent]
    if not found:
        raise InputError(
            f"the trust file lists no member {agent}",
            next_step="Check the agent identifier; if the member is new, get a newer trust file.",
        )
    return found[0]


def own_requests(gateway: Gateway, trust: Trust, agent: str, until: int) -> list[EvaluationRequest]:
    """Return what a member asked the holders to evaluate up to a block, from the chain.

    Raises
    ------
    VerificationError
        When the node serves another consortium than the one in the trust file.
    ChainError
        When the node leaves out a request, or does not have the block yet.
    """
    if gateway.deployment != trust.deployment:
        raise VerificationError("the node serves another consortium than the one in the trust file")
    return requests_of(gateway.evaluation_requests(), code_of(trust, agent), until)


def check_opened(
    data: bytes,
    draw: Draw,
    gateway: Gateway,
    trust: Trust,
    *,
    recipient: str | None = None,
    grace_days: int = GRACE_DAYS,
) -> DrawReport:
    """Verify an opened draw.

    Parameters
    ----------
    data : bytes
        The opened draw.
    draw : Draw
        The auditor's own draw.
    gateway : Gateway
        The auditor's own node.
    trust : Trust
    recipient : str, optional
        Whoever the elements must have been opened for.
    grace_days : int
        How many days a row may take from its request to the chain.

    Returns
    -------
    DrawReport
        Its `raise_if_unexplained` raises VerificationError.

    Raises
    ------
    VerificationError
        When the draw or any part of what was opened is not valid; it names the element, and never an account.
    """
    height = gateway.height()
    if draw.drawn_at > height:
        raise VerificationError(
            f"the draw was made at block {draw.drawn_at}, and the node has {height} blocks",
            next_step="Wait until the node has caught up.",
        )
    requests = own_requests(gateway, trust, draw.member, draw.requests_until)
    draw.check(trust.deployment.name, requests)
    opened = OpenedDraw.from_bytes(data)
    _check_whole(opened, draw, trust, recipient)
    verifier = Verifier(trust)
    rows = [_row(number, made, opened, draw, verifier) for number, made in enumerate(opened.disclosures)]
    by_number = {request.number: request for request in requests}
    drawn_time = gateway.block_time(draw.drawn_at)
    judged = []
    for element in opened.elements:
        request = by_number[element.place.request]
        if isinstance(element, OpenedElement):
            if element.disclosure >= len(rows):
                raise VerificationError("the row of the element is missing", where=str(element.place))
            disclosure = opened.disclosures[element.disclosure]
            found = _opened(element, request, disclosure, rows[element.disclosure], draw)
        else:
            found = _told(element)
        if found.outcome in (Outcome.LATE, Outcome.WAITING):
            found = _in_time(found, drawn_time - gateway.block_time(request.block), grace_days)
        judged.append(found)
    if {e.disclosure for e in opened.elements if isinstance(e, OpenedElement)} != set(range(len(rows))):
        raise VerificationError("the opened draw has a disclosure that no element uses")
    return DrawReport(
        draw.member, draw.digest, opened.recipient, len(requests), draw.total, len(rows), tuple(judged)
    )


def _check_whole(opened: OpenedDraw, draw: Draw, trust: Trust, recipient: str | None) -> None:
    """Check whose the opened draw is, for which draw and recipient, and that no element is left out."""
    if opened.draw != draw.digest:
        raise VerificationError("this was opened for another draw", expected=draw.digest, got=opened.draw)
    by = trust.accounts.get(opened.signer(trust.deployment.domain("EvaluationLog")))
    if by is None or opened.member != draw.member or by.agent != draw.member:
        raise VerificationError(f"the opened draw is not signed by {draw.member}")
    if recipient is not None and opened.recipient != recipient:
        raise VerificationError("the draw was opened for another recipient")
    if tuple(element.place for element in opened.elements) != draw.places:
        raise VerificationError("the opened elements are not those of the draw, in its order")


def _row(number: int, disclosure: Disclosure, opened: OpenedDraw, draw: Draw, verifier: Verifier) -> Verified:
    try:
        proven = verifier.disclosure(disclosure, recipient=opened.recipient)
    except VerificationError as error:
        raise VerificationError(
            error.what, where=f"disclosure {number}", next_step=error.next_step
        ) from error
    if proven.agent != draw.member:
        raise VerificationError(
            f"the row was posted by {proven.agent}, not by {draw.member}", where=f"disclosure {number}"
        )
    if proven.purpose != draw.purpose:
        raise VerificationError("the row was disclosed for another purpose", where=f"disclosure {number}")
    return proven


def _opened(
    element: OpenedElement,
    request: EvaluationRequest,
    disclosure: Disclosure,
    proven: Verified,
    draw: Draw,
) -> JudgedElement:
    """Check that an element stands in its request, and that a row has what was blinded for it."""
    where = str(element.place)
    try:
        check_element(element.element, element.place.position, request.count, element.path, request.root)
    except VerificationError as error:
        raise VerificationError(
            f"the element is not the one that was anchored: {error.what}", where=where
        ) from error
    header = proven.receipt.header
    expected = request.epoch if request.linked_epoch is None else request.linked_epoch
    if header.epoch != expected:
        raise VerificationError(
            "the row is of another epoch than the request", expected=expected, got=header.epoch, where=where
        )
    basis = {field.name: field.basis for field in proven.fields}
    if element.field not in _FIELDS or basis.get(element.field) is not Basis.ROW:
        raise VerificationError(
            "the row's account or party is not opened with its proof, so it explains nothing", where=where
        )
    field = next(field for field in disclosure.fields if field.opened.name == element.field)
    if _element_of(field, element, disclosure, where) != element.element:
        raise VerificationError(
            "the row has another account or party than the element, or the blind is not the element's",
            where=where,
        )
    late = proven.receipt.block > draw.drawn_at
    return JudgedElement(
        element.place,
        Outcome.LATE if late else Outcome.EXPLAINED,
        header.sequence,
        proven.receipt.index,
        proven.receipt.block,
        element.field,
        "its row was posted after the draw" if late else None,
    )


def _element_of(field: DisclosedField, element: OpenedElement, disclosure: Disclosure, where: str) -> bytes:
    """Return the element that was blinded from a disclosed field."""
    value, proof = field.opened.value, field.proof
    if value is None or not isinstance(proof, PseudonymOpening):
        raise VerificationError("the row has no such account or party", where=where)
    if element.blind is None:
        return disclosure.evaluations[proof.evaluation].blinded[proof.element]
    try:
        return oprf.blind(value.encode(), element.blind).element
    except VerificationError as error:
        raise VerificationError("the element's blind is not a scalar", where=where) from error


def _told(element: UnexplainedElement) -> JudgedElement:
    """Judge what the member only says of an element."""
    if element.reason is Reason.WAITING:
        return JudgedElement(element.place, Outcome.WAITING, why="the member says that its row waits")
    why = (
        "the desk kept the batch of its row apart"
        if element.reason is Reason.APART
        else "the member names no row"
    )
    return JudgedElement(element.place, Outcome.UNEXPLAINED, why=why)


def _in_time(found: JudgedElement, seconds: int, grace_days: int) -> JudgedElement:
    """Refuse what waits, or was posted after the draw, when the days of grace were over at the draw."""
    if seconds < grace_days * _DAY:
        return found
    why = f"{found.why}; the draw was {seconds / _DAY:.1f} days after the request"
    return replace(found, outcome=Outcome.UNEXPLAINED, why=why)

"""The inbox: opens and verifies the flags on the case log that are addressed to this member, and counts them.

Each flag carries the member's own number and the hash of the delivery before it, and the desk's notes say how
many were sent. So the member sees when one is missing, repeated, or contradicts another one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger import canonical
from ledger.caselog import FLAG_KINDS, CaseKind
from ledger.delivery import NOTHING, TOPIC, Counted, Delivery, faults, open_count, read_note
from ledger.errors import VerificationError
from ledger.flag_payload import open_part, read_payload
from ledger.member.keys import MemberKeys

if TYPE_CHECKING:
    from ledger.gateway import CaseEntry, Gateway

__all__ = ["Inbox", "Received", "read_inbox"]

_ASK: Final = "Ask the desk for it: the desk's file, or a reader of the chain, has the flag."
_SHOW: Final = "Show this to an auditor: the chain proves what the desk wrote."
#: The most numbers that one sentence lists.
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class Received:
    """A flag addressed to this member: its identifier, its block, and the fields the member may see.

    If the flag could not be opened, `shown` is None and `problem` gives the reason. `sequence` is the
    member's own number of the flag, from 0; None if it is not known.
    """

    flag_id: bytes
    block: int
    shown: dict[str, Any] | None
    problem: str | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Inbox:
    """The flags addressed to a member, oldest first, and the check of their numbers.

    Parameters
    ----------
    flags : tuple of Received
    sent : int or None
        How many the desk's newest note says that it has sent; None if there is no note that can be read.
    arrived : int
        How many different numbers have arrived.
    problems : tuple of str
        A sentence for each fault, with the next step.
    """

    flags: tuple[Received, ...]
    sent: int | None
    arrived: int
    problems: tuple[str, ...]


@dataclass(slots=True)
class _FromDesk:
    """What one desk's account has sent to this member, and its newest note of deliveries."""

    deliveries: list[tuple[int, Delivery]] = field(default_factory=list)
    note: CaseEntry | None = None


def read_inbox(gateway: Gateway, keys: MemberKeys) -> Inbox:
    """Read the case log, and return what is addressed to a member."""
    code = gateway.member(keys.address).code
    private = X25519PrivateKey.from_private_bytes(keys.hpke)
    desks: defaultdict[str, _FromDesk] = defaultdict(_FromDesk)
    flags = []
    for entry in gateway.case_entries():
        if entry.kind in FLAG_KINDS:
            received, delivery = _open(entry, code, private)
            if received is not None:
                flags.append(received)
            if delivery is not None:
                desks[entry.author].deliveries.append((entry.index, delivery))
        elif entry.kind == CaseKind.NOTE and _tells_deliveries(entry):
            desks[entry.author].note = entry
    sent: int | None = None
    arrived = 0
    problems: list[str] = []
    for author, desk in desks.items():
        arrived += len({delivery.sequence for _, delivery in desk.deliveries})
        counted = None
        if desk.note is not None:
            try:
                counted = open_count(read_note(desk.note.payload), _address(author), code, private)
                sent = (sent or 0) + counted.count
            except VerificationError as error:
                problems.append(f"Entry {desk.note.index} of the case log: {error.what}. {_SHOW}")
        problems += _check(desk, counted)
    return Inbox(tuple(flags), sent, arrived, tuple(problems))


def _open(entry: CaseEntry, code: int, private: X25519PrivateKey) -> tuple[Received | None, Delivery | None]:
    try:
        payload = read_payload(entry.payload, entry.content_hash)
        found = open_part(
            payload, entry.content_hash, author=_address(entry.author), code=code, private_key=private
        )
    except VerificationError as error:
        return Received(entry.content_hash, entry.block, None, str(error)), None
    if found is None:
        return None, None
    delivery, shown = found
    if isinstance(shown, VerificationError):
        problem = f"{shown} {_SHOW}"
        return Received(entry.content_hash, entry.block, None, problem, delivery.sequence), delivery
    return Received(entry.content_hash, entry.block, shown, sequence=delivery.sequence), delivery


def _check(desk: _FromDesk, counted: Counted | None) -> Iterator[str]:
    """Yield a sentence for each fault in the deliveries of one desk."""
    deliveries = [delivery for _, delivery in desk.deliveries]
    count = 0 if counted is None else counted.count
    found = faults(deliveries, count)
    held = {delivery.sequence: delivery for delivery in deliveries}
    if found.missing:
        total = max(count, max(held, default=-1) + 1)
        yield (
            f"The desk has sent {total} flags to you, {len(held)} arrived: missing is "
            f"{_numbers(found.missing)}. {_ASK} If you have replaced your keys since then, it may be sealed "
            "to the old ones."
        )
    if found.repeated:
        yield f"The desk has sent the same flag more than once as {_numbers(found.repeated)}. {_SHOW}"
    if found.forked:
        yield (
            "The desk has told you two histories: what it sent does not follow from the flags before at "
            f"{_numbers(found.forked)}. {_SHOW}"
        )
    if counted is None or desk.note is None:
        return
    before = {delivery.sequence for index, delivery in desk.deliveries if index < desk.note.index}
    if len(before) > count:
        yield (
            f"The desk's newest note says that it has sent {count} flags to you, but {len(before)} arrived "
            f"before it. {_SHOW}"
        )
    last = held.get(count - 1)
    head = NOTHING if count == 0 else None if last is None else last.hash
    if head is not None and head != counted.head:
        yield f"The desk's newest note names another last flag than number {count} that arrived. {_SHOW}"


def _numbers(numbers: tuple[int, ...]) -> str:
    """Return numbers as people count, from 1."""
    shown = ", ".join(str(number + 1) for number in numbers[:_LISTED])
    more = f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else ""
    return f"number {shown}{more}"


def _tells_deliveries(entry: CaseEntry) -> bool:
    try:
        value: Any = canonical.loads(entry.payload, what="note")
    except VerificationError:
        return False
    return isinstance(value, dict) and value.get("topic") == TOPIC


def _address(author: str) -> bytes:
    return bytes.fromhex(author.removeprefix("0x"))

"""fsck of the case log: what the chain proves alone, what a reader's key shows, what the desk's file says.

Without a key, the hash chain over all entries, the authors, the kinds, and that each flag's leaves give its
identifier. With a reader's key, each flag, finding, decision and note of deliveries opens, and what follows
from it is computed again. With the desk's file, the file and the chain hold the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ledger import canonical
from ledger.audit.differences import Difference
from ledger.caselog import FLAG_KINDS, CaseKind, entry_head, kind_of
from ledger.decision import Decision, open_decision
from ledger.delivery import NOTHING, TOPIC, Counted, Delivery, faults, open_counts, read_note
from ledger.envelope import NotAddresseeError
from ledger.errors import VerificationError
from ledger.flag import Flag
from ledger.flag_payload import open_for_reader, read_payload
from ledger.stored_cases import StoredCases, StoredFlag

if TYPE_CHECKING:
    from ledger.gateway import CaseEntry, Gateway

__all__ = ["CaseReport", "check_cases"]

T = TypeVar("T")

#: The kinds that only the desk may append.
_BY_DESK: Final = (CaseKind.FLAG, CaseKind.FINDING, CaseKind.NOTE)


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What was compared, and every difference.

    Parameters
    ----------
    counts : mapping of str to int
        `entries`, then the entries of each kind in lower case; `opened` and `without_key`: entries that the
        given keys open and do not open; `unreadable`: decisions that are damaged, or copied from another
        author, which the desk ignores.
    differences : tuple of Difference
    """

    counts: Mapping[str, int]
    differences: tuple[Difference, ...]


@dataclass(slots=True)
class _Case:
    """What the check has found so far."""

    keys: Sequence[bytes]
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    #: author -> (index of the entry, delivery)
    deliveries: defaultdict[str, list[tuple[int, Delivery]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    #: author -> (index of the entry, what the note counts)
    told: defaultdict[str, list[tuple[int, list[Counted]]]] = field(default_factory=lambda: defaultdict(list))
    decisions: dict[tuple[bytes, str], CaseEntry] = field(default_factory=dict)

    def differs(self, where: str | int, what: str) -> None:
        place = where if isinstance(where, str) else f"entry {where} of the case log"
        self.differences.append(Difference(place, what))

    def opened(self, index: int, attempt: Callable[[bytes], T]) -> T | None:
        """Return what the first fitting key opens; None if no key fits, or if it is damaged."""
        for private in self.keys:
            try:
                found = attempt(private)
            except NotAddresseeError:
                continue
            except VerificationError as error:
                self.differs(index, error.what)
                return None
            self.counts["opened"] += 1
            return found
        self.counts["without_key"] += 1
        return None


def check_cases(
    gateway: Gateway,
    *,
    private_keys: Iterable[bytes] = (),
    book: StoredCases | None = None,
    desk: str | None = None,
) -> CaseReport:
    """Check the case log, and compare the desk's file with it.

    Parameters
    ----------
    gateway : Gateway
    private_keys : iterable of bytes
        HPKE keys of a reader; without a key, only what is public is checked.
    book : StoredCases, optional
        What the desk's file holds.
    desk : str, optional
        Address of the desk's account; needed to compare `book`.
    """
    size, head = gateway.case_head()
    entries = [entry for entry in gateway.case_entries() if entry.index < size]
    members = {account.account for account in gateway.accounts()}
    case = _Case(list(private_keys))
    case.counts["entries"] = len(entries)
    _check_chain(case, entries, size, head)
    for entry in entries:
        _check_entry(case, entry, members)
    for author, sent in case.deliveries.items():
        _check_deliveries(case, author, sent)
    if book is not None and desk is not None:
        own = {(e.kind, e.content_hash): e for e in entries if e.author.lower() == desk.lower()}
        _compare_flags(case, own, book)
        _compare_notes(case, own, book)
        _compare_decisions(case, entries, book)
        _compare_deliveries(case, desk, book)
    return CaseReport(dict(case.counts), tuple(case.differences))


def _check_chain(case: _Case, entries: Sequence[CaseEntry], size: int, head: bytes) -> None:
    """Compute the hash chain again."""
    now = bytes(32)
    for expected, entry in enumerate(entries):
        if entry.index != expected:
            case.differs(expected, "the node leaves out this entry")
            return
        now = entry_head(
            now,
            entry.index,
            entry.kind,
            entry.case_id,
            entry.content_hash,
            _address(entry.author),
            entry.payload,
        )
        if now != entry.head:
            case.differs(entry.index, "the entry does not give the head that the contract has recorded")
            return
    if len(entries) != size or now != head:
        case.differs("case log", f"the node shows {len(entries)} entries, the contract has {size}")


def _check_entry(case: _Case, entry: CaseEntry, members: set[bytes]) -> None:
    try:
        kind = CaseKind(entry.kind)
    except ValueError:
        case.differs(entry.index, "the kind of the entry is unknown")
        return
    case.counts[kind.name.lower()] += 1
    by_member = _address(entry.author) in members
    if kind in (*_BY_DESK, CaseKind.DECISION) and by_member:
        case.differs(entry.index, f"a member wrote a {kind.name.lower()}, which members may not write")
    if kind == CaseKind.ANSWER and not by_member:
        case.differs(entry.index, "an answer is not from a member")
    if kind in FLAG_KINDS:
        _check_flag(case, entry)
    elif kind == CaseKind.NOTE:
        _check_note(case, entry)
    elif kind == CaseKind.DECISION:
        _check_decision(case, entry)


def _check_flag(case: _Case, entry: CaseEntry) -> None:
    if entry.case_id != entry.content_hash:
        case.differs(entry.index, "the flag stands in the case of another flag")
    try:
        payload = read_payload(entry.payload, entry.content_hash)
    except VerificationError as error:
        case.differs(entry.index, error.what)
        return
    author = _address(entry.author)
    found = case.opened(
        entry.index,
        lambda private: open_for_reader(payload, entry.content_hash, author=author, private_key=private),
    )
    if found is None:
        return
    if kind_of(found.flag.source.kind) != entry.kind:
        case.differs(entry.index, "a detector's flag is written as a finding, or a finding as a flag")
    case.deliveries[entry.author] += [(entry.index, delivery) for delivery in found.deliveries]


def _check_note(case: _Case, entry: CaseEntry) -> None:
    if sha256(entry.payload).digest() != entry.content_hash:
        case.differs(entry.index, "the content hash of the note is not that of its payload")
        return
    try:
        value: Any = canonical.loads(entry.payload, what="note")
        if not isinstance(value, dict) or value.get("topic") != TOPIC:
            return
        note = read_note(entry.payload)
    except VerificationError as error:
        case.differs(entry.index, error.what)
        return
    author = _address(entry.author)
    counts = case.opened(entry.index, lambda private: open_counts(note, author, private))
    if counts is not None:
        case.told[entry.author].append((entry.index, counts))


def _check_decision(case: _Case, entry: CaseEntry) -> None:
    """Open a decision; one that is damaged or copied counts for nobody, and is no difference."""
    try:
        open_decision(entry.payload, entry.case_id, entry.author, entry.content_hash, case.keys)
    except NotAddresseeError:
        case.counts["without_key"] += 1
    except VerificationError:
        case.counts["unreadable"] += 1
    else:
        case.counts["opened"] += 1
        case.decisions[entry.content_hash, entry.author] = entry


def _check_deliveries(case: _Case, author: str, sent: Sequence[tuple[int, Delivery]]) -> None:
    """Check each member's numbers, and what the notes say about them."""
    by_code: defaultdict[int, list[Delivery]] = defaultdict(list)
    for _, delivery in sent:
        by_code[delivery.code].append(delivery)
    complete = not case.counts["without_key"]
    for code, deliveries in sorted(by_code.items()):
        found = faults(deliveries)
        named = [("repeated", found.repeated), ("contradicted by another flag", found.forked)]
        named += [("missing", found.missing)] if complete else []
        for what, numbers in named:
            for number in numbers:
                case.differs(f"deliveries to member {code}", f"number {number + 1} is {what}")
    notes = case.told[author]
    for index, counts in notes:
        before = {(d.code, d.sequence): d.hash for at, d in sent if at < index}
        for counted in counts:
            head = NOTHING if counted.count == 0 else before.get((counted.code, counted.count - 1))
            if head != counted.head and (head is not None or complete):
                case.differs(index, f"the note counts deliveries to member {counted.code} that are not there")
        if index == notes[-1][0]:
            upto = Counter(code for code, _ in before)
            for counted in counts:
                if upto[counted.code] > counted.count:
                    case.differs(index, f"the note leaves out deliveries to member {counted.code}")


def _compare_flags(case: _Case, own: Mapping[tuple[int, bytes], CaseEntry], book: StoredCases) -> None:
    held = {(int(kind_of(flag.kind)), flag.flag_id): flag for flag in book.flags}
    for (kind, content), entry in own.items():
        if kind in FLAG_KINDS and (kind, content) not in held:
            case.differs(
                entry.index,
                f"the desk's file does not have the flag {content.hex()}; run `counterfoil desk sync`, which "
                "restores it",
            )
    for key, flag in held.items():
        where = f"flag {flag.flag_id.hex()} in the desk's file"
        if (problem := _unsound(flag)) is not None:
            case.differs(where, problem)
        found = own.get(key)
        if found is None:
            if flag.block is not None:
                case.differs(where, f"the chain does not have it, but the file says block {flag.block}")
            continue
        if flag.payload_hash != sha256(found.payload).digest():
            case.differs(where, f"its payload differs from entry {found.index} of the case log")
        if flag.block != found.block:
            case.differs(where, f"the file says block {flag.block}, the chain block {found.block}")


def _unsound(flag: StoredFlag) -> str | None:
    """Return what is wrong with a stored flag in itself."""
    try:
        made = Flag.from_json(canonical.loads(flag.document, what="flag"))
        if len(flag.seed) != 32 or made.flag_id(flag.seed) != flag.flag_id:
            return "its document and its seed do not give its identifier"
    except VerificationError as error:
        return error.what
    return None


def _compare_notes(case: _Case, own: Mapping[tuple[int, bytes], CaseEntry], book: StoredCases) -> None:
    held = {note.content_hash: note for note in book.notes}
    for (kind, content), entry in own.items():
        if kind == CaseKind.NOTE and content not in held:
            case.differs(entry.index, f"the desk's file does not have the note {content.hex()}")
    for content, note in held.items():
        where = f"note {content.hex()} in the desk's file"
        if note.payload_hash != content:
            case.differs(where, "its content hash is not that of its payload")
        found = own.get((CaseKind.NOTE, content))
        if (note.block, note.case_id) != (
            (None, note.case_id) if found is None else (found.block, found.case_id)
        ):
            case.differs(where, "the chain does not have it in this block and case")


def _compare_decisions(case: _Case, entries: Sequence[CaseEntry], book: StoredCases) -> None:
    on_chain = {(e.content_hash, e.author): e for e in entries if e.kind == CaseKind.DECISION}
    held = {(made.content_hash, made.author): made for made in book.decisions}
    for key, entry in case.decisions.items():
        if key not in held:
            case.differs(
                entry.index, "the desk's file does not have this decision; `counterfoil desk train` reads it"
            )
    for key, made in held.items():
        where = f"decision {made.content_hash.hex()} in the desk's file"
        found = on_chain.get(key)
        if found is None or (found.index, found.block, found.case_id) != (
            made.entry,
            made.block,
            made.flag_id,
        ):
            case.differs(where, "the chain does not have it in this entry, block and case")
        try:
            decision = Decision.from_bytes(made.document)
            sound = (decision.flag_id, decision.content_hash(made.author)) == (made.flag_id, key[0])
        except VerificationError:
            sound = False
        if not sound:
            case.differs(where, "its document does not give its content hash")


def _compare_deliveries(case: _Case, desk: str, book: StoredCases) -> None:
    on_chain = {
        delivery
        for author, sent in case.deliveries.items()
        if author.lower() == desk.lower()
        for _, delivery in sent
    }
    anchored = {flag.flag_id for flag in book.flags if flag.block is not None}
    held = {delivery for delivery in book.deliveries if delivery.flag_id in anchored}
    known = {flag.flag_id for flag in book.flags}
    missing = {delivery for delivery in on_chain - held if delivery.flag_id in known}
    extra = held - on_chain if case.keys and not case.counts["without_key"] else set()
    for delivery in sorted(missing | extra):
        told = "does not have" if delivery in missing else "has, and the chain does not,"
        case.differs(
            f"deliveries to member {delivery.code}",
            f"the desk's file {told} number {delivery.sequence + 1}, of flag {delivery.flag_id.hex()}",
        )


def _address(author: str) -> bytes:
    return bytes.fromhex(author.removeprefix("0x"))

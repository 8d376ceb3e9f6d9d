"""Open the elements that an auditor drew: for each the path to its root, and the row that it was needed for.

The member computes the draw again before it opens anything. Then it chooses few rows: a row that has the
identifiers of several drawn elements is disclosed once, with these fields only. What cannot be opened is
listed with the reason, never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ledger.commitment import merkle
from ledger.deployment import Deployment
from ledger.disclosure import MAX_TEXT, Disclosure, PseudonymOpening
from ledger.draw import Draw, Place
from ledger.errors import InputError, VerificationError
from ledger.member.keys import MemberKeys
from ledger.member.receipts import PublishedLog, Standing, State, disclose, make_receipts, standings
from ledger.member.vault import HeldRecord, Vault
from ledger.member.vault.elements import Needed, Preimage
from ledger.opened_draw import OpenedDraw, OpenedElement, Reason, UnexplainedElement

if TYPE_CHECKING:
    from ledger.gateway.records import EvaluationRequest

__all__ = ["open_draw"]


class _Key(NamedTuple):
    """What explains an element: a row of this epoch with this identifier."""

    epoch: int
    identifier: str


@dataclass(frozen=True, slots=True)
class _Held:
    """What the vault has of a drawn element."""

    element: bytes
    path: tuple[bytes, ...]
    blind: bytes
    key: _Key


class _Row(NamedTuple):
    """A posted row, and the fields of it that explain elements."""

    late: bool
    batch: int
    row_index: int
    fields: dict[_Key, str]


@dataclass
class _Rows:
    """The rows that explain elements, one for each combination of them, and why others are not explained."""

    found: dict[tuple[bool, frozenset[_Key]], _Row] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    apart: set[_Key] = field(default_factory=set)


def open_draw(
    vault: Vault,
    keys: MemberKeys,
    draw: Draw,
    requests: Sequence[EvaluationRequest],
    *,
    deployment: Deployment,
    ledger: PublishedLog,
    verdicts: PublishedLog,
    policies: Mapping[bytes, bytes],
    x25519_keys: Mapping[str, bytes],
    recipient: str,
) -> OpenedDraw:
    """Open a draw for one recipient.

    Parameters
    ----------
    vault : Vault
    keys : MemberKeys
    draw : Draw
    requests : sequence of EvaluationRequest
        The member's requests up to the draw's block (`ledger.draw.requests_of`), from the chain.
    deployment : Deployment
    ledger, verdicts : PublishedLog
        The ledger log and the verdict log.
    policies : mapping of hash to document
        From the chain.
    x25519_keys : mapping of agent to public key
        The keys of the members, from the chain.
    recipient : str
        For whom; it is signed.

    Raises
    ------
    VerificationError
        When the draw is of another consortium or does not follow from its seed, or a log does not match its
        checkpoint.
    InputError
        When the draw is of another member, or no recipient is given.
    """
    if draw.member != keys.agent:
        raise InputError(
            f"the draw is of elements of {draw.member}, not of {keys.agent}",
            next_step="Ask the auditor for the draw of this member.",
        )
    if not recipient.strip() or len(recipient.strip()) > MAX_TEXT:
        raise InputError(
            f"the recipient is empty, or longer than {MAX_TEXT} characters",
            next_step="Say with --recipient for whom the elements are opened.",
        )
    draw.check(deployment.name, requests)
    held = _held(vault, draw, requests)
    rows = _rows(
        vault,
        {known.key for known in held.values()},
        standings(vault, ledger=ledger, verdicts=verdicts),
        draw.drawn_at,
    )
    chosen = _chosen(rows.found.values())
    records = [_record(vault, row) for row, _ in chosen]
    disclosures = [
        disclose(
            vault,
            keys,
            record,
            receipt,
            domain=deployment.domain("BatchLedger"),
            policy=policies[receipt.header.policy_hash],
            x25519_keys=x25519_keys,
            names=[row.fields[key] for key in used],
            purpose=draw.purpose,
            recipient=recipient,
        )
        for (row, used), record, receipt in zip(
            chosen, records, make_receipts(vault, records, ledger=ledger, verdicts=verdicts), strict=True
        )
    ]
    place = {key: (index, row.fields[key]) for index, (row, used) in enumerate(chosen) for key in used}
    elements = [_element(at, held.get(at), place, disclosures, rows) for at in draw.places]
    unsigned = OpenedDraw(draw.digest, keys.agent, recipient.strip(), elements, disclosures)
    return unsigned.sign(deployment.domain("EvaluationLog"), keys.account)


def _held(vault: Vault, draw: Draw, requests: Sequence[EvaluationRequest]) -> dict[Place, _Held]:
    """Return what the vault has of the drawn elements; nothing of an element that it does not know."""
    found = {}
    for request in requests:
        positions = [place.position for place in draw.places if place.request == request.number]
        if not positions:
            continue
        elements = vault.elements.of(request.number, request.root)
        leaves = [merkle.leaf_hash(element) for element in elements]
        if len(elements) != request.count or merkle.root(leaves) != request.root:
            continue
        paths = dict(zip(positions, merkle.inclusion_paths(leaves, positions), strict=True))
        known = vault.elements.preimages(request.number, request.root, positions)
        epoch = request.epoch if request.linked_epoch is None else request.linked_epoch
        for position, preimage in known.items():
            found[Place(request.number, position)] = _of(elements[position], paths[position], preimage, epoch)
    return found


def _of(element: bytes, path: Sequence[bytes], preimage: Preimage, epoch: int) -> _Held:
    return _Held(element, tuple(path), preimage.blind, _Key(epoch, preimage.identifier))


def _rows(vault: Vault, wanted: set[_Key], standing: Mapping[int, Standing], drawn_at: int) -> _Rows:
    """Look for the rows that explain elements."""
    rows = _Rows()
    identifiers = {key.identifier for key in wanted}
    for needed in vault.elements.records_with(identifiers):
        batch = None if needed.batch is None else standing.get(needed.batch)
        if batch is None or batch.state is State.WAITING:
            rows.waiting |= identifiers & set(needed.identifiers.values())
            continue
        fields = _fields(needed, batch.epoch, wanted)
        if batch.state is State.APART:
            rows.apart |= fields.keys()
        elif fields:
            row = _Row(batch.block > drawn_at, needed.batch or 0, needed.row_index or 0, fields)
            kind = row.late, frozenset(fields)
            known = rows.found.get(kind)
            if known is None or row[1:3] < known[1:3]:
                rows.found[kind] = row
    return rows


def _fields(needed: Needed, epoch: int, wanted: set[_Key]) -> dict[_Key, str]:
    """Return the first field of a row with each identifier that is wanted in its epoch."""
    fields: dict[_Key, str] = {}
    for name, identifier in needed.identifiers.items():
        key = _Key(epoch, identifier)
        if key in wanted:
            fields.setdefault(key, name)
    return fields


def _chosen(rows: Iterable[_Row]) -> list[tuple[_Row, list[_Key]]]:
    """Choose few rows that explain all that rows can explain; rows before the draw come first.

    Rows that explain most are taken first (a greedy cover); a row explains four elements at most.
    """
    chosen: list[tuple[_Row, list[_Key]]] = []
    explained: set[_Key] = set()
    candidates = sorted(rows, key=lambda row: row[:3])
    for late in (False, True):
        part = [row for row in candidates if row.late is late]
        for size in range(max((len(row.fields) for row in part), default=0), 0, -1):
            for row in part:
                new = [key for key in row.fields if key not in explained]
                if len(new) >= size:
                    explained.update(new)
                    chosen.append((row, new))
    return chosen


def _record(vault: Vault, row: _Row) -> HeldRecord:
    record = vault.record_at(row.batch, row.row_index)
    if record is None:
        raise VerificationError(
            "the vault was changed while the draw was opened",
            next_step="Run the same command again.",
        )
    return record


def _element(
    at: Place,
    held: _Held | None,
    place: Mapping[_Key, tuple[int, str]],
    disclosures: Sequence[Disclosure],
    rows: _Rows,
) -> OpenedElement | UnexplainedElement:
    if held is None:
        return UnexplainedElement(at, Reason.UNKNOWN)
    found = place.get(held.key)
    if found is None:
        if held.key.identifier in rows.waiting:
            return UnexplainedElement(at, Reason.WAITING)
        return UnexplainedElement(at, Reason.APART if held.key in rows.apart else Reason.UNKNOWN)
    index, name = found
    own = _proves(disclosures[index], name, held.element)
    return OpenedElement(at, held.element, held.path, index, name, None if own else held.blind)


def _proves(disclosure: Disclosure, name: str, element: bytes) -> bool:
    """Return whether a disclosed field's pseudonym was made from an element."""
    for disclosed in disclosure.fields:
        proof = disclosed.proof
        if disclosed.opened.name == name and isinstance(proof, PseudonymOpening):
            return disclosure.evaluations[proof.evaluation].blinded[proof.element] == element
    return False

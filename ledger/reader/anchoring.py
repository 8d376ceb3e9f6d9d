"""Anchoring: write the desk's flags to the case log, and compare the desk's file with what stands there.

The desk recognises its own entries by author, kind, content hash and the SHA-256 of the payload. An entry of
another author changes nothing, whatever identifier it uses. Flags that the desk's file has lost are restored
from the readers' envelopes on the chain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self

from ledger import canonical
from ledger.caselog import FLAG_KINDS, CaseKind, kind_of
from ledger.delivery import Delivery
from ledger.envelope import NotAddresseeError
from ledger.errors import TransactionRejectedError, VerificationError
from ledger.flag import Flag, FlagSource
from ledger.flag_payload import OpenedByReader, open_for_reader, read_payload
from ledger.reader.book import Book
from ledger.reader.casefile import insert_flag, renew_verdicts
from ledger.signing import AccountKey, address_of
from ledger.storage import transaction

if TYPE_CHECKING:
    from ledger.gateway import CaseEntry, Gateway

__all__ = ["ENTRIES_PER_TRANSACTION", "AnchorBook", "OwnEntries", "append_entries", "content_of"]

#: Entries in one transaction: well below the size and gas limits of networks.
ENTRIES_PER_TRANSACTION: Final = 16
_BYTES_PER_TRANSACTION: Final = 96 * 1024

#: An entry of the case log: kind, case, content hash, payload.
Entry = tuple[CaseKind, bytes, bytes, bytes]
#: What identifies an entry of one author.
_Key = tuple[int, bytes]
_Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class OwnEntries:
    """The entries on the case log of one account up to a block, by kind and content hash."""

    height: int
    entries: Mapping[_Key, CaseEntry]

    @classmethod
    def read(cls, gateway: Gateway, key: AccountKey) -> Self:
        """Read them from the chain; whoever compares several things with them reads the chain only once."""
        author, height = address_of(key).lower(), gateway.height()
        found = {
            (entry.kind, entry.content_hash): entry
            for entry in gateway.case_entries(None, height)
            if entry.author.lower() == author
        }
        return cls(height, found)


class AnchorBook(Book):
    """The flags of one desk, as far as they are anchored; `ledger.reader.cases.CaseBook` has the rest."""

    def reconcile(
        self, own: OwnEntries, author: bytes, private_keys: Iterable[bytes], note: _Note | None = None
    ) -> int:
        """Compare the file with the chain, and restore the flags that it has lost; return their number.

        Parameters
        ----------
        own : OwnEntries
        author : bytes
            Address of the desk's account, 20 bytes.
        private_keys : iterable of bytes
            The desk's HPKE keys.
        note : callable, optional
            Called with a sentence for each flag that differs, or that cannot be restored.
        """
        self._mark(own, note)
        return self._restore(own.entries, author, list(private_keys), note)

    def anchor(
        self, gateway: Gateway, key: AccountKey, note: _Note | None = None, *, own: OwnEntries | None = None
    ) -> int:
        """Write every flag that is not on the case log yet; return the number of written flags.

        The chain is read first, unless `own` has what was read, to find flags that were written before a
        crash and are not yet marked as anchored in the file. An entry that the contract refuses is named and
        tried again in the next round; the other entries are written.

        Raises
        ------
        TransactionRejectedError
            When the contract refuses every entry.
        """
        differing = self._mark(own or OwnEntries.read(gateway, key), note)
        waiting = self._state.execute(
            "SELECT number, flag_id, kind FROM flag WHERE block IS NULL ORDER BY number"
        ).fetchall()
        entries = self._entries(row for row in waiting if row[1] not in differing)
        written = 0
        for block, sent in append_entries(gateway, key, entries, note):
            with transaction(self._state, self._path) as state:
                state.executemany(
                    "UPDATE flag SET block = ? WHERE flag_id = ?", [(block, entry[2]) for entry in sent]
                )
            written += len(sent)
        return written

    def _entries(self, rows: Iterable[tuple[int, bytes, str]]) -> Iterator[Entry]:
        for number, flag_id, kind in rows:
            (payload,) = self._state.execute(
                "SELECT payload FROM flag_document WHERE number = ?", (number,)
            ).fetchone()
            yield kind_of(kind), flag_id, flag_id, payload

    def _mark(self, own: OwnEntries, note: _Note | None) -> set[bytes]:
        """Set each flag's block to that of its entry; return the flags whose payload on the chain differs.

        After a reorganisation of the chain, an entry may be in another block, or no longer on the chain. What
        is above the height that was read stays: it is newer, or the node is behind.
        """
        changed: list[tuple[int | None, int]] = []
        differing = set()
        rows = self._state.execute("SELECT number, flag_id, kind, block FROM flag").fetchall()
        for number, flag_id, kind, block in rows:
            entry = own.entries.get((kind_of(kind), flag_id))
            if block == (None if entry is None else entry.block):
                continue
            if entry is None:
                changed += [(None, number)] if block <= own.height else []
                continue
            (payload,) = self._state.execute(
                "SELECT payload FROM flag_document WHERE number = ?", (number,)
            ).fetchone()
            if sha256(payload).digest() == sha256(entry.payload).digest():
                changed.append((entry.block, number))
                continue
            differing.add(flag_id)
            if note is not None:
                note(
                    f"Flag {flag_id.hex()[:12]}: its payload in entry {entry.index} of the case log differs "
                    "from the desk's file. Another copy of the file was used: run `counterfoil fsck`."
                )
        if changed:
            with transaction(self._state, self._path) as state:
                state.executemany("UPDATE flag SET block = ? WHERE number = ?", changed)
        return differing

    def _restore(
        self, own: Mapping[_Key, CaseEntry], author: bytes, keys: Sequence[bytes], note: _Note | None
    ) -> int:
        known = {flag_id for (flag_id,) in self._state.execute("SELECT flag_id FROM flag")}
        lost = [e for (kind, content), e in own.items() if kind in FLAG_KINDS and content not in known]
        opened: list[tuple[CaseEntry, OpenedByReader]] = []
        for entry in lost:
            try:
                opened.append((entry, _open(entry, author, keys)))
            except VerificationError as error:
                if note is not None:
                    note(
                        f"Entry {entry.index} of the case log is a flag of this desk that the desk's file "
                        f"does not have, and it cannot be restored: {error.what}."
                    )
        if not opened:
            return 0
        with transaction(self._state, self._path) as state:
            for table in ("flag_document", "flag_addressee", "delivery"):
                state.execute(f"DELETE FROM {table} WHERE number NOT IN (SELECT number FROM flag)")
            if any(self._is_taken(delivery) for _, found in opened for delivery in found.deliveries):
                self._drop_unsent()
            for entry, found in opened:
                insert_flag(
                    state,
                    found.flag,
                    canonical.dumps(found.flag.to_json()),
                    flag_id=entry.content_hash,
                    content=self._free_content(found.flag, entry.content_hash),
                    seed=found.seed,
                    payload=entry.payload,
                    block=entry.block,
                    latest_score=found.flag.score,
                    deliveries=found.deliveries,
                )
            renew_verdicts(state)
        return len(opened)

    def _is_taken(self, delivery: Delivery) -> bool:
        """Return whether an unsent flag has the number of an anchored one, or does not follow from it."""
        return bool(
            self._state.execute(
                "SELECT 1 FROM delivery JOIN flag USING (number) WHERE member = ?1 AND block IS NULL "
                "AND (sequence = ?2 OR sequence = ?2 + 1 AND previous != ?3)",
                (delivery.code, delivery.sequence, delivery.hash),
            ).fetchone()
        )

    def _drop_unsent(self) -> None:
        """Remove the flags that were not sent yet; the next scan raises them again, with other numbers."""
        unsent = "(SELECT number FROM flag WHERE block IS NULL)"
        for table in ("flag_document", "flag_addressee", "delivery", "flag"):
            self._state.execute(f"DELETE FROM {table} WHERE number IN {unsent}")

    def _free_content(self, flag: Flag, flag_id: bytes) -> bytes:
        content = content_of(flag)
        taken = self._state.execute("SELECT 1 FROM flag WHERE content = ?", (content,)).fetchone()
        return flag_id if taken else content


def append_entries(
    gateway: Gateway, key: AccountKey, entries: Iterable[Entry], note: _Note | None = None
) -> Iterator[tuple[int, list[Entry]]]:
    """Append entries in groups that fit in one transaction; yield (block, entries) after each transaction.

    If the contract refuses a group, its entries are sent one by one, and each refused entry is named.

    Raises
    ------
    TransactionRejectedError
        When the contract takes no entry of this account at all: it is paused, or the account has no role.
    """
    for group in _groups(entries):
        parts = [group]
        while parts:
            part = parts.pop(0)
            try:
                block = gateway.transact(key, "CaseLog", "append", part)
            except TransactionRejectedError as error:
                probe = (CaseKind.NOTE, bytes(32), os.urandom(32), b"")
                gateway.rehearse(address_of(key), "CaseLog", "append", [probe])
                if len(part) > 1:
                    parts = [[entry] for entry in part] + parts
                elif note is not None:
                    note(
                        f"Entry {part[0][2].hex()[:12]} was not written to the case log: {error.what}. "
                        "It is tried again in the next round."
                    )
                continue
            yield block, part


def _groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    size = 0
    for entry in entries:
        full = len(group) == ENTRIES_PER_TRANSACTION or size + len(entry[3]) > _BYTES_PER_TRANSACTION
        if group and full:
            yield group
            group, size = [], 0
        group.append(entry)
        size += len(entry[3])
    if group:
        yield group


def _open(entry: CaseEntry, author: bytes, keys: Sequence[bytes]) -> OpenedByReader:
    payload = read_payload(entry.payload, entry.content_hash)
    for private in keys:
        try:
            return open_for_reader(payload, entry.content_hash, author=author, private_key=private)
        except NotAddresseeError:
            continue
    raise VerificationError("it is sealed to none of the desk's reader keys")


def content_of(flag: Flag) -> bytes:
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

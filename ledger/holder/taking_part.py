"""A holder's part in key ceremonies: it looks at the chain, and does what it can do next, once.

Everything is stored before it is sent: after a crash at any point, the same call goes on. A contribution
is made once for each ceremony; a second one would differ from what was committed to.

An encryption key serves one ceremony. As soon as a ceremony names it, it is put aside for this ceremony and
another one takes its place: so the members can replace a ceremony that is stuck with one of the same holders.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.encoding.ceremony import (
    BadShareError,
    Ceremony,
    CeremonyError,
    commitment_of,
    make_contribution,
    receive,
    result,
)
from ledger.errors import CounterfoilError, TransactionRejectedError
from ledger.holder.keys import HolderKeys
from ledger.holder.shares import (
    HeldShare,
    ceremony_of,
    erase,
    erase_older,
    held_shares,
    load_share,
    save_share,
)
from ledger.storage import write_atomically
from ledger.transcripts import described, old_key

if TYPE_CHECKING:
    from ledger.gateway import Ceremony as Record
    from ledger.gateway import Gateway

__all__ = ["take_part"]


def take_part(
    folder: Path,
    gateway: Gateway,
    *,
    note: Callable[[str], None] | None = None,
    records: list[Record] | None = None,
) -> bool:
    """Do what this holder can do next in every running ceremony; erase what was replaced.

    Shares of earlier generations are erased, and the encryption key of a ceremony that has ended.

    Parameters
    ----------
    folder : Path
        The holder's folder.
    gateway : Gateway
    note : callable, optional
        Called with a sentence for each step.
    records : list of Ceremony, optional
        Every ceremony, as the gateway has just read it.

    Returns
    -------
    bool
        Whether anything was done.

    Raises
    ------
    CounterfoilError
        When a step is not possible, and no ceremony needed another one.
    """
    known = gateway.ceremonies() if records is None else records
    part = _Part(folder, gateway, known, note or (lambda _: None))
    part.renew_key()
    done, problems = part.steps()
    part.erase()
    if problems and not done:
        raise problems[0]
    return done


class _Part:
    def __init__(
        self, folder: Path, gateway: Gateway, records: list[Record], note: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._keys = HolderKeys.load(folder / "keys.json")
        self._gateway = gateway
        self._records = records
        self._running = [record for record in records if record.status == "running"]
        self._accounts = {record.number: record.accounts for record in records}
        self._note = note

    def renew_key(self) -> None:
        """Put the encryption key aside for the ceremony that names it, and make another one."""
        keys, own = self._folder / "keys.json", self._keys.encryption_public
        if any(own in record.encryption_keys for record in self._records):
            for record in self._running:
                if own in record.encryption_keys:
                    write_atomically(self._aside(record.number), keys.read_bytes(), mode=0o600)
            self._keys = self._keys.renewed(keys)
            self._note("A ceremony uses the encryption key; there is a new one for the next ceremony.")

    def steps(self) -> tuple[bool, list[CounterfoilError]]:
        """Do the next step in every ceremony; return whether there was one, and what was not possible."""
        done, problems = False, []
        for record in self._running:
            try:
                done |= self.step(record)
            except CounterfoilError as error:
                problems.append(error)  # the other ceremonies go on
        return done, problems

    def step(self, record: Record) -> bool:
        """Do the next step of this holder in one ceremony; return whether there was one."""
        ceremony = described(self._gateway.deployment, record, self._gateway.epoch_keys())
        dealer, receiver = self._dealer(record), self._index(record.accounts)
        if dealer in record.dealers and dealer not in record.commitments:
            commitment = commitment_of(self._contribution(ceremony, record, dealer))
            return self._send(record, "commit", commitment)
        if len(record.commitments) < len(record.dealers):
            return False
        if dealer in record.dealers and dealer not in record.contributions:
            return self._send(record, "deal", self._contribution(ceremony, record, dealer))
        if len(record.contributions) < len(record.dealers) or not receiver or receiver in record.confirmed:
            return False
        return self._finish(ceremony, record, receiver)

    def erase(self) -> None:
        """Erase shares that are not in force any more, those of ceremonies that failed, and used keys."""
        held = {epoch for epoch, _ in held_shares(self._folder)}
        for key in self._gateway.epoch_keys():
            if key.number in held:
                for gone in erase_older(self._folder, key.number, key.generation):
                    self._note(f"Erased the share of epoch {key.number}, generation {gone}.")
        failed = {record.number for record in self._records if record.status in ("failed", "replaced")}
        for place in held_shares(self._folder):
            try:
                number = ceremony_of(self._folder, *place)
            except CounterfoilError:
                continue  # damaged: whoever uses it is told so
            if number in failed:
                erase(self._folder / f"share-{place[0]}-{place[1]}.json")
                self._note(f"Erased the share of ceremony {number}, which ended without a key.")
        for record in self._records:
            if record.status != "running" and self._aside(record.number).exists():
                erase(self._aside(record.number))

    def _finish(self, ceremony: Ceremony, record: Record, receiver: int) -> bool:
        """Check all contributions; store the share and confirm the result, or complain."""
        aside = self._aside(record.number)
        keys = HolderKeys.load(aside) if aside.exists() else self._keys
        try:
            secret = receive(ceremony, record.contributions, receiver, keys.encryption)
        except CeremonyError as error:
            complaint = error.complaint if isinstance(error, BadShareError) else b""
            self._note(f"Ceremony {record.number} has failed: {error.what}.")
            return self._send(record, "complain", error.party.index, complaint)
        save_share(self._folder, HeldShare(record.epoch, record.generation, record.number, receiver, secret))
        key = result(ceremony, record.contributions)
        return self._send(record, "confirm", key.public_key, list(key.share_commitments))

    def _contribution(self, ceremony: Ceremony, record: Record, dealer: int) -> bytes:
        """Return this holder's contribution; it is made and stored at the first call."""
        path = self._folder / f"contribution-{record.number}.bin"
        if not path.exists():
            old = old_key(record, self._gateway.epoch_keys())
            share = load_share(self._folder, old.number, old.generation).secret if old else None
            made = make_contribution(ceremony, dealer, old_share=share)
            write_atomically(path, made, mode=0o600)
        return path.read_bytes()

    def _dealer(self, record: Record) -> int:
        """Return this holder's index among the possible dealers; 0 if it is none."""
        if not old_key(record, self._gateway.epoch_keys()):
            return self._index(record.accounts)
        return self._index(self._accounts[self._gateway.key_ceremony(record.epoch)])

    def _aside(self, ceremony: int) -> Path:
        """Return the place of the holder's keys as they were when a ceremony began."""
        return self._folder / f"keys-{ceremony}.json"

    def _index(self, accounts: tuple[str, ...]) -> int:
        own = self._keys.address
        return accounts.index(own) + 1 if own in accounts else 0

    def _send(self, record: Record, function: str, *arguments: object) -> bool:
        try:
            self._gateway.transact(self._keys.account, "PseudonymKeys", function, record.number, *arguments)
        except TransactionRejectedError as error:
            if "NotRunning" in str(error.where) or "Repeated" in str(error.where):
                return False  # somebody else ended the ceremony, or this step arrived before a crash
            raise
        self._note(f"Ceremony {record.number}: {function}.")
        return True

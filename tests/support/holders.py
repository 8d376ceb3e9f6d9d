"""Holders of the pseudonym key for tests: real folders and accounts, and ceremonies on a real chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from counterfoil.ceremonies import HolderIdentity, ceremony_call
from counterfoil.council import decide
from counterfoil.founding import fund_here
from ledger.encoding.ceremony import Ceremony, make_contribution
from ledger.evaluation_request import request_root
from ledger.gateway import Ceremony as Record
from ledger.holder import taking_part
from ledger.holder.evaluating import ShareHolder
from ledger.holder.keys import HolderKeys
from ledger.holder.shares import HeldShare, held_shares, load_share
from ledger.holder.taking_part import take_part
from ledger.storage import private_folder
from tests.support.consortium import EPOCH, SmallConsortium

__all__ = ["Party", "check_evaluated_once", "dealing", "parties", "run", "start_ceremony"]


@dataclass
class Party:
    """A key holder: its folder, its keys, and the chain of its consortium."""

    folder: Path
    consortium: SmallConsortium

    @property
    def keys(self) -> HolderKeys:
        """Its keys; a ceremony replaces one of them."""
        return HolderKeys.load(self.folder / "keys.json")

    @property
    def identity(self) -> HolderIdentity:
        """What members know of it."""
        return HolderIdentity(self.keys.address, self.keys.encryption_public)

    def step(self) -> bool:
        """Do what it can do next."""
        return take_part(self.folder, self.consortium.gateway)

    def send(self, function: str, *arguments: object) -> None:
        """Send any message of a ceremony, also one that a holder would not send."""
        self.consortium.gateway.transact(self.keys.account, "PseudonymKeys", function, *arguments)

    def share(self, epoch: int) -> HeldShare:
        """Return its newest share of an epoch."""
        return load_share(
            self.folder, *[place for place in held_shares(self.folder) if place[0] == epoch][-1]
        )

    def holder(self, **options: Any) -> ShareHolder:
        """Return what evaluates with its shares."""
        return ShareHolder(self.folder, lambda: self.consortium.gateway, **options)


def parties(consortium: SmallConsortium, folder: Path, count: int) -> list[Party]:
    """Make holders with funded accounts."""
    made = []
    for number in range(1, count + 1):
        place = folder / str(number)
        private_folder(place)
        HolderKeys.generate().save(place / "keys.json")
        made.append(Party(place, consortium))
    fund_here(consortium.home, consortium.url, [party.keys.address for party in made])
    return made


def start_ceremony(
    consortium: SmallConsortium,
    epoch: int,
    holders: Sequence[Party],
    threshold: int,
    dealers: Sequence[int] = (),
) -> int:
    """Let the members start a ceremony; return its number."""
    named = [party.identity for party in holders]
    call = ceremony_call(consortium.gateway, epoch, named, threshold=threshold, dealers=dealers)
    assert decide(consortium.home, consortium.gateway, f"Ceremony for epoch {epoch}", [call]).done
    return consortium.gateway.ceremonies()[-1].number


def run(number: int, holders: Sequence[Party]) -> Record:
    """Let holders take part until none of them has anything to do; return the ceremony."""
    while sum(party.step() for party in holders):
        pass
    return holders[0].consortium.gateway.ceremony(number)


def dealing(party: Party, change: Callable[[Ceremony, int, bytes], bytes]) -> Callable[[], bool]:
    """Return a step of a holder that changes its contribution before it commits to it."""

    def altered(ceremony: Ceremony, dealer: int, *, old_share: bytes | None = None) -> bytes:
        return change(ceremony, dealer, make_contribution(ceremony, dealer, old_share=old_share))

    def step() -> bool:
        with patch.object(taking_part, "make_contribution", altered):
            return party.step()

    return step


def check_evaluated_once(consortium: SmallConsortium, bank: str, identifiers: int) -> None:
    """Check that the chain has each element of a bank once, in one request, and its vault the evaluations."""
    gateway = consortium.gateway
    code = gateway.member(consortium.keys[bank].address).code
    asked = [request for request in gateway.evaluation_requests() if request.member == code]
    assert sum(request.count for request in asked) == identifiers
    with consortium.vault(bank) as vault:
        assert len(vault.pseudonyms(EPOCH)) == identifiers
        assert vault.requests.open(EPOCH) == []
        rows = vault.connection.execute(
            "SELECT request, start, blinded FROM evaluation ORDER BY request, start"
        ).fetchall()
    elements: dict[int, list[bytes]] = {}
    for request, start_at, blinded in rows:
        known = elements.setdefault(request, [])
        assert start_at == len(known), "a part is missing, or stands twice"
        known += [blinded[place : place + 32] for place in range(0, len(blinded), 32)]
    assert {request.number: request.root for request in asked} == {
        number: request_root(known) for number, known in elements.items()
    }
    flat = [element for known in elements.values() for element in known]
    assert len(set(flat)) == len(flat) == identifiers

"""The inbox: opens and verifies the flags on the chain's case log that are addressed to this member."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.caselog import CaseKind, open_flag
from ledger.errors import VerificationError
from ledger.member.keys import MemberKeys

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["Received", "received_flags"]


@dataclass(frozen=True, slots=True)
class Received:
    """A flag addressed to this member: its identifier, its block, and the fields the member may see.

    If the flag could not be opened, `shown` is None and `problem` gives the reason.
    """

    flag_id: bytes
    block: int
    shown: dict[str, Any] | None
    problem: str | None = None


def received_flags(gateway: Gateway, keys: MemberKeys) -> Iterator[Received]:
    """Yield the flags and findings addressed to a member, oldest first."""
    code = gateway.member(keys.address).code
    for entry in gateway.case_entries():
        if entry.kind not in (CaseKind.FLAG, CaseKind.FINDING):
            continue
        try:
            shown = open_flag(entry.payload, entry.content_hash, code, keys.hpke)
        except VerificationError as error:
            yield Received(entry.content_hash, entry.block, None, str(error))
            continue
        if shown is not None:
            yield Received(entry.content_hash, entry.block, shown)

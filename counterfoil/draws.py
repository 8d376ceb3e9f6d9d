"""The audit of evaluations: the auditor draws, the member opens, the auditor verifies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ledger.draw import Draw, draw_elements, requests_of
from ledger.errors import InputError

if TYPE_CHECKING:
    from ledger.audit.draws import DrawReport
    from ledger.audit.trust import Trust
    from ledger.gateway import Gateway
    from ledger.log.published import PublishedLog
    from ledger.member.keys import MemberKeys
    from ledger.member.vault import Vault
    from ledger.opened_draw import OpenedDraw

__all__ = ["check", "draw", "open_for", "read_draw"]


def read_draw(draw: Draw | bytes | Path | str) -> Draw:
    """Return a draw from its bytes or its file.

    Raises
    ------
    InputError
        When there is no such file.
    VerificationError
        When it is not a draw.
    """
    if isinstance(draw, Draw):
        return draw
    if not isinstance(draw, bytes):
        path = Path(draw)
        if not path.is_file():
            raise InputError("there is no such file", where=str(path))
        draw = path.read_bytes()
    return Draw.from_bytes(draw)


def draw(gateway: Gateway, trust: Trust, agent: str, *, count: int, until_block: int | None = None) -> Draw:
    """Draw elements of a member; see `counterfoil.Auditor.draw`."""
    from ledger.audit.draws import own_requests

    height = gateway.height()
    until = height if until_block is None else until_block
    if not 0 <= until <= height:
        raise InputError(f"there is no block {until} yet", next_step=f"Give a block up to {height}, or none.")
    requests = own_requests(gateway, trust, agent, until)
    return draw_elements(trust.deployment.name, agent, requests, count, requests_until=until, drawn_at=height)


def open_for(
    vault: Vault,
    keys: MemberKeys,
    draw: Draw,
    gateway: Gateway,
    logs: tuple[PublishedLog, PublishedLog],
    *,
    recipient: str,
) -> OpenedDraw:
    """Open a draw of a member; see `counterfoil.Member.open_draw`."""
    from ledger.member.opening_draws import open_draw

    members = gateway.members()
    code = next((member.code for member in members if member.agent == keys.agent), 0)
    ledger, verdicts = logs
    return open_draw(
        vault,
        keys,
        draw,
        requests_of(gateway.evaluation_requests(), code, draw.requests_until),
        deployment=gateway.deployment,
        ledger=ledger,
        verdicts=verdicts,
        policies=gateway.policies(),
        x25519_keys={member.agent: member.x25519_key for member in members},
        recipient=recipient,
    )


def check(
    opened: bytes,
    draw: Draw,
    gateway: Gateway,
    trust: Trust,
    *,
    recipient: str | None = None,
    grace_days: int | None = None,
) -> DrawReport:
    """Verify what was opened of a draw; see `counterfoil.Auditor.check_opened`."""
    from ledger.audit.draws import GRACE_DAYS, check_opened

    days = GRACE_DAYS if grace_days is None else grace_days
    return check_opened(opened, draw, gateway, trust, recipient=recipient, grace_days=days)

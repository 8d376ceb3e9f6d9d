"""``counterfoil flag decide``: an officer's verdict on a flag, on the case log; and what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.consortium import Governance, connect
from cli.output import Settings, emit, say, settings, show_table
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home

if TYPE_CHECKING:
    from ledger.gateway import Gateway
    from ledger.reader.cases import KeptFlag
    from ledger.reader.decisions import KeptDecision

__all__ = ["decisions", "read_decisions", "register_decide", "said", "show_decisions", "verdicts"]


class _Verdict(StrEnum):
    suspicious = "suspicious"
    not_suspicious = "not_suspicious"


def decisions(home: Home) -> dict[bytes, list[KeptDecision]]:
    """Return each flag's decisions as the desk last read them, oldest first. Needs no chain."""
    from ledger.reader.decisions import DecisionBook

    with DecisionBook(home.desk.cases) as book:
        return book.by_flag()


def verdicts(home: Home) -> dict[bytes, str]:
    """Return the verdict in force of every decided flag: its last decision's."""
    return {flag_id: made[-1].decision.verdict for flag_id, made in decisions(home).items()}


def read_decisions(home: Home, gateway: Gateway) -> dict[bytes, list[KeptDecision]]:
    """Bring the desk's decisions up to the chain and return them; say which could not be read."""
    from ledger.reader.decisions import DecisionBook
    from ledger.reader.keys import DeskKeys

    keys = DeskKeys.load(home.desk.keys)
    with DecisionBook(home.desk.cases) as book:
        for entry, problem in book.sync(gateway, list(keys.readers.values())[::-1]):
            say(f"Entry {entry} of the case log is no decision that can be read: {problem}.")
        return book.by_flag()


def said(verdict: str) -> str:
    """Return a verdict as a person reads it."""
    return verdict.replace("_", " ")


def show_decisions(made: Sequence[KeptDecision]) -> None:
    """Print a flag's decisions, oldest first."""
    rows = [
        (
            datetime.fromtimestamp(d.decision.decided_at, UTC).strftime("%Y-%m-%d %H:%M"),
            said(d.decision.verdict),
            f"{d.author[:10]}...",
            d.block,
            d.decision.reason,
        )
        for d in made
    ]
    if rows:
        show_table("Decisions, the last one counts", ["time (UTC)", "verdict", "by", "block", "reason"], rows)
    else:
        say("No officer has decided on it yet.")


def decide(
    context: typer.Context,
    flag_id: Annotated[str, typer.Argument(help="The flag's identifier, or its first digits.")],
    verdict: Annotated[_Verdict, typer.Argument(help="What you find.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the decision, sealed to desk and officer.")],
    officer: Annotated[int, typer.Option(min=1, max=3, help="Which officer of this machine decides.")] = 1,
) -> None:
    """Decide on a flag. A later decision takes its place; all of them stay on the chain."""
    options = settings(context)
    if not reason.strip():
        raise InputError("a decision needs its reason", next_step="Say why with --reason; it stays with it.")
    kept = _anchored(options, flag_id)
    gateway = connect(options.home, options.chain)
    _append(options.home, gateway, kept.flag_id, verdict.value, reason, officer)
    made = read_decisions(options.home, gateway)[kept.flag_id]
    value = {"flag_id": kept.flag_id.hex(), "decisions": [d.to_json() for d in made]}
    emit(options, value, lambda: show_decisions(made))
    say(f"Flag {kept.flag_id.hex()[:12]} is decided: {said(made[-1].decision.verdict)}.")


def _anchored(options: Settings, flag_id: str) -> KeptFlag:
    from ledger.reader.cases import CaseBook

    if not options.home.desk.keys.exists():
        raise ConfigurationError(
            "there is no desk here",
            where=str(options.home.desk.root),
            next_step="Run `counterfoil demo`, or check --home.",
        )
    with CaseBook(options.home.desk.cases) as book:
        kept = book.find(flag_id)
    if kept.block is None:
        raise InputError(
            "the flag is not on the chain yet",
            where=kept.flag_id.hex(),
            next_step="Run `counterfoil desk scan` or `counterfoil desk check`: either anchors what waits.",
        )
    return kept


def _append(home: Home, gateway: Gateway, flag_id: bytes, verdict: str, reason: str, officer: int) -> None:
    from eth_account import Account

    from ledger.caselog import CaseKind
    from ledger.decision import Decision, seal_decision

    key = Governance.load(home).officers[officer - 1]
    author = str(Account.from_key(key).address)
    decision = Decision.make(flag_id, verdict, reason, int(datetime.now(UTC).timestamp()))
    payload = seal_decision(decision, author, key, [reader.hpke_key for reader in gateway.readers()])
    entry = (CaseKind.DECISION, flag_id, decision.content_hash(author), payload)
    gateway.transact(key, "CaseLog", "append", [entry])


def register_decide(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(decide)

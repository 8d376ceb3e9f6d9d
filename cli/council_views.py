"""Show proposals, their calls, and what became of a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer

from cli.output import Settings, say, show_facts
from counterfoil.council import Outcome
from ledger.errors import InputError

__all__ = ["ask", "call_row", "codes", "proposal_json", "show_outcome", "show_standing", "time_of"]


def ask(question: str, yes: bool) -> None:
    """Ask for a confirmation, unless it was given before.

    Raises
    ------
    InputError
        When it is not given.
    """
    if not yes and not typer.confirm(question, err=True):
        raise InputError("not confirmed; nothing was sent", next_step="Use --yes to answer the question.")


def show_outcome(options: Settings, outcome: Outcome) -> None:
    """Say what became of a decision."""
    if outcome.proposal is None or outcome.done:
        say("Done." if outcome.proposal is None else f"Proposal {outcome.proposal} is executed.")
    elif outcome.executable_at:
        say(
            f"Proposal {outcome.proposal} has passed. After {time_of(outcome.executable_at)}: "
            f"`{options.program} consortium execute {outcome.proposal}`."
        )
    else:
        say(
            f"Proposal {outcome.proposal} has {outcome.approvals} of {outcome.needed} approvals. "
            f"Other members: `counterfoil consortium approve {outcome.proposal}`."
        )


def proposal_json(proposal: Any) -> dict[str, Any]:
    """Return a proposal as JSON values."""
    value = asdict(proposal)
    value["calls_hash"] = proposal.calls_hash.hex()
    value["calls"] = [
        {
            "contract": call.contract or call.target,
            "function": call.function,
            "arguments": {name: _plain(argument) for name, argument in call.arguments},
            "data": "0x" + call.data.hex(),
        }
        for call in proposal.calls
    ]
    return value


def show_standing(proposal: Any) -> None:
    """Print where a proposal stands."""
    facts = [
        ("status", proposal.status),
        ("approvals", f"{len(proposal.approvals)} of {proposal.needed}"),
        ("executable from", time_of(proposal.executable_at)),
        ("void from", time_of(proposal.expires_at)),
    ]
    show_facts(f"Proposal {proposal.number}: {proposal.title}", facts)


def call_row(call: Any) -> tuple[str, str, str]:
    """Return contract, function and arguments of a call, for a table."""
    arguments = ", ".join(f"{name}={_short(_plain(value))}" for name, value in call.arguments)
    unknown = f"0x{call.data.hex()}"
    return call.contract or call.target, call.function or "?", arguments if call.function else unknown


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 70 else f"{text[:66]}... ({len(text)} characters)"


def time_of(seconds: int) -> str:
    """Return a Unix time for a person; 0 is no time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else "-"


def codes(members: Sequence[int]) -> str:
    """Return codes of members for a person."""
    return ", ".join(map(str, members)) or "none"

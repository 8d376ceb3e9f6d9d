"""How verified proofs and the check of a chain are shown: as text, and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cli.output import Settings, emit, show_facts, show_table, tell
from ledger.audit.statement import (
    BASIS,
    Outcome,
    acceptance_rests_on,
    checks,
    moment,
    not_proven,
    posting_rests_on,
    quorum,
)
from ledger.audit.verify import Verified
from ledger.log import OpenedCheckpoint
from ledger.money import ALPHA
from ledger.schema import Channel, Side

if TYPE_CHECKING:
    from ledger.audit.bundle import VerifiedBundle
    from ledger.audit.chain_check import ChainReport
    from ledger.audit.trust import Trust

__all__ = ["show_chain_report", "show_proof"]


def show_proof(options: Settings, proven: Verified | VerifiedBundle | OpenedCheckpoint, trust: Trust) -> None:
    """Show what a file proves, on whose word it rests, and what it does not prove."""
    if isinstance(proven, OpenedCheckpoint):
        value = _checkpoint(proven)
        emit(options, value, lambda: show_facts("Verified checkpoint", _flat(value)))
    elif isinstance(proven, Verified):
        _show_row(options, proven, trust)
    else:
        _show_bundle(options, proven, trust)


def _checkpoint(opened: OpenedCheckpoint) -> dict[str, Any]:
    head = opened.checkpoint
    return {
        "origin": head.origin,
        "log_size": head.size,
        "root": head.root.hex(),
        "cosigned_by": [{"witness": name, "time": at} for name, at in opened.cosigned_by],
    }


def _flat(checkpoint: dict[str, Any]) -> list[tuple[str, Any]]:
    cosigned = [f"{one['witness']} at {moment(one['time'])}" for one in checkpoint["cosigned_by"]]
    return [*((k, v) for k, v in checkpoint.items() if k != "cosigned_by"), ("cosigned_by", cosigned)]


def _show_row(options: Settings, proven: Verified, trust: Trust) -> None:
    receipt, row = proven.receipt, proven.row
    header = receipt.header
    value: dict[str, Any] = {
        "posted_by": proven.agent,
        "account": "0x" + header.member.hex(),
        "batch": header.sequence,
        "row": receipt.index,
        "batch_hash": header.hash.hex(),
        "block": receipt.block,
        "block_time": receipt.block_time,
        "verdict": "accepted",
        "posting_rests_on": posting_rests_on(trust.policy),
        "acceptance_rests_on": acceptance_rests_on(trust.policy),
        "ledger": _checkpoint(proven.ledger),
        "verdicts": _checkpoint(proven.verdicts),
        "side": Side(int(row["side"])).name.lower(),
        "channel": Channel(int(row["channel"])).name.lower(),
        "currency": ALPHA.get(int(row["currency"])),
        "record_root": bytes(row["record_root"]).hex(),
        "purpose": proven.purpose,
        "recipient": proven.recipient,
        "fields": {
            field.name: {"value": field.value, "basis": BASIS[field.basis]} for field in proven.fields
        },
        "not_proven": not_proven(proven, trust),
    }

    def render() -> None:
        apart = ("fields", "ledger", "verdicts", "not_proven", "posting_rests_on", "acceptance_rests_on")
        facts = {k: v for k, v in value.items() if k not in apart and v is not None}
        facts["block_time"] = moment(receipt.block_time)
        show_facts("Verified", facts.items())
        rests = [("posting", value["posting_rests_on"]), ("acceptance", value["acceptance_rests_on"])]
        for name in ("ledger", "verdicts"):
            witnesses = ", ".join(one["witness"] for one in value[name]["cosigned_by"]) or "nobody"
            rests.append((f"{name} log", f"{value[name]['log_size']} entries, cosigned by {witnesses}"))
        show_facts("Whose word it rests on", rests)
        if proven.fields:
            show_table(
                "Fields, as committed when the row was posted",
                ["field", "value", "basis"],
                [(field.name, field.value, BASIS[field.basis]) for field in proven.fields],
            )
        _show_not_proven(value["not_proven"])

    emit(options, value, render)


def _show_bundle(options: Settings, proven: VerifiedBundle, trust: Trust) -> None:
    flag, rows = proven.flag, proven.rows
    found = checks(proven, trust)
    value: dict[str, Any] = {
        "trust": proven.trust,
        "made_against": proven.made_against,
        "witnesses_required": quorum(trust.policy),
        "flag": None
        if flag is None
        else {
            "flag_id": flag.flag_id.hex(),
            "shown": dict(flag.shown),
            "block": flag.anchor.block,
            "block_time": flag.anchor.block_time,
        },
        "recipient": proven.recipient,
        "rows": len(rows),
        "rows_proven": sum(row.proven is not None for row in rows),
        "payments_confirmed": sum(payment.confirmed for payment in proven.payments),
        "payments": len(proven.payments),
        "decisions": [
            {
                "verdict": held.decision.verdict,
                "reason": held.decision.reason,
                "author": "0x" + held.anchor.author.hex(),
                "block": held.anchor.block,
                "block_time": held.anchor.block_time,
            }
            for held in proven.decisions
        ],
        "ledger": _checkpoint(proven.ledger),
        "verdicts": _checkpoint(proven.verdicts),
        "checks": [{**asdict(check), "outcome": check.outcome.value} for check in found],
        "not_proven": list(proven.not_proven),
    }

    def render() -> None:
        facts: list[tuple[str, Any]] = [
            ("trust file", proven.trust),
            ("flag", None if flag is None else flag.flag_id.hex()),
            (
                "anchored",
                None if flag is None else f"block {flag.anchor.block}, {moment(flag.anchor.block_time)}",
            ),
            ("rows proven", f"{value['rows_proven']} of {value['rows']}"),
            ("payments confirmed by both banks", f"{value['payments_confirmed']} of {value['payments']}"),
            ("decisions", len(proven.decisions)),
            ("disclosed to", proven.recipient),
            ("witnesses required", quorum(trust.policy)),
        ]
        show_facts("Verified bundle", facts)
        totals = Counter(check.outcome for check in found)
        show_table("Checks", ["result", "count"], [(o.value, totals[o]) for o in Outcome if totals[o]])
        opened = [
            (check.item, check.name.removeprefix("field "), check.detail, check.rests_on)
            for check in found
            if check.name.startswith("field ")
        ]
        if opened:
            show_table("Disclosed fields", ["row", "field", "value", "basis"], opened)
        if proven.decisions:
            decided = [(d["verdict"], d["reason"], d["author"], d["block"]) for d in value["decisions"]]
            show_table(
                "Decisions; the last one is in force", ["verdict", "reason", "author", "block"], decided
            )
        _show_not_proven(value["not_proven"])

    emit(options, value, render)


def _show_not_proven(sentences: list[str]) -> None:
    if sentences:
        show_table("Not proven", ["by this file"], [(sentence,) for sentence in sentences])


def show_chain_report(options: Settings, report: ChainReport) -> None:
    """Show what was checked on the chain, and the differences."""

    def render() -> None:
        names = (
            "accounts",
            "batches",
            "rows",
            "cases",
            "flags",
            "ledger_size",
            "verdict_size",
            "accepted",
            "apart",
        )
        counts = [(name.replace("_", " "), getattr(report, name)) for name in names]
        show_table(
            f"Checked on the chain, up to block {report.block}",
            ["", "count"],
            [*counts, ("differences", len(report.differences))],
        )
        if report.ledger_size is None:
            tell("No published log was compared: give the desk's folder or URL with --published.")
        if report.differences:
            show_table(
                "Differences", ["where", "difference"], [(d.where, d.what) for d in report.differences]
            )

    emit(options, asdict(report), render)

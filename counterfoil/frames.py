"""Results as pandas DataFrames, for a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from counterfoil import caseload

if TYPE_CHECKING:
    from counterfoil.member import MemberFlag
    from ledger.flag import Flag
    from ledger.home import Home

__all__ = ["desk_flags", "flags_frame", "member_flags"]

_COLUMNS = ("title", "severity", "certainty", "score", "begin", "end", "explanation", "rows")


def flags_frame(flags: Iterable[Flag]) -> pd.DataFrame:
    """Return flags as a DataFrame: one row each, times in UTC."""
    return pd.DataFrame([_row(flag.to_json()) for flag in flags], columns=list(_COLUMNS))


def desk_flags(home: Home) -> pd.DataFrame:
    """Return the desk's flags: as `flags_frame`, with identifier, verdict in force, latest score, block."""
    with caseload.decision_book(home) as decisions:
        verdicts = {flag_id: made[-1].decision.verdict for flag_id, made in decisions.by_flag().items()}
    with caseload.flag_book(home) as book:
        rows = [
            {
                "flag_id": kept.flag_id.hex(),
                **_row(kept.flag.to_json()),
                "latest_score": kept.latest_score,
                "verdict": verdicts.get(kept.flag_id),
                "block": kept.block,
            }
            for kept in book.flags()
        ]
    return pd.DataFrame(rows, columns=["flag_id", *_COLUMNS, "latest_score", "verdict", "block"])


def member_flags(received: Sequence[MemberFlag]) -> pd.DataFrame:
    """Return the flags addressed to a member: as `flags_frame`, with its own transactions' identifiers."""
    rows = [
        {
            "flag_id": flag.flag_id,
            **(_row(flag.shown) if flag.shown is not None else {}),
            "transactions": [name for name, _ in flag.transactions if name is not None],
            "problem": flag.problem,
            "block": flag.block,
        }
        for flag in received
    ]
    return pd.DataFrame(rows, columns=["flag_id", *_COLUMNS, "transactions", "problem", "block"])


def _row(shown: dict[str, Any]) -> dict[str, Any]:
    begin, end = (pd.Timestamp(seconds, unit="s", tz="UTC") for seconds in shown["window"])
    return {
        "title": shown["title"],
        "severity": shown["severity"],
        "certainty": shown["certainty"],
        "score": shown["score"],
        "begin": begin,
        "end": end,
        "explanation": shown["explanation"],
        "rows": shown["row_count"],
    }

"""Make pandas DataFrames of flags, for a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from counterfoil.member import MemberFlag
    from ledger.flag import Flag
    from ledger.reader.listing import FlagSummary

__all__ = ["desk_flags", "flags_frame", "member_flags"]

_COLUMNS = ("title", "severity", "certainty", "score", "begin", "end", "explanation", "rows")


def flags_frame(flags: Iterable[Flag]) -> pd.DataFrame:
    """Return flags as a DataFrame, one row each, with times in UTC."""
    return pd.DataFrame([_row(flag.to_json()) for flag in flags], columns=list(_COLUMNS))


def desk_flags(flags: Iterable[FlagSummary]) -> pd.DataFrame:
    """Return the desk's flags like `flags_frame`, with identifier, latest score, verdict and block."""
    rows = [
        {
            "flag_id": flag.flag_id.hex(),
            **_row(asdict(flag)),
            "latest_score": flag.latest_score,
            "verdict": flag.verdict,
            "block": flag.block,
        }
        for flag in flags
    ]
    return pd.DataFrame(rows, columns=["flag_id", *_COLUMNS, "latest_score", "verdict", "block"])


def member_flags(received: Sequence[MemberFlag]) -> pd.DataFrame:
    """Return the flags addressed to a member like `flags_frame`, with its own transaction identifiers."""
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

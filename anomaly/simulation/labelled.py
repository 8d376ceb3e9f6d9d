"""Splits a labelled file of payments into a consortium: the largest banks are members, labels are the truth.

Columns: tx_id, timestamp, src_bank, src, dst_bank, dst, amount, currency, tx_type, and for scoring
pattern_type and pattern_id. Labels are written to the truth file only, not to a member's file.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any, Final

import pandas as pd

from ledger.errors import InputError
from ledger.money import EXPONENT

__all__ = ["split_labelled"]

_COLUMNS: Final = ("tx_id", "timestamp", "src_bank", "src", "dst_bank", "dst", "amount", "currency")
_NAMESPACE: Final = uuid.UUID("6f1f7f2e-6f0e-5a63-9d53-6a7d5d1b1f0a")
_CASH: Final = {"DEPOSIT": "cash_in", "WITHDRAWAL": "cash_out"}
#: Values of a bank column that are not banks.
_NO_BANK: Final = frozenset({"EXTERNAL_CASH", "SOURCE", "SINK"})


def split_labelled(path: Path, out: Path, *, members: int, rows: int | None = None) -> dict[str, Any]:
    """Write one CSV per member, and a separate truth file, in the layout of `anomaly.simulation.write`.

    Amounts are rounded to the minor unit of their currency; timestamps without a zone are read as UTC.

    Parameters
    ----------
    path : Path
        CSV or Parquet.
    out : Path
        Folder to write.
    members : int
        Number of the largest banks that become members; payments without any of them are left out.
    rows : int, optional
        Read only this number of rows from the start.

    Returns
    -------
    dict
        Summary of the files, with the number of rows per member.

    Raises
    ------
    InputError
        When the file lacks a column.
    """
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    if rows is not None:
        frame = frame.head(rows)
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(f"the file lacks the columns {', '.join(missing)}", where=str(path))
    banks = pd.concat([frame["src_bank"], frame["dst_bank"]]).astype(str).str.upper()
    counts = banks[~banks.isin(_NO_BANK)].value_counts()
    chosen = sorted(counts.index[:members])
    table = _transactions(frame)
    concerned = table["debtor_agent"].isin(chosen) | table["creditor_agent"].isin(chosen)
    table, frame = table[concerned], frame[concerned.to_numpy()]
    (out / "members").mkdir(parents=True, exist_ok=True)
    written = []
    for agent in chosen:
        own = table[(table["debtor_agent"] == agent) | (table["creditor_agent"] == agent)]
        own.to_csv(out / "members" / f"{agent}.csv", index=False, lineterminator="\n")
        written.append({"agent_id": agent, "name": agent, "rows": len(own)})
    summary = {"source": path.name, "transactions": len(table), "members": written}
    (out / "consortium.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    if "pattern_id" in frame.columns:
        _truth(frame, table).to_parquet(out / "truth.parquet", index=False)
    return summary


def _transactions(frame: pd.DataFrame) -> pd.DataFrame:
    currency = frame["currency"].astype(str)
    places = currency.map(EXPONENT).fillna(2).astype(int)
    amounts = [f"{a:.{p}f}" for a, p in zip(frame["amount"].astype(float), places, strict=True)]
    kind = frame.get("tx_type", pd.Series("", index=frame.index)).astype(str).str.upper()
    times = pd.to_datetime(frame["timestamp"], utc=True)
    table = pd.DataFrame(
        {
            "uetr": [str(uuid.uuid5(_NAMESPACE, str(i))) for i in frame["tx_id"]],
            "transaction_id": "TX-" + frame["tx_id"].astype(str),
            "timestamp": times.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "debtor_agent": frame["src_bank"].astype(str).str.upper(),
            "debtor_account": frame["src"].astype(str),
            "creditor_agent": frame["dst_bank"].astype(str).str.upper(),
            "creditor_account": frame["dst"].astype(str),
            "amount": amounts,
            "currency": currency,
            "channel": ["cash" if k in _CASH or k == "CASH" else "" for k in kind],
            "cash_in": ["true" if _CASH.get(k) == "cash_in" else "false" for k in kind],
            "cash_out": ["true" if _CASH.get(k) == "cash_out" else "false" for k in kind],
        }
    )
    return table.set_index(frame.index)


def _truth(frame: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    labelled = frame["pattern_id"].fillna("").astype(str) != ""
    return pd.DataFrame(
        {
            "uetr": table.loc[labelled.to_numpy(), "uetr"],
            "pattern_id": frame.loc[labelled, "pattern_id"].astype(str),
            "typology": frame.loc[labelled, "pattern_type"].astype(str),
        }
    )

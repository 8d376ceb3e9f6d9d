"""Writes a simulation: one CSV per member, separate truth tables, and the parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anomaly.simulation.consortium import GENERATOR_VERSION, Simulation
from anomaly.simulation.members import identifier_pairs, member_rows, slips
from ledger.errors import InputError
from ledger.schema import FIELDS

__all__ = ["FORMAT", "write"]

FORMAT: Final = "counterfoil/simulation/1"

_BOOLEANS: Final = ("cash_in", "cash_out", "own_account", "occasional", "exempt")


def write(simulation: Simulation, out: Path) -> dict[str, Any]:
    """Write `out/consortium.json`, `out/members/<BIC>.csv` and the truth tables.

    Labels are only in `truth.parquet`, `look_alikes.parquet` and `matching_truth.parquet`; no detector may
    read these files. The same simulation gives the same bytes with the same versions of pandas and pyarrow.

    Parameters
    ----------
    simulation : Simulation
    out : Path
        A folder that does not exist yet, or an empty folder.

    Returns
    -------
    dict
        Content of `consortium.json`.

    Raises
    ------
    InputError
        When the folder is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("the output folder is not empty", where=str(out), next_step="Choose a new folder.")
    members = out / "members"
    members.mkdir(parents=True)
    rows = member_rows(simulation)
    for bic, part in rows.items():
        _write_csv(part, members / f"{bic}.csv")
    _write_parquet(simulation.truth, out / "truth.parquet")
    _write_parquet(simulation.look_alikes, out / "look_alikes.parquet")
    matching = slips(simulation)
    _write_parquet(matching, out / "matching_truth.parquet")
    summary = {
        "format": FORMAT,
        "generator_version": GENERATOR_VERSION,
        "parameters": simulation.parameters,
        "members": [
            {
                "agent_id": agent.agent_id,
                "name": agent.name,
                "country": agent.country,
                "rows": len(rows[agent.agent_id]),
            }
            for agent in simulation.agents
        ],
        "outsiders": [
            {"agent_id": agent.agent_id, "name": agent.name, "country": agent.country}
            for agent in simulation.outsiders
        ],
        "transactions": len(simulation.transactions),
        "identifier_pairs": identifier_pairs(rows),
        "planted": {
            str(name): {"instances": int(group["pattern_id"].nunique()), "transactions": len(group)}
            for name, group in simulation.truth.groupby("typology")
        },
        "matching": {str(name): int(count) for name, count in matching["state"].value_counts().items()},
    }
    (out / "consortium.json").write_bytes((json.dumps(summary, indent=2) + "\n").encode())
    return summary


def _write_csv(rows: pd.DataFrame, path: Path) -> None:
    words = rows.copy()
    for column in _BOOLEANS:
        words[column] = words[column].map({True: "true", False: "false"})
    columns = [[text if isinstance(text, str) else "" for text in words[name].tolist()] for name in FIELDS]
    lines = [",".join(FIELDS), *(",".join(cells) for cells in zip(*columns, strict=True))]
    path.write_bytes(("\n".join(lines) + "\n").encode())


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    # without the metadata of pandas, which contain its version
    arrays = {name: pa.array(table[name], from_pandas=True) for name in table.columns}
    pq.write_table(pa.table(arrays), path)

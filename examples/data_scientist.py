# %% [markdown]
# # A data scientist: from a file of payments to flags
#
# This file is a notebook in percent format: Jupytext, VS Code and PyCharm open it as cells. It is also a
# plain script: `python examples/data_scientist.py`. It needs `pip install "counterfoil[desk]"` and no
# ledger.
#
# It simulates the payments of four banks with planted laundering, runs the detectors on them, and compares
# the flags with what was planted.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from anomaly.scan import Budget, ScanParameters, scan
from counterfoil import scan_file
from counterfoil.analysis import FileScan, simulate_consortium
from ledger.flag import OFF_LEDGER, Flag
from ledger.transfers.evidence import evidence_graph

# %% [markdown]
# ## The payments
#
# The simulation writes one file for each bank, and the truth in a file of its own. A payment between two
# banks stands in both of their files, so of each UETR one row is kept.

# %%
with TemporaryDirectory(prefix="counterfoil-example-") as name:
    folder = Path(name) / "consortium"
    made = simulate_consortium(folder, banks=4, transactions=20_000, accounts=3_000, days=60)
    files = sorted((folder / "members").glob("*.csv"))
    payments = pd.concat([pd.read_csv(file, dtype=str) for file in files]).drop_duplicates("uetr")
    truth = pd.read_parquet(folder / "truth.parquet")

payments = payments.sort_values(["timestamp", "uetr"], ignore_index=True)
planted = truth.groupby("typology").agg(schemes=("pattern_id", "nunique"), payments=("uetr", "size"))
print(f"{len(payments):,} payments of {len(files)} banks, {len(truth)} of them planted:\n")
print(planted)

# %% [markdown]
# ## The scan
#
# `scan_file` takes a DataFrame, a CSV or a Parquet file. The truth is not among its columns. The result
# holds the flags, and `frame()` returns them as a DataFrame.

# %%
found = scan_file(payments)
flags = found.frame()
print(f"\n{len(flags)} flags; the first three of high severity:\n")
for title, text in flags.loc[flags["severity"] == "high", ["title", "explanation"]].head(3).to_numpy():
    print(f"- {title}: {text}")

# %%
print("\nFlags by typology and severity:\n")
print(pd.crosstab(flags["title"], flags["severity"]).reindex(columns=["high", "medium", "low"], fill_value=0))

# %% [markdown]
# ## What was found of what was planted
#
# The rows of a flag are numbers of rows in the file, and so lead to UETRs. A planted scheme is *found* when
# one flag holds at least half of its payments. A flag is *right* when at least half of its rows are
# planted.


# %%
def payments_of(flag: Flag) -> set[str]:
    """Return the UETRs of a flag's payments."""
    return set(payments["uetr"].iloc[[row.index for row in flag.rows]])


def compare(raised: list[Flag]) -> tuple[pd.Series, float]:
    """Return which schemes were found, by typology and scheme, and the share of the flags that are right."""
    evidence = [payments_of(flag) for flag in raised]
    schemes = truth.groupby(["typology", "pattern_id"])["uetr"].agg(set)
    is_found = schemes.map(lambda scheme: any(2 * len(scheme & rows) >= len(scheme) for rows in evidence))
    laundered = set(truth["uetr"])
    is_right = [2 * len(rows & laundered) >= len(rows) for rows in evidence]
    return is_found, float(np.mean(is_right)) if is_right else float("nan")


is_found, precision = compare(found.flags)
recall = is_found.groupby("typology").agg(found="sum", planted="size")
print("\nPlanted schemes that one flag holds half of:\n")
print(recall)
print(f"\nrecall {is_found.mean():.2f}, precision {precision:.2f}")

# %% [markdown]
# ## One flag
#
# The evidence graph of a flag is a networkx graph: its nodes are accounts, its edges are payments.
# `accounts` names the accounts as the file does.


# %%
def show(scanned: FileScan, flag: Flag) -> None:
    """Print a flag's payments, in time order."""
    graph = evidence_graph(flag, scanned.plain.transfers, banks=scanned.plain.banks)
    print(f"\nA flag of the typology {flag.title}, severity {flag.severity}:")
    print(flag.explanation)
    print(f"\nIts evidence: {graph.number_of_nodes()} accounts, {graph.number_of_edges()} payments\n")
    names = graph.nodes(data="bank")
    for payer, payee, payment in sorted(graph.edges(data=True), key=lambda edge: edge[2]["time_low"]):
        when = pd.Timestamp(payment["time_low"], unit="s")
        ends = f"{payer[:8]} at {names[payer]} -> {payee[:8]} at {names[payee]}"
        print(f"{when:%d %b %H:%M}  {ends}  {payment['amount']}")


cycle = next(flag for flag in found.flags if flag.title == "cycle")
show(found, cycle)
print(
    "\nThe accounts in the file:", *(f"{a['bank']}:{a['account']}" for a in found.accounts(cycle)), sep="\n  "
)

# %% [markdown]
# ## What a threshold changes
#
# A detector measures how surprising a candidate is, as a power of ten. `min_strength` is the least that is
# reported. A higher threshold raises fewer flags, and misses more of the schemes.

# %%
steps = []
for least in (0.0, 2.0, 4.0, 8.0, 16.0):
    parameters = ScanParameters(budget=Budget(min_strength=least))
    raised = scan(found.plain.transfers, OFF_LEDGER, parameters=parameters)
    is_found, precision = compare(raised)
    steps.append((least, len(raised), is_found.mean(), precision))
table = pd.DataFrame(steps, columns=["min_strength", "flags", "recall", "precision"])
print("\nWhat the threshold of strength changes:\n")
print(table.round(2).to_string(index=False))

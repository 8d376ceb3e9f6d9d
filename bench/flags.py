"""``python -m bench.flags [FILE ...]``: recall and precision of label-free flags by typology, in Markdown.

Without a file, the simulation is scanned; with files, labelled payments, all or a part by time. Labels are
used only for the metrics. *Found*: a flag contains half of an instance's payments; *named*: its title is also
the instance's typology; *led to*: at least half of a flag's payments are of the instance, so a review of the
flag discovers it. *Right*: half of a flag's payments are laundering, of any instance.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from anomaly.evaluation import read_labelled
from anomaly.scan import scan
from anomaly.score import score
from anomaly.simulation import simulate
from anomaly.tables import transfers_of
from bench.report import machine
from ledger.encoding.bands import Bands, logarithmic_grid
from ledger.flag import OFF_LEDGER, Flag

#: Thresholds of the rules in minor units, at which the policies of the demo cut in addition to the grid.
_THRESHOLDS = (300_000, 300_001, 1_000_000, 1_000_001)
#: By typology: instances, instances found, named and led to; flags, flags right.
Tally = dict[str, npt.NDArray[np.int64]]

_PLACE = {"debit_member": 0, "debit_sequence": 0}


def encoded(transfers: pa.Table, bucket: int = 3_600) -> pa.Table:
    """Return transfers encoded with the default policy: bands that include the thresholds, and hours."""
    bands = Bands([*logarithmic_grid(10), *_THRESHOLDS])
    low, high = bands.decode(bands.encode(transfers.column("amount_low").to_numpy()))
    time = transfers.column("time_low").to_numpy() // bucket * bucket
    for name, values in (
        ("amount_low", low),
        ("amount_high", high),
        ("time_low", time),
        ("time_high", time + bucket),
    ):
        at = transfers.schema.get_field_index(name)
        transfers = transfers.set_column(at, transfers.schema.field(at), pa.array(values))
    return transfers


def tally(transfers: pa.Table, truth: pd.DataFrame) -> Tally:
    """Scan and count planted instances by typology, and flags by title."""
    flags = scan(transfers, OFF_LEDGER)
    result = score(flags, transfers, truth.assign(**_PLACE))
    led = _led_to(flags, truth)
    led["all"] = led.total()
    return {
        one.typology: np.array(
            (one.instances, one.found, one.named, led[one.typology], one.flags, one.right), np.int64
        )
        for one in (*result.typologies, result.total)
    }


def _together(draws: list[Tally]) -> Tally:
    nothing = np.zeros(6, np.int64)
    return {
        name: sum((draw.get(name, nothing) for draw in draws), nothing)
        for name in {n for d in draws for n in d}
    }


def _led_to(flags: Iterable[Flag], truth: pd.DataFrame) -> Counter[str]:
    """Count by typology the instances that contain at least half of a flag's payments."""
    owners: dict[int, list[str]] = defaultdict(list)
    for row, pattern in zip(truth["debit_index"], truth["pattern_id"], strict=True):
        owners[int(row)].append(pattern)
    hit: set[str] = set()
    for flag in flags:
        held = Counter(pattern for ref in flag.rows for pattern in owners.get(ref.index, ()))
        hit |= {pattern for pattern, count in held.items() if 2 * count >= len(flag.rows)}
    typology = truth.drop_duplicates("pattern_id").set_index("pattern_id")["typology"]
    return Counter(typology[sorted(hit)])


def simulated(seed: int, transactions: int) -> tuple[pa.Table, pd.DataFrame]:
    """Return the encoded transfers of one simulation, and its truth table."""
    simulation = simulate(banks=8, transactions=transactions, accounts=6_000, days=60, seed=seed)
    frame = simulation.transactions.copy()
    # an on-us row names one party only: the customer who acts
    within, cash = frame["debtor_agent"] == frame["creditor_agent"], frame["cash_in"].astype(bool)
    for name in ("party_id", "party_type", "on_behalf_of"):
        frame.loc[within & ~cash, f"creditor_{name}"] = None
        frame.loc[within & cash, f"debtor_{name}"] = None
    places = pd.DataFrame({"uetr": frame["uetr"].to_numpy(), "debit_index": np.arange(len(frame))})
    return encoded(transfers_of(frame).transfers), simulation.truth.merge(places, on="uetr")


def labelled(path: Path, part: tuple[float, float], hours: bool) -> tuple[pa.Table, pd.DataFrame]:
    """Return a labelled file's payments between two quantiles of time, and their truth."""
    file = read_labelled(path)
    rows: npt.NDArray[np.int64] = np.arange(len(file))
    ordered = np.sort(file.time)
    for quantile, keep in ((part[0], np.greater_equal), (part[1], np.less)):
        if 0 < quantile < 1:
            rows = rows[keep(file.time[rows], ordered[int(quantile * len(ordered))])]
    file = file.take(rows)
    planted = np.flatnonzero(file.instance >= 0)
    truth = {"pattern_id": file.instance[planted].astype(str), "typology": file.typology[planted]}
    place = pa.array(np.arange(len(file)), pa.int64())
    at = file.transfers.schema.get_field_index("debit_index")
    transfers = file.transfers.set_column(
        at, file.transfers.schema.field(at), place.cast(file.transfers.schema.field(at).type)
    )
    return encoded(transfers) if hours else transfers, pd.DataFrame(truth | {"debit_index": planted})


def table(counts: Tally) -> str:
    """Return the counts as Markdown, sorted by recall, highest first."""
    lines = [
        "| typology | found | named | led to | flags right | precision |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    share = {name: -found / max(planted, 0.1) for name, (planted, found, *_) in counts.items()}
    for name in (*sorted(set(counts) - {"all"}, key=lambda n: (share[n], n)), "all"):
        planted, *hits, flags, right = counts[name].tolist()
        cells = [f"{n / planted:.2f} ({n} of {planted})" if planted else "-" for n in hits]
        cells += [f"{right} of {flags}", f"{right / flags:.2f}"] if flags else ["-", "-"]
        lines.append(f"| {' | '.join([name.replace('_', ' '), *cells])} |")
    return "\n".join(lines)


def main() -> None:
    """Scan, count and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.flags", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="labelled files; without a file, the simulation")
    parser.add_argument("--seeds", default="101,102,103,104,105", help="seeds of the simulation")
    parser.add_argument("--transactions", type=int, default=100_000, help="transactions of each simulation")
    parser.add_argument("--part", type=float, nargs=2, default=(0.0, 1.0), metavar=("FROM", "TO"),
                        help="quantiles of time: 0 0.6 is the training part")  # fmt: skip
    parser.add_argument("--exact", action="store_true", help="use exact values, not bands and hours")
    arguments = parser.parse_args()
    print(f"Machine: {machine()}.\n")
    for path in arguments.files:
        print(f"{path.stem}, {arguments.part[0]:g} to {arguments.part[1]:g} by time\n")
        print(
            table(tally(*labelled(path, (arguments.part[0], arguments.part[1]), not arguments.exact))) + "\n"
        )
    if not arguments.files:
        draws = [tally(*simulated(int(seed), arguments.transactions)) for seed in arguments.seeds.split(",")]
        print(f"Simulation, seeds {arguments.seeds}, {arguments.transactions:,} transactions each\n")
        print(table(_together(draws)))
        each = [int(draw["all"][4]) for draw in draws]
        print(f"\n{min(each)} to {max(each)} flags per simulation.")


if __name__ == "__main__":
    main()

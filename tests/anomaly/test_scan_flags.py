"""Scanning: each typology is told where it stands, sentences hold figures, and flags can be recomputed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from anomaly.scan import DETECTORS, Budget, ScanParameters, replay, scan
from ledger.errors import ConfigurationError, VerificationError
from ledger.flag import Flag, RowRef
from ledger.schema import Flags
from ledger.tables import TRANSFER
from ledger.transfers.period import Period

DAY, HOUR = 86_400, 3_600
Payment = dict[str, Any]


def ordinary_life(seed: int, accounts: int = 250, days: int = 60) -> list[Payment]:
    """Standing relations that pay again and again, a few shops, and a little chance."""
    rng = np.random.default_rng(seed)
    payments: list[Payment] = []
    for a in range(accounts):
        standing = rng.choice(accounts, 4, replace=False)
        shops = [f"shop{rng.integers(6)}" for _ in range(3)]
        for day in range(days):
            if rng.random() < 0.12:
                payments.append(_pay(rng, f"c{a}", f"c{rng.choice(standing)}", day))
            if rng.random() < 0.3:
                payments.append(_pay(rng, f"c{a}", str(rng.choice(shops)), day))
    return [p for p in payments if p["src"] != p["dst"]]


def _pay(rng: np.random.Generator, src: str, dst: str, day: int) -> Payment:
    cents = int(10 ** rng.uniform(3, 5))
    return bank({"src": src, "dst": dst, "t": day * DAY + int(rng.integers(DAY)), "amount": cents})


def bank(p: Payment) -> Payment:
    """Spread customers over four banks by the last digit of their name."""
    digits = {side: p[side][-1] for side in ("src", "dst")}
    return {f"{side}_bank": 1 + int(d) % 4 if d.isdigit() else 1 for side, d in digits.items()} | p


def fan_in() -> list[Payment]:
    return [
        {"src": f"s{i}", "dst": "mule0", "t": 30 * DAY + i * HOUR, "amount": 300_000 + i * 1_000}
        for i in range(9)
    ]


def fan_out() -> list[Payment]:
    return [p | {"src": p["dst"], "dst": p["src"]} for p in fan_in()]


def chain_of(names: list[str], step: int = 5 * HOUR) -> list[Payment]:
    return [
        {"src": a, "dst": b, "t": 20 * DAY + i * step, "amount": int(900_000 * 0.97**i)}
        for i, (a, b) in enumerate(itertools.pairwise(names))
    ]


def cycle() -> list[Payment]:
    return chain_of(["z0", "z1", "z2", "z3", "z0"])


def random_chain() -> list[Payment]:
    return chain_of([f"z{i}" for i in range(7)])


def scatter_gather() -> list[Payment]:
    out = [{"src": "boss1", "dst": f"m{i}", "t": 9 * DAY + i * HOUR, "amount": 200_000} for i in range(5)]
    back = [{"src": f"m{i}", "dst": "boss2", "t": 11 * DAY + i * HOUR, "amount": 190_000} for i in range(5)]
    return out + back


def gather_scatter() -> list[Payment]:
    into = [{"src": f"m{i}", "dst": "hub3", "t": 9 * DAY + i * HOUR, "amount": 200_000} for i in range(6)]
    out = [{"src": "hub3", "dst": f"n{i}", "t": 11 * DAY + i * HOUR, "amount": 190_000} for i in range(6)]
    return into + out


def layer(upper: str, lower: str, day: int) -> list[Payment]:
    return [
        {"src": f"{upper}{i}", "dst": f"{lower}{j}", "t": day * DAY + (3 * i + j) * HOUR, "amount": 150_000}
        for i in range(4)
        for j in range(4)
    ]


def bipartite() -> list[Payment]:
    return layer("p", "q", 15)


def stack() -> list[Payment]:
    return layer("p", "q", 15) + layer("q", "r", 18)


def pass_through() -> list[Payment]:
    payments = []
    for i in range(4):
        start = (12 + 2 * i) * DAY
        payments.append({"src": f"v{i}", "dst": "mule4", "t": start, "amount": 700_000 + i * 20_000})
        payments.append({"src": "mule4", "dst": f"w{i}", "t": start + HOUR, "amount": 680_000 + i * 20_000})
    return payments


def deposits(banks: int) -> list[Payment]:
    return [
        {
            "src": f"till{1 + i % banks}", "dst": f"own{1 + i % banks}", "src_bank": 1 + i % banks,
            "dst_bank": 1 + i % banks, "dst_party": "smith", "t": 10 * DAY + i * 3 * HOUR,
            "amount": 930_000 - i * 1_000, "flags": int(Flags.CASH_IN),
        }
        for i in range(6)
    ]  # fmt: skip


def round_trip() -> list[Payment]:
    payments = chain_of(["z0", "z1", "z2", "z3"])
    payments[0]["src_party"] = payments[-1]["dst_party"] = "smith"
    return payments


def burst() -> list[Payment]:
    return [
        {"src": f"s{i}{j}", "dst": f"hit{i}", "t": 30 * DAY + (i + 2 * j) * 300, "amount": 95_000}
        for i in range(2)
        for j in range(7)
    ]


def dormant_woken() -> list[Payment]:
    woken = [{"src": f"s{i}", "dst": "old0", "t": 55 * DAY + i * HOUR, "amount": 95_000} for i in range(3)]
    return [*woken, *({"src": "old0", "dst": f"t{i}", "t": 56 * DAY, "amount": 88_000} for i in range(3))]


PLANTED: dict[str, Callable[[], list[Payment]]] = {
    "fan_in": fan_in,
    "fan_out": fan_out,
    "cycle": cycle,
    "random_chain": random_chain,
    "scatter_gather": scatter_gather,
    "gather_scatter": gather_scatter,
    "bipartite": bipartite,
    "stack": stack,
    "rapid_pass_through": pass_through,
    "structuring": lambda: deposits(1),
    "structuring_across_banks": lambda: deposits(3),
    "round_trip": round_trip,
    "burst": burst,
    "dormant_woken": dormant_woken,
}


def encoded(table: pa.Table, bucket: int = HOUR) -> pa.Table:
    """Widen to hour buckets and ten bands a decade, cut at ten thousand."""
    edges = np.unique(np.append(np.rint(10 ** np.arange(1, 9, 0.1)), 1_000_001)).astype(np.int64)
    band = np.searchsorted(edges, table.column("amount_low").to_numpy(), "right")
    start = table.column("time_low").to_numpy() // bucket * bucket
    new = {
        "amount_low": np.append(0, edges)[band],
        "amount_high": np.append(edges - 1, 1 << 45)[band],
        "time_low": start,
        "time_high": start + bucket,
    }
    for name, values in new.items():
        table = table.set_column(table.schema.get_field_index(name), TRANSFER.field(name), pa.array(values))
    return table


@pytest.fixture(scope="module")
def background() -> list[Payment]:
    return ordinary_life(1)


@pytest.mark.parametrize("typology", PLANTED)
@pytest.mark.parametrize("form", ["exact", "encoded"])
def test_a_planted_instance_is_told_as_what_it_is(transfers, position, background, typology, form) -> None:
    planted = [bank(p) for p in PLANTED[typology]()]
    sleep = [{"src": "old0", "dst": "shop1", "t": DAY, "amount": 500}]
    planted += sleep if typology == "dormant_woken" else []
    table = transfers(background + planted)
    wanted = {RowRef(1, 1, i) for i in range(len(background), len(background) + len(planted))}
    flags = scan(table if form == "exact" else encoded(table), position)
    best = max((f for f in flags if f.title == typology), key=lambda f: len(wanted & set(f.rows)))
    assert len(wanted & set(best.rows)) >= 0.8 * len(wanted)
    assert len(best.rows) <= 1.5 * len(wanted)
    assert "EUR" in best.explanation
    assert best.explanation.endswith(".")
    assert not any(e.pseudonym in best.explanation for e in best.entities)
    assert best.window[0] < best.window[1]
    assert best.score is None


def test_ordinary_life_is_hardly_flagged(transfers, position, background) -> None:
    named = [f for f in scan(transfers(background), position) if f.title != "unusual_account"]
    assert len(named) <= 3


@pytest.fixture(scope="module")
def everything(background) -> list[Payment]:
    planted = []
    for typology, make in PLANTED.items():
        rename = {"till1", "till2", "till3"}
        sleep = {"src": "old0", "dst": "shop1", "t": DAY, "amount": 500}
        for p in [*make(), *([sleep] if typology == "dormant_woken" else [])]:
            p = bank(p)
            ends = {s: p[s] if p[s] in rename else f"{typology}-{p[s]}" for s in ("src", "dst")}
            planted.append(p | ends)
    return background + planted


def test_the_order_of_rows_changes_nothing(transfers, position, everything) -> None:
    table = encoded(transfers(everything))
    expected = [f.to_json() for f in scan(table, position)]
    assert len({f["title"] for f in expected}) >= len(PLANTED)
    for seed in (1, 2):
        shuffled = table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))
        assert [f.to_json() for f in scan(shuffled, position)] == expected


def test_every_flag_replays_and_survives_its_json(transfers, position, everything) -> None:
    table = encoded(transfers(everything))
    one_of_each = {f.title: f for f in scan(table, position)}
    for flag in one_of_each.values():
        again = replay(Flag.from_json(flag.to_json()), table)
        assert again.to_json() == flag.to_json()


def test_a_changed_row_or_claim_does_not_replay(transfers, position, background) -> None:
    planted = [bank(p) for p in cycle()]
    table = transfers(background + planted)
    (flag,) = [f for f in scan(table, position) if f.title == "cycle"]
    less = transfers([*background, planted[0] | {"amount": 1}, *planted[1:]])
    with pytest.raises(VerificationError, match="cannot be recomputed"):
        replay(flag, less)
    with pytest.raises(VerificationError, match="cannot be recomputed"):
        replay(replace(flag, severity="high" if flag.severity != "high" else "low"), table)
    with pytest.raises(VerificationError, match="another version"):
        replay(replace(flag, source=replace(flag.source, version="0")), table)
    with pytest.raises(VerificationError, match="does not have"):
        replay(replace(flag, source=replace(flag.source, id="hunch")), table)
    with pytest.raises(VerificationError, match="parameters"):
        replay(replace(flag, source=replace(flag.source, parameters={"budget": {}})), table)


def test_a_flag_names_its_period_and_replays_from_it_alone(transfers, position, background) -> None:
    table = transfers(background + [bank(p) for p in cycle()])
    period = Period(15 * DAY, 40 * DAY)
    parameters = ScanParameters(detectors=("cycle",), period=period)
    (flag,) = scan(table, position, parameters=parameters)
    assert flag.source.parameters["period"] == [15 * DAY, 40 * DAY]
    assert scan(period.select(table), position, parameters=parameters) == [flag]
    for rows in (table, period.select(table)):
        assert replay(Flag.from_json(flag.to_json()), rows) == flag
    later = replace(
        flag, source=replace(flag.source, parameters=flag.source.parameters | {"period": [0, DAY]})
    )
    with pytest.raises(VerificationError, match="cannot be recomputed"):
        replay(later, table)
    for period_named in ("ever", [1], [2, 1], [0, 1.5], {"begin": 0}):
        odd = flag.source.parameters | {"period": period_named}
        with pytest.raises(VerificationError, match="period"):
            replay(replace(flag, source=replace(flag.source, parameters=odd)), table)


def test_a_flag_raised_before_periods_were_named_replays_from_the_whole_ledger(
    transfers, position, background
) -> None:
    table = transfers(background + [bank(p) for p in cycle()])
    (flag,) = scan(table, position, parameters=ScanParameters(detectors=("cycle",)))
    assert "period" not in flag.source.parameters
    assert replay(flag, table) == flag


def test_evidence_names_both_halves(transfers, position, background) -> None:
    planted = [
        bank(p) | {"credit_member": 2, "credit_sequence": 7, "credit_index": i} for i, p in enumerate(cycle())
    ]
    (flag,) = [f for f in scan(transfers(background + planted), position) if f.title == "cycle"]
    assert {r for r in flag.rows if r.member == 2} == {RowRef(2, 7, i) for i in range(4)}
    assert len(flag.rows) == 8


def test_certainty_says_what_the_buckets_hide(transfers, position, background) -> None:
    table = transfers(background + [bank(p) for p in cycle()])
    parameters = ScanParameters(detectors=("cycle",))
    (exact,) = scan(table, position, parameters=parameters)
    (hidden,) = scan(encoded(table, DAY), position, parameters=parameters)
    assert (exact.certainty, hidden.certainty) == ("certain", "possible")


def test_the_budget_keeps_the_strongest(transfers, position, everything) -> None:
    table = transfers(everything)
    many = scan(table, position, parameters=ScanParameters(detectors=("bipartite",)))
    few = scan(
        table,
        position,
        parameters=ScanParameters(detectors=("bipartite",), budget=Budget(per_100k=0, least=1)),
    )
    assert len(many) > len(few) == 1
    assert few[0].rows == many[0].rows
    assert few[0].details["not_told"] == len(many) - 1


def test_odd_graphs_scan_without_a_crash(transfers, position) -> None:
    hub = [{"src": "hub", "dst": f"x{i % 700}", "t": i} for i in range(1_500)]
    hub += [{"src": f"y{i % 700}", "dst": "hub", "t": i} for i in range(1_500)]
    same = [{"src": f"x{i % 7}", "dst": f"x{i % 5}", "t": 3} for i in range(300)]
    for payments in (hub, same, hub + same, [{"src": "a", "dst": "a"}] * 40):
        scan(transfers(payments), position)


def test_an_unknown_detector_is_named(transfers, position) -> None:
    with pytest.raises(ConfigurationError, match="palmistry"):
        scan(transfers([]), position, parameters=ScanParameters(detectors=("palmistry",)))


def test_progress_counts_every_detector(transfers, position) -> None:
    seen: list[tuple[str, int, int]] = []
    scan(transfers([]), position, progress=lambda *step: seen.append(step))
    assert [name for name, _, _ in seen] == [*DETECTORS, "done"]
    assert seen[-1][1] == seen[-1][2] == len(DETECTORS)

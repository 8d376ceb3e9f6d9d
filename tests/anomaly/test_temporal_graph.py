"""The temporal graph: order, desks, odd input."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.graph import OPEN_AMOUNT, GraphError, TemporalGraph, can_continue, surely_follows
from anomaly.scan import scan
from ledger.schema import Flags
from ledger.tables import TRANSFER
from ledger.transfers.table import TransferTableError

intervals = st.tuples(st.integers(0, 8), st.integers(1, 4)).map(lambda p: (p[0], p[0] + p[1]))


@given(st.lists(intervals, min_size=1, max_size=5))
def test_a_path_is_possible_exactly_when_instants_in_order_exist(path: list[tuple[int, int]]) -> None:
    reachable = set(range(*path[0]))
    for low, high in path[1:]:
        reachable = {t for t in range(low, high) if any(s <= t for s in reachable)}
    earliest = path[0][0]
    for low, high in path[1:]:
        earliest = can_continue(earliest, low, high)
        if earliest < 0:
            break
    assert (earliest >= 0) == bool(reachable)
    if reachable:
        assert earliest == min(reachable)


@given(intervals, intervals)
def test_surely_follows_means_every_pair_of_instants(a: tuple[int, int], b: tuple[int, int]) -> None:
    every = all(s < t for s in range(*a) for t in range(*b))
    assert surely_follows(a[1], b[0]) == every


def test_edges_are_in_time_order_in_both_adjacency_lists(transfers) -> None:
    rng = np.random.default_rng(3)
    payments = [
        {"src": f"a{rng.integers(6)}", "dst": f"a{rng.integers(6)}", "t": int(rng.integers(20))}
        for _ in range(200)
    ]
    graph = TemporalGraph.from_transfers(transfers(payments))
    assert graph.edges == 200
    assert (np.diff(graph.t_low) >= 0).all()
    for v in range(graph.accounts):
        out = graph.out_edge[graph.out_ptr[v] : graph.out_ptr[v + 1]]
        into = graph.in_edge[graph.in_ptr[v] : graph.in_ptr[v + 1]]
        assert (graph.src[out] == v).all()
        assert (graph.dst[into] == v).all()
        assert (np.diff(out) > 0).all()
        assert (np.diff(into) > 0).all()
    assert len(graph.out_edge) == len(graph.in_edge) == 200


def test_every_state_is_one_edge(transfers) -> None:
    table = transfers([{"src": "a", "dst": "b", "t": i} for i in range(6)])
    states = pa.array([1, 2, 3, 4, 5, 6], pa.uint8())
    table = table.set_column(0, TRANSFER.field(0), states)
    assert TemporalGraph.from_transfers(table).edges == 6


def test_a_cash_desk_is_a_desk_and_its_customer_is_not(transfers) -> None:
    payments = [{"src": "till", "dst": f"c{i}", "t": i, "flags": int(Flags.CASH_IN)} for i in range(5)]
    payments += [{"src": f"c{i}", "dst": "till", "t": i, "flags": int(Flags.CASH_OUT)} for i in range(5)]
    payments += [{"src": "c0", "dst": "c1", "t": 9}, {"src": "c0", "dst": "c2", "t": 9}]
    graph = TemporalGraph.from_transfers(transfers(payments))
    assert int(graph.desk.sum()) == 1
    assert int(graph.usable.sum()) == 2


def test_an_account_that_nobody_tells_is_part_of_no_path(transfers) -> None:
    graph = TemporalGraph.from_transfers(
        transfers([{"src": None, "dst": "b"}, {"src": "b", "dst": None}, {"src": "b", "dst": "c"}])
    )
    assert graph.edges == 3
    assert int(graph.usable.sum()) == 1


def test_self_loops_are_edges_but_not_usable(transfers) -> None:
    graph = TemporalGraph.from_transfers(transfers([{"src": "a", "dst": "a"}] * 3))
    assert graph.edges == 3
    assert not graph.usable.any()


def test_an_open_top_band_can_be_added_up(transfers) -> None:
    most = np.iinfo(np.int64).max
    graph = TemporalGraph.from_transfers(
        transfers([{"src": "a", "dst": "b", "a_low": 5, "a_high": most}] * 9)
    )
    assert graph.amount_high.sum() == 9 * OPEN_AMOUNT


def test_an_empty_table_scans_to_nothing(position) -> None:
    assert scan(TRANSFER.empty_table(), position) == []


@pytest.mark.parametrize(
    ("payment", "message"),
    [
        ({"t_low": 5, "t_high": 5}, "time interval is empty"),
        ({"a_low": 9, "a_high": 8}, "amount interval is reversed"),
        ({"a_low": -1, "a_high": 8}, "amount is negative"),
    ],
)
def test_what_no_payment_can_have_is_named_with_its_row(transfers, payment, message) -> None:
    with pytest.raises(GraphError, match=f"{message} \\(row 1"):
        TemporalGraph.from_transfers(
            transfers([{"src": "a", "dst": "b"}, {"src": "a", "dst": "b", **payment}])
        )


def test_a_missing_amount_is_named_with_its_row(transfers) -> None:
    frame = transfers([{"src": "a", "dst": "b"}] * 3).to_pandas()
    frame["amount_low"] = frame["amount_low"].astype("float64")
    frame.loc[2, "amount_low"] = np.nan
    with pytest.raises(GraphError, match="row 2, amount_low"):
        TemporalGraph.from_transfers(frame)


def test_missing_columns_are_named(transfers) -> None:
    with pytest.raises(TransferTableError, match="lacks currency"):
        TemporalGraph.from_transfers(transfers([{"src": "a", "dst": "b"}]).drop_columns(["currency"]))


def test_a_column_of_another_type_is_named(transfers) -> None:
    table = transfers([{"src": "a", "dst": "b"}])
    place = table.schema.get_field_index("time_low")
    with pytest.raises(TransferTableError, match="wrong type"):
        TemporalGraph.from_transfers(table.set_column(place, "time_low", pa.array(["yesterday"])))

"""The picture of a flag."""

from __future__ import annotations

from io import BytesIO
from xml.etree import ElementTree

import networkx as nx
import pytest

from ledger.errors import VerificationError
from ledger.flag import Flag, FlagSource, RowRef
from ledger.transfers.evidence import evidence_graph, evidence_rows, to_graphml, to_svg


@pytest.fixture
def table(transfers):
    halves = {"credit_member": 2, "credit_sequence": 4, "dst_bank": 2}
    return transfers(
        [
            {
                "src": "a",
                "dst": "b",
                "t": 50,
                "a_low": 794_400,
                "a_high": 1_000_000,
                **halves,
                "credit_index": 0,
            },
            {"src": "a", "dst": "b", "t": 20, "amount": 123_400, **halves, "credit_index": 1},
            {"src": "b", "dst": "<c&>", "t": 60, "src_bank": 2, "dst_bank": 0},
            {"src": "x", "dst": "y", "t": 10},
            {"src": "c", "dst": "c", "t": 70},
        ]
    )


def flag_over(position, *rows: RowRef) -> Flag:
    return Flag(
        source=FlagSource("detector", "cycle", "1"), title="cycle", position=position, entities=(), rows=rows,
        window=(0, 100), score=None, certainty="possible", severity="low", explanation="A sentence <&>.",
    )  # fmt: skip


@pytest.fixture
def flag(position) -> Flag:
    return flag_over(
        position, RowRef(1, 1, 0), RowRef(2, 4, 0), RowRef(2, 4, 1), RowRef(1, 1, 2), RowRef(1, 1, 4)
    )


def test_it_holds_each_named_payment_once(flag, table) -> None:
    graph = evidence_graph(flag, table, banks={1: "North", 2: "South"})
    assert graph.number_of_edges() == 4
    assert sorted(data["bank"] for _, data in graph.nodes(data=True)) == [
        "North",
        "North",
        "South",
        "not a member",
    ]
    assert [data["time_low"] for _, _, data in graph.edges(data=True)][:1] == [20]
    amounts = {data["amount"] for _, _, data in graph.edges(data=True)}
    assert {"EUR 7,944 to 10,000", "EUR 1,234"} <= amounts


def test_graphml_can_be_read_back(flag, table) -> None:
    graph = evidence_graph(flag, table)
    again = nx.read_graphml(BytesIO(to_graphml(graph)), force_multigraph=True)
    assert sorted(again.nodes(data="bank")) == sorted(graph.nodes(data="bank"))
    assert sorted(d["amount_high"] for *_, d in again.edges(data=True)) == sorted(
        d["amount_high"] for *_, d in graph.edges(data=True)
    )


def test_the_svg_is_well_formed_and_repeatable(flag, table) -> None:
    text = to_svg(evidence_graph(flag, table))
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}circle")) == 4
    assert len([p for p in root.findall(f"{space}path") if p.get("marker-end")]) == 4
    assert text == to_svg(evidence_graph(flag, table))
    labels = {t.text for t in root.iter(f"{space}text")}
    assert "EUR 7,944 to 10,000" in labels


def test_rows_come_in_time_order(flag, table) -> None:
    assert evidence_rows(flag, table).column("time_low").to_pylist() == [20, 50, 60, 70]


def test_a_row_that_is_not_there_is_named(position, table) -> None:
    with pytest.raises(VerificationError, match="member 1, batch 1, row 77"):
        evidence_graph(flag_over(position, RowRef(1, 1, 0), RowRef(1, 1, 77)), table)


@pytest.mark.parametrize(
    "stranger",
    [RowRef(1, 1, 9), RowRef(1, 0, 65_536), RowRef(-1, -1, -1), RowRef("a", 1, 0), RowRef(1, 1, 1 << 80)],
    ids=["absent", "alias", "negative", "text", "large"],
)
def test_a_place_that_no_payment_has_is_refused_by_name(position, table, stranger) -> None:
    with pytest.raises(VerificationError) as caught:
        evidence_rows(flag_over(position, RowRef(1, 1, 0), stranger), table)
    assert caught.value.where == f"member {stranger.member}, batch {stranger.sequence}, row {stranger.index}"

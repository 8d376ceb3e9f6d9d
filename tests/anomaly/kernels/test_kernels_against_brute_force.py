"""Each kernel against a slow reference that follows its definition, on small random multigraphs.

Equal times, overlapping intervals, parallel edges and self-loops are the rule in these graphs.
"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import combinations, pairwise, permutations

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.graph import TemporalGraph
from anomaly.kernels.bipartite import BipartiteParameters, bipartite
from anomaly.kernels.chain import ChainParameters, chains
from anomaly.kernels.cycle import CycleParameters, cycles
from anomaly.kernels.fan import FanParameters, fan_in, fan_out
from anomaly.kernels.handover import HandoverParameters, handovers
from anomaly.kernels.pass_through import PassThroughParameters, pass_through
from anomaly.kernels.scatter_gather import scatter_gather
from anomaly.kernels.structuring import StructuringParameters, structuring

EXAMPLES = int(os.environ.get("KERNEL_EXAMPLES", "300"))
MANY = settings(max_examples=EXAMPLES, deadline=None)

HANDOVER = HandoverParameters(window=5, keep_low=0.5, keep_high=1.0, hub_degree=1_000)


def payments(accounts: int, most: int) -> st.SearchStrategy[list[dict[str, int | str]]]:
    def payment(values: tuple[int, int, int, int, int, int]) -> dict[str, int | str]:
        src, dst, low, width, amount, band = values
        return {
            "src": f"a{src}", "dst": f"a{dst}", "t_low": low, "t_high": low + width,
            "a_low": amount, "a_high": amount + band, "currency": 978,
        }  # fmt: skip

    one = st.tuples(
        st.integers(0, accounts - 1),
        st.integers(0, accounts - 1),
        st.integers(0, 12),
        st.sampled_from([1, 1, 1, 2, 4]),
        st.integers(5, 12),
        st.sampled_from([0, 0, 3]),
    )
    return st.lists(one.map(payment), max_size=most)


def possible(graph: TemporalGraph, path: list[int]) -> bool:
    """Say whether instants in order exist: the running latest lower end stays under each upper end."""
    latest = -1
    for e in path:
        latest = max(latest, int(graph.t_low[e]))
        if latest >= graph.t_high[e]:
            return False
    return True


def handed_over(graph: TemporalGraph, e: int, f: int) -> bool:
    return bool(
        graph.usable[e]
        and graph.usable[f]
        and graph.dst[e] == graph.src[f]
        and graph.t_low[f] - graph.t_low[e] <= HANDOVER.window
        and graph.t_high[f] > graph.t_low[e]
        and graph.amount_high[f] >= HANDOVER.keep_low * graph.amount_low[e]
        and graph.amount_low[f] <= HANDOVER.keep_high * graph.amount_high[e]
    )


def relation(graph: TemporalGraph) -> nx.DiGraph:
    pairs = nx.DiGraph()
    pairs.add_nodes_from(range(graph.edges))
    pairs.add_edges_from((e, f) for e, f in permutations(range(graph.edges), 2) if handed_over(graph, e, f))
    return pairs


def walks(graph: TemporalGraph, pairs: nx.DiGraph, most: int) -> list[list[int]]:
    """List every possible walk in the relation whose accounts differ, the last one excepted."""
    found, front = [], [[e] for e in pairs]
    while front:
        found += front
        longer = []
        for path in front:
            reached = [int(graph.dst[e]) for e in path]
            if len(path) == most or reached[-1] == graph.src[path[0]]:
                continue
            longer += [
                [*path, f]
                for f in pairs.successors(path[-1])
                if int(graph.dst[f]) not in reached and possible(graph, [*path, f])
            ]
        front = longer
    return found


@MANY
@given(payments(5, 14))
def test_handovers(transfers, rows) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    found = handovers(graph, HANDOVER)
    assert set(zip(found.first_edge.tolist(), found.next_edge.tolist(), strict=True)) == set(
        relation(graph).edges
    )
    assert not found.cut.any()


@MANY
@given(payments(4, 14), st.lists(st.sampled_from([978, 392, 840]), min_size=14, max_size=14))
def test_handovers_across_currencies(transfers, rows, currencies) -> None:
    told = [row | {"currency": code} for row, code in zip(rows, currencies, strict=False)]
    graph = TemporalGraph.from_transfers(transfers(told))
    parameters = HandoverParameters(
        window=5, keep_low=0.8, keep_high=1.0, hub_degree=1_000, exchange=0.1, fewest=3
    )
    typical = {
        code: float(np.exp(np.log(graph.amount[graph.currency == code]).mean()))
        for code in np.unique(graph.currency).tolist()
        if (graph.currency == code).sum() >= 3
    }

    def passes(e: int, f: int) -> bool:
        low, high = 0.8, 1.0
        first, second = int(graph.currency[e]), int(graph.currency[f])
        if first != second:
            if first not in typical or second not in typical:
                return False
            low *= typical[second] / typical[first] / 1.1
            high *= typical[second] / typical[first] * 1.1
        return bool(
            graph.usable[e]
            and graph.usable[f]
            and graph.dst[e] == graph.src[f]
            and graph.t_low[f] - graph.t_low[e] <= 5
            and graph.t_high[f] > graph.t_low[e]
            and graph.amount_high[f] >= low * graph.amount_low[e] - 1e-9
            and graph.amount_low[f] <= high * graph.amount_high[e] + 1e-9
        )

    found = handovers(graph, parameters)
    got = set(zip(found.first_edge.tolist(), found.next_edge.tolist(), strict=True))
    assert got == {(e, f) for e, f in permutations(range(graph.edges), 2) if passes(e, f)}
    never = handovers(graph, replace(parameters, exchange=-1.0))
    kept = set(zip(never.first_edge.tolist(), never.next_edge.tolist(), strict=True))
    assert kept == {(e, f) for e, f in got if graph.currency[e] == graph.currency[f]}


@MANY
@given(payments(5, 14))
def test_handovers_name_what_the_hub_policy_cuts(transfers, rows) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    small = HandoverParameters(window=5, keep_low=0.5, keep_high=1.0, hub_degree=1)
    found, whole = handovers(graph, small), set(relation(graph).edges)
    got = set(zip(found.first_edge.tolist(), found.next_edge.tolist(), strict=True))
    assert got <= whole
    assert {e for e, _ in whole - got} <= set(np.flatnonzero(found.cut).tolist())


@MANY
@given(payments(5, 12))
def test_cycles(transfers, rows) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    parameters = CycleParameters(window=9, min_length=3, max_length=5, budget=10**6)
    found = cycles(graph, handovers(graph, HANDOVER), parameters)
    expected = {
        frozenset(path)
        for path in walks(graph, relation(graph), 5)
        if len(path) >= 3
        and graph.dst[path[-1]] == graph.src[path[0]]
        and all(abs(int(graph.t_low[e] - graph.t_low[path[0]])) <= 9 for e in path)
    }
    assert {frozenset(edges.tolist()) for edges in found} == expected
    assert len(found) == len(expected)
    assert not found.truncated.any()


@MANY
@given(payments(6, 12), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_round_trips_end_at_any_account_of_the_owner(transfers, rows, owners) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    owner = np.array(owners[: graph.accounts], np.int64)
    parameters = CycleParameters(window=100, min_length=2, max_length=3, budget=10**6)
    found = cycles(graph, handovers(graph, HANDOVER), parameters, owner)
    pairs, expected = relation(graph), set()
    for path in [*pairs.edges, *((e, f, g) for e, f in pairs.edges for g in pairs.successors(f))]:
        reached = [int(graph.dst[e]) for e in path]
        at_home = [owner[v] == owner[graph.src[path[0]]] for v in reached]
        simple = len(set(reached[:-1])) == len(reached) - 1
        if simple and at_home[-1] and not any(at_home[1:-1]) and possible(graph, list(path)):
            expected.add(frozenset(path))
    assert {frozenset(edges.tolist()) for edges in found} == expected


def test_a_cycle_search_out_of_budget_says_so(transfers) -> None:
    rows = [{"src": f"a{i}", "dst": f"a{j}", "t": 1} for i in range(6) for j in range(6) if i != j]
    graph = TemporalGraph.from_transfers(transfers(rows))
    relation_of_graph = handovers(graph, HANDOVER)
    found = cycles(graph, relation_of_graph, CycleParameters(window=9, max_length=6, budget=20))
    whole = cycles(graph, relation_of_graph, CycleParameters(window=9, max_length=6, budget=10**6))
    assert found.cut == graph.edges
    assert found.truncated.any()
    assert len(found) < len(whole)
    assert whole.cut == 0
    assert not whole.truncated.any()


@MANY
@given(payments(5, 12), st.integers(0, 2**32 - 1))
def test_chains(transfers, rows, seed) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    pairs = handovers(graph, HANDOVER)
    weight = np.random.default_rng(seed).random(len(pairs.next_edge))
    of_pair = dict(
        zip(zip(pairs.first_edge.tolist(), pairs.next_edge.tolist(), strict=True), weight, strict=True)
    )
    found, total = chains(graph, pairs, weight, ChainParameters(3, 3, 5, 10**6))
    best: dict[int, float] = {}
    for path in walks(graph, relation(graph), 5):
        hops = list(pairwise(path))
        late = any(graph.t_low[f] - graph.t_low[e] > 3 for e, f in hops)
        if len(path) >= 3 and not late and graph.dst[path[-1]] != graph.src[path[0]]:
            best[path[0]] = max(best.get(path[0], 0.0), sum(of_pair[hop] for hop in hops))
    got = {int(edges[0]): float(total[i]) for i, edges in enumerate(found)}
    assert got.keys() == best.keys()
    for e, value in best.items():
        assert np.isclose(got[e], value)
    for i, edges in enumerate(found):
        assert np.isclose(sum(of_pair[hop] for hop in pairwise(edges)), total[i])


def densest(items: list[tuple[int, int, int]], window: int, least: int) -> list[list[int]]:
    """Take windows [t, t + window] of (time, label, name), most labels first, then the earliest end."""
    left, taken = sorted(items), []
    blocked: list[tuple[int, int]] = []
    while True:
        options = []
        for end in sorted({t for t, _, _ in left}):
            inside = [x for x in left if end - window <= x[0] <= end]
            first = inside[0][0]
            if any(first <= b and a <= end for a, b in blocked):
                continue
            options.append((-len({label for _, label, _ in inside}), end, first, inside))
        options = [o for o in options if -o[0] >= least]
        if not options:
            return taken
        _, end, first, inside = min(options, key=lambda o: o[:2])
        blocked.append((first, end))
        taken.append(sorted(name for _, _, name in inside))


@MANY
@given(payments(5, 16), st.booleans())
def test_fans(transfers, rows, inward) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    hub, other = (graph.dst, graph.src) if inward else (graph.src, graph.dst)
    parameters = FanParameters(window=4, min_size=2, max_per_account=100)
    found = (fan_in if inward else fan_out)(graph, parameters, graph.usable)
    expected = []
    for v in range(graph.accounts):
        own = [e for e in range(graph.edges) if graph.usable[e] and hub[e] == v]
        expected += densest([(int(graph.t_low[e]), int(other[e]), e) for e in own], 4, 2)
    assert sorted(sorted(edges.tolist()) for edges in found) == sorted(expected)


def test_more_fans_than_allowed_are_marked(transfers) -> None:
    rows = [{"src": f"s{i}", "dst": "hub", "t": 100 * (i // 3)} for i in range(12)]
    graph = TemporalGraph.from_transfers(transfers(rows))
    found = fan_in(graph, FanParameters(window=4, min_size=3, max_per_account=2), graph.usable)
    assert len(found) == 2
    assert found.truncated.tolist() == [False, True]
    assert found.cut == 1


@MANY
@given(payments(5, 14))
def test_scatter_gather(transfers, rows) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    found = scatter_gather(graph, handovers(graph, HANDOVER), FanParameters(4, 2, 100))
    groups: dict[tuple[int, int], list[tuple[int, int, tuple[int, int]]]] = {}
    for e, f in relation(graph).edges:
        if graph.src[e] != graph.dst[f]:
            way = (int(graph.t_low[e]), int(graph.dst[e]), (e, f))
            groups.setdefault((int(graph.src[e]), int(graph.dst[f])), []).append(way)
    expected = [ways for items in groups.values() for ways in densest(items, 4, 2)]  # type: ignore[arg-type]
    got = [sorted(zip(e[0::2].tolist(), e[1::2].tolist(), strict=True)) for e in found]
    assert sorted(got) == sorted(expected)


@MANY
@given(payments(4, 12))
def test_pass_through(transfers, rows) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    parameters = PassThroughParameters(3, 0.7, 1.0, 1_000, 1_000)
    found = pass_through(graph, parameters, graph.usable)
    expected = []
    for v in range(graph.accounts):
        ins = [e for e in range(graph.edges) if graph.usable[e] and graph.dst[e] == v]
        outs = [e for e in range(graph.edges) if graph.usable[e] and graph.src[e] == v]
        options = {}
        for t in {int(graph.t_low[e]) for e in ins}:
            a = [e for e in ins if t <= graph.t_low[e] <= t + 3]
            b = [e for e in outs if graph.t_high[e] > t and graph.t_low[e] <= t + 3]
            received, sent = graph.amount_low[a].sum(), graph.amount_high[b].sum()
            if b and sent >= 0.7 * received and graph.amount_low[b].sum() <= graph.amount_high[a].sum():
                options[t] = (-int(received), t, sorted(a + b))
        while options:
            _, t, evidence = min(options.values())
            expected.append(evidence)
            options = {s: o for s, o in options.items() if abs(s - t) > 3}
    assert sorted(sorted(set(edges.tolist())) for edges in found) == sorted(expected)


@MANY
@given(payments(6, 14))
def test_bipartite(transfers, rows) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    found = bipartite(graph, BipartiteParameters(window=5, budget=10**6), graph.usable)
    together = nx.Graph()
    usable = [e for e in range(graph.edges) if graph.usable[e]]
    for four in combinations(usable, 4):
        payers, payees = {int(graph.src[e]) for e in four}, {int(graph.dst[e]) for e in four}
        pairs = {(int(graph.src[e]), int(graph.dst[e])) for e in four}
        close = graph.t_low[four[-1]] - graph.t_low[four[0]] <= 5
        if len(payers) == len(payees) == 2 and len(pairs) == 4 and close:
            nx.add_path(together, four)
    expected = sorted(sorted(part) for part in nx.connected_components(together))
    assert sorted(edges.tolist() for edges in found) == expected


@MANY
@given(payments(4, 14))
def test_structuring(transfers, rows) -> None:
    graph = TemporalGraph.from_transfers(transfers(rows))
    threshold = np.full(graph.edges, 10, np.int64)
    group = graph.dst.astype(np.int64)
    found = structuring(graph, group, threshold, StructuringParameters(4, 2, 0.6, 100))
    expected = []
    for v in range(graph.accounts):
        own = [
            e
            for e in range(graph.edges)
            if graph.dst[e] == v and graph.amount_low[e] <= 10 and graph.amount_high[e] >= 6
        ]
        for edges in densest([(int(graph.t_low[e]), e, e) for e in own], 4, 2):
            if graph.amount_high[edges].sum() > 10:
                expected.append(edges)
    assert sorted(sorted(edges.tolist()) for edges in found) == sorted(expected)

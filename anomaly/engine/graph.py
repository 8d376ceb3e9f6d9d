"""The live part of the temporal multigraph: a ring buffer of edges, listed by account and by ordered pair.

Edges have ascending sequence numbers in time order and are stored at index `number & mask`. Each edge is in
three doubly linked lists, oldest to newest: payments out of its debtor, into its creditor, and of the same
ordered pair. An edge is the newest visible edge of its pair if the next edge of the pair is not visible; this
reduces the multigraph to a simple graph without a set. Adding and dropping an edge costs O(1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anomaly.engine.inlined import inlined
from anomaly.kernels.jit import jit

__all__ = [
    "FIRST",
    "IN",
    "NEXT",
    "OUT",
    "ROUND",
    "VERTICES",
    "LiveGraph",
    "add",
    "drop",
    "empty",
    "grown",
    "is_latest",
    "latest_of_pair",
    "newest_before",
    "number_accounts",
]  # fmt: skip

Ints = npt.NDArray[np.int64]

#: Directions: the list of payments out of an account, and into it.
OUT, IN = 0, 1
#: Indices in `LiveGraph.counts`.
FIRST, NEXT, VERTICES, ROUND = 0, 1, 2, 3
#: Number of columns of `LiveGraph.state`, and the column that holds the next edge to add.
STATE = 7
HEAD = 1


class LiveGraph(NamedTuple):
    """The arrays of the graph; -1 stands for "none".

    Attributes
    ----------
    counts : (4,) int64
        First live edge, next edge, number of accounts, round of searches (no edge is added in a round).
    ends : (2, ring) int64
        Debtor and creditor account of each edge.
    time : (ring,) int64
    amount : (ring,) float64
    older, newer : (2, ring) int64
        Neighbours of each edge in the lists out of its debtor (0) and into its creditor (1).
    pair_older, pair_newer : (ring,) int64
        Neighbours among the edges of the same ordered pair.
    newest : (2, accounts) int64
        Newest edge out of and into each account.
    cursor : (accounts * 2, 3) int64
        Cache per account and list: round and limit of the last `newest_before`, and its result.
    pair_key, pair_edge : (table,) int64
        Hash table (open addressing): ordered pair to its newest live edge.
    account_key, account_number : (table,) int64
        Hash table (open addressing): the caller's account to its number in this graph.
    windows : (w,) int64
        The sliding windows, in seconds.
    state : (accounts * 2 * w, 7) int64
    back : (accounts * 2 * w, 8) float64
    front : (ring * 2 * w, 8) float64
        By account (edge), direction and window; see `anomaly.engine.windows`.
    """

    counts: Ints
    ends: Ints
    time: Ints
    amount: npt.NDArray[np.float64]
    older: Ints
    newer: Ints
    pair_older: Ints
    pair_newer: Ints
    newest: Ints
    cursor: Ints
    pair_key: Ints
    pair_edge: Ints
    account_key: Ints
    account_number: Ints
    windows: Ints
    state: Ints
    back: npt.NDArray[np.float64]
    front: npt.NDArray[np.float64]


def empty(windows: tuple[int, ...], ring: int = 1_024, accounts: int = 1_024) -> LiveGraph:
    """Return a graph without edges; `ring` and `accounts` are powers of two."""
    cells, table = 2 * len(windows), 2 * max(ring, accounts)
    state = np.zeros((accounts * cells, STATE), dtype=np.int64)
    state[:, :3] = -1
    return LiveGraph(
        counts=np.zeros(4, dtype=np.int64),
        ends=_none(2, ring),
        time=_none(ring),
        amount=np.zeros(ring),
        older=_none(2, ring),
        newer=_none(2, ring),
        pair_older=_none(ring),
        pair_newer=_none(ring),
        newest=_none(2, accounts),
        cursor=_none(2 * accounts, 3),
        pair_key=_none(table),
        pair_edge=_none(table),
        account_key=_none(table),
        account_number=_none(table),
        windows=np.array(windows, dtype=np.int64),
        state=state,
        back=np.zeros((accounts * cells, 8)),
        front=np.zeros((ring * cells, 8)),
    )


def _none(*shape: int) -> Ints:
    return np.full(shape, -1, dtype=np.int64)


def grown(graph: LiveGraph, edges: int, accounts: int) -> LiveGraph:
    """Return the graph with capacity for so many more edges and accounts; itself if it has that already."""
    first, after, vertices, _ = graph.counts.tolist()
    old_ring, old_room = len(graph.time), graph.newest.shape[1]
    ring, room = old_ring, old_room
    while after - first + edges > ring:
        ring *= 2
    while vertices + accounts > room:
        room *= 2
    if (ring, room) == (old_ring, old_room):
        return graph
    new = empty(tuple(graph.windows.tolist()), ring, room)
    new.counts[:] = graph.counts
    live = np.arange(first, after)
    there, here = live & (old_ring - 1), live & (ring - 1)
    for to, of in ((new.ends, graph.ends), (new.older, graph.older), (new.newer, graph.newer)):
        to[:, here] = of[:, there]
    new.amount[here] = graph.amount[there]
    for to, of in (
        (new.time, graph.time),
        (new.pair_older, graph.pair_older),
        (new.pair_newer, graph.pair_newer),
    ):
        to[here] = of[there]
    cells = 2 * len(graph.windows)
    new.front.reshape(ring, cells, 8)[here] = graph.front.reshape(old_ring, cells, 8)[there]
    new.newest[:, :vertices] = graph.newest[:, :vertices]
    new.state[: vertices * cells] = graph.state[: vertices * cells]
    new.back[: vertices * cells] = graph.back[: vertices * cells]
    used = graph.account_number >= 0
    _fill_accounts(new.account_key, new.account_number, graph.account_key[used], graph.account_number[used])
    _fill_pairs(new, live[new.pair_newer[here] < 0])
    return new


@jit
def _place(key: int, mask: int) -> int:
    """Return the first slot of a key; products fit in 63 bits, in compiled and in plain Python code."""
    low, middle, high = key & 0x7FFFFFFF, (key >> 31) & 0x7FFFFFFF, (key >> 62) & 3
    mixed = (low * 0x9E3779B1) ^ (middle * 0x85EBCA6B) ^ (high * 0xC2B2AE35)
    mixed ^= mixed >> 31
    mixed = ((mixed & 0x7FFFFFFF) * 0x9E3779B1) & 0x7FFFFFFFFFFFFFFF
    return (mixed >> 15) & mask


@jit
def number_accounts(graph: LiveGraph, accounts: Ints, numbers: Ints) -> None:
    """Write the number of each account; a new account gets the next number. The table must have space."""
    mask = len(graph.account_key) - 1
    for i in range(len(accounts)):
        key = accounts[i]
        slot = _place(key, mask)
        while graph.account_number[slot] >= 0 and graph.account_key[slot] != key:
            slot = (slot + 1) & mask
        if graph.account_number[slot] < 0:
            graph.account_key[slot] = key
            graph.account_number[slot] = graph.counts[VERTICES]
            graph.counts[VERTICES] += 1
        numbers[i] = graph.account_number[slot]


@jit
def _fill_accounts(keys: Ints, numbers: Ints, old_keys: Ints, old_numbers: Ints) -> None:
    mask = len(keys) - 1
    for i in range(len(old_keys)):
        slot = _place(old_keys[i], mask)
        while numbers[slot] >= 0:
            slot = (slot + 1) & mask
        keys[slot], numbers[slot] = old_keys[i], old_numbers[i]


@jit
def _fill_pairs(graph: LiveGraph, newest: Ints) -> None:
    ring = len(graph.time) - 1
    for i in range(len(newest)):
        key = (graph.ends[OUT, newest[i] & ring] << 31) | graph.ends[IN, newest[i] & ring]
        slot = _pair_slot(graph, key)
        graph.pair_key[slot], graph.pair_edge[slot] = key, newest[i]


@jit
def _pair_slot(graph: LiveGraph, key: int) -> int:
    """Return the slot that holds the pair, or the empty slot where it belongs."""
    mask = len(graph.pair_key) - 1
    slot = _place(key, mask)
    while graph.pair_key[slot] >= 0 and graph.pair_key[slot] != key:
        slot = (slot + 1) & mask
    return slot


@jit
def latest_of_pair(graph: LiveGraph, debtor: int, creditor: int, limit: int) -> int:
    """Return the newest live edge from debtor to creditor with a time before `limit`, or -1."""
    slot = _pair_slot(graph, (debtor << 31) | creditor)
    if graph.pair_key[slot] < 0:
        return -1
    ring = len(graph.time) - 1
    edge: int = graph.pair_edge[slot]
    while edge >= 0 and graph.time[edge & ring] >= limit:
        edge = graph.pair_older[edge & ring]
    return edge


@jit
def newest_before(graph: LiveGraph, way: int, account: int, limit: int) -> int:
    """Return the newest edge of an account's list with a time before `limit`, or -1.

    Edges with the same time ask this of a hub many times in a round, so the answer is cached.
    """
    ring = len(graph.time) - 1
    edge: int = graph.newest[way, account]
    if edge < 0 or graph.time[edge & ring] < limit:
        return edge
    cell = 2 * account + way
    if graph.cursor[cell, 0] == graph.counts[ROUND] and graph.cursor[cell, 1] == limit:
        kept: int = graph.cursor[cell, 2]
        return kept
    while edge >= 0 and graph.time[edge & ring] >= limit:
        edge = graph.older[way, edge & ring]
    graph.cursor[cell, 0], graph.cursor[cell, 1], graph.cursor[cell, 2] = graph.counts[ROUND], limit, edge
    return edge


@inlined
def is_latest(graph: LiveGraph, edge: int, limit: int) -> bool:
    """Return whether no newer edge of the same pair has a time before `limit`."""
    newer = graph.pair_newer[edge & (len(graph.time) - 1)]
    return bool(newer < 0 or graph.time[newer & (len(graph.time) - 1)] >= limit)


@inlined
def add(graph: LiveGraph, debtor: int, creditor: int, time: int, amount: float) -> None:
    """Append an edge that is not older than the newest edge; the ring must have space."""
    edge = graph.counts[NEXT]
    ring = len(graph.time) - 1
    at = edge & ring
    graph.ends[OUT, at], graph.ends[IN, at] = debtor, creditor
    graph.time[at], graph.amount[at] = time, amount
    for way in range(2):
        vertex = graph.ends[way, at]
        last = graph.newest[way, vertex]
        graph.older[way, at], graph.newer[way, at] = last, -1
        if last >= 0:
            graph.newer[way, last & ring] = edge
        graph.newest[way, vertex] = edge
        cell = (2 * vertex + way) * len(graph.windows)
        for w in range(len(graph.windows)):
            if graph.state[cell + w, HEAD] < 0:
                graph.state[cell + w, HEAD] = edge
    key = (debtor << 31) | creditor
    slot = _pair_slot(graph, key)
    graph.pair_newer[at] = -1
    if graph.pair_key[slot] < 0:
        graph.pair_key[slot] = key
        graph.pair_older[at] = -1
    else:
        last = graph.pair_edge[slot]
        graph.pair_older[at] = last
        graph.pair_newer[last & ring] = edge
    graph.pair_edge[slot] = edge
    graph.counts[NEXT] = edge + 1


@inlined
def drop(graph: LiveGraph) -> None:
    """Drop the oldest edge; every sliding window must have left it before."""
    edge = graph.counts[FIRST]
    ring = len(graph.time) - 1
    at = edge & ring
    for way in range(2):
        vertex = graph.ends[way, at]
        following = graph.newer[way, at]
        if following >= 0:
            graph.older[way, following & ring] = -1
        else:
            graph.newest[way, vertex] = -1
    following = graph.pair_newer[at]
    if following >= 0:
        graph.pair_older[following & ring] = -1
    else:
        _forget_pair(graph, (graph.ends[OUT, at] << 31) | graph.ends[IN, at])
    graph.counts[FIRST] = edge + 1


@jit
def _forget_pair(graph: LiveGraph, key: int) -> None:
    """Empty the pair's slot and move later entries back into it (Knuth, volume 3, 6.4, algorithm R)."""
    mask = len(graph.pair_key) - 1
    hole = _pair_slot(graph, key)
    slot = hole
    while True:
        slot = (slot + 1) & mask
        if graph.pair_key[slot] < 0:
            break
        home = _place(graph.pair_key[slot], mask)
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            graph.pair_key[hole], graph.pair_edge[hole] = graph.pair_key[slot], graph.pair_edge[slot]
            hole = slot
    graph.pair_key[hole] = -1
    graph.pair_edge[hole] = -1

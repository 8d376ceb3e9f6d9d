"""Pairing halves of equal payments: as many as can be, in order of time, whatever one bank adds."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.pairing import Half, pair
from ledger.schema import Side

HOUR, DAY = 3_600, 86_400
TOLERANCE = 2 * HOUR
DEBIT, CREDIT = int(Side.DEBIT), int(Side.CREDIT)

#: Start (in hours), length (in hours) and lowest amount of a half.
Drawn = tuple[int, int, int]


def half(side: int, place: int, drawn: Drawn, group: int = 0) -> Half:
    start, length, low = drawn
    end = (start + length) * HOUR
    return Half(group, side, low, low + 99, start * HOUR, end, place)


def halves(debits: Sequence[Drawn], credits: Sequence[Drawn], group: int = 0) -> list[Half]:
    made = [half(DEBIT, place, drawn, group) for place, drawn in enumerate(debits)]
    made += [half(CREDIT, place, drawn, group) for place, drawn in enumerate(credits, 100)]
    return sorted(made, key=lambda h: (h.group, h.time_high, h.side, h.place))


def paired(debits: Sequence[Drawn], credits: Sequence[Drawn]) -> list[tuple[int, int]]:
    return sorted(pair(halves(debits, credits), TOLERANCE))


def together(debit: Half, credit: Half) -> bool:
    apart = max(debit.time_low, credit.time_low) - min(debit.time_high, credit.time_high)
    low, high = max(debit.amount_low, credit.amount_low), min(debit.amount_high, credit.amount_high)
    return apart <= TOLERANCE and low <= high


def most(debits: list[Half], credits: list[Half]) -> int:
    """Try every way to join the halves; return the largest number of pairs."""
    if not debits:
        return 0
    first, rest = debits[0], debits[1:]
    best = most(rest, credits)
    for i, credit in enumerate(credits):
        if together(first, credit):
            best = max(best, 1 + most(rest, credits[:i] + credits[i + 1 :]))
    return best


def drawn(*, lengths: Sequence[int] = (1,), amounts: Sequence[int] = (100,)) -> st.SearchStrategy[Drawn]:
    def whole_buckets(half: Drawn) -> Drawn:
        start, length, low = half
        return start // length * length, length, low

    return st.tuples(st.integers(0, 60), st.sampled_from(lengths), st.sampled_from(amounts)).map(
        whole_buckets
    )


@settings(max_examples=300)
@given(
    debits=st.lists(drawn(lengths=(1, 24)), max_size=5), credits=st.lists(drawn(lengths=(1, 24)), max_size=5)
)
def test_as_many_are_joined_as_can_be(debits: list[Drawn], credits: list[Drawn]) -> None:
    made = halves(debits, credits)
    found = list(pair(made, TOLERANCE))
    by_place = {h.place: h for h in made}
    assert all(together(by_place[d], by_place[c]) for d, c in found)
    places = [place for both in found for place in both]
    assert len(places) == len(set(places))
    sides = ([h for h in made if h.side == side] for side in (DEBIT, CREDIT))
    assert len(found) == most(*sides)


@settings(max_examples=300)
@given(debits=st.lists(drawn(), max_size=6), credits=st.lists(drawn(), max_size=6))
def test_pairs_do_not_cross_in_time(debits: list[Drawn], credits: list[Drawn]) -> None:
    found = [(debits[d][0], credits[c - 100][0]) for d, c in pair(halves(debits, credits), TOLERANCE)]
    found.sort()
    assert [c for _, c in found] == sorted(c for _, c in found)


@settings(max_examples=300)
@given(
    debits=st.lists(drawn(lengths=(1, 24)), max_size=5),
    credits=st.lists(drawn(lengths=(1, 24)), max_size=5),
    more=st.lists(drawn(lengths=(1, 24), amounts=(100, 150, 900)), max_size=8),
)
def test_more_halves_of_one_bank_never_leave_fewer_of_the_other_joined(
    debits: list[Drawn], credits: list[Drawn], more: list[Drawn]
) -> None:
    """The other bank may say another amount, or its time in days: an honest bank's halves stay joined."""
    assert len(paired(debits, [*credits, *more])) >= len(paired(debits, credits))
    assert len(paired([*debits, *more], credits)) >= len(paired(debits, credits))


def test_halves_whose_amounts_cannot_be_equal_are_not_joined() -> None:
    assert paired([(0, 1, 100)], [(0, 1, 200)]) == []
    assert paired([(0, 1, 100)], [(0, 1, 200), (0, 1, 150), (0, 1, 200)]) == [(0, 101)]


def test_groups_are_kept_apart() -> None:
    made = [*halves([(0, 1, 100)], [], group=0), *halves([], [(0, 1, 100)], group=1)]
    assert list(pair(made, TOLERANCE)) == []


def test_a_tolerance_of_nothing_joins_what_touches() -> None:
    made = halves([(0, 1, 100)], [(1, 1, 100), (2, 1, 100)])
    assert list(pair(made, 0)) == [(0, 100)]


def test_a_flood_of_halves_of_one_token_are_paired_in_good_time() -> None:
    """Two banks that work together post the worst order: what waits is searched for each half."""
    count = 50_000
    made = [half(DEBIT, n, (0, 1, 100)) for n in range(count)]
    made += [half(DEBIT, n, (5, 1, 100)) for n in range(count, 2 * count)]
    made += [half(CREDIT, n, (9, 1, 100)) for n in range(2 * count, 4 * count)]
    started = perf_counter()
    assert sum(1 for _ in pair(made, TOLERANCE)) == 0
    assert sum(1 for _ in pair(made, 4 * HOUR)) == count
    assert perf_counter() - started < 20

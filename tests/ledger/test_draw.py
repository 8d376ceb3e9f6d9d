"""The draw: uniform, without repetition, and the same for everybody who knows the seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.draw import MOST_DRAWN, Draw, Place, draw_elements, drawn, requests_of
from ledger.errors import InputError, VerificationError
from ledger.gateway.records import EvaluationRequest

SEED = bytes(range(32))
COUNTS = st.lists(st.integers(1, 2**20), min_size=1, max_size=6)


def asked(counts: list[int], *, member: int = 1) -> list[EvaluationRequest]:
    """Requests 3, 6, 9 ... of one member, in blocks 10, 20, 30 ..."""
    return [
        EvaluationRequest(3 * n, member, 1, count, bytes([n]) * 32, None, 10 * n)
        for n, count in enumerate(counts, 1)
    ]


def by_the_book(seed: bytes, counts: list[int], count: int) -> list[tuple[int, int]]:
    """The method of docs/formats.md, written again."""
    everything = [(3 * n, position) for n, size in enumerate(counts, 1) for position in range(size)]
    found: list[tuple[int, int]] = []
    index = 0
    while len(found) < min(count, len(everything)):
        digest = sha256(b"counterfoil/draw/1\x00" + seed + index.to_bytes(8, "big")).digest()
        word = int.from_bytes(digest[:8], "big")
        index += 1
        if word < 2**64 // len(everything) * len(everything):
            element = everything[word % len(everything)]
            if element not in found:
                found.append(element)
    return found


@given(st.binary(min_size=32, max_size=32), COUNTS, st.integers(1, 60))
def test_elements_are_of_the_requests_and_none_is_drawn_twice(
    seed: bytes, counts: list[int], count: int
) -> None:
    requests = asked(counts)
    sizes = {request.number: request.count for request in requests}
    places = drawn(seed, requests, count)
    assert len(places) == len(set(places)) == min(count, sum(counts))
    assert all(0 <= place.position < sizes[place.request] for place in places)


@given(
    st.binary(min_size=32, max_size=32),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(1, 40),
)
def test_the_seed_and_the_chain_give_the_draw(seed: bytes, counts: list[int], count: int) -> None:
    places = drawn(seed, asked(counts), count)
    assert list(places) == by_the_book(seed, counts, count)
    assert drawn(seed, asked(counts), count - 1) == places[: count - 1]


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_draw_of_everything_has_everything(first: int, second: int) -> None:
    places = drawn(SEED, asked([first, second]), first + second)
    assert set(places) == {Place(3, n) for n in range(first)} | {Place(6, n) for n in range(second)}


def test_each_element_is_equally_likely() -> None:
    """Chi-square over fixed seeds, 24 degrees of freedom: 51.2 is exceeded once in 1,000 times."""
    requests, seeds = asked([10, 15]), 4_000
    for number in (0, 4):  # the first element of a draw, and the fifth
        seen = Counter(drawn(sha256(b"%d" % n).digest(), requests, 5)[number] for n in range(seeds))
        expected = seeds / 25
        assert sum((seen[p] - expected) ** 2 / expected for p in drawn(SEED, requests, 25)) < 51.2


def test_a_draw_has_a_fresh_seed_and_is_read_as_it_was_written() -> None:
    requests = asked([50, 70])
    first, second = (
        draw_elements("c", "ALFADEFF", requests, 20, requests_until=20, drawn_at=25) for _ in range(2)
    )
    assert first.seed != second.seed
    assert first.digest != second.digest
    assert Draw.from_bytes(first.to_bytes()) == first
    first.check("c", requests)


@pytest.mark.parametrize("count", [0, MOST_DRAWN + 1])
def test_a_draw_asks_for_a_bounded_number(count: int) -> None:
    with pytest.raises(InputError, match=r"1 to 1,000"):
        draw_elements("c", "ALFADEFF", asked([5_000]), count, requests_until=20, drawn_at=20)


def test_nothing_can_be_drawn_of_nothing() -> None:
    with pytest.raises(InputError, match="anchored no elements up to block 7"):
        draw_elements("c", "ALFADEFF", [], 20, requests_until=7, drawn_at=7)


def test_requests_of_others_and_of_later_blocks_take_no_part() -> None:
    requests = [*asked([5, 6, 7]), *asked([8], member=2)]
    assert [request.count for request in requests_of(requests, 1, 20)] == [5, 6]


def test_a_draw_that_was_changed_is_refused() -> None:
    requests = asked([50, 70])
    made = draw_elements("c", "ALFADEFF", requests, 20, requests_until=20, drawn_at=25)
    chosen = (Place(3, 0), *(place for place in made.places if place != Place(3, 0)))[:20]
    for changed in (
        replace(made, places=chosen),
        replace(made, places=made.places[::-1]),
        replace(made, places=(*made.places[:-1], made.places[0])),
        replace(made, seed=bytes(32)),
    ):
        with pytest.raises(VerificationError, match="chosen, not drawn"):
            changed.check("c", requests)
    for count in (119, 121):
        with pytest.raises(VerificationError, match="another number of elements"):
            replace(made, total=count).check("c", requests)
    with pytest.raises(VerificationError, match="another number of elements"):
        made.check("c", requests[:1])
    with pytest.raises(VerificationError, match="another consortium"):
        made.check("d", requests)


def test_a_file_that_contradicts_itself_is_refused() -> None:
    made = draw_elements("c", "ALFADEFF", asked([50]), 20, requests_until=20, drawn_at=25)
    with pytest.raises(VerificationError, match="another number of elements than it says"):
        Draw.from_bytes(made.to_bytes().replace(b'"count":20', b'"count":19'))
    with pytest.raises(VerificationError, match="after the one in which it was made"):
        Draw.from_bytes(replace(made, drawn_at=19).to_bytes())
    with pytest.raises(VerificationError, match="malformed"):
        Draw.from_bytes(made.to_bytes().replace(b'"count":20', b'"count":1001'))

"""Requests for evaluations: each chunk leads to the root that is anchored, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.commitment import merkle
from ledger.errors import VerificationError
from ledger.evaluation_request import (
    CHUNK,
    Chunk,
    check_chunk,
    check_element,
    chunks,
    element_path,
    request_root,
)

#: Sizes around whole chunks and around powers of two of them.
SIZES = st.one_of(
    st.integers(1, 40),
    st.builds(
        lambda whole, rest: max(1, whole * CHUNK + rest), st.integers(1, 6), st.sampled_from([-1, 0, 1, 200])
    ),
)


def elements(count: int) -> list[bytes]:
    return [sha256(b"%d" % number).digest() for number in range(count)]


@settings(max_examples=30)
@given(SIZES)
def test_chunks_of_any_request_lead_to_its_root(count: int) -> None:
    made = elements(count)
    root = request_root(made)
    assert root == merkle.root([merkle.leaf_hash(element) for element in made])  # RFC 6962 over all elements
    parts = chunks(7, made)
    assert [element for part in parts for element in part.elements] == made
    assert [part.start for part in parts] == [*range(0, count, CHUNK)]
    for part in parts:
        assert part.request == 7
        assert len(part.path) <= 11
        check_chunk(part, count, root)


@settings(max_examples=30)
@given(SIZES, st.data())
def test_each_element_has_a_path_and_no_other_place(count: int, data: st.DataObject) -> None:
    made = elements(count)
    place, other = (data.draw(st.integers(0, count - 1)) for _ in range(2))
    path = element_path(made, place)
    check_element(made[place], place, count, path, request_root(made))
    if other != place:
        with pytest.raises(VerificationError):
            check_element(made[place], other, count, path, request_root(made))
        with pytest.raises(VerificationError):
            check_element(made[other], place, count, path, request_root(made))


def altered(part: Chunk, count: int, kind: str, at: int) -> tuple[Chunk, int]:
    """Return a chunk that is another one than was anchored, and the count to check it with."""
    at %= len(part.elements)
    one = bytearray(part.elements[at])
    one[at % 32] ^= 1
    nodes = tuple(bytes([node[0] ^ 1]) + node[1:] for node in part.path)
    change = {
        "another element": lambda: replace(
            part, elements=(*part.elements[:at], bytes(one), *part.elements[at + 1 :])
        ),
        "one less": lambda: replace(part, elements=part.elements[:-1]),
        "one more": lambda: replace(part, elements=(*part.elements, part.elements[at])),
        "none": lambda: replace(part, elements=()),
        "another order": lambda: replace(part, elements=part.elements[::-1]),
        "a later start": lambda: replace(part, start=part.start + CHUNK),
        "an earlier start": lambda: replace(part, start=part.start - CHUNK),
        "an uneven start": lambda: replace(part, start=part.start + 1 + at),
        "far outside": lambda: replace(part, start=2**40),
        "a longer path": lambda: replace(part, path=(*part.path, bytes(32))),
        "a shorter path": lambda: replace(part, path=part.path[:-1]),
        "another path": lambda: replace(part, path=nodes),
        "its subtrees as elements": lambda: replace(part, elements=part.path or (bytes(32),)),
    }[kind]
    return change(), count


KINDS = [
    "another element", "one less", "one more", "none", "another order", "a later start", "an earlier start",
    "an uneven start", "far outside", "a longer path", "a shorter path", "another path",
    "its subtrees as elements",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12)
@given(count=SIZES, at=st.integers(0, 5_000))
def test_what_is_not_the_anchored_chunk_is_refused(kind: str, count: int, at: int) -> None:
    made = elements(count)
    parts = chunks(1, made)
    part = parts[at % len(parts)]
    wrong, told = altered(part, count, kind, at)
    assume(wrong != part)
    with pytest.raises(VerificationError):
        check_chunk(wrong, told, request_root(made))


@settings(max_examples=20)
@given(SIZES, st.integers(1, 3_000))
def test_a_chunk_is_of_one_count_and_one_root(count: int, other: int) -> None:
    made = elements(count)
    last = chunks(1, made)[-1]
    if other != count:
        with pytest.raises(VerificationError):
            check_chunk(last, other, request_root(made))
    with pytest.raises(VerificationError):
        check_chunk(last, count, request_root([*made[::-1], bytes(32)]))

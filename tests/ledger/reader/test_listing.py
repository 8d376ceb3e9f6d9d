"""Lists of flags: they say what the documents say, and their pages put together are the whole list."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.caselog import addressees
from ledger.errors import InputError, VerificationError
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.reader.cases import CaseBook, KeptFlag
from ledger.reader.decisions import DecisionBook
from ledger.reader.listing import SUMMARY, FlagCount, FlagFilter, FlagSummary, Order, listing
from tests.ledger.reader.made_flags import CERTAINTIES, PRIVATE, SEVERITIES, TITLES, TO, CaseChain, made

ORDERS: tuple[Order, ...] = ("raised", "gravest")
FLAGS = 90


def said(kept: KeptFlag, verdict: str | None) -> FlagSummary:
    """What a list has to show of a flag, taken from its document."""
    value = kept.flag.to_json()
    begin, end = value["window"]
    return FlagSummary(
        flag_id=kept.flag_id,
        kind=value["source"]["kind"],
        source=value["source"]["id"],
        title=value["title"],
        citation=value["citation"],
        certainty=value["certainty"],
        severity=value["severity"],
        score=value["score"],
        latest_score=kept.latest_score,
        verdict=verdict,  # type: ignore[arg-type]
        window=(begin, end),
        explanation=value["explanation"],
        entity_count=value["entity_count"],
        row_count=value["row_count"],
        truncated=value["truncated"],
        block=kept.block,
    )


def urgency(kept: KeptFlag) -> tuple[int, float, int]:
    """Sort the gravest first."""
    return -SEVERITIES.index(kept.flag.severity), -(kept.latest_score or 0.0), -kept.flag.window[1]


def in_order(flags: list[KeptFlag], order: Order) -> list[KeptFlag]:
    return flags if order == "raised" else sorted(flags, key=urgency)


def wants(wanted: FlagFilter, kept: KeptFlag) -> bool:
    flag = kept.flag
    return (
        wanted.title in (None, flag.title)
        and wanted.severity in (None, flag.severity)
        and wanted.certainty in (None, flag.certainty)
        and wanted.kind in (None, flag.source.kind)
        and not (wanted.undecided and kept.verdict is not None)
        and (wanted.addressee is None or (kept.block is not None and wanted.addressee in addressees(flag)))
    )


def filters() -> Iterator[FlagFilter]:
    """Every combination of filters, also of what no flag has."""
    for values in itertools.product(
        (None, *TITLES[1:3], "no such"),
        (None, *SEVERITIES),
        (None, *CERTAINTIES[:2]),
        (None, "rule", "detector"),
        (False, True),
        (None, 1, 9),
    ):
        yield FlagFilter(*values)


def pages(book: CaseBook, wanted: FlagFilter, order: Order, limit: int) -> Iterator[list[FlagSummary]]:
    after: bytes | None = None
    for number in range(2 * FLAGS):
        found, after = book.page(wanted, order=order, after=after, limit=limit)
        assert len(found) <= limit
        assert found or number == 0
        yield found
        if after is None:
            return
        assert len(found) == limit
        assert after == found[-1].flag_id
    raise AssertionError("the pages do not end")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flags, half of them decided, some twice; some scored again, some anchored."""
    path = tmp_path_factory.mktemp("cases") / "cases.sqlite"
    random = Random(5)
    flags = [made(random, number) for number in range(FLAGS)]
    chain = CaseChain()
    with CaseBook(path) as book, DecisionBook(path) as decisions:
        assert book.keep(flags, TO) == FLAGS
        again = [replace(flag, score=random.random()) for flag in flags[::4]]
        assert book.keep(again, TO) == 0
        ids = [kept.flag_id for kept in book.each()]
        book._state.executemany(
            "UPDATE flag SET block = ? WHERE flag_id = ?", [(block, f) for block, f in enumerate(ids[::2])]
        )
        for flag_id in random.choices(ids, k=FLAGS):
            chain.decide(flag_id, random.choice(("suspicious", "not_suspicious")))
        assert decisions.sync(chain.gateway, [PRIVATE]) == []
    return path


@pytest.fixture
def book(path: Path) -> Iterator[CaseBook]:
    with CaseBook(path) as book:
        yield book


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
ROWS = st.builds(RowRef, st.integers(1, 3), st.just(0), st.integers(0, 2**31))


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Flag,
        source=st.builds(
            FlagSource, st.sampled_from(["detector", "rule"]), TEXT, TEXT, st.dictionaries(TEXT, WHOLE)
        ),
        title=TEXT,
        position=st.just(Position(1, "0x", 2, 3)),
        entities=st.lists(st.builds(Entity, TEXT, st.integers(0, 3)), max_size=3).map(tuple),
        rows=st.lists(
            st.builds(RowRef, st.integers(1, 3), st.just(0), st.integers(0, 2**31)), max_size=205
        ).map(tuple),
        window=st.tuples(WHOLE, WHOLE),
        score=st.none() | st.floats(0, 1),
        certainty=st.sampled_from(CERTAINTIES),
        severity=st.sampled_from(SEVERITIES),
        explanation=TEXT,
        citation=st.none() | TEXT,
        clause=st.none() | TEXT,
        truncated=st.booleans(),
    )
)
def test_a_summary_says_what_the_document_says(flag: Flag) -> None:
    with tempfile.TemporaryDirectory() as folder, CaseBook(Path(folder) / "cases.sqlite") as book:
        book.keep([flag], TO)
        (kept,) = book.each()
        assert kept.flag == flag.bounded()
        assert kept.latest_score == flag.score
        for order in ORDERS:
            assert book.page(order=order) == ([said(kept, None)], None)
        for block in (None, 7):
            book._state.execute("UPDATE flag SET block = ?", (block,))
            for member in (0, 1, 2, 3):
                found = list(book.summaries(FlagFilter(addressee=member)))
                assert len(found) == (block is not None and member in addressees(kept.flag))


def test_summaries_have_the_verdict_in_force_the_latest_score_and_the_block(
    path: Path, book: CaseBook
) -> None:
    with DecisionBook(path) as decisions:
        made = {kept.flag_id: decisions.of(kept.flag_id) for kept in book.each()}
    last = {flag_id: of_flag[-1].decision.verdict for flag_id, of_flag in made.items() if of_flag}
    kept = list(book.each())
    assert list(book.summaries()) == [said(k, last.get(k.flag_id)) for k in kept]
    assert [k.verdict for k in kept] == [last.get(k.flag_id) for k in kept]
    assert 0 < len(last) < len(kept) == FLAGS
    assert 0 < sum(k.block is None for k in kept) < FLAGS
    assert {k.latest_score for k in kept} > {None, 0.0, 0.25, 0.5, 1.0}


@pytest.mark.parametrize("order", ORDERS)
def test_the_pages_of_each_list_are_what_sorting_and_filtering_all_flags_gives(
    book: CaseBook, order: Order
) -> None:
    everything = in_order(list(book.each()), order)
    random = Random(order)
    sizes: Counter[int] = Counter()
    for wanted in filters():
        expected = [kept for kept in everything if wants(wanted, kept)]
        sizes[len(expected)] += 1
        shown = [said(kept, kept.verdict) for kept in expected]
        limit = random.choice((1, 2, 7, FLAGS))
        assert list(itertools.chain(*pages(book, wanted, order, limit))) == shown, wanted
        assert list(book.summaries(wanted, order=order)) == shown
        assert list(book.each(wanted, order=order)) == expected
    assert max(sizes) == FLAGS
    assert len(sizes) > 20


def test_counts_are_by_title_severity_and_what_is_undecided(book: CaseBook) -> None:
    everything = list(book.each())
    for wanted in filters():
        by_title: dict[str, list[KeptFlag]] = {}
        for kept in everything:
            if wants(wanted, kept):
                by_title.setdefault(kept.flag.title, []).append(kept)
        assert book.counts(wanted) == [
            FlagCount(
                title,
                *(sum(k.flag.severity == severity for k in found) for severity in ("high", "medium", "low")),
                undecided=sum(k.verdict is None for k in found),
            )
            for title, found in sorted(by_title.items())
        ]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "wanted",
    [
        FlagFilter(),
        FlagFilter(title="cycle"),
        FlagFilter(severity="medium"),
        FlagFilter(undecided=True),
        FlagFilter(addressee=2),
    ],
    ids=["all", "title", "severity", "undecided", "addressee"],
)
def test_flags_raised_between_pages_lose_none_and_show_none_twice(
    tmp_path: Path, wanted: FlagFilter, order: Order
) -> None:
    random = Random(11)
    with CaseBook(tmp_path / "cases.sqlite") as reader, CaseBook(tmp_path / "cases.sqlite") as desk:
        desk.keep([made(random, number) for number in range(40)], TO)
        desk._state.execute("UPDATE flag SET block = 7")
        before = [kept.flag_id for kept in in_order(list(reader.each()), order) if wants(wanted, kept)]
        shown: list[bytes] = []
        for turn, page in enumerate(pages(reader, wanted, order, 3)):
            shown += [summary.flag_id for summary in page]
            if turn < 6:
                desk.keep([made(random, 1_000 + 10 * turn + number) for number in range(4)], TO)
                desk._state.execute("UPDATE flag SET block = 7")
        after = [kept.flag_id for kept in in_order(list(reader.each()), order) if wants(wanted, kept)]
    assert len(set(shown)) == len(shown)
    assert [flag_id for flag_id in shown if flag_id in before] == before
    assert [flag_id for flag_id in after if flag_id in shown] == shown
    assert len(before) < len(after)
    if order == "raised":
        assert shown == after[: len(shown)]
        assert len(shown) > len(before)


@pytest.mark.parametrize("order", ORDERS)
def test_no_list_is_sorted_when_it_is_read(book: CaseBook, order: Order) -> None:
    place = (1, 0.0, 0, 5)
    for wanted in filters():
        for after in (None, place):
            query, parameters = listing(SUMMARY, wanted, order, after=after, limit=3)
            plan = [row[3] for row in book._state.execute(f"EXPLAIN QUERY PLAN {query}", parameters)]
            assert not any("TEMP B-TREE" in step for step in plan), (query, plan)


def _plan(book: CaseBook, wanted: FlagFilter, order: Order) -> str:
    query = listing(SUMMARY, wanted, order, after=(1, 0.0, 0, 5))
    return "; ".join(row[3] for row in book._state.execute("EXPLAIN QUERY PLAN " + query[0], query[1]))


def test_a_later_page_begins_at_its_place_in_the_index(book: CaseBook) -> None:
    walks: list[tuple[FlagFilter, Order, str]] = [
        (FlagFilter(), "raised", "INTEGER PRIMARY KEY (rowid>?)"),
        (FlagFilter(title="x"), "raised", "flag_title_raised (title=? AND number>?)"),
        (FlagFilter(undecided=True), "raised", "flag_undecided_raised (number>?)"),
        (FlagFilter(addressee=1), "raised", "mine USING PRIMARY KEY (member=? AND number>?)"),
        (FlagFilter(), "gravest", "flag_gravest ((severity_order,score_order,window_order)>(?,?,?))"),
        (
            FlagFilter(title="x"),
            "gravest",
            "flag_title_gravest (title=? AND (severity_order,score_order,window_order)>(?,?,?))",
        ),
        (
            FlagFilter(undecided=True),
            "gravest",
            "flag_undecided_gravest ((severity_order,score_order,window_order)>(?,?,?))",
        ),
        (
            FlagFilter(severity="low"),
            "gravest",
            "flag_gravest (severity_order=? AND (score_order,window_order)>(?,?))",
        ),
    ]
    for wanted, order, walk in walks:
        assert walk in _plan(book, wanted, order)


@pytest.mark.parametrize("order", ORDERS)
def test_a_page_goes_on_only_after_a_flag_that_there_is(book: CaseBook, order: Order) -> None:
    foreign = next(kept for kept in book.each() if 1 not in addressees(kept.flag))
    for wanted, after in (
        (FlagFilter(), bytes(32)),
        (FlagFilter(), b""),
        (FlagFilter(addressee=1), foreign.flag_id),
        (FlagFilter(addressee=1), bytes(32)),
    ):
        with pytest.raises(InputError, match="the page should begin does not exist"):
            book.page(wanted, order=order, after=after)
    assert book.page(FlagFilter(title="no such"), order=order, after=foreign.flag_id) == ([], None)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_has_room(book: CaseBook, limit: int) -> None:
    with pytest.raises(InputError, match="a page cannot have"):
        book.page(limit=limit)


def test_a_severity_that_does_not_exist_is_that_of_no_flag(book: CaseBook) -> None:
    wanted: Any = FlagFilter(severity="grave")  # type: ignore[arg-type]
    assert book.page(wanted, order="gravest") == book.page(wanted) == ([], None)


def test_flags_are_read_one_at_a_time(tmp_path: Path) -> None:
    with CaseBook(tmp_path / "cases.sqlite") as book:
        book.keep([made(Random(1), number) for number in range(3)], TO)
        book._state.execute("UPDATE flag_document SET document = x'7b7d' WHERE number = 2")
        flags = book.each()
        assert next(flags).flag.explanation == "Flag 0."
        with pytest.raises(VerificationError):
            next(flags)
        assert len(book.page()[0]) == 3


def test_a_flag_is_found_by_any_number_of_digits(book: CaseBook) -> None:
    everything = list(book.each())
    known = everything[17]
    digits = known.flag_id.hex()
    for length in range(65):
        starting = [kept for kept in everything if kept.flag_id.hex().startswith(digits[:length])]
        if len(starting) == 1:
            assert book.find(digits[:length]) == book.find(digits[:length].upper()) == known
            continue
        with pytest.raises(InputError, match=f"^{len(starting)} flags start with '{digits[:length]}'"):
            book.find(digits[:length])


@pytest.mark.parametrize(
    "change",
    [
        lambda digits: digits[:-1] + ("0" if digits[-1] != "0" else "1"),
        lambda digits: digits + "0",
        lambda digits: digits[:4] + " " + digits[4:],
        lambda digits: digits + "\n",
        lambda digits: "0x" + digits,
        lambda _: "zz",
    ],
    ids=["another digit", "too long", "a space", "a line end", "0x", "no digits"],
)
def test_what_no_identifier_starts_with_is_not_found(book: CaseBook, change: Any) -> None:
    digits = next(book.summaries()).flag_id.hex()
    with pytest.raises(InputError, match="no flag starts with"):
        book.find(change(digits))

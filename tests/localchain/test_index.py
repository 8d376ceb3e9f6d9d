"""The log index against a plain filter over all logs."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localchain.database import Database
from localchain.errors import TooMuchDataError
from localchain.index import Index, LogFilter, LogRow, block_rows

ADDRESSES = [bytes([number]) * 20 for number in range(3)]
TOPICS = [bytes([number]) * 32 for number in range(3)]

topics = st.lists(st.sampled_from(TOPICS), max_size=4)
blocks = st.lists(st.lists(st.tuples(st.sampled_from(ADDRESSES), topics), max_size=4), max_size=6)
filters = st.builds(
    LogFilter,
    first=st.integers(0, 6),
    last=st.integers(0, 8),
    addresses=st.lists(st.sampled_from(ADDRESSES), max_size=2).map(tuple),
    topics=st.lists(st.lists(st.sampled_from(TOPICS), max_size=2).map(tuple), max_size=4).map(tuple),
)


@given(chain=blocks, wanted=filters)
@settings(max_examples=60, deadline=None)
def test_the_index_finds_what_a_scan_finds(tmp_path_factory, chain, wanted):
    path = tmp_path_factory.mktemp("index") / "chain.sqlite3"
    database = Database(path)
    every, numbers = [], count(1)
    for number, logs in enumerate(chain):
        rows = []
        for index, (address, given_topics) in enumerate(logs):
            named = {f"topic{place}": topic for place, topic in enumerate(given_topics)}
            data = bytes([next(numbers)])
            key = LogRow.key(number, index)
            rows.append(LogRow(key, 0, b"t" * 32, address, **named, size=1, data=data))
        database.commit(block_rows(number, bytes([number]) * 32, [], rows))
        every += rows

    def matches(row):
        return (
            wanted.first <= row.block <= wanted.last
            and (not wanted.addresses or row.address in wanted.addresses)
            and all(
                not choices or (place < len(row.topics) and row.topics[place] in choices)
                for place, choices in enumerate(wanted.topics)
            )
        )

    index = Index(database)
    expected = [row for row in every if matches(row)]
    assert index.logs(wanted, size=10**6) == expected
    assert [row.log_index for row in index.logs_of(0)] == list(range(len(chain[0]) if chain else 0))
    if len(expected) > 1:
        with pytest.raises(TooMuchDataError, match="Ask for fewer blocks"):
            index.logs(wanted, size=len(expected) - 1)
    database.close()

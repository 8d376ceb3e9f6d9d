"""Matching against a plain reference: every row in one transfer, every state, every field of a conflict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ConfigurationError
from ledger.matching import MatchRules, match_segments, states, transfers
from ledger.memory import disk_errors
from ledger.schema import NOT_A_MEMBER, Conflict, Flags, MatchState, Side, TokenKind
from ledger.segment import load, write_table
from ledger.storage import StorageError
from ledger.tables import SEGMENT, TRANSFER

HOUR, DAY = 3_600, 86_400
RULES = MatchRules(tolerance=2 * HOUR, deadline=3 * DAY, as_of=100 * DAY)

Half = dict[str, Any]


def half(index: int, **changes: Any) -> Half:
    made: Half = {
        "member": 1, "sequence": 0, "row_index": index, "log_index": 0, "block": 1, "version": 1,
        "side": int(Side.DEBIT), "channel": 2, "flags": 0, "party_type": 1, "lag_class": 1,
        "debtor_agent": 1, "creditor_agent": 2, "currency": 978, "debtor_country": 276,
        "creditor_country": 250,
        "amount_band": 1, "business_date": 1, "time_bucket": 1, "late": False,
        "key_generation": 0, "token_kind": int(TokenKind.UETR), "reserved": bytes(5),
        "debtor_account": b"d" * 16, "creditor_account": b"c" * 16, "party": b"p" * 16,
        "on_behalf_of": bytes(16), "match_token": b"t" * 16, "record_root": bytes([index % 256]) * 32,
        "amount_low": 100, "amount_high": 199, "time_low": 50 * DAY, "time_high": 50 * DAY + HOUR,
    }  # fmt: skip
    return made | changes


def credit(index: int, **changes: Any) -> Half:
    return half(index, **({"member": 2, "side": int(Side.CREDIT), "party": b"q" * 16} | changes))


def table(halves: Sequence[Half]) -> pa.Table:
    return pa.Table.from_pylist(list(halves), schema=SEGMENT)


def match(rows: pa.Table, rules: MatchRules) -> pa.Table:
    """Return the transfers that one segment of these rows makes."""
    with TemporaryDirectory() as folder:
        entry = write_table(Path(folder) / "rows-0.parquet", rows, log_from=0, log_to=1)
        with transfers(Path(folder), (entry,), rules) as tables:
            return pa.concat_tables([TRANSFER.empty_table(), *tables])


def one(*halves: Half, rules: MatchRules = RULES) -> dict[str, Any]:
    (transfer,) = match(table(halves), rules).to_pylist()
    return dict(transfer)


# a reference that says the same in plain Python


def order(row: Half) -> tuple[Any, ...]:
    return tuple(row[n] for n in ("time_high", "side", "member", "sequence", "row_index"))


def nobody(value: bytes | None) -> bytes | None:
    return None if value == bytes(16) else value


def reference(halves: Sequence[Half], rules: MatchRules) -> list[tuple[Any, ...]]:
    found = []
    waiting: list[Half] = []
    for row in sorted(halves, key=order):
        other = next((half for half in waiting if together(row, half, rules)), None)
        if other is None:
            waiting.append(row)
            continue
        waiting.remove(other)
        found.append(judge(other, row, rules) if row["side"] == Side.CREDIT else judge(row, other, rules))
    for row in waiting:
        found.append(judge(None, row, rules) if row["side"] == Side.CREDIT else judge(row, None, rules))
    return sorted(found, key=repr)


def together(one: Half, two: Half, rules: MatchRules) -> bool:
    """Two halves of one UETR always, two halves without UETR if they agree."""
    shared = ("token_kind", "match_token", "debtor_agent", "creditor_agent")
    return (
        one["token_kind"] != TokenKind.OWN
        and one["side"] != two["side"]
        and all(one[name] == two[name] for name in shared)
        and (one["token_kind"] == TokenKind.UETR or not disagreement(one, two, rules))
    )


def judge(d: Half | None, c: Half | None, rules: MatchRules) -> tuple[Any, ...]:
    known = d or c
    assert known is not None
    conflict = Conflict(0)
    low, high = known["amount_low"], known["amount_high"]
    since, until = known["time_low"], known["time_high"]
    if d and c:
        conflict = disagreement(d, c, rules)
        shared = overlap(d, c, "amount")
        if shared[0] <= shared[1] and d["currency"] == c["currency"]:
            low, high = shared
        both = overlap(d, c, "time")
        if both[0] < both[1]:
            since, until = both
    state = expected_state(d, c, conflict, rules)
    deposit = bool(d and d["side"] == Side.ON_US and d["flags"] & Flags.CASH_IN)
    owner, other = (None, d) if deposit else (d, c)
    return (
        int(state), int(conflict), low, high, since, until,
        nobody(owner["party"]) if owner else None, nobody(other["party"]) if other else None,
        (d["flags"] if d else 0) | (c["flags"] if c else 0), d["lag_class"] if d else 0,
        *place(d), *place(c),
    )  # fmt: skip


def overlap(d: Half, c: Half, what: str) -> tuple[int, int]:
    return max(d[what + "_low"], c[what + "_low"]), min(d[what + "_high"], c[what + "_high"])


def disagreement(d: Half, c: Half, rules: MatchRules) -> Conflict:
    conflict = Conflict(0)
    for name in ("debtor_account", "creditor_account", "currency"):
        if d[name] != c[name]:
            conflict |= Conflict[name.upper()]
    low, high = overlap(d, c, "amount")
    if low > high:
        conflict |= Conflict.AMOUNT
    first, last = overlap(d, c, "time")
    if first - last > rules.tolerance:
        conflict |= Conflict.TIME
    return conflict


def expected_state(d: Half | None, c: Half | None, conflict: Conflict, rules: MatchRules) -> MatchState:
    known = d or c
    assert known is not None
    if d and d["side"] == Side.ON_US:
        return MatchState.ON_US
    if d and c:
        return MatchState.CONFLICT if conflict else MatchState.MATCHED
    if NOT_A_MEMBER in (known["debtor_agent"], known["creditor_agent"]):
        return MatchState.COUNTERPARTY_NOT_MEMBER
    if rules.as_of - known["time_high"] > rules.deadline:
        return MatchState.UNMATCHED
    return MatchState.WAITING


def place(row: Half | None) -> tuple[int, int, int]:
    return (row["member"], row["sequence"], row["row_index"]) if row else (-1, -1, -1)


COMPARED = (
    "state", "conflict", "amount_low", "amount_high", "time_low", "time_high", "debtor_party",
    "creditor_party", "flags", "lag_class", "debit_member", "debit_sequence", "debit_index", "credit_member",
    "credit_sequence", "credit_index",
)  # fmt: skip


@st.composite
def halves(draw: Any) -> list[Half]:
    """Few tokens, accounts, amounts and times, so that halves meet, agree, differ and repeat."""
    made: list[Half] = []
    for index in range(draw(st.integers(0, 14))):
        side = draw(st.sampled_from([Side.DEBIT, Side.CREDIT, Side.DEBIT, Side.CREDIT, Side.ON_US]))
        own, other = draw(st.sampled_from([(1, 2), (2, 1), (1, 0), (3, 1)]))
        agents = {Side.DEBIT: (own, other), Side.CREDIT: (other, own), Side.ON_US: (own, own)}[side]
        alone = side == Side.ON_US or other == 0
        kind = TokenKind.OWN if alone else draw(st.sampled_from([TokenKind.UETR, *[TokenKind.TUPLE] * 2]))
        token = draw(st.sampled_from([b"t" * 16, b"u" * 16, b"v" * 16]))
        if kind == TokenKind.UETR and any(
            (kind, token, own, side) == tuple(m[n] for n in ("token_kind", "match_token", "member", "side"))
            for m in made
        ):
            continue  # the door lets none in
        low = draw(st.sampled_from([100, 100, 150, 200, 300]))
        start = 95 * DAY + HOUR * draw(st.integers(0, 6)) + DAY * draw(st.integers(0, 4))
        made.append(
            half(
                index,
                member=own,
                sequence=draw(st.integers(0, 2)),
                side=int(side),
                debtor_agent=agents[0],
                creditor_agent=agents[1],
                token_kind=int(kind),
                match_token=token,
                debtor_account=draw(st.sampled_from([*[b"d" * 16] * 4, b"e" * 16])),
                creditor_account=draw(st.sampled_from([*[b"c" * 16] * 4, b"f" * 16])),
                currency=draw(st.sampled_from([*[978] * 4, 840])),
                amount_low=low,
                amount_high=low + draw(st.sampled_from([0, 49, 99])),
                time_low=start,
                time_high=start + draw(st.sampled_from([HOUR, DAY])),
                party=draw(st.sampled_from([b"p" * 16, bytes(16)])),
                flags=draw(st.integers(0, 31)),
                lag_class=draw(st.integers(0, 5)),
            )
        )
    return made


@settings(max_examples=60, deadline=None)
@given(rows=halves(), tolerance=st.sampled_from([0, HOUR, 6 * HOUR]))
def test_the_sql_says_what_the_reference_says(rows: list[Half], tolerance: int) -> None:
    rules = MatchRules(tolerance, deadline=3 * DAY, as_of=100 * DAY)
    transfers = match(table(rows), rules)
    assert transfers.schema == TRANSFER
    found = [tuple(t[name] for name in COMPARED) for t in transfers.to_pylist()]
    assert sorted(found, key=repr) == reference(rows, rules)
    seen = Counter(
        [f[-6:-3] for f in found if f[-6] >= 0] + [f[-3:] for f in found if f[-3] >= 0],
    )
    assert seen == Counter((r["member"], r["sequence"], r["row_index"]) for r in rows)


@settings(max_examples=20, deadline=None)
@given(rows=halves(), random=st.randoms(use_true_random=False))
def test_the_order_in_which_rows_arrive_changes_nothing(rows: list[Half], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert match(table(rows), RULES).equals(match(table(shuffled), RULES))


def test_two_halves_that_agree_are_one_matched_transfer_with_both_parties() -> None:
    transfer = one(half(0), credit(1))
    assert transfer["state"] == MatchState.MATCHED
    assert (transfer["debtor_party"], transfer["creditor_party"]) == (b"p" * 16, b"q" * 16)
    assert (transfer["debit_index"], transfer["credit_index"]) == (0, 1)
    assert transfer["conflict"] == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"debtor_account": b"x" * 16}, Conflict.DEBTOR_ACCOUNT),
        ({"creditor_account": b"x" * 16}, Conflict.CREDITOR_ACCOUNT),
        ({"currency": 840}, Conflict.CURRENCY),
        ({"amount_low": 200, "amount_high": 300}, Conflict.AMOUNT),
        ({"time_low": 50 * DAY + 4 * HOUR, "time_high": 50 * DAY + 5 * HOUR}, Conflict.TIME),
        ({"currency": 840, "debtor_account": b"x" * 16}, Conflict.CURRENCY | Conflict.DEBTOR_ACCOUNT),
    ],
)
def test_each_conflict_is_named(change: dict[str, Any], expected: Conflict) -> None:
    transfer = one(half(0), credit(1, **change))
    assert (transfer["state"], transfer["conflict"]) == (MatchState.CONFLICT, expected)


@pytest.mark.parametrize("change", [{"lag_class": 5}, {"party_type": 2}, {"flags": 16}, {"channel": 1}])
def test_what_belongs_to_the_owner_alone_is_not_compared(change: dict[str, Any]) -> None:
    assert one(half(0), credit(1, **change))["state"] == MatchState.MATCHED


def test_the_tolerance_is_met_to_the_second() -> None:
    start = 50 * DAY + HOUR + RULES.tolerance
    assert one(half(0), credit(1, time_low=start, time_high=start + HOUR))["state"] == MatchState.MATCHED
    assert one(half(0), credit(1, time_low=start + 1, time_high=start + HOUR))["state"] == MatchState.CONFLICT


def test_halves_of_two_policies_narrow_each_other() -> None:
    transfer = one(half(0, amount_low=100, amount_high=199), credit(1, amount_low=150, amount_high=400))
    assert transfer["state"] == MatchState.MATCHED
    assert (transfer["amount_low"], transfer["amount_high"]) == (150, 199)


@pytest.mark.parametrize(("age", "state"), [(0, MatchState.WAITING), (1, MatchState.UNMATCHED)])
@pytest.mark.parametrize("make", [half, credit])
def test_a_lone_half_waits_until_its_deadline_to_the_second(make: Any, age: int, state: MatchState) -> None:
    end = RULES.as_of - RULES.deadline - age
    assert one(make(0, time_low=end - HOUR, time_high=end))["state"] == state


@pytest.mark.parametrize("side", [{"creditor_agent": 0}, {"debtor_agent": 0}])
def test_an_outsiders_half_is_not_waited_for(side: dict[str, int]) -> None:
    made = {"token_kind": int(TokenKind.OWN)} | side
    made = half(0, **made) if "creditor_agent" in side else credit(0, **made)
    assert one(made)["state"] == MatchState.COUNTERPARTY_NOT_MEMBER


def test_a_deposit_belongs_to_the_creditor_party() -> None:
    own = {"side": int(Side.ON_US), "creditor_agent": 1, "token_kind": int(TokenKind.OWN)}
    deposit = one(half(0, **own, flags=int(Flags.CASH_IN)))
    assert (deposit["debtor_party"], deposit["creditor_party"]) == (None, b"p" * 16)
    transfer = one(half(0, **own))
    assert (transfer["debtor_party"], transfer["creditor_party"]) == (b"p" * 16, None)


# payments without UETR: equal payments have one token


def tuple_half(index: int, second: int, **changes: Any) -> Half:
    start = second // HOUR * HOUR
    kind = int(TokenKind.TUPLE)
    return half(index, **({"token_kind": kind, "time_low": start, "time_high": start + HOUR} | changes))


def tuple_credit(index: int, second: int, **changes: Any) -> Half:
    return tuple_half(
        index, second, **({"member": 2, "side": int(Side.CREDIT), "party": b"q" * 16} | changes)
    )


def matched(*halves: Half, rules: MatchRules = RULES) -> list[tuple[int, int]]:
    """Return (debit index, credit index) of the matched transfers; no other is a conflict."""
    found = match(table(halves), rules).to_pylist()
    assert MatchState.CONFLICT not in {t["state"] for t in found}
    return sorted((t["debit_index"], t["credit_index"]) for t in found if t["state"] == MatchState.MATCHED)


MIDNIGHT = 60 * DAY


def test_two_halves_meet_over_midnight() -> None:
    """23:59:58 at one bank and 00:00:03 at the other: the token has no date."""
    assert matched(tuple_half(0, MIDNIGHT - 2), tuple_credit(1, MIDNIGHT + 3)) == [(0, 1)]


def test_equal_payments_pair_in_order_of_time() -> None:
    later = MIDNIGHT + 9 * HOUR
    assert matched(
        tuple_half(0, later), tuple_half(1, MIDNIGHT), tuple_credit(2, MIDNIGHT), tuple_credit(3, later)
    ) == [(0, 3), (1, 2)]


def test_three_equal_payments_and_two_halves_leave_one_waiting() -> None:
    rows = [tuple_half(n, MIDNIGHT + n) for n in range(3)]
    rows += [tuple_credit(n, MIDNIGHT) for n in (3, 4)]
    transfers = match(table(rows), MatchRules(2 * HOUR, 3 * DAY, MIDNIGHT + DAY))
    assert states(transfers) == {
        "on_us": 0, "matched": 2, "conflict": 0, "waiting": 1, "unmatched": 0, "counterparty_not_member": 0,
    }  # fmt: skip


def test_equal_payments_of_two_months_do_not_meet() -> None:
    """One bank posted only the first, the other only the second: two halves, no conflict."""
    assert matched(tuple_half(0, MIDNIGHT), tuple_credit(1, MIDNIGHT + 30 * DAY)) == []


def test_the_tolerance_of_equal_payments_is_met_to_the_second() -> None:
    start = MIDNIGHT + HOUR + RULES.tolerance
    near, far = ({"time_low": start + more, "time_high": start + HOUR} for more in (0, 1))
    assert matched(tuple_half(0, MIDNIGHT), tuple_credit(1, 0, **near)) == [(0, 1)]
    assert matched(tuple_half(0, MIDNIGHT), tuple_credit(1, 0, **far)) == []


# what a hostile member posts: another bank's transfers stay what they were


def test_a_copied_token_changes_nothing_for_its_banks() -> None:
    """Bank 3 learnt the token of a transfer from bank 1 to bank 2, and posts it on every side it may."""
    honest = [half(0), credit(1)]
    copied = [
        half(2, member=3, debtor_agent=3, creditor_agent=2, amount_low=900, amount_high=999),
        half(3, member=3, debtor_agent=3, creditor_agent=1, time_low=0, time_high=HOUR),
        credit(4, member=3, debtor_agent=1, creditor_agent=3),
        credit(5, member=3, debtor_agent=2, creditor_agent=3, currency=840),
        *(half(6 + n, member=3, debtor_agent=3, token_kind=int(TokenKind.TUPLE)) for n in range(9)),
    ]
    alone = match(table(honest), RULES).to_pylist()
    found = match(table([*copied, *honest]), RULES).to_pylist()
    assert [t for t in found if t["debit_member"] == 1 or t["credit_member"] == 2] == alone
    assert alone[0]["state"] == MatchState.MATCHED
    assert MatchState.CONFLICT not in {t["state"] for t in found}


def test_the_other_direction_of_one_uetr_is_another_transfer() -> None:
    """A bank that posts the debit of a return under the same UETR does not disturb the payment."""
    back = half(2, member=2, debtor_agent=2, creditor_agent=1, amount_low=1, amount_high=2)
    found = match(table([half(0), credit(1), back]), RULES).to_pylist()
    assert sorted(t["state"] for t in found) == [MatchState.MATCHED, MatchState.UNMATCHED]


@pytest.mark.parametrize(
    "change",
    [
        {"amount_low": 900, "amount_high": 999},
        {"currency": 840},
        {"debtor_account": b"x" * 16},
        {"creditor_account": b"x" * 16},
        {"token_kind": int(TokenKind.UETR)},
        {"token_kind": int(TokenKind.OWN)},
        {"time_low": MIDNIGHT - 9 * DAY, "time_high": MIDNIGHT - 9 * DAY + HOUR},
    ],
)
@pytest.mark.parametrize("count", [1, 5])
def test_halves_that_do_not_agree_never_take_the_place_of_one_that_does(
    change: dict[str, Any], count: int
) -> None:
    """The other bank posts halves with the right token and something else wrong, before the right one."""
    lies = [tuple_credit(10 + n, MIDNIGHT, **change) for n in range(1 if "token_kind" in change else count)]
    assert matched(tuple_half(0, MIDNIGHT), *lies, tuple_credit(99, MIDNIGHT)) == [(0, 99)]


def test_a_flood_of_halves_with_one_token_is_matched_in_good_time() -> None:
    """A hostile bank repeats one half 40,000 times, in another hour than the honest bank's."""
    rows = [tuple_credit(n, MIDNIGHT + 9 * HOUR) for n in range(40_000)]
    rows += [tuple_half(50_000 + n, MIDNIGHT) for n in range(500)]
    rows += [tuple_half(60_000 + n, MIDNIGHT + 9 * HOUR) for n in range(500)]
    started = perf_counter()
    assert len(matched(*rows)) == 500
    assert perf_counter() - started < 20


def test_no_rows_are_no_transfers(tmp_path: Path) -> None:
    assert match(table([]), RULES).num_rows == 0
    assert load(tmp_path, match_segments(tmp_path, (), RULES)).num_rows == 0


def test_memory_that_does_not_suffice_is_told(tmp_path: Path) -> None:
    rows = [half(n, match_token=bytes([n % 251, n // 251]) * 8) for n in range(20_000)]
    entry = write_table(tmp_path / "rows-0.parquet", table(rows), log_from=0, log_to=1)
    with (
        pytest.raises(ConfigurationError, match="needs more than 4 MB") as caught,
        transfers(tmp_path, (entry,), RULES, memory_mb=4) as tables,
    ):
        list(tables)
    assert "MATCH_MEMORY_MB" in str(caught.value.next_step)


def test_segments_match_as_their_rows_do(tmp_path: Path) -> None:
    rows = [half(0), credit(1), half(2, match_token=b"x" * 16)]
    entries = [
        write_table(tmp_path / f"rows-{i}.parquet", table([row]), log_from=i, log_to=i + 1)
        for i, row in enumerate(rows)
    ]
    entry = match_segments(tmp_path, tuple(entries), RULES)
    assert (entry.rows, entry.log_from, entry.log_to) == (2, 0, 3)
    assert load(tmp_path, entry).equals(match(table(rows), RULES))


def test_a_full_disk_under_the_join_is_told_and_other_errors_pass(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"SET temp_directory = '{tmp_path}'")
        connection.execute("SET memory_limit = '20MB'")
        connection.execute("SET max_temp_directory_size = '1MB'")
        with pytest.raises(StorageError, match="the disk is full") as caught, disk_errors(tmp_path):
            connection.sql("SELECT hash(range) AS h FROM range(5_000_000) ORDER BY h").fetchall()
        assert caught.value.where == str(tmp_path)
        with pytest.raises(StorageError, match="the disk cannot be written"), disk_errors(tmp_path):
            connection.read_parquet(str(tmp_path / "absent.parquet"))
        with pytest.raises(duckdb.CatalogException), disk_errors(tmp_path):
            connection.execute("SELECT * FROM absent")

"""Packed rows: every field comes back, both banks' halves meet, and no field tells more than its policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.commitment.record import record_root
from ledger.encoding.bands import MAX_AMOUNT
from ledger.encoding.codes import COUNTRY_NUMERIC
from ledger.encoding.consistency import InconsistentRecordError, check_consistent
from ledger.encoding.policy import Policy, TimeUnit
from ledger.encoding.rows import ROW, EncodingInput, RowEncoder, decode_intervals, lag_class, rows_from_bytes
from ledger.errors import InputError
from ledger.money import EXPONENT, NUMERIC
from ledger.schema import FIELDS, Channel, Flags, LagClass, PartyType, Side, TokenKind

BANKS = ("ALFADEFF", "BRAVFRPP", "CHARUS33")
KEYS = {bank: X25519PrivateKey.generate() for bank in BANKS}
PUBLIC = {bank: key.public_key().public_bytes_raw() for bank, key in KEYS.items()}
CODES = {bank: code for code, bank in enumerate(BANKS, 1)}
AT = {name: i for i, name in enumerate(FIELDS)}


def pseudonym(identifier: str) -> bytes:
    """Stand in for the key holder: any 16 bytes will do here, equal for equal identifiers."""
    return identifier.encode().ljust(16, b"\xff")[-16:]


class Pseudonyms(dict[str, bytes]):
    def __missing__(self, identifier: str) -> bytes:
        return pseudonym(identifier)


def encoder(bank: str = BANKS[0], policy: Policy | None = None, epoch: int = 1) -> RowEncoder:
    return RowEncoder(
        agent=bank,
        codes=CODES,
        policy=policy or Policy(cuts={"EUR": [1_000_001]}),
        epoch=epoch,
        pseudonyms=Pseudonyms(),
        x25519_private=KEYS[bank].private_bytes_raw(),
        x25519_keys=PUBLIC,
    )


@st.composite
def records(draw: Any, bank: str = BANKS[0]) -> EncodingInput:
    """Any transaction that intake could have accepted for a bank."""
    side = draw(st.sampled_from(list(Side)))
    other = draw(st.sampled_from([*(b for b in BANKS if b != bank), "OUTSIDER"]))
    debtor, creditor = {Side.DEBIT: (bank, other), Side.CREDIT: (other, bank), Side.ON_US: (bank, bank)}[side]
    moment = draw(st.datetimes(datetime(1970, 1, 2), datetime(2105, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    currency = draw(st.sampled_from(sorted(NUMERIC)))
    minor = draw(st.integers(1, MAX_AMOUNT))
    exponent = EXPONENT[currency]
    digits = str(minor).rjust(exponent + 1, "0")

    def maybe(strategy: Any) -> Any:
        return draw(st.none() | strategy)

    boolean = st.sampled_from(["true", "false"])
    time_us = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    values = {
        "uetr": maybe(st.uuids().map(str)),
        "transaction_id": draw(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)),
        "timestamp": moment.isoformat().replace("+00:00", "Z"),
        "business_date": maybe(st.dates(date(1970, 1, 1), date(2148, 12, 31)).map(date.isoformat)),
        "debtor_agent": debtor,
        "debtor_account": f"acct:{debtor}:{draw(st.integers(0, 99))}",
        "creditor_agent": creditor,
        "creditor_account": f"acct:{creditor}:{draw(st.integers(0, 99))}",
        "party_id": maybe(st.integers(0, 99).map("person:xx:{}".format)),
        "party_type": maybe(st.sampled_from([p.name.lower() for p in PartyType if p])),
        "on_behalf_of": maybe(st.integers(0, 99).map("person:yy:{}".format)),
        "amount": digits if exponent == 0 else f"{digits[:-exponent]}.{digits[-exponent:]}",
        "currency": currency,
        "channel": maybe(st.sampled_from([c.name.lower() for c in Channel if c])),
        "debtor_country": maybe(st.sampled_from(sorted(COUNTRY_NUMERIC))),
        "creditor_country": maybe(st.sampled_from(sorted(COUNTRY_NUMERIC))),
        "purpose": maybe(st.just("RENT")),
        **{name: maybe(boolean) for name in FIELDS[-5:]},
    }
    last = maybe(st.integers(0, 40 * 86_400 * 10**6).map(lambda lag: time_us - 1 - lag))
    seed = draw(st.binary(min_size=32, max_size=32))
    return EncodingInput(tuple(values[name] for name in FIELDS), side, time_us, minor, last, seed)


@settings(max_examples=60, deadline=None)
@given(batch=st.lists(records(), min_size=1, max_size=6), unit=st.sampled_from(["hour", "day"]))
def test_every_field_comes_back_from_its_code(batch: Sequence[EncodingInput], unit: TimeUnit) -> None:
    policy = Policy(time_unit=unit, cuts={"EUR": [1_000_001], "JPY": [99]})
    rows = rows_from_bytes(encoder(policy=policy).pack(batch).tobytes())
    assert rows.dtype == ROW
    intervals = decode_intervals(rows, policy)
    for i, (row, record) in enumerate(zip(rows, batch, strict=True)):
        value = dict(zip(FIELDS, record.values, strict=True))
        assert Side(row["side"]) is record.side
        assert row["debtor_agent"] == CODES.get(value["debtor_agent"] or "", 0)
        assert row["creditor_agent"] == CODES.get(value["creditor_agent"] or "", 0)
        assert Channel(row["channel"]).name.lower() == (value["channel"] or "unknown")
        assert PartyType(row["party_type"]).name.lower() == (value["party_type"] or "unknown")
        for flag in Flags:
            assert bool(row["flags"] & flag) == (value.get(str(flag.name).lower()) == "true")
        assert row["currency"] == NUMERIC[value["currency"] or ""]
        assert row["debtor_country"] == COUNTRY_NUMERIC.get(value["debtor_country"] or "", 0)
        assert row["creditor_country"] == COUNTRY_NUMERIC.get(value["creditor_country"] or "", 0)
        booked = value["business_date"] or str(value["timestamp"])[:10]
        assert date(1970, 1, 1) + timedelta(days=int(row["business_date"])) == date.fromisoformat(booked)
        for column, name in (
            ("debtor_account", "debtor_account"),
            ("creditor_account", "creditor_account"),
            ("party", "party_id"),
            ("on_behalf_of", "on_behalf_of"),
        ):
            text = value[name]
            assert bytes(row[column]) == (bytes(16) if text is None else pseudonym(text)), name
        assert intervals["amount_low"][i] <= record.amount_minor <= intervals["amount_high"][i]
        second = record.time_us // 10**6
        assert intervals["time_low"][i] <= second < intervals["time_high"][i]
        assert intervals["time_high"][i] - intervals["time_low"][i] == policy.bucket_seconds
        fields = list(zip(FIELDS, record.values, strict=True))
        assert bytes(row["record_root"]) == record_root(fields, record.seed)


@settings(max_examples=40, deadline=None)
@given(record=records())
def test_the_exact_record_and_its_row_are_consistent(record: EncodingInput) -> None:
    policy = Policy(cuts={"EUR": [1_000_001]})
    (row,) = encoder(policy=policy).pack([record])
    check_consistent(dict(zip(FIELDS, record.values, strict=True)), row, policy)


@settings(max_examples=60, deadline=None)
@given(record=records(), data=st.data())
def test_another_value_than_the_posted_one_is_found(record: EncodingInput, data: st.DataObject) -> None:
    policy = Policy()
    (row,) = encoder(policy=policy).pack([record])
    value = dict(zip(FIELDS, record.values, strict=True))
    lies: dict[str, str | None] = {
        "currency": "EUR" if value["currency"] != "EUR" else "USD",
        "channel": "wire" if value["channel"] != "wire" else None,
        "party_type": "person" if value["party_type"] != "person" else "business",
        "debtor_country": "DE" if value["debtor_country"] != "DE" else None,
        "cash_in": "true" if value["cash_in"] != "true" else None,
        "exempt": "true" if value["exempt"] != "true" else "false",
        "timestamp": "2106-01-01T00:00:00Z",
        "party_id": None if value["party_id"] else "person:xx:1",
        "on_behalf_of": None if value["on_behalf_of"] else "lei:x",
    }
    name = data.draw(st.sampled_from(sorted(lies)))
    with pytest.raises(InconsistentRecordError, match=name):
        check_consistent({name: lies[name]}, row, policy)


@pytest.mark.parametrize(
    "amount",
    [
        "-5.00",
        "5",
        "5.0",
        "5.001",
        "abc",
        "NaN",
        "Infinity",
        "1e3",
        "",
        ".50",
        "9" * 20 + ".00",
        "٥.٠٠",
        "5.-1",
    ],
)  # fmt: skip
def test_an_amount_no_bank_could_have_encoded_is_an_inconsistency(amount: str) -> None:
    (row,) = encoder().pack([plain()])
    with pytest.raises(InconsistentRecordError, match="amount"):
        check_consistent({"amount": amount}, row, Policy())


@pytest.mark.parametrize("lie", ["9999.99", "10000.01", "1000.00"])
def test_an_amount_of_another_band_is_an_inconsistency(lie: str) -> None:
    policy = Policy(cuts={"EUR": [1_000_000, 1_000_001]})
    (row,) = encoder(policy=policy).pack([plain(amount="10000.00", minor=1_000_000)])
    check_consistent({"amount": "10000.00"}, row, policy)
    with pytest.raises(InconsistentRecordError, match="amount"):
        check_consistent({"amount": lie}, row, policy)


def plain(
    *, side: Side = Side.DEBIT, minor: int = 500, time_us: int = 10**15, **changes: str | None
) -> EncodingInput:
    debtor, creditor = (BANKS[0], BANKS[0]) if side is Side.ON_US else (BANKS[0], BANKS[1])
    values: dict[str, str | None] = dict.fromkeys(FIELDS)
    values |= {
        "uetr": str(UUID(int=7, version=4)),
        "transaction_id": "t",
        "timestamp": "2001-09-09T01:46:40Z",
        "debtor_agent": debtor,
        "debtor_account": f"acct:{debtor}:1",
        "creditor_agent": creditor,
        "creditor_account": f"acct:{creditor}:2",
        "amount": "5.00",
        "currency": "EUR",
    } | changes
    return EncodingInput(tuple(values[name] for name in FIELDS), side, time_us, minor, None, bytes(32))


def test_both_banks_compute_one_token_and_nobody_else_does() -> None:
    debit, credit = plain(), plain(side=Side.CREDIT)
    (one,) = encoder(BANKS[0]).pack([debit])
    (two,) = encoder(BANKS[1]).pack([credit])
    assert bytes(one["match_token"]) == bytes(two["match_token"])
    (later,) = encoder(BANKS[0], epoch=2).pack([debit])
    (stranger,) = encoder(BANKS[2]).pack([debit])
    assert bytes(later["match_token"]) != bytes(one["match_token"]) != bytes(stranger["match_token"])


def test_without_a_uetr_the_token_is_of_what_both_banks_know() -> None:
    def token(bank: str, record: EncodingInput) -> bytes:
        return bytes(encoder(bank).pack([record])[0]["match_token"])

    base = token(BANKS[0], plain(uetr=None))
    assert base == token(
        BANKS[1], plain(side=Side.CREDIT, uetr=None, transaction_id="other", party_id="person:x:1")
    )
    assert base != token(BANKS[1], plain(side=Side.CREDIT, uetr=None, minor=501))
    assert base != token(BANKS[1], plain(side=Side.CREDIT, uetr=None, currency="USD"))
    assert base != token(BANKS[1], plain(side=Side.CREDIT, uetr=None, debtor_account="acct:ALFADEFF:9"))


def test_an_outsiders_side_has_a_token_of_the_bank_alone() -> None:
    record = plain(creditor_agent="OUTSIDER", creditor_account="acct:OUTSIDER:2")
    (row,) = encoder().pack([record])
    assert row["creditor_agent"] == 0
    own = [bytes(encoder(bank).pack([record])[0]["match_token"]) for bank in BANKS]
    assert len(set(own)) == 3


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, LagClass.NONE), (0, LagClass.UNDER_1H), (3_599.999, LagClass.UNDER_1H),
        (3_600, LagClass.UNDER_6H), (21_600, LagClass.UNDER_24H), (86_399, LagClass.UNDER_24H),
        (86_400, LagClass.UNDER_7D), (604_799, LagClass.UNDER_7D), (604_800, LagClass.MORE),
    ],
)  # fmt: skip
def test_lag_classes_have_their_edges(seconds: float | None, expected: LagClass) -> None:
    assert lag_class(seconds) is expected


def test_the_lag_class_stands_in_the_row() -> None:
    record = plain()
    late = EncodingInput(
        *(getattr(record, n) for n in ("values", "side", "time_us", "amount_minor")),
        record.time_us - 7_200 * 10**6,
        record.seed,
    )
    assert [r["lag_class"] for r in encoder().pack([record, late])] == [LagClass.NONE, LagClass.UNDER_6H]


def test_a_missing_pseudonym_names_the_next_step_and_not_the_identifier() -> None:
    poor = encoder()
    poor.pseudonyms = {}
    with pytest.raises(InputError, match="no pseudonym yet") as caught:
        poor.pack([plain()])
    assert "acct:" not in str(caught.value)


def test_no_rows_are_no_bytes() -> None:
    assert encoder().pack([]).tobytes() == b""
    assert len(rows_from_bytes(b"")) == 0


@pytest.mark.parametrize("size", [1, 143, 145])
def test_half_a_row_is_refused(size: int) -> None:
    with pytest.raises(InputError, match="whole number of rows"):
        rows_from_bytes(bytes(size))


def test_codes_of_no_currency_and_of_no_band_are_refused() -> None:
    rows = encoder().pack([plain()])
    wrong = rows.copy()
    wrong["currency"] = 1
    with pytest.raises(InputError, match="currency code 1"):
        decode_intervals(wrong, Policy())
    wrong = rows.copy()
    wrong["amount_band"] = 65_535
    with pytest.raises(InputError, match="band 65535 does not exist"):
        decode_intervals(wrong, Policy())


def test_the_row_has_144_bytes_and_no_padding() -> None:
    assert ROW.itemsize == 144 == sum(ROW[name].itemsize for name in ROW.names or ())
    assert np.zeros(2, ROW).tobytes() == bytes(288)


def test_the_row_tells_what_its_token_was_computed_of() -> None:
    records = [
        plain(),
        plain(uetr=None),
        plain(side=Side.ON_US),
        plain(creditor_agent="OUTSIDER", creditor_account="acct:OUTSIDER:2"),
        plain(creditor_agent="OUTSIDER", creditor_account="acct:OUTSIDER:2", uetr=None),
    ]
    rows = encoder().pack(records)
    kinds = [TokenKind(kind).name for kind in rows["token_kind"]]
    assert kinds == ["UETR", "TUPLE", "OWN", "OWN", "OWN"]
    assert not rows["key_generation"].any()
    assert rows["reserved"].tobytes() == bytes(5 * len(rows))

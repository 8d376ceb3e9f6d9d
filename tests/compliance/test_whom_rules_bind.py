"""Checks across borders, currencies and banks: who is bound, what a rate decides, sums at several banks."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.check import compile_ruleset, run_with_summary
from compliance.checks import sql
from compliance.checks.execute import DuckDB
from compliance.extract import extract_text
from compliance.jurisdictions import home_of
from compliance.rates import Rate, RateTable
from compliance.ruleset import RuleSet, build
from ledger.errors import InputError
from ledger.schema import Flags

US_RULE = (
    "5 A bank shall report each cash transaction of more than $10,000 within 15 days after the transaction."
)
EU_RULE = (
    "1. Obliged entities shall apply customer due diligence measures when carrying out an occasional "
    "transaction amounting to EUR 10 000 or more, or the equivalent in national currency, whether in a "
    "single operation or through linked transactions."
)
HOMES = {1: home_of("US"), 2: home_of("DE"), 3: home_of("US")}
TUESDAY = 19_003


def rules(text: str, name: str = "us_t.txt") -> RuleSet:
    return build("test", [(extract_text(text, document=name), text)])


def table(*rows: dict) -> pa.Table:
    full = []
    for i, row in enumerate(rows):
        amount = row.pop("amount")
        full.append(
            {
                "debtor_account": "D", "creditor_account": "C", "creditor_party": None, "debtor_party": None,
                "debtor_agent": 1, "creditor_agent": 1, "channel": 1, "flags": int(Flags.CASH_IN),
                "currency": 840, "time_low": 1_700_000_000 + i, "business_date": TUESDAY,
                "debtor_country": 0, "creditor_country": 0,
                "amount_low": amount, "amount_high": amount,
            }
            | row
        )  # fmt: skip
    kinds = {k: pa.string() for k in full[0] if k.endswith(("account", "party"))}
    return pa.Table.from_pylist(full, schema=pa.schema([(k, kinds.get(k, pa.int64())) for k in full[0]]))


def test_a_rule_binds_the_banks_of_its_jurisdiction():
    rows = table(*({"amount": 2_000_000, "debtor_agent": a, "creditor_agent": a} for a in (1, 2, 3)))
    run = run_with_summary(rules(US_RULE), rows, homes=HOMES)
    assert [flag.details["table_rows"] for flag in run.findings] == [[0], [2]]
    assert run.summary[0].rows == 2
    assert [bank["agent"] for bank in run.findings[0].details["banks"]] == [1]
    assert len(run_with_summary(rules(US_RULE), rows).findings) == 3, (
        "without homes no rule is kept to a country"
    )


def test_one_bank_of_the_jurisdiction_at_either_side_is_enough_and_owes():
    rows = table({"amount": 2_000_000, "debtor_agent": 2, "creditor_agent": 3})
    flag = run_with_summary(rules(US_RULE), rows, homes=HOMES).findings[0]
    assert [(bank["agent"], bank["country"]) for bank in flag.details["banks"]] == [(3, "US")]


def test_a_bank_of_unknown_home_is_asked_and_the_row_may_tell():
    rows = table({"amount": 2_000_000, "creditor_agent": 9, "debtor_agent": 9})
    [flag] = run_with_summary(rules(US_RULE), rows, homes=HOMES).findings
    assert flag.certainty == "needs_member"
    assert "under which country's law the bank stands" in flag.explanation
    told = {"creditor_agent": 9, "debtor_agent": 9, "creditor_country": 276, "debtor_country": 276}
    assert run_with_summary(rules(US_RULE), table({"amount": 2_000_000} | told), homes=HOMES).findings == []


def test_what_is_owed_is_dated():
    [flag] = run_with_summary(rules(US_RULE), table({"amount": 2_000_000}), homes=HOMES).findings
    assert flag.details["banks"][0]["due"]["on"] == "2022-01-26"
    assert "due by 2022-01-26" in flag.explanation


RATES = RateTable(
    [
        Rate(date(2022, 1, 7), "EUR", "USD", Decimal("1.25")),
        Rate(date(2022, 1, 11), "GBP", "EUR", Decimal("1.2")),
    ]
)


@pytest.mark.parametrize(
    ("currency", "amount", "rates", "found"),
    [
        (840, 1_250_000, RATES, ["certain"]),
        (840, 1_249_999, RATES, []),
        (840, 1_250_000, RateTable(), []),
        (826, 833_334, RATES, ["certain"]),
        (826, 833_333, RATES, []),
        (756, 9_000_000, RATES, []),
        (978, 1_000_000, RATES, ["certain"]),
    ],
)
def test_equivalents_at_the_rate_of_the_day_or_not_at_all(currency, amount, rates, found):
    row = {"amount": amount, "currency": currency, "flags": int(Flags.OCCASIONAL), "channel": 2}
    rows = table(row | {"debtor_agent": 2, "creditor_agent": 2})
    run = run_with_summary(rules(EU_RULE, "eu_t.txt"), rows, homes=HOMES, rates=rates)
    assert [flag.certainty for flag in run.findings] == found
    without = (
        currency != 978
        and rates.factor({840: "USD", 826: "GBP", 756: "CHF"}[currency], "EUR", TUESDAY) is None
    )
    assert run.summary[0].unconverted == int(without)
    for flag in run.findings:
        assert ("rates" in flag.source.parameters) == (currency != 978)


EXACT_RATES = st.decimals(Decimal("0.02"), 50, places=4)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3_000_000), EXACT_RATES, st.booleans())
def test_conversion_agrees_with_exact_fractions(amount, rate, strict):
    words = "more than EUR 10 000" if strict else "EUR 10 000 or more"
    text = f"1. Banks shall report each occasional transaction of {words}, or the equivalent in national "
    text += "currency."
    table_of_rates = RateTable([Rate(date(2022, 1, 11), "USD", "EUR", rate)])
    exact = amount * table_of_rates.factor("USD", "EUR", TUESDAY)
    row = {"amount": amount, "flags": int(Flags.OCCASIONAL), "channel": 2}
    run = run_with_summary(rules(text, "eu_t.txt"), table(row), rates=table_of_rates)
    assert bool(run.findings) == (exact > 1_000_000 if strict else exact >= 1_000_000)


def test_rates_hold_for_days_and_are_never_chained():
    assert RATES.factor("USD", "EUR", TUESDAY) == Fraction(4, 5)
    assert RATES.factor("USD", "EUR", TUESDAY + 1) is None, "five days after the rate"
    assert RATES.factor("USD", "EUR", TUESDAY - 5) is None, "before the rate"
    assert RATES.factor("GBP", "USD", TUESDAY) is None, "only over EUR"
    assert RateTable([Rate(date(2022, 1, 11), "JPY", "EUR", Decimal("0.0078"))]).factor(
        "JPY", "EUR", TUESDAY
    ) == Fraction(78, 100)


def test_a_table_of_rates_is_refused_by_line(tmp_path):
    path = tmp_path / "rates.csv"
    for line, message in (
        ("2026-01-05,EUR,USD,abc", "no number"),
        ("2026-13-05,EUR,USD,1.1", "no date"),
        ("2026-01-05,EUR,QQQ,1.1", "not an ISO 4217"),
        ("2026-01-05,EUR", "too few columns"),
        ("2026-01-05,EUR,USD,NaN", "no number"),
    ):
        path.write_text(f"date,from,to,rate\n{line}\n", "utf-8")
        with pytest.raises(InputError, match=message) as caught:
            RateTable.read(path)
        assert caught.value.where.endswith("line 2")
    path.write_text("date,from,to,rate\n2026-01-05,EUR,USD,-1\n", "utf-8")
    with pytest.raises(InputError, match="no usable rate"):
        RateTable.read(path)


DAY = (
    "9 Several currency transactions shall be treated as a single transaction if they are by or on behalf of "
    "any person and result in cash in or cash out totaling more than $10,000 during any one business day."
)


def test_sums_of_one_party_at_several_banks_that_none_reaches_alone():
    party = {"creditor_party": "P"}
    rows = [
        {"amount": 600_000, "creditor_agent": 1, "creditor_account": "A"} | party,
        {"amount": 600_000, "creditor_agent": 3, "creditor_account": "B"} | party,
    ]
    run = run_with_summary(rules(DAY), table(*map(dict, rows)), homes=HOMES)
    [flag] = run.findings
    assert (flag.details["reach"], flag.certainty) == ("consortium", "certain")
    assert {(e.pseudonym, e.agent) for e in flag.entities} == {("P", 1), ("P", 3)}
    assert "an indication, not a duty" in flag.explanation
    assert run.summary[0].across_banks == 1
    wide = [dict(row) for row in rows]
    for row in wide:
        row.update(amount=600_000, amount_low=400_000, amount_high=700_000)
    [flag] = run_with_summary(rules(DAY), table(*wide), homes=HOMES).findings
    assert flag.certainty == "possible"
    moved = [dict(rows[0]), dict(rows[1]) | {"creditor_agent": 2}]
    assert run_with_summary(rules(DAY), table(*moved), homes=HOMES).findings == [], (
        "a German bank is not bound"
    )
    alone = [dict(rows[0]), dict(rows[0]) | {"creditor_account": "A2"}, dict(rows[1])]
    reaches = [f.details["reach"] for f in run_with_summary(rules(DAY), table(*alone), homes=HOMES).findings]
    assert reaches == ["bank"], "what one bank reaches alone is told once"


def test_operations_that_may_be_linked_are_asked_of_the_bank():
    occasional = {
        "flags": int(Flags.OCCASIONAL),
        "channel": 2,
        "currency": 978,
        "debtor_agent": 2,
        "creditor_agent": 2,
    }
    rows = [
        {"amount": 500_000, "business_date": TUESDAY + d, "time_low": 1_700_000_000 + d * 86_400} | occasional
        for d in (0, 6)
    ]
    run = run_with_summary(rules(EU_RULE, "eu_t.txt"), table(*map(dict, rows)), homes=HOMES)
    assert {flag.certainty for flag in run.findings} == {"needs_member"}
    assert all("which operations belong together" in flag.explanation for flag in run.findings)
    rows[1] |= {"time_low": 1_700_000_000 + 7 * 86_400}
    assert run_with_summary(rules(EU_RULE, "eu_t.txt"), table(*map(dict, rows)), homes=HOMES).findings == []


def test_every_statement_is_read_by_spark():
    """Transpiled statements parse in Spark's dialect and keep no type or function of DuckDB alone."""
    import sqlglot

    for text, name in ((US_RULE, "us_t.txt"), (EU_RULE, "eu_t.txt"), (DAY, "us_t.txt")):
        for check in compile_ruleset(rules(text, name)):
            places = frozenset({1})
            statements = [
                sql.groups(check, width=3600, places=places),
                sql.counted(check, places=places),
                sql.unconverted(check, places=places),
            ]
            if check.shape != "single":
                statements.append(sql.members(check, places=places))
            for statement in statements:
                spark = sql.transpile(statement, "spark")
                assert sqlglot.parse_one(spark, read="spark") is not None
                assert "//" not in spark
                assert "INT128" not in spark
                assert "HUGEINT" not in spark


def test_checks_run_on_spark_as_on_duckdb():
    pytest.importorskip("pyspark", reason="the extra `scale` is not installed")
    from compliance.checks.spark import Spark

    rows = table(
        {"amount": 2_000_000},
        {"amount": 600_000, "creditor_party": "P"},
        {"amount": 600_000, "creditor_party": "P", "creditor_agent": 3},
        {"amount": 1_250_000, "flags": int(Flags.OCCASIONAL), "debtor_agent": 2, "creditor_agent": 2},
    )
    for text, name in ((US_RULE, "us_t.txt"), (EU_RULE, "eu_t.txt"), (DAY, "us_t.txt")):
        runs = [
            run_with_summary(rules(text, name), rows, homes=HOMES, rates=RATES, engine=engine)
            for engine in (DuckDB(), Spark())
        ]
        assert [f.to_json() for f in runs[0].findings] == [f.to_json() for f in runs[1].findings]
        assert runs[0].summary == runs[1].summary
        assert runs[0].findings


@pytest.mark.parametrize(("words", "found"), [("more than EUR 10 000", 1), ("EUR 10 000 or less", 0)])
def test_half_a_cent_above_the_amount_is_more_than_the_amount(words, found):
    text = f"1. Banks shall report each cash transaction of {words}, or the equivalent in national currency."
    rates = RateTable([Rate(date(2022, 1, 11), "USD", "EUR", Decimal("1.5"))])
    run = run_with_summary(rules(text, "eu_t.txt"), table({"amount": 666_667}), rates=rates)
    assert len(run.findings) == found


def test_a_bank_outside_the_consortium_owes_nothing_here():
    row = {"amount": 2_000_000, "debtor_agent": 0, "debtor_country": 840, "creditor_agent": 2}
    assert run_with_summary(rules(US_RULE), table(row), homes=HOMES).findings == []

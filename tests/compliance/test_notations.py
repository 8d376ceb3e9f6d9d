"""Notations of money, comparisons of every form, and duties in every modality: one line of law each."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from compliance.atoms import passages
from compliance.currencies import resolve
from compliance.extract import extract_text
from compliance.tokens import ordinal, parse_number


def lines(name: str) -> list[str]:
    """Return the lines of a table: jurisdiction | text | what is to be found."""
    return (Path(__file__).parent / "corpus" / name).read_text("utf-8").splitlines()


@pytest.mark.parametrize("line", lines("amounts.txt"))
def test_amounts_in_every_notation(line):
    jurisdiction, text, expected = (part.strip() for part in line.split("|"))
    (passage,) = passages([text + " in"])
    found = [
        (atom.money.amount, resolve(sign, None if jurisdiction == "-" else jurisdiction))
        for atom in passage.of("MONEY")
        for sign in atom.money.written
    ]
    if not expected:
        assert found == []
    else:
        amount, currency = expected.split()
        assert found == [(Decimal(amount), currency)]


@pytest.mark.parametrize("line", lines("comparisons.txt"))
def test_comparisons_kinds_and_modalities(line):
    jurisdiction, text, expected = (part.strip() for part in line.split("|"))
    found = extract_text(f"5 {text}", document="t.txt", jurisdiction=jurisdiction)
    rules = [
        f"{r.kind} {r.modality} {r.trigger.op} {r.trigger.amount} {r.trigger.currency}"
        for r in found.rules
        if r.trigger is not None
    ]
    assert rules == ([expected] if expected else [])


PARAMETERS = [
    ("AU", "In this Part, threshold transaction means a transfer of physical currency of not less than $10,000.", "ge 10000 AUD"),  # noqa: E501
    ("JM", "The prescribed amount is one million dollars.", "eq 1000000 JMD"),
    ("PH", '"Covered transaction" is a transaction in cash in excess of P500,000.00 within one (1) banking day.', "gt 500000 PHP"),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize(("jurisdiction", "text", "expected"), PARAMETERS)
def test_amounts_that_a_definition_sets_are_parameters_and_no_rules(jurisdiction, text, expected):
    head = "3 The following definitions apply:\n\n(a) " if text.startswith('"') else "3 "
    found = extract_text(head + text, document="t.txt", jurisdiction=jurisdiction)
    (rule,) = found.rules
    assert (rule.kind, rule.status) == ("parameter", "informational")
    assert f"{rule.trigger.op} {rule.trigger.amount} {rule.trigger.currency}" == expected
    assert found.rejected[0].reason in ("definition", "parameter_definition")


def test_amounts_in_units_are_asked_about():
    text = "5 Dealers shall report sales equal to or greater than 8,025 times the value of the UMA."
    (rule,) = extract_text(text, document="t.txt", jurisdiction="MX").rules
    assert (rule.trigger.amount, rule.trigger.currency, rule.status) == (None, None, "needs_review")
    assert rule.reasons == ("How much money is “8,025 times the value of the UMA”?",)


STATED = [
    ("The bank identifies the customer if the amount reaches CHF 15 000.", "cdd must ge 15000"),
    ("Money changers record every exchange with a value above 1 500 €.", "record must gt 1500"),
    ("Institutions under this law report all payments of EUR 10 000 or more.", "report must ge 10000"),
    ("The report of the bank on payments of EUR 10 000 or more was long.", None),
    ("In 2021 the banks that reported payments of EUR 10 000 or more numbered 12.", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), STATED)
def test_duties_in_the_present_tense(text, expected):
    found = [r for r in extract_text(f"5 {text}", document="t.txt").rules if r.trigger is not None]
    assert [f"{r.kind} {r.modality} {r.trigger.op} {r.trigger.amount}" for r in found] == (
        [expected] if expected else []
    )


def test_items_know_the_words_before_and_after_their_list():
    text = (
        "5 (1) If:\n(a) a customer pays in cash; and\n(b) the amount is not less than $10,000;\n"
        "the dealer must, within 10 business days, report the payment.\n"
        "(2) No person shall accept a sum exceeding:\n(a) N5,000,000, from a person; or\n(b) N10,000,000.\n"
    )
    rules = [r for r in extract_text(text, document="au_t.txt").rules if r.trigger is not None]
    assert [(r.kind, r.modality, r.trigger.op, r.trigger.amount) for r in rules] == [
        ("report", "must", "ge", "10000"),
        ("prohibit", "must_not", "gt", "5000000"),
        ("prohibit", "must_not", "gt", "10000000"),
    ]


@pytest.mark.parametrize(
    ("words", "value"),
    [("15th", 15), ("fifteenth", 15), ("twelfth", 12), ("third", 3), ("north", None)],
)
def test_ordinals(words, value):
    assert ordinal(words) == value


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("one hundred and fifty thousand", 150_000),
        ("1,00,000", 100_000),
        ("1.5 million", 1_500_000),
        ("10.000,50", Decimal("10000.50")),
        ("12'500", 12_500),
        ("10 000 5", None),
    ],
)
def test_numbers(words, value):
    assert parse_number(words.split()) == value

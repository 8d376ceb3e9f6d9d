"""Extraction on provisions in this project's own words, in the manners of many jurisdictions."""

from __future__ import annotations

import pytest

from compliance.extract import extract_text
from compliance.model import Rule


def one(text: str, jurisdiction: str | None = None) -> Rule:
    found = extract_text(f"5 {text}", document="text.txt", jurisdiction=jurisdiction)
    assert len(found.rules) == 1, (found.rules, found.rejected)
    return found.rules[0]


THRESHOLDS = [
    ("US", "A bank shall file a report of each cash transaction of more than $10,000.", "report gt 10000 USD"),  # noqa: E501
    ("CA", "A dealer shall report the receipt of $10,000 or more in cash.", "report ge 10000 CAD"),
    ("SG", "A bank shall perform CDD measures for any transaction of a value exceeding S$20,000.", "cdd gt 20000 SGD"),  # noqa: E501
    ("HK", "A bank must identify the customer where the amount is equal to or above $120,000.", "cdd ge 120000 HKD"),  # noqa: E501
    ("ZA", "A bank must report a transaction in cash in excess of R49 999.99.", "report gt 49999.99 ZAR"),
    ("IN", "Every bank shall maintain a record of cash deposits of more than rupees ten lakh.", "record gt 1000000 INR"),  # noqa: E501
    ("IN", "Banks shall report wire transfers of more than five lakh rupees.", "report gt 500000 INR"),
    ("PH", "Banks shall report cash in excess of Two hundred thousand pesos (PHP200,000.00).", "report gt 200000 PHP"),  # noqa: E501
    ("MY", "A bank is required to submit a report of cash of RM25,000 and above.", "report ge 25000 MYR"),
    ("CH", "The bank must verify the identity if the cash reaches or exceeds CHF 15'000.", "cdd ge 15000 CHF"),  # noqa: E501
    ("UK", "A firm must apply customer due diligence if the transfer exceeds 1,000 euros.", "cdd gt 1000 EUR"),  # noqa: E501
    ("UK", "A firm must report cash of £9,000 or more.", "report ge 9000 GBP"),
    ("JP", "A bank must verify the identity for cash exceeding two million yen.", "cdd gt 2000000 JPY"),
    ("BR", "Banks must report operations equal to or greater than R$ 50.000,00.", "report ge 50000 BRL"),
    ("NG", "Any transfer of funds in excess of N5,000,000 shall be reported.", "report gt 5000000 NGN"),
    ("SE", "Banks shall report payments in cash amounting to SEK 150 000 or more.", "report ge 150000 SEK"),
    ("EU", "Obliged entities shall report cash of not less than 10.000 €.", "report ge 10000 EUR"),
    ("US", "A casino must file a report of cash out of no less than ten thousand dollars ($10,000).", "report ge 10000 USD"),  # noqa: E501
    ("US", "A bank shall keep a record of each loan of $1.5 million or more.", "record ge 1500000 USD"),
    ("EU", "A trader shall not accept cash payments exceeding €10 000.", "prohibit gt 10000 EUR"),
    ("EU", "No person may pay in cash an amount of EUR 3 000 or more.", "prohibit ge 3000 EUR"),
    ("EU", "Traders may accept payments in cash only up to EUR 7 000.", "limit gt 7000 EUR"),
    ("US", "No bank may sell a money order for $3,000 or more unless it keeps a record.", "record ge 3000 USD"),  # noqa: E501
    ("EU", "The provider shall ensure that transfers exceeding EUR 1 000 are accompanied by payer information.", "travel_info gt 1000 EUR"),  # noqa: E501
    ("EU", "Member States shall ensure that banks report cash of EUR 15 000 or more.", "report ge 15000 EUR"),
    ("US", "Banks must report cash deposits that are less than $3,000.", "report lt 3000 USD"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("jurisdiction", "text", "expected"), THRESHOLDS, ids=[t[1][:60] for t in THRESHOLDS]
)
def test_comparison_amount_currency_and_kind(jurisdiction, text, expected):
    rule = one(text, jurisdiction)
    trigger = rule.trigger
    assert f"{rule.kind} {trigger.op} {trigger.amount} {trigger.currency}" == expected
    assert rule.status == "executable"


REJECTED = [
    ("Any person who violates this is liable to a fine of not more than $250,000.", "penalty"),
    ("In this Part, large dealer means a person that deals in more than $10,000 a day.", "definition"),
    ("Member States may set a lower threshold not exceeding EUR 5 000.", "power"),
    (
        "A bank shall identify a customer holding total assets of at least EUR 50 000 000.",
        "customer_wealth_condition",
    ),
    ("A bank shall report each cash deposit unless the amount is less than $1,000.", "exemption_condition"),
    ("A bank need not report a transfer that does not exceed EUR 1 000.", "exemption_condition"),
    ("For example, a customer who brings more than $9,000 must be reported.", "example"),
    ("The applicant shall pay a fee of not more than $500.", "fee"),
    ("This Act applies to traders where the value is EUR 10 000 or more.", "scope"),
]


@pytest.mark.parametrize(("text", "reason"), REJECTED, ids=[r[1] for r in REJECTED])
def test_what_is_no_threshold_is_rejected_with_its_reason(text, reason):
    found = extract_text(f"5 {text}", document="text.txt", jurisdiction="US")
    assert [rule for rule in found.rules if rule.trigger is not None] == []
    assert [r.reason for r in found.rejected] == [reason]


def test_two_currencies_give_two_rules_and_shared_comparisons_are_shared():
    text = "5 Banks should identify customers of occasional transactions above the designated threshold (USD/EUR 15,000)."  # noqa: E501
    found = extract_text(text, document="t")
    assert [(r.trigger.op, r.trigger.amount, r.trigger.currency) for r in found.rules] == [
        ("gt", "15000", "USD"), ("gt", "15000", "EUR"),
    ]  # fmt: skip
    text = "5 Traders may not accept cash above €10 000 or more than CHF 9 000."
    found = extract_text(text, document="t")
    assert [(r.trigger.op, r.trigger.currency) for r in found.rules] == [("gt", "EUR"), ("gt", "CHF")]


def test_a_bare_dollar_takes_the_jurisdiction_or_is_asked_about():
    text = "A bank shall report each cash transaction of more than $10,000."
    rule = one(text)
    assert rule.trigger.currency is None
    assert rule.status == "needs_review"
    assert rule.reasons == ("Which currency is “$10,000” in?",)
    assert extract_text(f"5 {text}", document="ca_x.txt").rules[0].trigger.currency == "CAD"
    cited = extract_text(f"5 {text} See 31 CFR 1010.100.", document="x.txt")
    assert (cited.jurisdiction, cited.rules[0].trigger.currency) == ("US", "USD")


def test_words_and_figures_that_differ_are_asked_about():
    rule = one("A bank shall report cash of more than ten thousand dollars ($11,000).", "US")
    assert rule.status == "needs_review"


def test_between_does_not_say_whether_its_ends_count():
    rule = one("A bank shall keep a record of each cash transaction between $3,000 and $10,000.", "US")
    assert (rule.trigger.op, rule.trigger.amount, rule.trigger.amount_max) == ("range_incl", "3000", "10000")
    assert rule.status == "needs_review"


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("A bank shall report cash totaling more than $9,000 during any one business day.", "business_day", 1),  # noqa: E501
        ("A casino shall report cash of more than $9,000 during any gaming day.", "gaming_day", 1),
        ("A bank shall report cash that totals $9,000 or more in transactions within 24 consecutive hours.", "consecutive_hour", 24),  # noqa: E501
        ("A bank shall report payments totalling $9,000 or more made within a 24-hour period.", "consecutive_hour", 24),  # noqa: E501
        ("A bank shall report cash of $9,000 or more in a single operation or linked transactions.", "linked_transactions", None),  # noqa: E501
        ("Each person shall report the transport of more than $9,000 at one time.", "one_time", None),
        ("A bank shall report transactions aggregating more than $9,000 in a calendar month.", "calendar_month", 1),  # noqa: E501
    ],
)  # fmt: skip
def test_windows(text, unit, value):
    rule = one(text, "US")
    assert (rule.aggregation.window_unit, rule.aggregation.window_value) == (unit, value)
    assert rule.deadline is None


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("A report shall be filed within 15 days after the day of the transaction.", "day", 15),
        ("A bank must give the report no later than 30 calendar days after detection.", "calendar_day", 30),
        ("A bank must submit it within ten (10) working days following the month.", "working_day", 10),
        ("The report must be lodged within 10 business days after the transaction.", "business_day", 10),
        ("The bank must notify the authority within 24 hours of the transaction.", "hour", 24),
        ("The report shall be filed on or before June 30 of each calendar year.", "calendar_date", None),
        ("The report shall be filed at the time of entry into the country.", "at_time_of", None),
    ],
)
def test_deadlines(text, unit, value):
    rule = one(text, "US")
    assert rule.kind == "deadline"
    assert (rule.deadline.unit, rule.deadline.value) == (unit, value)


@pytest.mark.parametrize(
    ("text", "value", "minimum"),
    [
        ("Records shall be kept for a period of five years after the account is closed.", 5, False),
        ("The bank must retain the records for at least 7 years from their date.", 7, True),
        ("Copies shall be preserved for a minimum of six (6) years.", 6, True),
    ],
)
def test_retention(text, value, minimum):
    rule = one(text, "US")
    assert rule.kind == "retain"
    assert (rule.retention.value, rule.retention.unit, rule.retention.minimum) == (value, "year", minimum)


LIST = """§ 9.1   Records.

Each bank shall keep the following records:

(a) a record of each loan in an amount in excess of $10,000, except a loan secured by land;

(b) if it sells money orders of $3,000 or more, a record of

(i) the date, and

(ii) the amount;

(c) a copy of each statement.
"""


def test_list_items_inherit_subject_and_modality_from_the_words_above():
    found = extract_text(LIST, document="us_list.txt")
    assert [(r.kind, r.modality, r.trigger.amount, r.citation) for r in found.rules] == [
        ("record", "must", "10000", "§ 9.1(a)"),
        ("record", "must", "3000", "§ 9.1(b)"),
    ]
    chapeau = LIST.index("Each bank")
    for rule in found.rules:
        assert rule.subject == "Each bank"
        assert rule.spans["subject"] == (chapeau, chapeau + len("Each bank"))
        assert rule.inherits == ((chapeau, LIST.index("records:") + len("records:")),)
    assert [e.text for e in found.rules[0].exemptions] == ["except a loan secured by land"]


def test_every_span_reproduces_its_words_whatever_the_spaces_and_quotes():
    text = "5\u00a0\u00a0A bank shall\nreport each “cash” transaction\u2009of more than\u00a0EUR\u202f10\u00a0000.\r\n"  # noqa: E501
    found = extract_text(text, document="t.txt")
    rule = found.rules[0]
    assert text[slice(*rule.trigger.span)] == "more than\u00a0EUR\u202f10\u00a0000"
    assert text[slice(*rule.spans["subject"])] == rule.subject == "A bank"
    assert text[slice(*rule.span)].startswith("A bank shall\nreport")


def test_html_is_read_through_and_its_scripts_are_not():
    text = (
        "<html><script>A bank shall report more than $5.</script><p>5 A bank <b>shall</b> report each cash "
        "transaction of more than &euro;10&nbsp;000.</p></html>"
    )
    found = extract_text(text, document="t.html")
    assert [(r.trigger.amount, r.trigger.currency) for r in found.rules] == [("10000", "EUR")]
    assert text[slice(*found.rules[0].trigger.span)] == "more than &euro;10&nbsp;000"


def test_hard_wrapped_text_is_joined():
    text = (
        "5 A bank that receives cash from a person who is not its customer shall in each case report\n"
        "to the authority an amount of more\nthan $10,000.\n"
    )
    found = extract_text(text, document="us_t.txt")
    assert [r.trigger.amount for r in found.rules] == ["10000"]


def test_the_same_text_gives_the_same_bytes():
    from compliance.model import dumps

    assert dumps(extract_text(LIST, document="us_l.txt")) == dumps(extract_text(LIST, document="us_l.txt"))

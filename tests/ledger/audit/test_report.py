"""The working paper says what was verified; nothing in a proof can become markup or a formula in it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from ledger.audit.bundle import verify_bundle
from ledger.audit.report import WorkingPaper, working_paper
from ledger.audit.statement import Result, moment, quorum
from ledger.audit.verify import Verifier
from ledger.errors import VerificationError
from tests.support.evidence import BANKS, Consortium, Payment

DATE = datetime(2026, 3, 9, 10, 30, tzinfo=UTC)
MARKUP = "<script>alert(1)</script>\"'&<img src=x onerror=y>"
FORMULA = '=HYPERLINK("http://x")'


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def made() -> Consortium:
    return Consortium()


def paper(made: Consortium, result: Result | VerificationError, name: str = "bundle.json") -> WorkingPaper:
    return working_paper(result, made.trust, name=name, data=b"data", version="9.9", date=DATE)


def hostile(made: Consortium, text: str) -> WorkingPaper:
    """Return the paper of a bundle in which every text that somebody chooses is hostile."""
    posted = made.post(BANKS[0], [Payment(0, purpose=text)])
    flagged = made.anchored_flag(made.flag([posted.ref(0)], title=text, explanation=text))
    disclosed = made.disclosure(posted, 0, ("purpose",), recipient=text, purpose=text)
    decided = made.decide(flagged[0], "suspicious", text)
    bundle = made.bundle(flagged, [(posted, 0)], disclosures=[disclosed], decisions=[decided])
    return paper(made, verify_bundle(bundle.to_bytes(), made.trust), name=text)


def test_markup_in_a_proof_stays_text(made: Consortium) -> None:
    plain = paper(made, verify_bundle(made.bundle(None, []), made.trust)).to_html()
    page = hostile(made, MARKUP).to_html()
    assert Page(page).elements <= Page(plain).elements | {"ul", "li", "p"}
    assert Page(page).attributes == Page(plain).attributes
    assert "<script" not in page
    assert Page(page).text.count(MARKUP) >= 6  # file, title, explanation, field, recipient, reason


def test_the_page_loads_nothing_and_prints(made: Consortium) -> None:
    page = hostile(made, "plain").to_html()
    assert not {"src", "href"} & Page(page).attributes
    assert "default-src 'none'" in page
    assert "@media print" in page
    assert "prefers-color-scheme:dark" in page


@pytest.mark.parametrize("text", [FORMULA, "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_the_table_is_a_formula(made: Consortium, text: str) -> None:
    table = hostile(made, text).to_csv()
    rows = list(csv.reader(io.StringIO(table)))
    assert all(len(row) == 6 for row in rows)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_control_characters_are_shown_as_their_numbers(made: Consortium) -> None:
    text = "safe\u202eevil\x1b[31m\u2066"
    found = hostile(made, text)
    for told in (found.to_html(), found.to_csv()):
        assert "\u202e" not in told
        assert "\x1b" not in told
        assert r"safe\u202eevil\u001b[31m\u2066" in told


def test_the_paper_names_file_trust_version_date_and_totals(made: Consortium) -> None:
    found = hostile(made, "plain")
    facts = dict(found.facts)
    assert facts["result"] == "verified"
    assert facts["fingerprint of the trust file"] == made.trust.fingerprint
    assert facts["program"] == "counterfoil 9.9"
    assert facts["date"] == "2026-03-09 10:30:00 UTC"
    assert facts["witnesses required"] == "2 of 3 witnesses"
    totals = dict(found.totals)
    assert sum(totals.values()) == len(found.checks)
    assert totals["bank's word"] == 1
    rows = list(csv.reader(io.StringIO(found.to_csv())))
    assert len(rows) == 1 + len(found.facts) + len(found.checks) + len(found.not_proven)


def test_the_same_verification_gives_the_same_bytes(made: Consortium) -> None:
    posted = made.post(BANKS[0], [Payment(3)])
    data = made.receipt(posted, 0).to_bytes()
    papers = [paper(made, Verifier(made.trust).verify(data)) for _ in range(2)]
    assert papers[0].to_html() == papers[1].to_html()
    assert papers[0].to_csv() == papers[1].to_csv()


def test_what_does_not_verify_is_an_exception_and_proves_nothing(made: Consortium) -> None:
    posted = made.post(BANKS[0], [Payment(4)])
    bundle = made.bundle(None, [(posted, 0)])
    forged = replace(bundle, receipts=[replace(bundle.receipts[0], block=1)])
    with pytest.raises(VerificationError) as caught:
        verify_bundle(forged, made.trust)
    found = paper(made, caught.value)
    assert dict(found.facts)["result"] == "does not verify"
    assert [check.item for check in found.exceptions] == ["receipt 0"]
    assert dict(found.totals)["proven"] == 0
    assert "Nothing in the file is proven" in found.to_html()


def test_receipts_disclosures_and_checkpoints_have_papers_too(made: Consortium) -> None:
    posted = made.post(BANKS[0], [Payment(5)])
    verifier = Verifier(made.trust)
    receipt = paper(made, verifier.receipt(made.receipt(posted, 0)))
    assert "The exact fields of the transaction: a receipt opens none." in receipt.not_proven
    disclosed = paper(
        made, verifier.disclosure(made.disclosure(posted, 0, ("amount", "currency", "purpose")))
    )
    bases = {check.name: check.rests_on for check in disclosed.checks if check.name.startswith("field ")}
    assert bases == {
        "field amount": "row (interval)",
        "field currency": "row",
        "field purpose": "bank's word (record)",
    }
    checkpoint = paper(made, verifier.checkpoint(made.note("verdicts")))
    assert [check.name for check in checkpoint.checks] == ["checkpoint"]


def test_a_consortium_without_witnesses_says_so() -> None:
    alone = Consortium(required=0)
    posted = alone.post(BANKS[0], [Payment(0)])
    found = paper(alone, Verifier(alone.trust).receipt(alone.receipt(posted, 0)))
    assert quorum(alone.policy) == "no witness is required"
    assert any("No witness is required" in said for said in found.not_proven)
    assert any("the desk's key alone" in check.rests_on for check in found.checks)


@pytest.mark.parametrize("seconds", [0, 2**31, 2**63, -(2**63), 2**53])
def test_any_time_has_a_text(seconds: int) -> None:
    assert json.dumps(moment(seconds))

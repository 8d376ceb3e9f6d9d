"""Readers: HTML, law in XML, Markdown and PDF text give the rules of the plain text, at true offsets."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.extract import extract_file, extract_text
from compliance.model import RuleDocument
from compliance.readers import plain
from compliance.reading import MAX_BYTES, read_file
from ledger.errors import InputError

PLAIN = """Article 5
Reports
1. A bank shall file a report of each of the following:
(a) a transaction in currency of more than EUR 10 000;
(b) a transfer of funds of EUR 1 000 or more.
2. A report under paragraph 1 shall be filed within 15 days after the day of the transaction.
"""
HTML = """<!DOCTYPE html><html><head><title>more than EUR 7</title>
<script>var a = "more than EUR 8";</script></head>
<body><nav><ul><li>more than EUR 9</li></ul></nav>
<h2>Article 5</h2><h3>Reports</h3>
<p>1. A bank <b>shall</b> file a report of each of the following:</p>
<ol type="a"><li>a transaction in currency of more than <span class="x">EUR&nbsp;10&nbsp;000</span>;</li>
<li>a transfer of funds of &#69;UR 1 000 or more<sup>1</sup>.</li></ol>
<!-- more than EUR 6 -->
<p>2. A report under paragraph 1 shall be filed within 15 days after the day of the transaction.</p>
<footer>more than EUR 5</footer></body></html>
"""
AKN = """<?xml version="1.0" encoding="UTF-8"?>
<akomaNtoso xmlns="http://docs.oasis-open.org/legaldocml/ns/akn/3.0"><act>
<meta><note>more than EUR 9</note></meta>
<body><article eId="art_5"><num>Article 5</num><heading>Reports</heading>
<paragraph eId="art_5__para_1"><num>1.</num><list>
<intro><p>A bank shall file a report of each of the
following:</p></intro>
<point><num>(a)</num><content><p>a transaction in currency of more than EUR 10 000;<authorialNote>
<p>more than EUR 8</p></authorialNote></p></content></point>
<point><num>(b)</num><content><p>a transfer of funds of EUR 1 000 or more.</p></content></point>
</list></paragraph>
<paragraph><num>2.</num><content><p>A report under paragraph 1 shall be filed within 15 days after the day
of the transaction.</p></content></paragraph></article></body></act></akomaNtoso>
"""
MARKDOWN = """## Article 5
### Reports

1. A bank **shall** file a `report` of each of the following:

   (a) a *transaction in currency* of more than [EUR 10 000](https://example.org/amounts "note");
   (b) a __transfer of funds__ of EUR 1 000 or more[^2].

2. A report under paragraph 1 shall be filed within 15 days after the day of the transaction.
"""


def essence(document: RuleDocument) -> list[tuple]:
    found = []
    for rule in document.rules:
        trigger = rule.trigger and (rule.trigger.op, rule.trigger.amount, rule.trigger.currency)
        deadline = rule.deadline and (rule.deadline.value, rule.deadline.unit)
        found.append((rule.kind, rule.modality, rule.transaction_type, trigger, deadline))
    return found


EXPECTED = essence(extract_text(PLAIN, document="eu_t.txt"))


@pytest.mark.parametrize("text", [HTML, AKN, MARKDOWN], ids=["html", "akn", "markdown"])
def test_markup_reads_as_the_plain_text_does(text):
    assert len(EXPECTED) == 3
    document = extract_text(text, document="eu_t")
    assert essence(document) == EXPECTED
    unread = ("EUR 9", "EUR 8", "EUR 7", "EUR 6", "EUR 5")
    assert not any(word in r.text for r in document.rejected for word in unread)
    subjects = {text[slice(*rule.spans["subject"])] for rule in document.rules}
    assert subjects == {"A bank", "A report under paragraph 1"}
    for rule in document.rules:
        if rule.trigger and rule.trigger.amount == "1000":
            assert text[slice(*rule.trigger.span)].endswith("UR 1 000 or more")


def test_pages_of_a_pdf_lose_their_furniture_and_keep_their_sentences():
    page = "Official Journal                    L 15/{n}\n\n{text}\n\nRegulation 7 of 2025\n- {n} -"
    parts = [
        "5 A bank shall report each cash trans-\naction of more than EUR 10 000 to the Unit if the",
        "person who carries out the transaction is not known\u00b9 to the bank.\n\n6 A bank shall keep the",
        "records of each transaction for five years.\n",
    ]
    text = "\f".join(page.format(n=i + 1, text=part) for i, part in enumerate(parts))
    shown = plain(text)
    assert len(shown) == len(text)
    assert "Journal" not in shown
    assert "Regulation 7" not in shown
    document = extract_text(text, document="eu_t.txt")
    assert [(r.kind, r.trigger and r.trigger.amount) for r in document.rules] == [
        ("report", "10000"),
        ("retain", None),
    ]
    whole = " ".join(text[slice(*document.rules[0].span)].split())
    assert whole.startswith("A bank shall report")
    assert whole.endswith("to the bank.")
    assert document.rules[0].transaction_type is not None


def test_a_hyphen_at_a_line_end_is_dropped_only_where_the_text_writes_the_word_whole():
    text = "5 A bank shall report each cross-\nborder transfer of more than EUR 10 000 if a transac-\ntion or another transaction is in cash."  # noqa: E501
    from compliance.labels import LINE_STARTS
    from compliance.reading import blocks

    [block] = blocks(text, starts_item=LINE_STARTS)
    assert "cross-border transfer" in block.text
    assert "a transaction or another transaction" in block.text
    assert text[slice(*block.span(0, len(block.text)))] == text


@given(st.text(alphabet="<>&;/!-[]#ab1 \n\f*_`\"'=?\\", max_size=80))
def test_no_text_changes_its_length_or_fails(text):
    try:
        assert len(plain(text)) == len(text)
    except InputError as error:
        assert "entities" in error.what  # noqa: PT017


@given(st.text(alphabet="abc 1.,;:()\n", max_size=80))
def test_plain_words_stay_as_they_are(text):
    assert plain(text) == text


def test_a_comparison_is_no_tag():
    assert plain("amounts < 10 and > 5 & more, if a<5 or 7>c") == "amounts < 10 and > 5 & more, if a<5 or 7>c"


def test_entity_bombs_are_refused():
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    with pytest.raises(InputError, match="declares entities"):
        extract_text(bomb, document="t.xml")


@pytest.mark.parametrize(
    "text",
    [
        "<" * 200_000,
        "<!--" * 50_000,
        "<script>" * 30_000,
        "<nav>" * 30_000,
        "<a href='" * 30_000,
        "&" * 200_000,
        "*a" * 100_000,
        "[a](" * 50_000,
        "> " * 100_000,
        "\f".join(["1"] * 50_000),
        "-\n" * 100_000,
    ],
    ids=lambda text: repr(text[:9]),
)
def test_hostile_markup_takes_time_that_grows_with_the_text(text):
    started = time.process_time()
    assert len(plain(text)) == len(text)
    assert time.process_time() - started < 5


def test_injected_markup_stays_words_or_nothing():
    text = (
        "5 A bank shall report each cash transaction of more than $10,000 "
        "<img src=x onerror=alert(1)> [red]or[/red] {{7*7}} '; DROP TABLE rules;--."
    )
    document = extract_text(text, document="us_t.txt")
    assert [(r.trigger.op, r.trigger.amount) for r in document.rules if r.trigger] == [("gt", "10000")]
    script = "<script>A bank shall report each cash transaction of more than $10,000.</script>"
    assert extract_text(script, document="us_t.txt").rules == ()


def test_lists_ten_deep_inherit_from_the_top():
    labels = ["(a)", "(1)", "(i)", "(A)", "(1)", "(i)", "(a)", "(1)", "(i)", "(A)"]
    lines = ["5. A bank shall report each transaction that:"]
    lines += [f"{'  ' * depth}{label} is carried out:" for depth, label in enumerate(labels[:-1])]
    lines.append(f"{'  ' * 9}{labels[-1]} in cash of more than $10,000.")
    document = extract_text("\n".join(lines), document="us_t.txt")
    assert [(r.kind, r.modality, r.trigger.amount) for r in document.rules] == [("report", "must", "10000")]


def test_files_that_are_no_text_say_so(tmp_path):
    cases = {
        "utf16.txt": ("Text".encode("utf-16"), "UTF-16"),
        "word.txt": (b"PK\x03\x04rest", "packed file"),
        "binary.txt": (b"MZ\x00\x00text", "binary"),
        "latin.txt": ("5 \u00a310".encode("latin-1"), "not UTF-8"),
        "mixed.txt": ("\u20ac 5 ".encode() + "\u00a310".encode("latin-1"), "byte 0xa3 at offset 6"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=message):
            read_file(tmp_path / name)


def test_a_file_beyond_the_bound_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(max(MAX_BYTES + 1, 50_000_000))
    started = time.perf_counter()
    with pytest.raises(InputError, match="bytes, more than"):
        extract_file(path)
    assert time.perf_counter() - started < 1


def test_pdf_files_are_read_and_scans_said(tmp_path):
    pytest.importorskip("pypdf")
    path = tmp_path / "us_law.pdf"
    path.write_bytes(pdf("5 A bank shall report each cash transaction of more than $10,000."))
    document = extract_file(path)
    assert [(r.trigger.op, r.trigger.amount) for r in document.rules] == [("gt", "10000")]
    assert read_file(path)[slice(*document.rules[0].trigger.span)] == "more than $10,000"
    path.write_bytes(pdf(""))
    with pytest.raises(InputError, match="a scan"):
        extract_file(path)
    path.write_bytes(b"%PDF-1.4 broken")
    with pytest.raises(InputError, match="cannot be read"):
        extract_file(path)


def pdf(words: str) -> bytes:
    """A PDF file of one page, written by hand."""
    content = f"BT /F1 12 Tf 40 700 Td ({words}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + table + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(out)

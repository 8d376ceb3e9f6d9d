"""The formats: interchange documents and rule sets parse strictly; files that cannot be read say why."""

from __future__ import annotations

import json

import pytest
import spacy

import compliance.pipe  # noqa: F401 - registers the component
from compliance.diff import diff
from compliance.extract import extract_file, extract_text
from compliance.model import RuleFormatError, dumps, parse_rule
from compliance.rulebook import TEXTS, documents, model_ruleset, text
from compliance.ruleset import RuleSet, build, cuts
from ledger.errors import InputError, VerificationError

SAMPLE = "5 A bank shall report each cash transaction of more than $10,000 within 15 days.\n"


def sample() -> dict:
    return extract_text(SAMPLE, document="us_s.txt").to_json()


def test_documents_survive_their_own_form():
    document = extract_text(SAMPLE, document="us_s.txt")
    (rule,) = json.loads(dumps(document))["rules"]
    assert parse_rule(rule, document="us_s.txt") == document.rules[0]
    assert json.loads(dumps([document, document])) == [document.to_json(), document.to_json()]
    assert list(document.to_json())[:4] == ["document", "sha256", "jurisdiction", "rules"]
    rule = document.to_json()["rules"][0]
    assert rule["trigger"]["amount"] == "10000"
    assert rule["span"] == [2, len(SAMPLE) - 1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda r: r.pop("kind"), "field kind"),
        (lambda r: r.update(kind="tax"), "field kind"),
        (lambda r: r["trigger"].update(amount=10000), "field trigger.amount"),
        (lambda r: r["trigger"].update(amount="10,000"), "field trigger.amount"),
        (lambda r: r["trigger"].update(op="more"), "field trigger.op"),
        (lambda r: r["trigger"].update(span=[9, 3]), "field trigger.span"),
        (lambda r: r["deadline"].update(value="15"), "field deadline.value"),
        (lambda r: r.update(extra=1), "field extra"),
        (lambda r: r.update(span=[0.5, 2]), "field span"),
    ],
)
def test_a_bad_field_is_named_with_document_and_rule(change, field):
    rule = sample()["rules"][0]
    change(rule)
    with pytest.raises(RuleFormatError) as caught:
        parse_rule(rule, document="us_s.txt")
    assert caught.value.where == f"document us_s.txt, rule us-s.5-1, {field}"


def test_what_is_no_rule_is_said():
    with pytest.raises(RuleFormatError) as caught:
        parse_rule([1], document="us_s.txt")
    assert caught.value.where == "document us_s.txt"


def test_rule_sets_survive_their_bytes_and_refuse_others():
    rules = model_ruleset()
    data = rules.to_bytes()
    assert RuleSet.from_bytes(data) == rules
    assert RuleSet.from_bytes(data).hash == rules.hash
    with pytest.raises(VerificationError):
        RuleSet.from_bytes(data.replace(b"counterfoil/ruleset/2", b"counterfoil/ruleset/3"))
    value = json.loads(data)
    value["rules"][0]["kind"] = "tax"
    from ledger import canonical

    with pytest.raises(RuleFormatError, match="not a rule document"):
        RuleSet.from_bytes(canonical.dumps(value))
    value = json.loads(data)
    del value["clauses"][value["rules"][0]["rule_id"]]
    with pytest.raises(RuleFormatError, match="do not correspond"):
        RuleSet.from_bytes(canonical.dumps(value))


@pytest.mark.parametrize("at", range(0, 4000, 97))
def test_one_changed_byte_is_refused_or_changes_the_hash(at):
    rules = model_ruleset()
    data = bytearray(rules.to_bytes())
    data[at] ^= 1
    try:
        other = RuleSet.from_bytes(bytes(data))
    except (VerificationError, InputError):
        return
    assert other.hash != rules.hash


def test_a_rule_set_is_built_of_the_texts_it_names():
    document = extract_text(SAMPLE, document="us_s.txt")
    assert build("x", [(document, SAMPLE)]).clauses == {"us-s.5-1": SAMPLE[2:].strip()}
    with pytest.raises(VerificationError, match="has changed"):
        build("x", [(document, SAMPLE + " ")])
    with pytest.raises(RuleFormatError, match="one identifier"):
        build("x", [(document, SAMPLE), (document, SAMPLE)])


def test_rules_under_review_are_not_in_force():
    document = extract_text(SAMPLE, document="s.txt")
    assert document.rules[0].status == "needs_review"
    assert build("x", [(document, SAMPLE)]).rules == ()


def test_the_model_rulebook_is_decided_to_the_last_amount():
    for document, name in zip(documents(), TEXTS, strict=True):
        words = text(name)
        assert all(rule.status != "needs_review" for rule in document.rules)
        assert all(r.reason == "heading" for r in document.rejected)
        for rule in document.rules:
            assert "modelled on" in rule.citation
            if rule.trigger:
                assert words[slice(*rule.trigger.span)]
    assert cuts(model_ruleset()) == {
        "CAD": [1_000_000],
        "EUR": [1_000_000, 1_000_001],
        "USD": [300_000, 1_000_001],
    }


def test_files_that_cannot_be_read_say_why(tmp_path):
    path = tmp_path / "us_bad.txt"
    path.write_bytes(b"A bank shall \xff report")
    with pytest.raises(InputError, match="byte 0xff at offset 13"):
        extract_file(path)
    with pytest.raises(InputError, match="cannot be read"):
        extract_file(tmp_path / "absent.txt")
    path.write_bytes(b"")
    assert extract_file(path).notes == ("the text is empty",)
    path.write_text("Dies ist ein deutscher Text ohne Regel.", encoding="utf-8")
    assert extract_file(path).notes == ("no amount, period, duty or exemption of English law was recognised",)
    with pytest.raises(InputError, match="unknown jurisdiction"):
        extract_file(path, jurisdiction="XX")


def test_two_editions_differ_in_rules_and_in_bands():
    old = "5 A bank shall report each cash transaction of more than $10,000.\n\n6 A bank shall keep records for five years."  # noqa: E501
    new = "5 A bank shall report each\ncash transaction of $9,000 or more.\n\n7 A bank shall report wire transfers above $1."  # noqa: E501
    changes = diff(extract_text(old, document="us_a"), extract_text(new, document="us_a"))
    assert [c.what for c in changes] == ["changed", "removed", "added"]
    assert changes[0].fields == {"trigger.op": ("gt", "ge"), "trigger.amount": ("10000", "9000")}
    assert changes[0].cuts == ([("USD", 1_000_001)], [("USD", 900_000)])
    document = extract_text(old, document="us_a")
    assert diff(document, extract_text("\n\n" + old.replace(" a bank", "\na bank"), document="us_a")) == []


def test_the_component_works_in_any_spacy_pipeline():
    nlp = spacy.blank("en")
    nlp.add_pipe("regulatory_rules", config={"jurisdiction": "US"})
    doc = nlp(SAMPLE)
    assert [rule.kind for rule in doc._.rules.rules] == ["report"]
    assert [(s.text, s.label_) for s in doc.spans["thresholds"]] == [("more than $10,000", "gt")]

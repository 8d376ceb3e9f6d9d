"""The annotated provisions that may lie beside the checkout: offsets, score and speed on real law."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compliance.check import compile_ruleset
from compliance.extract import extract_file
from compliance.model import dumps
from compliance.ruleset import build

FOLDER = (Path(__file__).resolve().parents[2] / "../shared/regulations").resolve()
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no annotated regulations beside the checkout")


def texts(folder: str) -> list[Path]:
    return sorted((FOLDER / folder).glob("*.txt"))


def test_every_field_reproduces_its_words():
    for path in [*texts("annotated"), *texts("more")]:
        words = path.read_bytes().decode("utf-8")
        document = extract_file(path)
        for rule in document.rules:
            for name in ("subject", "action"):
                value = getattr(rule, name)
                assert value is None or words[slice(*rule.spans[name])] == value
            for exemption in rule.exemptions:
                assert words[slice(*exemption.span)] == exemption.text
            if rule.trigger and rule.trigger.amount:
                digits = "".join(c for c in words[slice(*rule.trigger.span)] if c.isdigit())
                assert rule.trigger.amount.replace(".", "") in digits
        for rejected in document.rejected:
            assert words[slice(*rejected.span)] == rejected.text


def test_the_score_is_within_what_an_officer_can_trust(tmp_path):
    predictions = tmp_path / "predictions.json"
    predictions.write_text(dumps([extract_file(path) for path in texts("annotated")]), encoding="utf-8")
    command = [sys.executable, str(FOLDER / "score.py"), str(predictions), "--show-errors"]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = {line[:27].strip(): line[27:] for line in table.splitlines()}
    for name in ("threshold precision", "threshold recall", "amount", "currency", "op"):
        right, of = (int(x) for x in lines[name].split("(")[1].rstrip(")\n ").split("/"))
        assert of - right <= (0 if name in ("amount", "currency") else 1), table


def test_executable_rules_compile_and_the_order_of_files_does_not_matter():
    pairs = []
    for path in texts("annotated"):
        words = path.read_bytes().decode("utf-8")
        document = extract_file(path)
        pairs.append((document, words))
        assert json.dumps(document.to_json()) == json.dumps(extract_file(path).to_json())
    forward, backward = build("x", pairs), build("x", pairs[::-1])
    assert forward.rules == backward.rules
    compiled = {check.rule.rule_id for check in compile_ruleset(forward)}
    assert compiled == {rule.rule_id for rule in forward.rules if rule.status == "executable"}
    assert len(compiled) >= sum(r.status == "executable" for d, _ in pairs for r in d.rules)

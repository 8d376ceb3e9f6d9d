"""The commands of the audit of evaluations: draw, open, verify, and what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from ledger.opened_draw import OpenedDraw, Reason, UnexplainedElement
from tests.cli.conftest import call
from tests.support.consortium import SmallConsortium

ALFA = "ALFADEFF"


def test_an_auditor_draws_a_member_opens_and_the_auditor_reads_what_it_means(
    consortium: SmallConsortium, tmp_path: Path
) -> None:
    home, chain = consortium.home.root, ("--chain", consortium.url)
    draw, opened = tmp_path / "draw.json", tmp_path / "opened.json"
    said = call(home, *chain, "audit", "draw", ALFA.lower(), "--count", 6, "--out", draw).expect()
    assert f"6 elements of the 93 that {ALFA} anchored" in said.out
    assert "member open-draw -m ALFADEFF draw.json" in said.err

    said = call(
        home, *chain, "--json", "member", "open-draw", "-m", ALFA, draw, "--recipient", "Supervisor",
        "--out", opened,
    ).expect()  # fmt: skip
    assert said.json["elements"] == 6
    assert opened.stat().st_mode & 0o077 == 0  # it names accounts
    to_terminal = call(home, *chain, "member", "open-draw", "-m", ALFA, draw, "--recipient", "S").expect()
    assert OpenedDraw.from_bytes(to_terminal.out.encode()).recipient == "S"

    said = call(home, *chain, "audit", "opened", opened, "--draw", draw, "--recipient", "Supervisor").expect()
    assert "explain 6 of 6 drawn elements" in said.out
    assert "with 95 % confidence, at most 39.3% of its 93 elements are guesses" in said.out
    assert "acct:" not in said.out + said.err
    found = call(home, *chain, "--json", "audit", "opened", opened, "--draw", draw).expect().json
    assert (found["member"], found["drawn"], found["explained"], found["total"]) == (ALFA, 6, 6, 93)

    refused = call(home, *chain, "audit", "opened", opened, "--draw", draw, "--recipient", "Me").expect(1)
    assert "does not verify: the draw was opened for another recipient" in refused.err


def test_an_unexplained_element_ends_with_exit_code_1_and_the_whole_table(
    consortium: SmallConsortium, tmp_path: Path
) -> None:
    home, chain = consortium.home.root, ("--chain", consortium.url)
    draw, opened = tmp_path / "draw.json", tmp_path / "opened.json"
    call(home, *chain, "audit", "draw", ALFA, "--count", 200, "--out", draw).expect()
    words = ("member", "open-draw", "-m", ALFA, draw, "--recipient", "Supervisor", "--out", opened)
    call(home, *chain, *words).expect()
    answer = OpenedDraw.from_bytes(opened.read_bytes())
    told = [UnexplainedElement(e.place, Reason.UNKNOWN) for e in answer.elements]
    lie = replace(answer, elements=told, disclosures=()).sign(
        consortium.gateway.deployment.domain("EvaluationLog"), consortium.keys[ALFA].account
    )
    opened.write_bytes(lie.to_bytes())
    said = call(home, *chain, "--json", "audit", "opened", opened, "--draw", draw).expect(1)
    assert said.json["unexplained"] == len(said.json["elements"]) == 93
    assert "cannot explain 93 of 93 drawn elements" in said.err
    said = call(home, *chain, "audit", "opened", opened, "--draw", draw).expect(1)
    assert "All 93 elements were drawn" in said.out
    assert "93 may be guesses" in said.out


def test_a_draw_that_was_edited_is_refused_with_exit_code_1(
    consortium: SmallConsortium, tmp_path: Path
) -> None:
    home, chain = consortium.home.root, ("--chain", consortium.url)
    draw = tmp_path / "draw.json"
    call(home, *chain, "audit", "draw", ALFA, "--count", 3, "--out", draw).expect()
    value = json.loads(draw.read_bytes())
    value["elements"] = value["elements"][::-1]
    draw.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")))
    words = ("member", "open-draw", "-m", ALFA, draw, "--recipient", "Supervisor")
    assert "chosen, not drawn" in call(home, *chain, *words).expect(1).err
    assert (
        "no such file" in call(home, *chain, "audit", "opened", draw, "--draw", tmp_path / "no").expect(2).err
    )
    assert (
        "1 to 1,000"
        in call(home, *chain, "audit", "draw", ALFA, "--count", 1_001, "--out", draw).expect(2).err
    )

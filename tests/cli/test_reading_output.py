"""What a person reads at 80 columns, and what a program reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.output import Settings, emit, show_entries, show_error, show_facts, show_table, tell
from ledger.errors import InputError
from ledger.home import Home


def _settings(*, as_json: bool) -> Settings:
    return Settings(Home(Path("x")), None, as_json)


def test_json_holds_null_where_a_number_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"nan": float("nan"), "infinite": [float("inf")], "numpy": np.float64("nan"), "share": 0.5}
    emit(_settings(as_json=True), value, lambda: None)
    read = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert read == {"nan": None, "infinite": [None], "numpy": None, "share": 0.5}


def test_json_is_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    emit(_settings(as_json=True), {"hash": b"\x01\xff", "path": Path("a")}, lambda: tell("not this"))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"hash": "01ff", "path": "a"}
    assert captured.err == ""


def test_quantities_are_grouped_and_identifiers_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("T", ["rows", "share"], [(12345, 0.5), (7, None)])
    show_facts("F", [("chain_id", 20261), ("pid", 123456), ("running", True), ("url", None)])
    out = capsys.readouterr().out
    assert "12,345" in out
    assert "0.50" in out
    assert "20261" in out
    assert "123456" in out
    assert "chain id" in out
    assert "running   yes" in out


def test_text_of_others_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "pay\x1b[2J\x1b]0;owned\x07 [bold]now[/] [/nothing]"
    show_table("T", ["a"], [(hostile,)])
    show_facts("F", [("purpose", hostile)])
    show_entries("E", [(("id",), hostile)])
    tell(hostile)
    show_error(InputError(hostile, where=hostile, next_step=hostile))
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "\x07" not in captured.out + captured.err
    assert "[bold]now[/]" in captured.out
    assert "[/nothing]" in captured.err


def test_long_explanations_are_indented_below_and_keep_to_the_width(
    capsys: pytest.CaptureFixture[str],
) -> None:
    explanation = "One account was paid by many accounts. " * 6
    show_entries("2 flags", [(("0123456789ab", "fan_in"), explanation), (("ba", "cycle"), "Short.")])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "0123456789ab  fan_in" in lines
    assert "ba            cycle" in lines
    assert sum(line.startswith("  ") and "account" in line for line in lines) >= 3
    assert not any(line.startswith("One") for line in lines)


def test_the_next_step_is_a_command_that_works_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError("nothing here", where="a file", next_step="Run `counterfoil desk sync` first.")
    show_error(error, program="counterfoil --home '/a b'")
    said = capsys.readouterr().err
    assert "`counterfoil --home '/a b' desk sync`" in said
    assert said.splitlines() == [
        "error: nothing here",
        "  where: a file",
        "  next:  Run `counterfoil --home '/a b' desk sync` first.",
    ]

"""Every command explains itself, and the documentation names only commands that are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import counterfoil
from cli.main import app
from tests.cli.conftest import call

ROOT = Path(__file__).resolve().parents[2]
PROGRAM: Any = typer.main.get_command(app)


def _walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in getattr(command, "commands", {}).items():
        yield (*path, name), child
        yield from _walk(child, (*path, name))


COMMANDS = dict(_walk(PROGRAM))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_explains_itself_and_every_option(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert (command.help or "").strip()[-1:] in (".", ":"), "a sentence says what the command does"
    assert not [part for part in command.help.split("\n\n") if "\n" in part], "the terminal folds it"
    silent = [p.name for p in command.params if not getattr(p, "help", None) and p.name != "help"]
    assert not silent, f"these are not explained: {silent}"


def _commands_on(page: Path) -> list[str]:
    text = page.read_text("utf-8")
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(counterfoil [^`]+)`", text)
    return [line for line in (*lines, *inline) if line.startswith("counterfoil ")]


def test_the_readme_names_commands() -> None:
    assert len(_commands_on(ROOT / "README.md")) > 10


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_a_page_names_only_commands_and_options_that_are_there(page: Path) -> None:
    for line in _commands_on(page):
        words = shlex.split(line, comments=True)[1:]
        command: Any = PROGRAM
        while words and getattr(command, "commands", None):
            while words and words[0].startswith("-"):  # options before the command
                option = words.pop(0)
                known = next((p for p in command.params if option in p.opts), None)
                assert known is not None, f"{line}: no option {option}"
                if not known.is_flag:
                    words.pop(0)
            if not words or words[0] in ("...", "…"):
                break
            for name in words.pop(0).split("|"):
                assert name in command.commands, f"{line}: no command {name}"
            command = command.commands[name]
        options = [word.partition("=")[0] for word in words if re.match(r"-{1,2}[a-z]", word)]
        known_options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
        assert set(options) <= known_options | {"--help", "-h"}, line


def test_the_version_is_the_one_of_the_package(tmp_path: Path) -> None:
    said = call(tmp_path, "--version").expect()
    assert said.out == f"counterfoil {counterfoil.__version__}\n"
    assert said.err == ""
    assert re.match(r"\d+(\.\d+)*", counterfoil.__version__)


def test_help_answers_at_once_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, cli.main\n"
        "print([m for m in ('web3', 'fastapi', 'numba', 'spacy', 'sklearn', 'networkx', 'duckdb', 'pandas')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert done.stdout.strip() == "[]", done.stderr

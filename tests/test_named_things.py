"""Names of our own modules, classes and functions in docstrings, comments, errors and documents exist."""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"})
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_SPAN = re.compile(r"`+([^`\n]+)`+")
_DOTTED = re.compile(r"(?<![\w./@-])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?![\w/-])")
_RUN = re.compile(r"python3? -m ([\w.]+)")
#: `state.sqlite` and `cases.sqlite` are files, not attributes.
_FILE = re.compile(r"\.(py|md|json|csv|parquet|sqlite|sqlite3|toml|txt|key|log|svg|html)$")


def named(text: str) -> set[str]:
    """Return every dotted name in backticks, and every module that a command runs."""
    dotted = {name for span in _SPAN.findall(text) for name in _DOTTED.findall(span)}
    return {name for name in dotted if not _FILE.search(name)}.union(_RUN.findall(text))


@cache
def modules() -> dict[str, Path]:
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in SOURCES}


@cache
def classes() -> dict[str, dict[str, set[str]]]:
    """Return our classes by name: in which modules they stand, and what their methods set on `self`."""
    found: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef):
                stored = (n for n in ast.walk(node) if isinstance(getattr(n, "ctx", None), ast.Store))
                found[node.name][module] = {n.attr for n in stored if isinstance(n, ast.Attribute)}
    return found


def exists(name: str) -> bool:
    """Say whether a name that begins with one of our packages, or with one of our classes, is true."""
    first, *rest = name.split(".")
    if first not in PACKAGES:
        return any(has(getattr(import_module(module), first, None), rest) for module in classes()[first])
    parts = name.split(".")
    while ".".join(parts) not in modules():
        parts.pop()
    return has(import_module(".".join(parts)), name.split(".")[len(parts) :])


def has(thing: Any, names: list[str]) -> bool:
    for name in names:
        if isinstance(thing, type) and name in instance_fields(thing):
            return True
        if not hasattr(thing, name):
            return False
        thing = getattr(thing, name)
    return thing is not None


def instance_fields(kind: type) -> set[str]:
    """Return what instances have and the class does not: annotated fields, and what methods set on `self`."""
    annotated = {name for base in kind.__mro__ for name in inspect.get_annotations(base)}
    return annotated.union(*(classes().get(b.__name__, {}).get(b.__module__, set()) for b in kind.__mro__))


def untrue(text: str) -> list[str]:
    own = {*PACKAGES, *classes()}
    return sorted(name for name in named(text) if name.split(".")[0] in own and not exists(name))


def test_what_is_named_exists() -> None:
    found = {str(path.relative_to(ROOT)): untrue(path.read_text("utf-8")) for path in [*SOURCES, *DOCUMENTS]}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "name", ["ledger.nothing", "ledger.storage.nothing", "Mirror.nothing", "cli.local.A.b"]
)
def test_what_does_not_exist_is_found(name: str) -> None:
    assert untrue(f"See `{name}`, or ``{name}``.") == [name]
    assert untrue(f"    python -m {name} --help") == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("ledger.storage.write_atomically", "ledger.reader.mirror", "Mirror.sync", "Mirror.folder"),
        *("FileEntry.sha256", "CaseBook.close", "cases.sqlite", "ledger.json", "numpy.nothing"),
    ],
)
def test_a_module_a_function_a_field_a_file_and_what_is_not_ours_are_left_alone(name: str) -> None:
    assert untrue(f"`{name}`") == []

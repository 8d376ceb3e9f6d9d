"""No value of a document may be of another type, no field may be missing, and none may be added.

The places of every golden document are tried one after the other: there is no chance in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from ledger import canonical
from tests.support.golden import GOLDEN, Golden

#: A value of each type of JSON, and a number that is not whole.
SAMPLES: Final[tuple[tuple[str, Any], ...]] = (
    ("null", None), ("boolean", True), ("boolean", False), ("whole", 1), ("number", 1.5), ("text", "1"),
    ("array", []), ("array", [None]), ("object", {}), ("object", {"x": None}),
)  # fmt: skip

#: Items of an array that are tried: what follows is of their type.
_FIRST: Final = 3

#: Documents of JSON that is not canonical.
_PLAIN: Final = ("chain backup", "chain genesis")

#: Formats that are text.
_TEXTS: Final = ("checkpoint", "verifier key", "checkpoint policy", "log proof", "witness request")

KINDS: Final = [kind for kind, golden in GOLDEN.items() if golden.read and kind not in _TEXTS]


def type_of(value: Any) -> str:
    """Name the type of a JSON value."""
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (int, "whole"), (float, "number"), (str, "text"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object"


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every place of a JSON value, and what stands there; of an array, its first places."""
    yield at, value
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value[:_FIRST]):
            yield from places(item, (*at, key))


def changed(value: Any, at: tuple[str | int, ...], change: Callable[[Any], Any]) -> Any:
    """Return the value with a change in one place."""
    if not at:
        return change(value)
    again = dict(value) if isinstance(value, dict) else list(value)
    again[at[0]] = changed(again[at[0]], at[1:], change)
    return again


def path_of(at: tuple[str | int, ...], golden: Golden) -> str:
    """Write a place as `Golden` names it: ``rows[].member``, ``words.*`` for any key of a map."""
    path = ""
    for step in at:
        if isinstance(step, int):
            path += "[]"
        else:
            name = "*" if path in golden.maps else step
            path += f".{name}" if path else name
    return path


def is_free(path: str, golden: Golden) -> bool:
    return any(path.startswith(free) for free in golden.free)


class Attempts:
    """Hands changed documents of one kind to its parser."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.golden = GOLDEN[kind]
        self.value: Any = json.loads(self.golden.write(folder))
        self.kind = kind
        self.folder = folder
        self.count = 0

    def refuse(self, value: Any, what: str) -> None:
        """Fail unless the parser refuses a value, with its own error."""
        value = self.golden.close(value)
        data = json.dumps(value).encode() if self.kind in _PLAIN else canonical.dumps(value)
        self.count += 1
        folder = self.folder / f"read-{self.count}"
        folder.mkdir()
        assert self.golden.read is not None
        try:
            self.golden.read(data, folder)
        except self.golden.error:
            return
        pytest.fail(f"{self.kind}: {what} went unseen")


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_of_another_type_is_refused_wherever_it_stands(kind: str, tmp_path: Path) -> None:
    attempts = Attempts(kind, tmp_path)
    golden = attempts.golden
    for at, present in places(attempts.value):
        path = path_of(at, golden)
        if is_free(path, golden):
            continue
        for name, sample in SAMPLES:
            same = name == type_of(present)
            number = path in golden.fractions and {name, type_of(present)} <= {"whole", "number"}
            optional = path in golden.nullable and "null" in (name, type_of(present))
            if not (same or number or optional):
                wrong = changed(attempts.value, at, lambda _, sample=sample: sample)
                attempts.refuse(wrong, f"{sample!r} as {path or 'the whole'}")
    assert attempts.count > 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_is_missing_or_added_is_refused_wherever_it_stands(kind: str, tmp_path: Path) -> None:
    attempts = Attempts(kind, tmp_path)
    golden = attempts.golden
    for at, present in places(attempts.value):
        path = path_of(at, golden)
        if not isinstance(present, dict) or path in golden.maps or is_free(f"{path}.", golden):
            continue
        for name in present:
            if kind == "rule set" and path.startswith("rules[]") and not required(path, name):
                continue
            less = {key: item for key, item in present.items() if key != name}
            attempts.refuse(changed(attempts.value, at, lambda _, less=less: less), f"{path} without {name}")
        more = {**present, "more": 1}
        attempts.refuse(changed(attempts.value, at, lambda _, more=more: more), f"{path} with one field more")
    assert attempts.count > 2


def required(path: str, name: str) -> bool:
    """Say whether a field of a rule is one without a default: `compliance.model` leaves defaults out."""
    return (path, name) not in {("rules[]", "references"), ("rules[]", "spans")}

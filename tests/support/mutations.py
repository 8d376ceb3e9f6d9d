"""Mutations of proofs: bytes, fields and structures, each from a number, so that one can be played again."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

from ledger import canonical

__all__ = ["mutated_bytes", "mutated_json", "mutated_text", "places"]

Path = tuple[str | int, ...]

#: Values that a careless parser takes for others.
_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    1,
    2,
    3,
    -1,
    2**31,
    2**32,
    2**53 - 1,
    2**53,
    2**64,
    2**70,
    0.5,
    1e300,
    "",
    "0",
    "1",
    " ",
    "true",
    "null",
    "00",
    "A" * 64,
    "ab" * 32,
    "0" * 64,
    "f" * 64,
    "\u0000",
    "\ud83d\ude00",
    "ALFADEFF",
    "CHARUS33",
    "Ｅ",
    [],
    {},
    [None],
    [[]],
    {"": 0},
    {"kind": "token", "t": "00" * 32},
    [0],
    ["00" * 32],
)
_NAMES: Final = ("x", "format", "signature", "value", "proof", "kind", "row", "FORMAT", "", "é", "index")


def mutated_bytes(data: bytes, chosen: Random) -> bytes:
    """Change, drop, insert, double, swap or cut off bytes."""
    made = bytearray(data)
    for _ in range(chosen.choice((1, 1, 1, 2, 4))):
        at = chosen.randrange(len(made))
        kind = chosen.randrange(7)
        if kind == 0:
            made[at] ^= 1 << chosen.randrange(8)
        elif kind == 1:
            made[at] = chosen.choice(b'0123456789abcdef"{}[]:, \n\\')
        elif kind == 2:
            del made[at : at + chosen.choice((1, 1, 2, 64))]
        elif kind == 3:
            made[at:at] = bytes([chosen.randrange(256)])
        elif kind == 4:
            made[at:at] = made[at : at + chosen.choice((1, 2, 64, 200))]
        elif kind == 5:
            other = chosen.randrange(len(made))
            made[at], made[other] = made[other], made[at]
        else:
            del made[max(at, 1) :]
        if not made:
            return b" "
    return bytes(made)


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each value in JSON, the whole first."""
    yield path
    if isinstance(value, dict):
        for name, held in value.items():
            yield from places(held, (*path, name))
    elif isinstance(value, list):
        for number, held in enumerate(value):
            yield from places(held, (*path, number))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def mutated_json(data: bytes, chosen: Random, others: Sequence[bytes], *, spared: str = "") -> bytes:
    """Change fields and structures of a JSON document.

    Parameters
    ----------
    data : bytes
    chosen : Random
    others : sequence of bytes
        Other valid documents of the same kind, whose parts are put into this one.
    spared : str
        A field of the document that stays as it is in nine of ten mutants.

    Returns
    -------
    bytes
        Canonical JSON where the value has such a form, and JSON otherwise.
    """
    if chosen.random() < 0.03:
        return _doubled_name(data, chosen)
    value = json.loads(data)
    kept = spared if chosen.random() < 0.9 else None
    for _ in range(chosen.choice((1, 1, 1, 1, 2, 3))):
        path = chosen.choice([path for path in places(value) if path and path[0] != kept] or [()])
        if not path:
            break
        *before, last = path
        holder = _at(value, tuple(before))
        _CHANGES[chosen.randrange(len(_CHANGES))](holder, last, chosen, (path, others))
    try:
        return canonical.dumps(value)
    except Exception:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8", "replace")


def mutated_text(text: str, chosen: Random) -> str:
    """Change a note, a proof of a log or a policy: its lines, words, numbers and base64 values."""
    lines = text.split("\n")
    for _ in range(chosen.choice((1, 1, 2))):
        at, other = chosen.randrange(len(lines)), chosen.randrange(len(lines))
        kind = chosen.randrange(9)
        if kind == 0:
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 1 and len(lines) > 1:
            del lines[at]
        elif kind == 2:
            lines.insert(at, lines[other])
        elif kind == 3:
            lines.insert(
                at,
                chosen.choice(("", "x", "extra AAAA", "# note", "log", "quorum none", "\u2014 x AAAAAAA=")),
            )
        elif kind == 4:
            lines[at] = chosen.choice((lines[at] + " ", lines[at] + "\r", " " + lines[at], lines[at] + "\t"))
        elif kind == 5:
            lines[at] = _other_base64(lines[at], chosen)
        elif kind == 6:
            lines[at] = _other_number(lines[at], chosen)
        else:
            lines[at] = mutated_bytes(lines[at].encode() or b"x", chosen).decode("utf-8", "replace")
        lines = lines or [""]
    return "\n".join(lines)


def _doubled_name(data: bytes, chosen: Random) -> bytes:
    """Write a field twice; the second value is the same, or another."""
    value = json.loads(data)
    path = chosen.choice([path for path in places(value) if path and isinstance(path[-1], str)])
    field = json.dumps({path[-1]: _at(value, path)}, sort_keys=True, separators=(",", ":")).encode()[1:-1]
    again = field if chosen.random() < 0.5 else json.dumps({path[-1]: 1}).encode()[1:-1]
    return data.replace(field, field + b"," + again, 1)


def _set(holder: Any, last: Any, chosen: Random, _: Any) -> None:
    holder[last] = chosen.choice(_VALUES)


def _nudge(holder: Any, last: Any, chosen: Random, _: Any) -> None:
    """Change a value to one of the same type, which is the harder case."""
    held = holder[last]
    if isinstance(held, bool) or held is None:
        holder[last] = "x" if held is None else not held
    elif isinstance(held, int):
        holder[last] = held + chosen.choice((-1, 1, 7, 256, 2**32, -held))
    elif isinstance(held, str) and "\n" in held:
        holder[last] = mutated_text(held, chosen)
    elif isinstance(held, str):
        at = chosen.randrange(len(held) + 1)
        new = chosen.choice("0123456789abcdefABC.-:Z ")
        holder[last] = chosen.choice(
            (
                held[:at] + new + held[at + 1 :],
                held[:at] + held[at + 1 :],
                held[:at] + new + held[at:],
                held.upper(),
                held[:-2],
                held + "00",
            )
        )
    elif isinstance(held, list):
        _shuffle(holder, last, chosen, _)
    else:
        _remove(holder, last, chosen, _)


def _retype(holder: Any, last: Any, chosen: Random, _: Any) -> None:
    held = holder[last]
    forms = [str(held), [held], {"value": held}, None]
    if isinstance(held, int) and not isinstance(held, bool):
        forms += [bool(held), float(held) + 0.5, -held]
    if isinstance(held, str) and held.isascii() and held.isdigit():
        forms.append(int(held[:300]))
    holder[last] = chosen.choice(forms)


def _remove(holder: Any, last: Any, chosen: Random, _: Any) -> None:
    del holder[last]


def _add(holder: Any, last: Any, chosen: Random, _: Any) -> None:
    if isinstance(holder, dict):
        holder[chosen.choice(_NAMES)] = chosen.choice((*_VALUES, holder[last]))
    else:
        holder.insert(last, chosen.choice((*_VALUES, holder[last])))


def _rename(holder: Any, last: Any, chosen: Random, _: Any) -> None:
    if isinstance(holder, dict):
        holder[chosen.choice(_NAMES)] = holder.pop(last)
    else:
        holder.append(holder.pop(last))


def _shuffle(holder: Any, last: Any, chosen: Random, _: Any) -> None:
    """Reorder, drop or double elements of a list."""
    held = holder[last] if isinstance(holder[last], list) else holder
    if not isinstance(held, list) or not held:
        return
    kind, at = chosen.randrange(4), chosen.randrange(len(held))
    if kind == 0:
        chosen.shuffle(held)
    elif kind == 1:
        held.reverse()
    elif kind == 2:
        del held[at]
    else:
        held.insert(chosen.randrange(len(held) + 1), held[at])


def _swap_inside(holder: Any, last: Any, chosen: Random, _: Any) -> None:
    other = chosen.choice(sorted(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[last], holder[other] = holder[other], holder[last]


def _from_another(holder: Any, last: Any, chosen: Random, more: tuple[Path, Sequence[bytes]]) -> None:
    """Put in the same part of another valid document."""
    path, others = more
    try:
        holder[last] = _at(json.loads(chosen.choice(others)), path)
    except (KeyError, IndexError, TypeError):
        _set(holder, last, chosen, None)


_CHANGES: Final = (
    _set,
    _nudge,
    _nudge,
    _nudge,
    _retype,
    _remove,
    _add,
    _rename,
    _shuffle,
    _swap_inside,
    _from_another,
    _from_another,
)


def _other_base64(line: str, chosen: Random) -> str:
    """Change the last word of a line, if it is base64: other bytes, or the same bytes in another spelling."""
    start, _, word = line.rpartition(" ")
    try:
        raw = bytearray(base64.b64decode(word, validate=True))
    except ValueError:
        return line + "="
    if not raw:
        return line
    if chosen.random() < 0.5:
        spelling = base64.b64encode(raw).decode()
        again = chosen.choice(
            (spelling.rstrip("="), spelling + "=", spelling.replace("+", "-"), spelling[:-2] + "B=")
        )
    else:
        raw[chosen.randrange(len(raw))] ^= 1 << chosen.randrange(8)
        again = base64.b64encode(raw[: chosen.choice((len(raw), len(raw) - 1, 4, 36))]).decode()
    return f"{start} {again}" if start else again


def _other_number(line: str, chosen: Random) -> str:
    words = line.split(" ")
    numbers = [n for n, word in enumerate(words) if word.isascii() and word.isdigit()]
    if not numbers:
        return line + "0"
    at = chosen.choice(numbers)
    held = int(words[at])
    words[at] = chosen.choice(
        (
            str(held + 1),
            str(max(held - 1, 0)),
            "0" + words[at],
            "+" + words[at],
            "-1",
            str(2**63),
            str(2**64 + held),
            words[at] + ".0",
        )
    )
    return " ".join(words)

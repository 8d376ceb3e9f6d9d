"""Lists of flags: whole documents, as they were read before, against columns and pages.

``python -m bench.flag_list`` writes a file of cases of the first version with many flags, one in ten of them
decided, and reads it as the first version did: every document, to show fifty flags, to find one, and to print
all as JSON. Then the file is opened, which brings it up to date, and the same is read as it is now. Each step
runs in a process of its own; told are its peak memory and its processor time, which other work on the machine
hardly touches. The opening of the file is part of each step.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

from bench.report import machine
from cli.output import say, show_table
from ledger import canonical
from ledger.decision import Decision
from ledger.errors import InputError
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.reader.cases import CaseBook, KeptFlag
from ledger.reader.listing import FlagFilter

_FIRST_VERSION: Final = """
CREATE TABLE flag (
  flag_id BLOB PRIMARY KEY, content BLOB NOT NULL UNIQUE, document BLOB NOT NULL, seed BLOB NOT NULL,
  payload BLOB NOT NULL, block INTEGER
);
CREATE TABLE latest_score (flag_id BLOB PRIMARY KEY REFERENCES flag (flag_id), score REAL NOT NULL);
CREATE TABLE decision (
  content_hash BLOB PRIMARY KEY, entry INTEGER NOT NULL, block INTEGER NOT NULL, author TEXT NOT NULL,
  document BLOB NOT NULL
);
"""

_TITLES: Final = ("cycle", "fan-in", "fan-out", "chain", "burst", "pass-through")
#: Bytes of the sealed payload of a flag with 12 entities and 20 rows, for two members.
_PAYLOAD: Final = 12_000
_PAGE: Final = 50
_DIGITS: Final = 12
_LAST_SECOND: Final = 1_767_225_600  # 2026-01-01


def make_flag(random: Random, number: int) -> Flag:
    """Make a flag: 12 entities, 20 rows, a sentence; its document takes 2.3 kB."""
    begin = _LAST_SECOND - random.randrange(400 * 86_400)
    title = random.choice(_TITLES)
    return Flag(
        FlagSource("detector", title, "1", {"least": 3, "number": number}),
        title,
        Position(1, "0x" + "11" * 20, number, number),
        tuple(Entity(f"{random.getrandbits(128):032x}", member % 2 + 1) for member in range(12)),
        tuple(RowRef(row % 2 + 1, number, row) for row in range(20)),
        (begin, begin + 86_400),
        None,
        "possible",
        random.choices(("low", "medium", "high"), (70, 25, 5))[0],
        "Twelve accounts at two banks pass on more than nine tenths of what they receive within one day.",
    )


def _document(random: Random, number: int) -> bytes:
    """Return a flag's document."""
    # of this value, which has neither fractions nor letters beyond ASCII, this is the canonical form
    return json.dumps(make_flag(random, number).to_json(), separators=(",", ":"), sort_keys=True).encode()


def _write(path: Path, count: int) -> str:
    """Write a file of the first version; return the first digits of one of its flags."""
    random = Random(7)
    with closing(sqlite3.connect(path)) as state:
        state.execute("PRAGMA journal_mode=WAL")
        state.executescript(_FIRST_VERSION)
        for number in range(count):
            flag_id, payload = random.randbytes(32), random.randbytes(_PAYLOAD)
            state.execute(
                "INSERT INTO flag VALUES (?, ?, ?, ?, ?, ?)",
                (flag_id, random.randbytes(32), _document(random, number), bytes(32), payload, number),
            )
            if random.random() < 0.5:
                state.execute("INSERT INTO latest_score VALUES (?, ?)", (flag_id, random.random()))
            if number % 10 == 0:
                decision = Decision.make(flag_id, random.choice(("suspicious", "not_suspicious")), "", number)
                state.execute(
                    "INSERT INTO decision VALUES (?, ?, ?, ?, ?)",
                    (random.randbytes(32), number, number, "0x" + "11" * 20, decision.to_bytes()),
                )
        state.commit()
    return flag_id.hex()[:_DIGITS]


def _json(flag_id: bytes, flag: Flag, latest_score: float | None, verdict: str | None) -> dict[str, Any]:
    return {
        "flag_id": flag_id.hex(),
        **flag.to_json(),
        "latest_score": latest_score,
        "verdict": verdict,
    }


# -- as the first version read ------------------------------------------------------------------------------


def _every_flag(state: sqlite3.Connection) -> list[KeptFlag]:
    rows = state.execute(
        "SELECT f.flag_id, document, seed, block, score FROM flag f "
        "LEFT JOIN latest_score s ON s.flag_id = f.flag_id ORDER BY f.rowid"
    )
    return [
        KeptFlag(flag_id, Flag.from_json(canonical.loads(document)), *more)
        for flag_id, document, *more in rows
    ]


def _every_verdict(state: sqlite3.Connection) -> dict[bytes, str]:
    documents = state.execute("SELECT document FROM decision ORDER BY entry")
    decisions = [Decision.from_bytes(document) for (document,) in documents]
    return {decision.flag_id: decision.verdict for decision in decisions}


def _sorted_before(path: Path) -> tuple[list[KeptFlag], dict[bytes, str]]:
    order = ("high", "medium", "low")
    with closing(sqlite3.connect(path)) as state:
        flags, verdicts = _every_flag(state), _every_verdict(state)
    flags.sort(key=lambda k: (order.index(k.flag.severity), -(k.latest_score or 0.0), -k.flag.window[1]))
    return flags, verdicts


def _first_page_before(path: Path, _: str) -> None:
    flags, verdicts = _sorted_before(path)
    for kept in flags[:_PAGE]:
        verdicts.get(kept.flag_id)


def _find_before(path: Path, prefix: str) -> None:
    with closing(sqlite3.connect(path)) as state:
        found = [kept for kept in _every_flag(state) if kept.flag_id.hex().startswith(prefix)]
    if len(found) != 1:
        raise InputError("another number of flags than one")


def _all_before(path: Path, _: str) -> None:
    flags, verdicts = _sorted_before(path)
    value = [_json(k.flag_id, k.flag, k.latest_score, verdicts.get(k.flag_id)) for k in flags]
    with Path(os.devnull).open("w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


# -- as it is now -------------------------------------------------------------------------------------------


def _open(path: Path, _: str) -> None:
    CaseBook(path).close()


def _first_page(path: Path, _: str) -> None:
    with CaseBook(path) as book:
        book.page(order="gravest", limit=_PAGE)


def _first_page_raised(path: Path, _: str) -> None:
    with CaseBook(path) as book:
        book.page(limit=_PAGE)


def _first_page_undecided(path: Path, _: str) -> None:
    with CaseBook(path) as book:
        book.page(FlagFilter(undecided=True), limit=_PAGE)


def _find(path: Path, prefix: str) -> None:
    with CaseBook(path) as book:
        book.find(prefix)


def _counts(path: Path, _: str) -> None:
    with CaseBook(path) as book:
        book.counts()


def _all(path: Path, _: str) -> None:
    with CaseBook(path) as book, Path(os.devnull).open("w", encoding="utf-8") as file:
        for kept in book.each(order="gravest"):
            value = _json(kept.flag_id, kept.flag, kept.latest_score, kept.verdict)
            file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + ",\n")


_Step = Callable[[Path, str], None]

_FIND: Final = f"one flag by {_DIGITS} digits"
_STEPS: Final[dict[str, dict[str, _Step]]] = {
    "before": {
        "first 50, gravest first": _first_page_before,
        _FIND: _find_before,
        "all as JSON, gravest first": _all_before,
    },
    "once": {"brought up to date, once": _open},
    "now": {
        "first 50, gravest first": _first_page,
        "first 50 in the order raised": _first_page_raised,
        "first 50 that are undecided": _first_page_undecided,
        "counts by title and severity": _counts,
        _FIND: _find,
        "all as JSON, gravest first": _all,
        "opened and closed": _open,
    },
}


def _step(when: str, name: str, path: Path, prefix: str) -> tuple[float, int]:
    """Do one step in this process, a short one often; return (median seconds, peak resident KiB)."""
    seconds: list[float] = []
    while not seconds or (when != "once" and sum(seconds) < 1 and len(seconds) < 50):
        started = time.process_time()
        _STEPS[when][name](path, prefix)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _measure(path: Path, when: str, prefix: str) -> dict[str, tuple[float, float]]:
    found = {}
    for name in _STEPS[when]:
        command = [sys.executable, "-m", "bench.flag_list", "--step", when, name, str(path), prefix]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, peak = json.loads(done.stdout)
        found[name] = (seconds, peak / 1024)
        say(f"  {when}: {name}: {1_000 * seconds:,.2f} ms, {peak / 1024:.0f} MiB")
    return found


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.flag_list", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        when, name, path, prefix = options.step
        print(json.dumps(_step(when, name, Path(path), prefix)))
        return
    figures, rows = [], []
    for size in options.sizes:
        with tempfile.TemporaryDirectory(prefix="counterfoil-flags-") as folder:
            path = Path(folder) / "cases.sqlite"
            prefix = _write(path, size)
            say(f"{size:,} flags, {path.stat().st_size / 2**20:,.0f} MiB")
            before, once, now = (_measure(path, when, prefix) for when in _STEPS)
        figures.append({"flags": size, "before": before, "now": once | now})
        for name, (now_seconds, now_peak) in (once | now).items():
            told = [round(1_000 * now_seconds, 2), round(now_peak)]
            if name in before:
                seconds, peak = before[name]
                rows.append(
                    (size, name, round(1_000 * seconds, 2), round(peak), *told, round(seconds / now_seconds))
                )
            else:
                rows.append((size, name, None, None, *told, None))
    columns = ["flags", "what", "before: ms", "MiB", "now: ms", "MiB", "times"]
    show_table(f"{machine()}; processor time", columns, rows)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2))


if __name__ == "__main__":
    main()

"""The command line as people meet it: a demonstration that has ended, and a consortium that lives."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.main import app
from tests.support.rows import row, write_csv

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 80


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as a program reads it."""
        return json.loads(self.out)

    def expect(self, code: int = 0) -> Outcome:
        """Return this, when the exit code is the expected one and nobody was shown a traceback."""
        assert self.code == code, f"exit code {self.code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.out + self.err, self.err
        return self


def environment() -> dict[str, str]:
    """Return an environment in which a command meets neither our settings nor a terminal's."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    return own | {"COLUMNS": str(COLUMNS), "PYTHONPATH": str(ROOT)}


def arguments(home: Path, *words: object) -> list[str]:
    """Return the words of a command line."""
    return [sys.executable, "-m", "cli.main", "--home", str(home), *map(str, words)]


def process(home: Path, *words: object, timeout: float = 600) -> Outcome:
    """Run a command in a process of its own."""
    done = subprocess.run(
        arguments(home, *words), env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=timeout
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def call(home: Path, *words: object) -> Outcome:
    """Run a command in this process: the same words, output and exit code, without the wait for imports."""
    out, err = io.StringIO(), io.StringIO()
    code: int | str | None = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            app(["--home", str(home), *map(str, words)], prog_name="counterfoil")
        except SystemExit as end:
            code = end.code
    return Outcome(code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every command a terminal of the usual width, and none of our settings."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    for name in ("COUNTERFOIL_HOME", "COUNTERFOIL_CHAIN", "COUNTERFOIL_MEMBER"):
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True)
class Demonstration:
    """A demonstration that ran once and ended: its folder and what it printed."""

    home: Path
    summary: dict[str, Any]

    def copy(self, folder: Path) -> Path:
        """Return a copy of its folder, to be damaged or gone on with."""
        shutil.copytree(self.home, folder)
        return folder


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """`counterfoil demo --once`, one for all processes of a test run; nothing of it runs any more."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    home, note = base / "demonstration", base / "demonstration.json"
    with (base / "demonstration.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            ran = process(home, "--json", "demo", "--once", "--transactions", 3000).expect()
            note.write_text(ran.out, "utf-8")
    return Demonstration(home, json.loads(note.read_text("utf-8")))


@dataclass(frozen=True)
class Town:
    """A consortium set up by commands alone; chain and key holder run, two banks hold a dozen payments."""

    home: Path
    url: str
    files: dict[str, Path]


ALFA, BRAV = "ALFADEFF", "BRAVFRPP"


def payments(folder: Path) -> dict[str, Path]:
    """Write both banks' files: twelve payments, which both of them know."""
    from datetime import UTC, datetime, timedelta

    start = datetime.now(UTC) - timedelta(days=9)
    halves = {
        bank: [row(n, start + timedelta(hours=n), ALFA, BRAV, bank=bank) for n in range(12)]
        for bank in (ALFA, BRAV)
    }
    return {bank: write_csv(folder / f"{bank}.csv", rows) for bank, rows in halves.items()}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A living consortium of this test module's own."""
    home = tmp_path_factory.mktemp("town")
    url = call(home, "--json", "chain", "start", "--detach", "--port", 0).expect().json["url"]
    try:
        files = payments(home)
        call(home, "consortium", "found", *files).expect()
        with Serving(home, "keyholder", "serve") as _:
            yield Town(home, url, files)
    finally:
        call(home, "chain", "stop").expect()


class Serving:
    """A command that serves until it is stopped: `with Serving(home, "desk", "serve", "--port", 0) as line`.

    The value is the first line it says that names an address; `out` is what it printed, once it has ended.
    """

    def __init__(self, home: Path, *words: object) -> None:
        self._words = arguments(home, *words)
        self.out = ""

    def __enter__(self) -> str:
        self.process = subprocess.Popen(
            self._words,
            env=environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        said = ""
        for line in self.process.stderr:
            said += line
            if "http://" in line:
                return line
        raise AssertionError(f"it ended before it served: {said}")

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.out, _ = self.process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise


def wait_until(probe: Any, seconds: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)

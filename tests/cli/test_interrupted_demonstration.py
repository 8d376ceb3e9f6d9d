"""A demonstration that is killed or stopped in the middle and goes on; one that serves; a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import (
    ROOT,
    Serving,
    arguments,
    call,
    environment,
    wait_until,
)
from tests.support.schemes import as_frame, payments

_BANKS = ("ALFADEFF", "BRAVFRPP", "CHARUS33", "DELTNL2A")
_Words = tuple[str | int | Path, ...]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small labelled file of payments between four banks: six strangers pay one account, several times."""
    path = tmp_path_factory.mktemp("labelled") / "payments.csv"
    frame = as_frame(payments(datetime(2026, 1, 5, tzinfo=UTC), days=5, ordinary=120))
    for side in ("src", "dst"):
        frame[f"{side}_bank"] = [_BANKS[int(account) % len(_BANKS)] for account in frame[side]]
    schemes = frame["dst"].str.len() == 6  # ordinary accounts have five digits
    frame["pattern_id"] = frame["dst"].where(schemes, "")
    frame["pattern_type"] = schemes.map({True: "fan-in", False: ""})
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def options(labelled: Path) -> _Words:
    """The words of a command that runs the demonstration of this file once."""
    return ("demo", "--once", "--file", labelled)


def _payments(labelled: Path) -> int:
    return len(labelled.read_text("utf-8").splitlines()) - 1


def _sealed(home: Path) -> int:
    """Return how many batches stand on the chain or wait in a vault."""
    total = 0
    for vault in home.glob("members/*/vault.sqlite"):
        try:
            with sqlite3.connect(f"{vault.as_uri()}?mode=ro", uri=True) as connection:
                total += connection.execute("SELECT count(*) FROM batch").fetchone()[0]
            connection.close()
        except sqlite3.Error:
            continue
    return total


@dataclass(frozen=True)
class GoneOn:
    """A demonstration that was killed in the middle, and ended when it was run again."""

    home: Path
    returncode: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """What the second run printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture(scope="module")
def gone_on(options: _Words, tmp_path_factory: pytest.TempPathFactory) -> GoneOn:
    """Kill a demonstration with its whole group, and run it again in the background, where Ctrl-C is typed.

    A shell without job control starts what it puts in the background with SIGINT ignored.
    """
    home = tmp_path_factory.mktemp("killed") / "home"
    line = list(map(str, arguments(home, "--json", *options)))
    with _group(line) as running:
        wait_until(lambda: running.poll() is not None or _sealed(home) >= 1, 120)
        assert running.poll() is None, "it ended before it could be killed"
    wait_until(lambda: not call(home, "--json", "chain", "status").json["running"], 60)
    sealed = _sealed(home)
    assert sealed < len(_BANKS), "every bank had posted before it was killed"
    with _group(["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *line]) as running:
        wait_until(lambda: running.poll() is not None or _sealed(home) > sealed, 240)
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=240)
    return GoneOn(home, running.returncode, out, err)


@contextmanager
def _group(line: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process group of its own, which is killed at the end."""
    running = subprocess.Popen(
        line,
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()


def test_killed_with_its_whole_group_in_the_middle_it_goes_on(gone_on: GoneOn, labelled: Path) -> None:
    home, again = gone_on.home, gone_on.summary
    assert 0 < again["rows_already_held"] <= again["rows_read"]
    assert again["batches_rejected"] == 0
    assert sum(again["states"].values()) == _payments(labelled)
    records = 0
    for folder in (home / "members").iterdir():
        status = call(home, "--json", "member", "status", "-m", folder.name).expect().json
        assert status["records_waiting"] == 0
        assert status["batches_sealed"] == status["batches_posted"]
        records += status["records"]
    assert records == again["rows_read"]
    assert call(home, "--json", "chain", "status").expect().json["running"] is False
    call(home, "verify", home / "evidence" / "disclosure.json").expect()


def test_in_the_background_a_ctrl_c_for_others_stops_nothing(gone_on: GoneOn) -> None:
    assert gone_on.returncode == 0, gone_on.err


def test_stopped_on_a_terminal_it_says_how_to_go_on_and_leaves_nothing_running(
    tmp_path: Path, options: _Words
) -> None:
    home = tmp_path / "home"
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        arguments(home, *options),
        env=environment() | {"TERM": "xterm"},
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said, asked = "", False
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                said += os.read(ours, 65536).decode("utf-8", "replace")
            except OSError:
                break
        if not asked and "banks" in said and "/4" in said:
            os.killpg(running.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
            asked = True
    os.close(ours)
    assert asked, said
    assert running.wait(timeout=120) == 130, said
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    assert "0/4" in plain  # a progress bar
    assert "Stopped. Run the same command again to continue" in plain
    assert "Traceback" not in plain
    wait_until(lambda: not call(home, "--json", "chain", "status").json["running"], 60)
    assert not (home / "keyholders" / "1" / "holder" / "endpoint.json").exists()


@pytest.mark.parametrize("starting", ["chain.log", "keyholders/1/keyholder.log"])
def test_stopped_while_something_starts_it_leaves_nothing_behind(
    tmp_path: Path, options: _Words, starting: str
) -> None:
    home = tmp_path / "home"
    running = subprocess.Popen(
        arguments(home, *options),
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until((home / starting).exists, 240)
        os.kill(running.pid, signal.SIGINT)  # not the group: what it started hears of it from nobody else
        _, err = running.communicate(timeout=120)
        assert running.returncode == 130, err
        with pytest.raises(ProcessLookupError):
            os.killpg(running.pid, 0)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)


def test_run_again_it_posts_nothing_twice_and_without_once_it_serves_the_desk(
    gone_on: GoneOn, labelled: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(gone_on.home, home)
    running = Serving(home, "--json", "demo", "--file", labelled, "--port", 0)
    with running as line:
        url = re.search(r"http://[\d.:]+", line)
        assert url is not None
        with httpx.Client(base_url=url[0], timeout=120, follow_redirects=True) as client:
            for page in ("/", "/docs", "/healthz", "/openapi.json"):
                assert client.get(page).status_code == 200, page
    assert call(home, "--json", "chain", "status").expect().json["running"] is False
    first, again = gone_on.summary, json.loads(running.out)
    assert again["rows_posted"] == 0
    assert again["rows_already_held"] == again["rows_read"] == first["rows_read"]
    assert again["states"] == first["states"]
    assert again["flags"] == first["flags"] > 0
    assert again["files"]["flag"] == first["files"]["flag"]

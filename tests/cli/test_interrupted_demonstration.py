"""A demonstration that is killed or stopped in the middle and goes on; one that serves; a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import (
    ROOT,
    Demonstration,
    Serving,
    arguments,
    call,
    environment,
    process,
    wait_until,
)

_OPTIONS = ("demo", "--once", "--transactions", 3000)


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


def test_killed_with_its_whole_group_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    running = subprocess.Popen(
        arguments(home, *_OPTIONS),
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: running.poll() is not None or _sealed(home) >= 2, 120)
        assert running.poll() is None, "it ended before it could be killed"
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    wait_until(lambda: not call(home, "--json", "chain", "status").json["running"], 60)
    again = process(home, "--json", *_OPTIONS).expect().json
    assert 0 < again["rows_already_held"] <= again["rows_read"]
    assert again["batches_rejected"] == 0
    assert sum(again["states"].values()) == 3000
    records = 0
    for folder in (home / "members").iterdir():
        status = call(home, "--json", "member", "status", "-m", folder.name).expect().json
        assert status["records_waiting"] == 0
        assert status["batches_sealed"] == status["batches_posted"]
        records += status["records"]
    assert records == again["rows_read"]
    assert call(home, "--json", "chain", "status").expect().json["running"] is False
    call(home, "verify", home / "evidence" / "disclosure.json").expect()


def test_stopped_on_a_terminal_it_says_how_to_go_on_and_leaves_nothing_running(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        arguments(home, *_OPTIONS),
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
        if not asked and "banks" in said and "/8" in said:
            os.killpg(running.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
            asked = True
    os.close(ours)
    assert asked, said
    assert running.wait(timeout=120) == 130, said
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    assert "0/8" in plain  # a progress bar
    assert "Stopped. Run the same command again to continue" in plain
    assert "Traceback" not in plain
    wait_until(lambda: not call(home, "--json", "chain", "status").json["running"], 60)
    assert not (home / "keyholders" / "1" / "endpoint.json").exists()


@pytest.mark.parametrize("starting", ["chain.log", "keyholder.log"])
def test_stopped_while_something_starts_it_leaves_nothing_behind(tmp_path: Path, starting: str) -> None:
    home = tmp_path / "home"
    running = subprocess.Popen(
        arguments(home, *_OPTIONS),
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


def test_in_the_background_a_ctrl_c_for_others_stops_nothing(tmp_path: Path) -> None:
    """A shell without job control starts what it puts in the background with SIGINT ignored."""
    home = tmp_path / "home"
    running = subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *map(str, arguments(home, *_OPTIONS))],
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: running.poll() is not None or _sealed(home) >= 1, 240)
        os.killpg(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=240)
        assert running.returncode == 0, err
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)


def test_run_again_it_posts_nothing_twice_and_without_once_it_serves_the_desk(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    home = demonstration.copy(tmp_path / "home")
    running = Serving(home, "--json", "demo", "--transactions", 3000, "--port", 0)
    with running as line:
        url = re.search(r"http://[\d.:]+", line)
        assert url is not None
        with httpx.Client(base_url=url[0], timeout=120, follow_redirects=True) as client:
            for page in ("/", "/docs", "/healthz", "/openapi.json"):
                assert client.get(page).status_code == 200, page
    assert call(home, "--json", "chain", "status").expect().json["running"] is False
    first, again = demonstration.summary, json.loads(running.out)
    assert again["rows_posted"] == 0
    assert again["rows_already_held"] == again["rows_read"] == first["rows_read"]
    assert again["states"] == first["states"]
    assert again["flags"] == first["flags"]
    assert again["files"]["flag"] == first["files"]["flag"]

"""`counterfoil chain start|backup|restore` as a person runs them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from counterfoil import processes
from ledger.home import Home


def _run(home: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "--home", str(home), "--json", "chain", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    done.stderr = " ".join(done.stderr.split())
    return done


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose chain runs, and a backup beside it."""
    root = tmp_path_factory.mktemp("chain-commands")
    home = Home(root / "home")
    _url, pid = processes.ensure_chain(home)
    assert pid is not None
    try:
        printed = json.loads(_run(home.root, "backup", str(root / "backup")).stdout)
        running = _run(home.root, "restore", str(root / "backup"), code=2)
    finally:
        processes.stop(pid)
    assert "already served" in running.stderr
    assert printed["block"] == 0
    assert printed["genesis_hash"] == printed["block_hash"]
    return root


def test_a_backup_comes_back_in_another_home_and_runs(backed_up, tmp_path):
    printed = json.loads(_run(tmp_path, "restore", str(backed_up / "backup")).stdout)
    assert json.loads(_run(tmp_path, "status").stdout)["height"] == printed["block"]
    _url, pid = processes.ensure_chain(Home(tmp_path))
    assert pid is not None
    processes.stop(pid)


def test_a_damaged_backup_does_not_verify(backed_up, tmp_path):
    copy = tmp_path / "backup"
    copy.mkdir()
    for path in (backed_up / "backup").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "chain.sqlite3").write_bytes(b"no database")
    refused = _run(tmp_path / "home", "restore", str(copy), code=2)
    assert "changed after the backup" in refused.stderr
    assert "Use another backup" in refused.stderr


def test_a_chain_that_is_not_whole_is_not_backed_up(backed_up, tmp_path):
    import sqlite3

    _run(tmp_path, "restore", str(backed_up / "backup"))
    with sqlite3.connect(tmp_path / "chain" / "chain.sqlite3") as database:
        database.execute("DELETE FROM state")
    refused = _run(tmp_path, "backup", str(tmp_path / "copy"), code=1)
    assert "whole chain" in refused.stderr
    assert not (tmp_path / "copy").exists()


def test_there_is_nothing_to_back_up_before_the_first_start(tmp_path):
    assert "no chain" in _run(tmp_path, "backup", str(tmp_path / "copy"), code=2).stderr


def test_a_chain_starts_on_a_free_port_when_8545_is_in_use(tmp_path):
    try:
        taken = socket.create_server(("127.0.0.1", 8545))
    except OSError:
        pytest.skip("another program listens on port 8545")
    with taken:
        started = json.loads(_run(tmp_path, "start", "--detach").stdout)
        try:
            assert started["running"] is True
            port = int(started["url"].rsplit(":", 1)[1])
            assert port not in (0, 8545)
            with socket.create_connection(("127.0.0.1", port), timeout=60):
                pass
        finally:
            _run(tmp_path, "stop")
    assert json.loads(_run(tmp_path, "status").stdout)["running"] is False

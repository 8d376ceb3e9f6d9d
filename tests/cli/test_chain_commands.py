"""`counterfoil chain start|backup|restore` as a person runs them."""

from __future__ import annotations

import socket
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from counterfoil import processes
from ledger.home import Home
from tests.cli.conftest import Outcome, call


def _run(home: Path, *words: object, code: int = 0) -> Outcome:
    done = call(home, "--json", "chain", *words).expect(code)
    return replace(done, err=" ".join(done.err.split()))


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose chain runs, and a backup beside it."""
    root = tmp_path_factory.mktemp("chain-commands")
    home = Home(root / "home")
    _url, pid = processes.ensure_chain(home)
    assert pid is not None
    try:
        printed = _run(home.root, "backup", str(root / "backup")).json
        running = _run(home.root, "restore", str(root / "backup"), code=2)
    finally:
        processes.stop(pid)
    assert "already served" in running.err
    assert printed["block"] == 0
    assert printed["genesis_hash"] == printed["block_hash"]
    return root


def test_a_backup_comes_back_in_another_home_and_runs(backed_up, tmp_path):
    printed = _run(tmp_path, "restore", str(backed_up / "backup")).json
    assert _run(tmp_path, "status").json["height"] == printed["block"]
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
    assert "changed after the backup" in refused.err
    assert "Use another backup" in refused.err


def test_a_chain_that_is_not_whole_is_not_backed_up(backed_up, tmp_path):
    _run(tmp_path, "restore", str(backed_up / "backup"))
    with sqlite3.connect(tmp_path / "chain" / "chain.sqlite3") as database:
        database.execute("DELETE FROM state")
    refused = _run(tmp_path, "backup", str(tmp_path / "copy"), code=1)
    assert "whole chain" in refused.err
    assert not (tmp_path / "copy").exists()


def test_there_is_nothing_to_back_up_before_the_first_start(tmp_path):
    assert "no chain" in _run(tmp_path, "backup", str(tmp_path / "copy"), code=2).err


def test_a_chain_starts_on_a_free_port_when_8545_is_in_use(tmp_path):
    try:
        taken = socket.create_server(("127.0.0.1", 8545))
    except OSError:
        pytest.skip("another program listens on port 8545")
    with taken:
        started = _run(tmp_path, "start", "--detach").json
        try:
            assert started["running"] is True
            port = int(started["url"].rsplit(":", 1)[1])
            assert port not in (0, 8545)
            with socket.create_connection(("127.0.0.1", port), timeout=60):
                pass
        finally:
            _run(tmp_path, "stop")
    assert _run(tmp_path, "status").json["running"] is False

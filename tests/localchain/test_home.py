"""The chain's folder: one server at a time, the right chain, and a status from outside."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest

from localchain import server, status
from localchain.errors import LocalChainError
from localchain.home import exclusive
from localchain.server import main


def run(home, *arguments):
    command = [sys.executable, "-m", "localchain.server", "--home", str(home), "--port", "0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_status_of_a_running_and_of_a_stopped_chain(tmp_path, serving):
    home = tmp_path / "home"
    with serving(home) as node:
        described = status(home)
        assert described["running"]
        assert (described["url"], described["pid"]) == (node.url, node.process.pid)
        assert (described["chain_id"], described["height"]) == (20_777, 0)
        assert described["disk_bytes"] > 0
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(timeout=120) == 0
    assert not (home / "endpoint.json").exists()
    described = status(home)
    assert not described["running"]
    assert (described["url"], described["pid"], described["height"]) == (None, None, 0)


def test_status_after_a_kill_is_not_fooled_by_the_file_left_behind(tmp_path, serving):
    home = tmp_path / "home"
    with serving(home) as node:
        node.process.kill()
        node.process.wait()
        assert (home / "endpoint.json").exists()
        assert not status(home)["running"]


def test_status_of_no_chain_at_all(tmp_path):
    described = status(tmp_path / "nowhere")
    assert not described["running"]
    assert described["height"] is described["chain_id"] is None
    assert described["disk_bytes"] == 0


def test_two_servers_never_share_a_folder(tmp_path, serving):
    home = tmp_path / "home"
    with serving(home) as node:
        second = run(home, "--chain-id", "20777")
        assert second.returncode == 2
        assert f"already served by process {node.process.pid}" in second.stderr
        assert node.result("eth_blockNumber") == "0x0"


def test_who_looks_at_a_chain_is_not_taken_for_who_serves_it(tmp_path):
    with exclusive(tmp_path):
        assert status(tmp_path)["running"]
    (tmp_path / "lock").write_text("")
    with (tmp_path / "lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not status(tmp_path)["running"]
        # the system lets the one who looks wait at the wrong moment, longer than a server that stops may take
        threading.Timer(1.5, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with exclusive(tmp_path):
            assert status(tmp_path)["running"]


def test_another_chain_id_is_refused(tmp_path, serving):
    home = tmp_path / "home"
    with serving(home):
        pass
    second = run(home, "--chain-id", "1")
    assert second.returncode == 2
    assert "has chain id 20777, not 1" in second.stderr


def test_a_taken_port_is_named(tmp_path, node, capsys):
    port = node.url.rsplit(":", 1)[1]
    assert main(["--home", str(tmp_path / "other"), "--port", port]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


class StopError(Exception):
    pass


def url_of(home, port):
    """Serve a chain until it answers, and return where its status says that it does."""

    def stop(url):
        assert status(home)["url"] == url
        raise StopError(url)

    with pytest.raises(StopError) as stopped:
        server.serve(home, port=port, chain_id=1, ready=stop)
    return str(stopped.value)


def test_a_usual_port_that_is_taken_is_passed_over(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr(server, "DEFAULT_PORT", taken)
        assert url_of(tmp_path, None) not in (f"http://127.0.0.1:{taken}", "http://127.0.0.1:0")
        with pytest.raises(LocalChainError, match=f"cannot listen on 127.0.0.1:{taken} "):
            server.serve(tmp_path, port=taken, chain_id=1)


def test_a_usual_port_that_is_free_is_taken(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    monkeypatch.setattr(server, "DEFAULT_PORT", free)
    assert url_of(tmp_path, None) == f"http://127.0.0.1:{free}"


def test_a_number_that_is_no_port_is_refused(tmp_path, capsys):
    assert main(["--home", str(tmp_path), "--port", "65536"]) == 2
    assert "cannot listen on 127.0.0.1:65536" in capsys.readouterr().err


def test_a_chain_of_another_format_is_refused(tmp_path, serving):
    home = tmp_path / "home"
    with serving(home):
        pass
    with sqlite3.connect(home / "chain.sqlite3") as connection:
        connection.execute("UPDATE meta SET value = 'other/1' WHERE key = 'format'")
    second = run(home, "--chain-id", "20777")
    assert second.returncode == 2
    assert "'other/1'" in second.stderr


def test_the_faucet_key_is_random_stays_and_is_its_owners(tmp_path, serving):
    keys = []
    for name in ("one", "two", "one"):
        with serving(tmp_path / name):
            path = tmp_path / name / "faucet.key"
            keys.append(path.read_text())
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.stat().st_uid == os.getuid()
    assert keys[0] == keys[2] != keys[1]
    assert len(keys[0].strip()) == 64


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_cleanly(tmp_path, serving, signal_number):
    with serving(tmp_path / "home") as node:
        node.result("eth_chainId")
        node.process.send_signal(signal_number)
        assert node.process.wait(timeout=120) == 0

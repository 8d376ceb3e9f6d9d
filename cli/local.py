"""Processes of this machine: the embedded chain and a key holder, started when they are not running."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ledger.errors import ChainUnreachableError, ConfigurationError, InputError, KeyHolderError
from ledger.home import Home
from ledger.processes import deferring
from localchain import status

__all__ = [
    "CHAIN_ID",
    "KEYHOLDER_FILE",
    "chain_url",
    "ensure_chain",
    "ensure_keyholder",
    "keyholder_url",
    "listen",
    "running_keyholder",
    "stop",
]

CHAIN_ID: Final = 20_261

#: Written by a serving key holder: where it listens.
KEYHOLDER_FILE: Final = "endpoint.json"

#: A process that cannot start ends, and is told at once: this is for one that a busy machine lets wait.
_START_SECONDS: Final = 180.0


def chain_url(home: Home) -> str:
    """Return the running embedded chain's endpoint.

    Raises
    ------
    ChainUnreachableError
        When it is not running.
    """
    state = status(home.chain)
    if not state["running"] or state["url"] is None:
        raise ChainUnreachableError(
            "the embedded chain is not running",
            where=str(home.chain),
            next_step="Start it with `counterfoil chain start`, or name an endpoint with --chain.",
        )
    return str(state["url"])


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback; 0 picks a free port.

    Raises
    ------
    InputError
        When the port is taken.
    """
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise InputError(
            f"cannot listen on port {port}: {error.strerror}",
            where=f"127.0.0.1:{port}",
            next_step="Name another port with --port.",
        ) from error


def ensure_chain(
    home: Home, *, port: int = 0, chain_id: int = CHAIN_ID, detached: bool = False
) -> tuple[str, int | None]:
    """Return the chain's endpoint, and the process started for it (None when it was running already).

    A detached one outlives the terminal; otherwise it is stopped with whoever started it.
    """
    state = status(home.chain)
    if state["running"] and state["url"]:
        return str(state["url"]), None
    place = ["--home", str(home.chain), "--port", str(port), "--chain-id", str(chain_id)]
    return _started(
        ["localchain.server", *place],
        home.root / "chain.log",
        lambda: status(home.chain)["url"],
        "the embedded chain",
        detached=detached,
    )


def keyholder_url(folder: Path) -> str:
    """Return a running key holder's address.

    Raises
    ------
    KeyHolderError
        When none is running.
    """
    url = running_keyholder(folder)
    if url is None:
        raise KeyHolderError(
            "the key holder is not running",
            where=str(folder),
            next_step="Start it with `counterfoil keyholder serve`, or name one with --keyholder.",
        )
    return url


def ensure_keyholder(home: Home, *, quota: int) -> tuple[str, int | None]:
    """Return the key holder's address, and the process started for it (None when it was running already)."""
    folder = home.keyholder()
    url = running_keyholder(folder)
    if url is not None:
        return url, None
    command = ["cli.main", "--home", str(home.root), "keyholder", "serve", "--quota", str(quota)]
    return _started(command, home.root / "keyholder.log", lambda: running_keyholder(folder), "the key holder")


def running_keyholder(folder: Path) -> str | None:
    """Return the address of the key holder that serves a folder; None when none does."""
    import httpx

    try:
        endpoint: dict[str, Any] = json.loads((folder / KEYHOLDER_FILE).read_text("utf-8"))
        url = str(endpoint["url"])
        httpx.get(f"{url}/healthz", timeout=2).raise_for_status()
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url


def _start(module: list[str], log: Path, *, detached: bool = False) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", *module],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=detached,
        )
    return process.pid


def _started(
    module: list[str], log: Path, probe: Callable[[], str | None], what: str, *, detached: bool = False
) -> tuple[str, int]:
    """Start a process of our own; return where it answers, and its pid.

    Whoever is interrupted or gives up waiting leaves nothing behind: until it answers, nobody else knows it.
    """
    pid: int | None = None
    try:
        with deferring() as heed:
            pid = _start(module, log, detached=detached)
            deadline = time.monotonic() + _START_SECONDS
            while time.monotonic() < deadline:
                url = probe()
                if url is not None:
                    return url, pid
                if os.waitpid(pid, os.WNOHANG)[0] == pid:
                    pid = None
                    break
                time.sleep(0.1)
                heed()
        (*_, last) = ["it said nothing", *log.read_text("utf-8", errors="replace").strip().splitlines()]
        raise ConfigurationError(
            f"{what} did not start: {last}",
            where=str(log),
            next_step="See to what its log says, then run the same command again.",
        )
    except BaseException:
        if pid is not None:
            stop(pid)
        raise


def stop(pid: int) -> None:
    """Ask a process to stop, and wait until it has."""
    try:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    except ProcessLookupError:
        return
    except ChildProcessError:  # somebody else's child: look until it is gone
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and _alive(pid):
            time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

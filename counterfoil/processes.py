"""Processes of this machine: sockets that listen on loopback, and processes of our own that serve."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.processes import deferring
from ledger.storage import private_file, private_folder

__all__ = ["CHAIN_ID", "ensure_chain", "listen", "started", "stop"]

CHAIN_ID: Final = 20_261

#: A process that cannot start ends, and its reason is shown at once; this limit is for a busy machine.
_START_SECONDS: Final = 180.0


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback; port 0 picks a free port.

    Answers are sent at once (TCP_NODELAY; accepted connections inherit it): with Nagle's algorithm a small
    answer would wait for the client's delayed acknowledgement, some 40 ms.

    Raises
    ------
    InputError
        When the port is taken.
    """
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise InputError(
            f"cannot listen on port {port}: {error.strerror}",
            where=f"127.0.0.1:{port}",
            next_step="Name another port with --port.",
        ) from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def ensure_chain(
    home: Home, *, port: int | None = 0, chain_id: int = CHAIN_ID, detached: bool = False
) -> tuple[str, int | None]:
    """Return the endpoint of the embedded chain, and the process started for it.

    Parameters
    ----------
    home : Home
    port : int or None
        Port on loopback; 0 picks a free port, None takes the usual one or, where it is taken, a free one.
    chain_id : int
    detached : bool
        A detached process outlives the terminal; any other stops with the process that started it.

    Returns
    -------
    (str, int or None)
        The process is None when the chain was running already.
    """
    from localchain import status

    state = status(home.chain)
    if state["running"] and state["url"]:
        return str(state["url"]), None
    place = ["--home", str(home.chain), "--chain-id", str(chain_id)]
    if port is not None:
        place += ["--port", str(port)]
    return started(
        ["localchain.server", *place],
        home.root / "chain.log",
        lambda: status(home.chain)["url"],
        "the embedded chain",
        detached=detached,
    )


def started(
    module: Sequence[str], log: Path, probe: Callable[[], str | None], what: str, *, detached: bool = False
) -> tuple[str, int]:
    """Start a Python module as a process; return where it answers, and its process number.

    If the caller is interrupted or the wait ends, the process is stopped: nobody else knows it yet.

    Parameters
    ----------
    module : sequence of str
        The module and its arguments.
    log : Path
        The file that the process writes its output to.
    probe : callable
        Gives the address once the process answers; None until then.
    what : str
        What the process is, for an error.
    detached : bool
        See `ensure_chain`.

    Raises
    ------
    ConfigurationError
        When the process ends, or does not answer in time.
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
            next_step="Read its log, solve what it names, then run the same command again.",
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
    except ChildProcessError:  # another process started it: look until it is gone
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and _alive(pid):
            time.sleep(0.05)


def _start(module: Sequence[str], log: Path, *, detached: bool = False) -> int:
    private_folder(log.parent)
    private_file(log)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", *module],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=detached,
        )
    return process.pid


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

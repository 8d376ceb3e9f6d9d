"""Sockets that listen on loopback, and server processes that Counterfoil starts on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.keystore.passphrase import handed_on, without_descriptors
from ledger.processes import deferring
from ledger.storage import private_file, private_folder

__all__ = ["CHAIN_ID", "ensure_chain", "listen", "started", "stop"]

CHAIN_ID: Final = 20_261

#: A process that fails to start ends early; this limit is for a slow start on a busy machine.
_START_SECONDS: Final = 180.0


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback; port 0 picks a free port.

    The socket has TCP_NODELAY, and accepted connections inherit it: with Nagle's algorithm, a small answer
    would wait about 40 ms for the client's delayed acknowledgement.

    Raises
    ------
    InputError
        When the port is in use.
    """
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise InputError(
            f"cannot listen on port {port}: {error.strerror}",
            where=f"127.0.0.1:{port}",
            next_step="Give another port with --port.",
        ) from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def ensure_chain(
    home: Home, *, port: int | None = 0, chain_id: int = CHAIN_ID, detached: bool = False
) -> tuple[str, int | None]:
    """Return the endpoint of the embedded chain, and start the chain if it is not running.

    Parameters
    ----------
    home : Home
    port : int or None
        Port on loopback. 0 picks a free port; None takes 8545, or a free port if 8545 is in use.
    chain_id : int
    detached : bool
        A detached process continues after the terminal is closed; another one stops with its parent.

    Returns
    -------
    (str, int or None)
        The endpoint and the new process; None if the chain was already running.
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
    module: Sequence[str],
    log: Path,
    probe: Callable[[], str | None],
    what: str,
    *,
    detached: bool = False,
    opens_keys: bool = False,
) -> tuple[str, int]:
    """Start a Python module as a process; return its address and its process number.

    If the caller is interrupted or the wait ends, the process is stopped.

    Parameters
    ----------
    module : sequence of str
        The module and its arguments.
    log : Path
        The file that the process writes its output to.
    probe : callable
        Returns the address when the process answers, and None before.
    what : str
        Name of the process, for an error message.
    detached : bool
        See `ensure_chain`.
    opens_keys : bool
        Whether the process gets the passphrase and the PIN that this process has.

    Raises
    ------
    ConfigurationError
        When the process ends, or does not answer in time.
    """
    pid: int | None = None
    try:
        with deferring() as heed:
            pid = _start(module, log, detached=detached, opens_keys=opens_keys)
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
        (*_, last) = ["the log is empty", *log.read_text("utf-8", errors="replace").strip().splitlines()]
        raise ConfigurationError(
            f"{what} did not start: {last}",
            where=str(log),
            next_step="Read the log, solve the problem that it names, then run the same command again.",
        )
    except BaseException:
        if pid is not None:
            stop(pid)
        raise


def stop(pid: int) -> None:
    """Ask a process to stop, and wait until it has ended."""
    try:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    except ProcessLookupError:
        return
    except ChildProcessError:  # not a child of this process: check until it has ended
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and _alive(pid):
            time.sleep(0.05)


def _start(module: Sequence[str], log: Path, *, detached: bool, opens_keys: bool) -> int:
    private_folder(log.parent)
    private_file(log)
    inherited: AbstractContextManager[tuple[list[int], dict[str, str]]]
    inherited = handed_on() if opens_keys else nullcontext(([], without_descriptors()))
    with log.open("ab") as output, inherited as (descriptors, environment):
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", *module],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=detached,
            pass_fds=descriptors,
            env=environment,
        )
    return process.pid


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

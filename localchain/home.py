"""The chain's folder: its lock, its endpoint file, and what can be said of it from outside.

```
home/chain.sqlite3    blocks, state, index (with -wal and -shm while it is open)
home/faucet.key       private key of the prefunded account, readable by its owner only
home/lock             held by the process that serves the chain
home/endpoint.json    where it answers; there while it runs
```
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from localchain.documents import Endpoint, Genesis
from localchain.errors import ChainInUseError

__all__ = ["DATABASE", "FAUCET", "exclusive", "remove_endpoint", "status", "stored", "write_endpoint"]

DATABASE = "chain.sqlite3"
FAUCET = "faucet.key"
_ENDPOINT = "endpoint.json"
_LOCK = "lock"
#: Who holds the lock and lives may be about to stop. `status` too holds it for an instant, which is long when
#: the machine has other things to do: while nobody who serves is seen, a server that starts tries on.
_PATIENCE_SECONDS = {"served": 1.0, "looked at": 60.0}


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Hold the chain's lock, so that no second process writes to its database.

    Parameters
    ----------
    home : Path
        The chain's folder, which exists.

    Yields
    ------
    None
        While the lock is held. The system releases it if the process is killed.

    Raises
    ------
    ChainInUseError
        If another process holds it.
    """
    with (home / _LOCK).open("a+", encoding="ascii") as file:
        begun = time.monotonic()
        while not _try_lock(file.fileno(), fcntl.LOCK_EX):
            holder = _holder(home)
            if time.monotonic() - begun > _PATIENCE_SECONDS["served" if holder else "looked at"]:
                raise ChainInUseError(
                    f"the chain in {home} is already served by process {holder or 'unknown'}",
                    next_step="Use the URL in its endpoint.json, or stop that process first.",
                )
            time.sleep(0.05)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def write_endpoint(home: Path, url: str, chain_id: int) -> None:
    """Say where the chain answers: written whole or not at all."""
    waiting = home / (_ENDPOINT + ".new")
    endpoint = msgspec.to_builtins(Endpoint(url, os.getpid(), chain_id))
    waiting.write_text(json.dumps(endpoint) + "\n", "utf-8")
    waiting.replace(home / _ENDPOINT)


def remove_endpoint(home: Path) -> None:
    """Say that the chain answers no more."""
    (home / _ENDPOINT).unlink(missing_ok=True)


def status(home: Path) -> dict[str, Any]:
    """Describe a chain from outside, running or not.

    Parameters
    ----------
    home : Path
        The chain's folder.

    Returns
    -------
    dict
        `running` (bool), `url` and `pid` (None unless running), `chain_id` and `height` (None if there is no
        chain yet), `disk_bytes`.
    """
    running = _is_served(home)
    endpoint: Endpoint | None = None
    if running:
        with suppress(OSError, ValueError):
            endpoint = msgspec.json.decode((home / _ENDPOINT).read_bytes(), type=Endpoint)
        if endpoint is not None and endpoint.pid != _holder(home):
            endpoint = None  # it is starting; what stands there was left by one that was killed
    chain_id, height = stored(home / DATABASE)
    return {
        "running": running,
        "url": None if endpoint is None else endpoint.url,
        "pid": None if endpoint is None else endpoint.pid,
        "chain_id": chain_id,
        "height": height,
        "disk_bytes": sum(path.stat().st_size for path in home.glob(DATABASE + "*")),
    }


def stored(database: Path) -> tuple[int | None, int | None]:
    """Return (chain id, height) of a chain's file; None for what cannot be read."""
    if not database.exists():
        return None, None
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = 'genesis'").fetchone()
            height = connection.execute("SELECT max(number) FROM blocks").fetchone()[0]
        return (None if row is None else msgspec.json.decode(row[0], type=Genesis).chain_id), height
    except (sqlite3.Error, ValueError):
        return None, None


def _holder(home: Path) -> int | None:
    """Return the process that holds the lock; None while it has not written its name yet."""
    try:
        pid = int((home / _LOCK).read_text("ascii"))
        os.kill(pid, 0)
    except PermissionError:
        return pid
    except (OSError, ValueError):
        return None
    return pid


def _is_served(home: Path) -> bool:
    try:
        with (home / _LOCK).open("r", encoding="ascii") as file:
            return not _try_lock(file.fileno(), fcntl.LOCK_SH)  # any number may look at the same time
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""The chain's folder: its lock, its endpoint file, and the status that other processes can read.

```
home/chain.sqlite3    blocks, state, index (with -wal and -shm while it is open)
home/faucet.key       private key of the prefunded account, readable by its owner only
home/lock             locked by the process that serves the chain
home/endpoint.json    URL of the chain; exists while the chain runs
```

The folder and its files are their owner's alone, whatever the umask.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from localchain.documents import Endpoint, Genesis
from localchain.errors import ChainInUseError

__all__ = [
    "DATABASE",
    "FAUCET",
    "exclusive",
    "private_file",
    "private_folder",
    "remove_endpoint",
    "status",
    "stored",
    "write_endpoint",
]

DATABASE = "chain.sqlite3"
FAUCET = "faucet.key"
_ENDPOINT = "endpoint.json"
_LOCK = "lock"
#: Seconds that a starting server waits for the lock. A process that serves the chain may be about to stop. If
#: there is no such process, `status` holds the lock briefly, which may take long on a busy machine.
_PATIENCE_SECONDS = {"served": 1.0, "looked at": 60.0}


def private_folder(folder: Path) -> None:
    """Make a folder, and those missing above it, that only its owner may enter; close one that is there."""
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        path.mkdir(mode=0o700, exist_ok=True)
    if not folder.stat().st_mode & stat.S_ISVTX:  # a folder that many share, such as /tmp, is left as it is
        _close_to_others(folder)


def private_file(path: Path) -> None:
    """Make an empty file that only its owner may read; one that is there keeps its content and is closed.

    A file that is there is not opened: closing it would release the locks that this process holds on it.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        _close_to_others(path)


def _close_to_others(path: Path) -> None:
    present = path.stat()
    if present.st_mode & 0o077 and present.st_uid == os.geteuid():
        path.chmod(stat.S_IMODE(present.st_mode) & ~0o077)


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Hold the chain's lock, so that no second process writes to its database.

    Parameters
    ----------
    home : Path
        The chain's folder, which must exist.

    Yields
    ------
    None
        While the lock is held. The operating system releases the lock if the process is killed.

    Raises
    ------
    ChainInUseError
        If another process holds the lock.
    """
    private_file(home / _LOCK)
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
    """Write the endpoint file atomically."""
    waiting = home / (_ENDPOINT + ".new")
    private_file(waiting)
    endpoint = msgspec.to_builtins(Endpoint(url, os.getpid(), chain_id))
    waiting.write_text(json.dumps(endpoint) + "\n", "utf-8")
    waiting.replace(home / _ENDPOINT)


def remove_endpoint(home: Path) -> None:
    """Remove the endpoint file."""
    (home / _ENDPOINT).unlink(missing_ok=True)


def status(home: Path) -> dict[str, Any]:
    """Describe a chain, whether it runs or not, without opening it.

    Parameters
    ----------
    home : Path
        The chain's folder.

    Returns
    -------
    dict
        `running` (bool), `url` and `pid` (None if it does not run), `chain_id` and `height` (None if there is
        no chain yet), `disk_bytes`.
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
    """Return (chain id, height) of a chain's file; None for a value that cannot be read."""
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
    """Return the process id of the holder of the lock, or None if it has not written its id yet."""
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

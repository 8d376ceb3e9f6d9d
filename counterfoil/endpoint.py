"""The address of a local server: the server writes it to a file while it runs, and others read it there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.errors import ConfigurationError
from ledger.storage import write_atomically

__all__ = ["announced", "running"]

_ENDPOINT: Final = "endpoint.json"


def running(folder: Path) -> str | None:
    """Return the address of the server of a folder; None if it does not run."""
    import httpx

    try:
        url = str(json.loads((folder / _ENDPOINT).read_text("utf-8"))["url"])
        httpx.get(f"{url}/healthz", timeout=2).raise_for_status()
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url


@contextmanager
def announced(folder: Path, url: str, what: str) -> Iterator[None]:
    """Write the address of the server of a folder to its file, as long as the context lasts.

    Parameters
    ----------
    folder : Path
    url : str
    what : str
        Name of the server, for an error message.

    Raises
    ------
    ConfigurationError
        When the server is already running.
    """
    serving = running(folder)
    if serving is not None:
        raise ConfigurationError(
            f"this {what} is already running at {serving}",
            where=str(folder),
            next_step=f"Stop the running {what} first.",
        )
    endpoint = folder / _ENDPOINT
    try:
        write_atomically(endpoint, json.dumps({"url": url, "pid": os.getpid()}).encode(), mode=0o600)
        yield
    finally:
        endpoint.unlink(missing_ok=True)

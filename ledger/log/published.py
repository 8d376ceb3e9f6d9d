"""Read a log as its desk publishes it: from the desk's folder, or over HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from ledger.errors import ConfigurationError, InputError
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.policy import Policy
from ledger.log.tiles import Tiles

__all__ = ["CHECKPOINT", "PublishedLog", "published_log"]

#: Name of the checkpoint below the folder or the URL of a log.
CHECKPOINT: Final = "checkpoint"

_SECONDS: Final = 10.0
#: Maximum size of an answer: a bundle has 256 entries of at most 65,535 bytes.
_MOST_BYTES: Final = 2**24 + 2**10


@dataclass(frozen=True, slots=True)
class PublishedLog:
    """A published log, up to its newest checkpoint that meets a policy.

    Parameters
    ----------
    checkpoint : Checkpoint
    note : str
        The signed note of the checkpoint.
    tiles : Tiles
        They are not checked against the checkpoint: proofs that are computed from them are.
    """

    checkpoint: Checkpoint
    note: str
    tiles: Tiles

    def leaf_hashes(self) -> list[bytes]:
        """Return the hashes of all entries."""
        return self.tiles.leaf_hashes(0, self.checkpoint.size)


def published_log(source: Path | str, name: str, policy: Policy, origin: str) -> PublishedLog:
    """Open a published log.

    Parameters
    ----------
    source : Path or str
        The folder with the published logs of a desk, or the URL of a desk.
    name : str
        ``ledger`` or ``verdicts``.
    policy : Policy
    origin : str
        Name of the log in its checkpoints.

    Raises
    ------
    CheckpointError
        When its checkpoint does not meet the policy.
    ConfigurationError
        When the desk has published no checkpoint, or does not answer.
    """
    fetch = _from_folder(source / name) if isinstance(source, Path) else _from_url(source, name)
    note = fetch(CHECKPOINT)
    if note is None:
        raise ConfigurationError(
            f"the desk has published no checkpoint of the log {name} yet",
            where=str(source),
            next_step="Run `counterfoil desk sync` at the desk; it says which witnesses are missing.",
        )
    checkpoint = open_checkpoint(note, policy, origin=origin).checkpoint
    return PublishedLog(checkpoint, note.decode(), Tiles(fetch, checkpoint.size))


def _from_folder(folder: Path) -> Callable[[str], bytes | None]:
    def fetch(path: str) -> bytes | None:
        try:
            return (folder / path).read_bytes()
        except FileNotFoundError:
            return None

    return fetch


def _from_url(url: str, name: str) -> Callable[[str], bytes | None]:
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise InputError("this is not the URL of a desk", next_step="Give it as http://HOST:PORT.")
    base = f"{url.rstrip('/')}/v1/log/{name}"

    def fetch(path: str) -> bytes | None:
        try:
            with urlopen(f"{base}/{path}", timeout=_SECONDS) as answer:  # noqa: S310 - http or https, see above
                return bytes(answer.read(_MOST_BYTES))
        except HTTPError as error:
            if error.code in (http.client.NOT_FOUND, http.client.SERVICE_UNAVAILABLE):
                return None
            raise _silent(f"{base}/{path}", f"HTTP {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _silent(base, type(error).__name__) from error

    return fetch


def _silent(url: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"the desk does not serve its log: {what}",
        where=url,
        next_step="Check the URL of the desk, and that `counterfoil desk serve` runs there.",
    )

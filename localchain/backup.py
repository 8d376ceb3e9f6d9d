"""Backups of a chain, also while it runs, and their way back: whole and verified, or not at all.

```
backup/chain.sqlite3   every block up to one moment, one file without a journal
backup/faucet.key      private key of the prefunded account: keep the folder as secret as the chain's own
backup/backup.json     which chain, which block, and the SHA-256 of the file
```
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from localchain.check import Summary, check
from localchain.errors import BackupError, DamagedChainError
from localchain.home import DATABASE, FAUCET, exclusive, private_file, private_folder, stored

__all__ = ["back_up", "restore", "verify"]

_FORMAT = "counterfoil/chain-backup/1"
_MANIFEST = "backup.json"
_KEEP_EARLIER = "Keep the earlier backups: the chain's own file is damaged, or the disk is."


def back_up(home: Path, target: Path) -> Summary:
    """Copy a chain as it stands at one moment, whether it runs or not, and verify the copy.

    Blocks that are made meanwhile are not held up and are not in the copy.

    Parameters
    ----------
    home : Path
        The chain's folder.
    target : Path
        Folder to make; it must not be there.

    Returns
    -------
    Summary
        Which chain, and up to which block.

    Raises
    ------
    BackupError
        If there is no chain, or the target is there already, or the disk fails.
    DamagedChainError
        If the copy does not hold a whole chain; nothing is left of it.

    Notes
    -----
    The copy is SQLite's VACUUM INTO: one read transaction, during which the journal of a busy chain grows.
    """
    source = home / DATABASE
    if not source.exists():
        raise BackupError(f"there is no chain in {home}", next_step="Name the consortium's home with --home.")
    if target.exists():
        raise BackupError(f"{target} is there already", next_step="Name a folder that does not exist yet.")
    waiting = target.with_name(target.name + ".new")
    if waiting.exists():
        shutil.rmtree(waiting)  # of a backup that was interrupted
    waiting.mkdir(mode=0o700, parents=True)
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("VACUUM INTO ?", (str(waiting / DATABASE),))
            summary = check(waiting / DATABASE)
            row = database.execute("SELECT hash FROM blocks WHERE number = ?", (summary.block,)).fetchone()
        if row is None or "0x" + row[0].hex() != summary.block_hash:
            raise DamagedChainError(
                f"the copy's block {summary.block} is not the chain's", next_step=_KEEP_EARLIER
            )
        _copy_key(home / FAUCET, waiting / FAUCET)
        manifest = {"format": _FORMAT, "sha256": _sha256(waiting / DATABASE), **asdict(summary)}
        (waiting / _MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", "utf-8")
        for path in waiting.iterdir():
            _sync(path)
        _sync(waiting)
        waiting.rename(target)
        _sync(target.parent)
    except (OSError, sqlite3.Error) as problem:
        shutil.rmtree(waiting, ignore_errors=True)
        raise BackupError(
            f"the chain could not be copied: {problem}",
            next_step="Check the space on that disk, then run it again.",
        ) from problem
    except DamagedChainError as problem:
        shutil.rmtree(waiting, ignore_errors=True)
        raise DamagedChainError(
            f"no backup was made: {problem.what}",
            next_step=_KEEP_EARLIER,
        ) from problem
    except BaseException:
        shutil.rmtree(waiting, ignore_errors=True)
        raise
    return summary


def verify(backup: Path) -> Summary:
    """Verify a backup from end to end.

    Parameters
    ----------
    backup : Path
        Folder that `back_up` made.

    Returns
    -------
    Summary
        What it holds.

    Raises
    ------
    BackupError
        If the folder is no backup, or its file is not the one that was written.
    DamagedChainError
        If the file does not hold a whole chain.
    """
    try:
        manifest = json.loads((backup / _MANIFEST).read_text("utf-8"))
        found = _sha256(backup / DATABASE)
        if manifest["format"] != _FORMAT:
            raise BackupError(
                f"{backup} has format {manifest['format']!r}, this version reads {_FORMAT!r}",
                next_step="Use the version of Counterfoil that made it.",
            )
        expected = manifest["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BackupError(
            f"{backup} is no backup of a chain ({problem})",
            next_step="Name a folder that `chain backup` made.",
        ) from problem
    if found != expected:
        raise BackupError(
            f"{backup / DATABASE} was changed after the backup: SHA-256 {found}, expected {expected}",
            next_step="Use another backup.",
        )
    summary = check(backup / DATABASE)
    if any(manifest.get(name) != value for name, value in asdict(summary).items()):
        raise BackupError(
            f"{backup / _MANIFEST} does not describe the file beside it", next_step="Use another backup."
        )
    return summary


def restore(backup: Path, home: Path, *, force: bool = False) -> Summary:
    """Put a verified backup in the place of a chain that does not run.

    Parameters
    ----------
    backup : Path
        Folder that `back_up` made.
    home : Path
        The chain's folder; made if it is not there.
    force : bool
        Replace a chain that has blocks. It is moved aside, never deleted.

    Returns
    -------
    Summary
        Where the chain stands now.

    Raises
    ------
    BackupError
        If a chain with blocks stands there and `force` is not given, or the backup does not verify.
    DamagedChainError
        If the backup does not hold a whole chain.
    ChainInUseError
        If a process serves the chain.

    Notes
    -----
    Blocks after the backup are gone, also for members whose posts were acknowledged and for a mirror that has
    read them: to both this is a reorganisation.
    """
    summary = verify(backup)
    private_folder(home)
    with exclusive(home):
        present = home / DATABASE
        if present.exists() and not force and stored(present)[1] != 0:
            raise BackupError(
                f"there is a chain in {home} already",
                next_step="Restore into another home, or add --force: the present chain is moved aside.",
            )
        arriving = home / (DATABASE + ".new")
        try:
            private_file(arriving)
            shutil.copyfile(backup / DATABASE, arriving)
            _copy_key(backup / FAUCET, home / (FAUCET + ".restored"))
            _sync(arriving)
            _move_aside(home)
            (home / (FAUCET + ".restored")).replace(home / FAUCET)
            arriving.replace(present)
            _sync(home)
        except OSError as problem:
            raise BackupError(
                f"the chain could not be restored: {problem}", next_step="Check that disk, then run it again."
            ) from problem
    return summary


def _move_aside(home: Path) -> None:
    """Move the present files, the journal with the database it belongs to."""
    present = [path for path in home.glob(f"{DATABASE}*") if path.suffix != ".new"]
    present += [path for path in (home / FAUCET,) if path.exists()]
    if not present:
        return
    aside = home / f"replaced-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"
    aside.mkdir(mode=0o700)
    for path in present:
        path.rename(aside / path.name)


def _copy_key(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(source.read_bytes())
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable; VACUUM INTO does not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

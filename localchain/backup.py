"""Makes backups of a chain, also while it runs, and restores them; each is complete and verified.

```
backup/chain.sqlite3   all blocks up to one moment, in one file without a journal
backup/faucet.key      private key of the prefunded account: protect this folder like the chain's folder
backup/backup.json     chain, last block, and the SHA-256 of the file
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

import msgspec

from localchain.check import Summary, check
from localchain.documents import BackupManifest
from localchain.errors import BackupError, DamagedChainError
from localchain.home import DATABASE, FAUCET, exclusive, private_file, private_folder, stored

__all__ = ["back_up", "restore", "verify"]

_MANIFEST = "backup.json"
_KEEP_EARLIER = "Keep the earlier backups: the chain's own file is damaged, or the disk is."


def back_up(home: Path, target: Path) -> Summary:
    """Copy a chain as of one moment, whether it runs or not, and verify the copy.

    New blocks are not delayed during the copy and are not in the copy.

    Parameters
    ----------
    home : Path
        The chain's folder.
    target : Path
        Folder to create; it must not exist.

    Returns
    -------
    Summary
        The chain, and the last block in the copy.

    Raises
    ------
    BackupError
        If there is no chain, the target exists, or the disk fails.
    DamagedChainError
        If the copy is not a complete chain; the copy is removed.

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
        manifest = msgspec.to_builtins(_manifest(_sha256(waiting / DATABASE), summary))
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
        The chain in the backup, and its last block.

    Raises
    ------
    BackupError
        If the folder is not a backup, or its file was changed after the backup.
    DamagedChainError
        If the file is not a complete chain.
    """
    try:
        manifest = msgspec.json.decode((backup / _MANIFEST).read_bytes(), type=BackupManifest)
        found = _sha256(backup / DATABASE)
    except (OSError, ValueError) as problem:
        raise BackupError(
            f"{backup} is no backup of a chain that this version reads ({problem})",
            next_step="Name a folder that `chain backup` made.",
        ) from problem
    if found != manifest.sha256:
        raise BackupError(
            f"{backup / DATABASE} was changed after the backup: SHA-256 {found}, expected {manifest.sha256}",
            next_step="Use another backup.",
        )
    summary = check(backup / DATABASE)
    if manifest != _manifest(found, summary):
        raise BackupError(
            f"{backup / _MANIFEST} does not describe the file beside it", next_step="Use another backup."
        )
    return summary


def restore(backup: Path, home: Path, *, force: bool = False) -> Summary:
    """Restore a verified backup in the folder of a chain that does not run.

    Parameters
    ----------
    backup : Path
        Folder that `back_up` made.
    home : Path
        The chain's folder; created if it does not exist.
    force : bool
        Replace a chain that has blocks. Its files are moved to another folder, never deleted.

    Returns
    -------
    Summary
        The restored chain, and its last block.

    Raises
    ------
    BackupError
        If the folder has a chain with blocks and `force` is not given, or the backup does not verify.
    DamagedChainError
        If the backup is not a complete chain.
    ChainInUseError
        If a process serves the chain.

    Notes
    -----
    Blocks after the backup are lost, also for members whose posts were acknowledged and for a mirror that has
    read them: both see a reorganisation.
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


def _manifest(digest: str, summary: Summary) -> BackupManifest:
    return BackupManifest(format="counterfoil/chain-backup/1", sha256=digest, **asdict(summary))


def _move_aside(home: Path) -> None:
    """Move the present files to a new folder, the journal together with its database."""
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
    """Make a file, or the entries of a folder, durable, because VACUUM INTO does not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

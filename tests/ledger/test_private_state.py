"""Who may read the state folder: its owner alone, whatever the umask, with the exceptions listed here."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from anomaly.learning.shelf import Shelf
from ledger.flag import Entity, Flag, FlagSource, RowRef
from ledger.home import Home
from ledger.memory import memory_database
from ledger.reader.cases import CaseBook
from ledger.reader.mirror import Mirror
from ledger.reader.recipients import Recipients
from ledger.storage import (
    PUBLISHED,
    open_database,
    private_file,
    private_folder,
    replacing,
    write_atomically,
)
from localchain import home as chain_home
from localchain import status
from tests.support.consortium import ChainProcess, SmallConsortium, founded
from tests.support.rows import book, write_csv

#: What is meant to be copied to others; the folders above are the owner's all the same.
FOR_OTHERS = {"trust.json", "policy"}
#: The two published logs.
PUBLIC = "desk/public"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(root: Path) -> dict[str, str]:
    """Return the mode of every file and folder that somebody else may read, write or enter."""
    found = {}
    for path in (root, *root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if mode(path) & 0o077 and name not in FOR_OTHERS and not name.startswith(PUBLIC):
            found[name] = oct(mode(path))
    return found


@contextmanager
def chain_in(folder: Path) -> Iterator[ChainProcess]:
    command = [sys.executable, "-m", "localchain.server", "--home", str(folder), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while not (folder.exists() and (url := status(folder)["url"])):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield ChainProcess(url, folder, process.pid)
        finally:
            process.terminate()


def raised(consortium: SmallConsortium, mirror: Mirror) -> Flag:
    return Flag(
        source=FlagSource("detector", "fan_in", "1"),
        title="fan-in",
        position=mirror.position(consortium.gateway),
        entities=(Entity("ab" * 16, 1),),
        rows=(RowRef(1, 0, 0),),
        window=(0, 3600),
        score=None,
        certainty="certain",
        severity="high",
        explanation="Two accounts pay one.",
    )


@pytest.mark.parametrize("mask", [0, 0o077])
def test_nobody_else_may_read_what_a_consortium_keeps(tmp_path: Path, mask: int) -> None:
    home, given = Home(tmp_path / "state"), tmp_path / "given"
    files = book(datetime.now(UTC)).write(given)
    with umask(mask), chain_in(home.chain) as chain:
        made = founded(chain, home.root)
        for bank, path in files.items():
            made.take_in(bank, path)
            made.seal(bank)
            made.post(bank)
        made.take_in(made.banks[0], write_csv(given / "bad.csv", [{"transaction_id": "x", "amount": "none"}]))
        made.sync()
        desk = home.desk
        shelf = Shelf(desk.models)
        shelf.crown("ab" * 32)
        with (
            closing(Mirror(desk.mirror)) as mirror,
            CaseBook(desk.cases) as cases,
            made.vault(made.banks[0]) as vault,
        ):
            cases.keep([raised(made, mirror)], Recipients.of(made.gateway, made.desk_keys.account))
            assert cases.anchor(made.gateway, made.desk_keys.account) == 1
            vault.start_run("a write-ahead log beside the file")
            made.share_anew(holders=2, threshold=2)
            kept = {path.relative_to(home.root).as_posix() for path in home.root.rglob("*")}
            assert open_to_others(home.root) == {}
    member = f"members/{made.banks[0]}"
    assert kept > FOR_OTHERS | {f"{PUBLIC}/ledger/checkpoint", f"{PUBLIC}/verdicts/checkpoint"}
    assert kept > {
        *("chain/chain.sqlite3", "chain/chain.sqlite3-wal", "chain/lock", "chain/endpoint.json"),
        *("chain/faucet.key", "deployment.json", "founder.json", "officers/1.json"),
        *(
            "keyholders/1/deployment.json",
            "keyholders/1/holder/keys.json",
            "keyholders/1/holder/answered.sqlite",
        ),
        *("keyholders/2/holder/share-1-1.json", "keyholders/1/holder/contribution-1.bin"),
        *(f"{member}/vault.sqlite", f"{member}/vault.sqlite-wal", f"{member}/quarantine/bad-2.csv"),
        *("desk/cases.sqlite", "desk/cases.sqlite-wal", "desk/mirror/state.sqlite", "desk/mirror/lock"),
        *("desk/mirror/manifest.json", "desk/models/register.json"),
    }


@pytest.fixture(params=[0, 0o022, 0o077], ids=oct)
def any_umask(request: pytest.FixtureRequest) -> Iterator[None]:
    with umask(request.param):
        yield


@pytest.mark.usefixtures("any_umask")
def test_a_written_file_is_private_with_every_folder_made_for_it(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "file", b"x")
    with replacing(tmp_path / "c" / "file") as file:
        file.write(b"x")
    assert open_to_others(tmp_path) == {}


@pytest.mark.parametrize(("mask", "file", "folder"), [(0, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_an_export_follows_the_umask(tmp_path: Path, mask: int, file: int, folder: int) -> None:
    with umask(mask):
        write_atomically(tmp_path / "out" / "receipt.json", b"x", mode=PUBLISHED)
    assert mode(tmp_path / "out" / "receipt.json") == file
    assert mode(tmp_path / "out") == folder


def test_a_written_file_leaves_the_folder_of_somebody_who_chose_it_as_it_is(tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    chosen.chmod(0o755)
    write_atomically(chosen / "secret", b"x")
    assert mode(chosen) == 0o755
    assert mode(chosen / "secret") == 0o600


Maker = Callable[[Path], None]
FOLDERS = pytest.mark.parametrize("make", [private_folder, chain_home.private_folder])
FILES = pytest.mark.parametrize("make", [private_file, chain_home.private_file])


@FOLDERS
@pytest.mark.usefixtures("any_umask")
def test_a_private_folder_and_those_above_it_are_private(tmp_path: Path, make: Maker) -> None:
    make(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert open_to_others(tmp_path) == {}


@FOLDERS
def test_a_folder_of_an_earlier_version_is_closed(tmp_path: Path, make: Maker) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o755)
    make(folder)
    assert mode(folder) == 0o700


@FOLDERS
def test_a_folder_that_many_share_is_left_as_it_is(tmp_path: Path, make: Maker) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    make(folder)
    assert mode(folder) == 0o1777


@FILES
@pytest.mark.usefixtures("any_umask")
def test_a_private_file_is_made_empty_and_keeps_what_is_in_it(tmp_path: Path, make: Maker) -> None:
    path = tmp_path / "file"
    make(path)
    assert (mode(path), path.read_bytes()) == (0o600, b"")
    path.write_bytes(b"kept")
    path.chmod(0o644)
    make(path)
    assert (mode(path), path.read_bytes()) == (0o600, b"kept")


@FILES
def test_closing_a_file_to_others_keeps_the_locks_on_it(tmp_path: Path, make: Maker) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o644)
    with path.open("r+b") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        make(path)
        asks = f"import fcntl; fcntl.lockf(open({str(path)!r}, 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        other = subprocess.run([sys.executable, "-c", asks], capture_output=True, check=False)
    assert b"BlockingIOError" in other.stderr


def test_a_database_of_an_earlier_version_is_closed_with_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    path = folder / "cases.sqlite"
    path.touch()
    folder.chmod(0o755)
    path.chmod(0o644)
    with closing(open_database(path, what="the file", remedy="", tables="CREATE TABLE t (x)")):
        assert (folder / "cases.sqlite-wal").exists()
        assert open_to_others(folder) == {}


def test_a_database_is_durable(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "a.sqlite", what="the file", remedy="")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


@pytest.mark.usefixtures("any_umask")
def test_what_does_not_fit_in_memory_spills_where_only_we_may_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir(mode=0o700)
    (tmp_path / "spill").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "here")
    sorting = "CREATE TABLE t AS SELECT i, md5(i::VARCHAR) m FROM range(2_000_000) r(i) ORDER BY m"
    with memory_database(tmp_path / "spill") as database:
        (folder,) = (tmp_path / "spill").iterdir()
        assert mode(folder) == 0o700
        database.execute("SET memory_limit = '60MB'")
        database.execute("SET threads = 1")
        database.execute(sorting)
        assert list(folder.iterdir())
    assert set(tmp_path.rglob("*")) == {tmp_path / "here", tmp_path / "spill"}

"""Backups of a running chain under load, and their way back."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
from contextlib import closing

import pytest
from web3 import Web3

from localchain.backup import back_up, restore, verify
from localchain.check import check
from localchain.errors import BackupError, ChainInUseError, DamagedChainError
from localchain.faucet import fund
from localchain.home import stored


@pytest.fixture(scope="module")
def kept(tmp_path_factory, serving, new_sender, echo):
    """A stopped chain of 30 blocks with a contract, short and long logs, and a backup of it."""
    root = tmp_path_factory.mktemp("kept")
    home = root / "home"
    with serving(home) as node:
        sender, contract = _sender_and_contract(node, home, new_sender, echo)
        for number in range(28):
            data = os.urandom(20_000 if number % 9 == 0 else 40)
            raw = sender.sign(to=contract, data=data, gas=1_000_000)
            node.result("eth_sendRawTransaction", "0x" + raw.hex())
    back_up(home, root / "backup")
    return root


def _sender_and_contract(node, home, new_sender, echo):
    sender = new_sender()
    fund(node.url, home, [sender.account.address], 100, deployer=True)
    raw = sender.sign(to=None, data=echo, gas=200_000)
    created = node.result("eth_sendRawTransaction", "0x" + raw.hex())
    return sender, node.result("eth_getTransactionReceipt", created)["contractAddress"]


def test_a_backup_under_load_is_one_moment_of_the_chain(tmp_path, serving, new_sender, echo):
    home = tmp_path / "home"
    acknowledged, stop = [], threading.Event()
    with serving(home) as node:
        sender, contract = _sender_and_contract(node, home, new_sender, echo)

        def load():
            while not stop.is_set():
                raw = sender.sign(to=contract, data=os.urandom(30_000), gas=2_000_000)
                acknowledged.append(node.result("eth_sendRawTransaction", "0x" + raw.hex()))

        poster = threading.Thread(target=load)
        poster.start()
        try:
            summaries, before = [], []
            for number in range(3):
                before.append(len(acknowledged))
                summaries.append(back_up(home, tmp_path / f"backup-{number}"))
        finally:
            stop.set()
            poster.join()
        heads = [node.result("eth_getBlockByNumber", hex(found.block), False) for found in summaries]
        assert int(node.result("eth_blockNumber"), 16) > summaries[0].block
    for number, (found, head) in enumerate(zip(summaries, heads, strict=True)):
        assert (found.block_hash, found.state_root) == (head["hash"], head["stateRoot"])
        copy = tmp_path / f"copy-{number}"
        assert restore(tmp_path / f"backup-{number}", copy) == found
        with serving(copy) as node:
            assert node.result("eth_blockNumber") == hex(found.block)
            assert node.result("eth_getBlockByNumber", "latest", False) == head
            for transaction in acknowledged[: before[number]]:
                assert node.result("eth_getTransactionReceipt", transaction)["status"] == "0x1"
            # It is a chain to go on with, and its faucet still pays.
            fund(node.url, copy, [new_sender().account.address], 1)
            assert node.result("eth_blockNumber") == hex(found.block + 1)


def test_a_backup_is_one_file_a_key_and_a_description(kept):
    backup = kept / "backup"
    assert sorted(path.name for path in backup.iterdir()) == ["backup.json", "chain.sqlite3", "faucet.key"]
    assert stat.S_IMODE((backup / "faucet.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert verify(backup) == check(kept / "home" / "chain.sqlite3")
    assert json.loads((backup / "backup.json").read_text())["block"] == verify(backup).block == 30


def test_a_backup_replaces_nothing(kept):
    with pytest.raises(BackupError, match="there already"):
        back_up(kept / "home", kept / "backup")
    with pytest.raises(BackupError, match="no chain"):
        back_up(kept / "nowhere", kept / "other")
    assert not (kept / "other").exists()


def test_restore_refuses_a_chain_that_is_there_until_forced(kept, tmp_path, serving):
    backup, home = kept / "backup", tmp_path / "home"
    restore(backup, home)
    with pytest.raises(BackupError, match="already"):
        restore(backup, home)
    other = (tmp_path / "other", "chain.sqlite3")
    with serving(other[0]) as node:
        node.result("eth_blockNumber")
        with pytest.raises(ChainInUseError):
            restore(backup, other[0], force=True)
    # A chain without a block is no loss.
    assert stored(other[0] / other[1])[1] == 0
    restore(backup, other[0])
    assert stored(other[0] / other[1])[1] == 30
    key = (home / "faucet.key").read_text()
    restore(backup, home, force=True)
    (aside,) = home.glob("replaced-*")
    assert (aside / "faucet.key").read_text() == key
    assert check(aside / "chain.sqlite3") == check(home / "chain.sqlite3")


def test_a_full_disk_leaves_neither_half_a_backup_nor_half_a_chain(kept, tmp_path, monkeypatch):
    from localchain import backup as module

    def fails(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_sync", fails)
    with pytest.raises(BackupError, match="No space left"):
        back_up(kept / "home", tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BackupError, match="No space left"):
        restore(kept / "backup", tmp_path / "home")
    assert stored(tmp_path / "home" / "chain.sqlite3") == (None, None)


def test_a_changed_backup_is_refused(kept, tmp_path):
    import shutil

    for name in ("chain.sqlite3", "backup.json"):
        copy = shutil.copytree(kept / "backup", tmp_path / name)
        path = copy / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises((BackupError, DamagedChainError)):
            restore(copy, tmp_path / "home")
    assert not (tmp_path / "home").exists()
    with pytest.raises(BackupError, match="no backup"):
        verify(tmp_path)


DAMAGE = {
    "a header": "UPDATE state SET value = zeroblob(9) WHERE key = (SELECT hash FROM blocks WHERE number = 7)",
    "a missing header": "DELETE FROM state WHERE key = (SELECT hash FROM blocks WHERE number = 7)",
    "a missing block": "DELETE FROM blocks WHERE number = 7",
    "the genesis": "DELETE FROM blocks WHERE number = 0",
    "a missing transaction": "DELETE FROM transactions WHERE block = 7",
    "a changed transaction": "UPDATE transactions SET raw = raw || X'00' WHERE block = 7",
    "a shortened log": "UPDATE logs SET data = X'' WHERE size = 40",
    "a log that borrows beyond": "UPDATE logs SET borrowed_from = 10000000 WHERE borrowed > 0",
    "every state node": "DELETE FROM state WHERE key NOT IN (SELECT hash FROM blocks)",
    "code": "DELETE FROM state WHERE length(value) = 14",
    "an older version's file": "DROP TABLE logs",
    "no description": "DELETE FROM meta",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_file_that_is_not_whole_is_named(kept, tmp_path, kind):
    path = tmp_path / "chain.sqlite3"
    path.write_bytes((kept / "backup" / "chain.sqlite3").read_bytes())
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(DAMAGE[kind]).rowcount != 0
        database.commit()
    with pytest.raises(DamagedChainError, match="does not hold a whole chain"):
        check(path)


def test_any_state_node_of_the_head_is_missed(kept, tmp_path):
    original = (kept / "backup" / "chain.sqlite3").read_bytes()
    path = tmp_path / "chain.sqlite3"
    path.write_bytes(original)
    with closing(sqlite3.connect(path)) as database:
        head = bytes.fromhex(check(path).state_root[2:])
        root = database.execute("SELECT value FROM state WHERE key = ?", (head,)).fetchone()[0]
        assert Web3.keccak(root) == head
        database.execute(
            "UPDATE state SET value = substr(value, 1, length(value) - 1) WHERE key = ?", (head,)
        )
        database.commit()
    with pytest.raises(DamagedChainError, match="of the state"):
        check(path)

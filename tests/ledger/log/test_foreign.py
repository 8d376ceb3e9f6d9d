"""Software of others and ours understand each other: notes, cosignatures, trees, tiles, witnesses.

The packages aics-tlog and aics-witness implement the C2SP documents on their own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.commitment import merkle
from ledger.errors import VerificationError
from ledger.log import Note, Proof, VerifierKey, open_checkpoint
from ledger.log.policy import Policy, Witness
from ledger.log.published import CHECKPOINT, published_log
from ledger.log.tiles import Tiles, append
from ledger.reader.cosigning import Task, collect
from ledger.witness import Witness as OwnWitness
from tests.support.foreign import foreign
from tests.support.logs import MOMENT, ORIGIN, SmallLog, SmallWitness, policy_of, secret
from tests.support.served import served


@pytest.fixture(scope="module")
def tlog() -> Any:
    return foreign("aics_tlog")


@pytest.fixture(scope="module")
def aics_witness(tlog: Any) -> Any:
    from importlib import import_module

    return {name: import_module(f"aics_witness.{name}") for name in ("service", "store", "config", "feeder")}


LOG = SmallLog.of(7)
ALFA = SmallWitness("ALFADE20")


def test_verifier_keys_are_the_same_text(tlog: Any) -> None:
    for key in (LOG.key, ALFA.line.key):
        theirs = tlog.parse_vkey(key.text)
        assert (theirs.name, theirs.key_id, theirs.key_type) == (key.name, key.key_id, key.type)
        assert VerifierKey.parse(tlog.format_vkey(theirs)) == key


def test_theirs_verify_our_checkpoint_with_our_cosignature(tlog: Any) -> None:
    text = ALFA.cosigned(LOG.note()).text
    log_key, witness = tlog.parse_vkey(LOG.key.text), tlog.parse_vkey(ALFA.line.key.text)
    result = tlog.verify_checkpoint(tlog.parse_note(text), log_key, [witness], 1, expected_origin=ORIGIN)
    assert result.ok, result.error
    assert (result.size, result.root, result.witnesses) == (7, LOG.checkpoint().root, [ALFA.name])
    bad = text.replace("\n7\n", "\n8\n")
    assert not tlog.verify_checkpoint(tlog.parse_note(bad), log_key, [witness], 1).ok


def test_ours_open_their_checkpoint_with_their_cosignature(tlog: Any) -> None:
    log_key, key = Ed25519PrivateKey.from_private_bytes(secret("their log")), secret("their witness")
    tree = tlog.MerkleTree([b"one", b"two", b"three"])
    note = tlog.sign_checkpoint(
        tlog.Checkpoint("theirs.example/log", 3, tree.root()), log_key, "theirs.example/log"
    )
    signer = Ed25519PrivateKey.from_private_bytes(key)
    _, line = tlog.sign_cosignature(signer, "w.example/1", MOMENT, "theirs.example/log", 3, tree.root())
    text = tlog.Note(text=note.text, signatures=(*note.signatures, line)).serialise()
    log_vkey = tlog.format_vkey(tlog.vkey_from_ed25519("theirs.example/log", log_key.public_key()))
    witness_vkey = tlog.format_vkey(tlog.cosignature_vkey("w.example/1", signer.public_key()))
    policy = Policy.parse(f"log {log_vkey}\nwitness w {witness_vkey}\nquorum w\n")
    opened = open_checkpoint(text, policy, origin="theirs.example/log")
    assert opened.cosigned_by == (("w", MOMENT),)
    assert Note.parse(text).text == text
    proof = Proof(1, tuple(tree.inclusion_proof(1)), text)
    assert proof.verify(b"two", policy, origin="theirs.example/log") == opened


@settings(max_examples=40)
@given(st.data())
def test_the_trees_and_their_proofs_are_the_same(tlog: Any, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    entries = [b"%d" % i for i in range(size)]
    tree, leaves = tlog.MerkleTree(entries), [merkle.leaf_hash(entry) for entry in entries]
    assert tree.root() == merkle.root(leaves)
    assert list(tree.inclusion_proof(index)) == merkle.inclusion_path(leaves, index)
    proof = merkle.consistency_path(leaves, old)
    assert list(tree.consistency_proof(old, size)) == proof
    assert tlog.verify_consistency(old, size, merkle.root(leaves[:old]), merkle.root(leaves), proof)
    if proof:
        bad = [merkle.leaf_hash(b"other"), *proof[1:]]
        assert not tlog.verify_consistency(old, size, merkle.root(leaves[:old]), merkle.root(leaves), bad)
        with pytest.raises(VerificationError):
            merkle.verify_consistency(old, size, merkle.root(leaves[:old]), merkle.root(leaves), bad)


def test_theirs_read_and_audit_our_tiles(tlog: Any, tmp_path: Path) -> None:
    entries = [b"entry %d" % i for i in range(700)]
    append(tmp_path, append(tmp_path, 0, entries[:300]), entries[300:])
    tiles = Tiles.in_folder(tmp_path, 700)
    reader = tlog.VerifiedTileReader(tlog.DirectoryTileStore(tmp_path), 700, tiles.root())
    assert [reader.entry(i) for i in (0, 255, 256, 699)] == [entries[i] for i in (0, 255, 256, 699)]
    assert list(tlog.inclusion_proof_from_tiles(reader, 511, 700)) == tiles.inclusion_path(511)
    tlog.audit_tiles(tlog.DirectoryTileStore(tmp_path), 700, tiles.root())


def test_ours_read_their_tiles(tlog: Any, tmp_path: Path) -> None:
    entries = [b"entry %d" % i for i in range(700)]
    store = tlog.DirectoryTileStore(str(tmp_path / "ledger"))
    writer = tlog.IncrementalTileWriter(store, size=0)
    writer.append(entries[:299])
    writer.append(entries[299:])
    key = Ed25519PrivateKey.from_private_bytes(LOG.private)
    note = tlog.sign_checkpoint(tlog.Checkpoint(ORIGIN, writer.size, writer.root()), key, ORIGIN)
    store.write_checkpoint(note.to_bytes())
    log = published_log(tmp_path, "ledger", policy_of([LOG]), ORIGIN)
    assert list(log.tiles.entries()) == entries
    assert merkle.root(log.leaf_hashes()) == log.checkpoint.root == log.tiles.root()
    for index in (0, 256, 699):
        proof = Proof(index, tuple(log.tiles.inclusion_path(index)), log.note)
        proof.verify(entries[index], policy_of([LOG]), origin=ORIGIN)


@contextmanager
def serving(server: Any) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield str(server.url)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_their_witness_cosigns_our_log_as_it_grows(aics_witness: Any, tmp_path: Path) -> None:
    service, store, config = aics_witness["service"], aics_witness["store"], aics_witness["config"]
    key = Ed25519PrivateKey.from_private_bytes(ALFA.private)
    database = store.WitnessStore(tmp_path / "w.sqlite", create=True)
    logs = [config.LogConfig(origin=ORIGIN, vkeys=(foreign("aics_tlog").parse_vkey(LOG.key.text),))]
    witness = service.Witness(ALFA.name, key, database, logs)
    folder = tmp_path / "log"
    log, size = SmallLog(), 0
    with serving(service.make_server(witness)) as url:
        named = Witness("ALFADE20", ALFA.line.key, url)
        for step in (1, 2, 250, 300, 0):
            new = [b"entry %d" % i for i in range(size, size + step)]
            size = append(folder, size, new)
            log.entries += new
            task = Task(log.note(), Tiles.in_folder(folder, size), size - step, named)
            (answer,) = collect([task])
            assert answer.problem is None
            assert answer.line is not None
            note = log.note().with_lines(answer.line)
            opened = open_checkpoint(note.text, policy_of([log], [ALFA], 1), origin=ORIGIN)
            assert opened.checkpoint.size == size
        (answer,) = collect([Task(log.note(), Tiles.in_folder(folder, size), 17, named)])
        assert answer.line is not None, "the witness states the size that it cosigned last"
        (answer,) = collect([Task(log.note(100), Tiles.in_folder(folder, size), 100, named)])
        assert answer.problem == "it cosigned 553 entries already, and this checkpoint has 100"
        other = SmallLog([*log.entries[:-1], b"another"])
        (answer,) = collect([Task(other.note(), Tiles.in_folder(folder, size), size, named)])
        assert answer.line is None, "another history"
    database.close()


def test_our_witness_serves_their_log(aics_witness: Any, tlog: Any, tmp_path: Path) -> None:
    from api.witness import create_app

    key = Ed25519PrivateKey.from_private_bytes(secret("their log"))
    origin = "theirs.example/log"
    log_key = VerifierKey.parse(tlog.format_vkey(tlog.vkey_from_ed25519(origin, key.public_key())))
    witness = OwnWitness(tmp_path, ALFA.name, ALFA.private, [log_key])
    entries: list[bytes] = []
    client_of = aics_witness["feeder"].WitnessClient
    with served(create_app(witness)) as url, client_of(url, witness.key.text) as client:
        for step in (1, 4, 0, 300):
            old = len(entries)
            entries += [b"%d" % i for i in range(old, old + step)]
            tree = tlog.MerkleTree(entries)
            note = tlog.sign_checkpoint(tlog.Checkpoint(origin, len(entries), tree.root()), key, origin)
            lines = client.submit(
                note.to_bytes(), lambda old, new, tree=tree: list(tree.consistency_proof(old, new))
            )
            both = tlog.parse_note(aics_witness["feeder"].merge_cosignatures(note.to_bytes(), lines))
            keys = [tlog.parse_vkey(witness.key.text)]
            result = tlog.verify_checkpoint(both, tlog.parse_vkey(log_key.text), keys, 1, max_age_seconds=60)
            assert result.ok, result.error
    held = witness.latest(origin)
    assert held is not None
    assert tlog.parse_checkpoint(tlog.parse_note(held).text).size == 305


def test_a_published_log_has_the_name_of_its_checkpoint(tmp_path: Path) -> None:
    append(tmp_path / "ledger", 0, LOG.entries)
    (tmp_path / "ledger" / CHECKPOINT).write_text(LOG.note().text)
    log = published_log(tmp_path, "ledger", policy_of([LOG]), ORIGIN)
    assert log.checkpoint == LOG.checkpoint()
    assert log.leaf_hashes() == LOG.leaves

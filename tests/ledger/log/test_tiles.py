"""Tiles: the same tree as in memory, whatever the steps in which it grew; damage is named."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.commitment import merkle
from ledger.log.tiles import ENTRIES, TileError, Tiles, append, tile_path


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (1, 1000, 256, "tile/1/x001/000"),
        (63, 999, 1, "tile/63/999.p/1"),
        (ENTRIES, 273, 112, "tile/entries/273.p/112"),
    ],
)
def test_paths(level: int | str, index: int, width: int, path: str) -> None:
    assert tile_path(level, index, width) == path


steps = st.lists(st.sampled_from([0, 1, 2, 7, 100, 255, 256, 257, 513]), min_size=1, max_size=5)


@settings(max_examples=25)
@given(steps, st.randoms(use_true_random=False))
def test_a_log_that_grew_in_steps_is_the_tree_of_all_entries(
    counts: list[int], chance: random.Random
) -> None:
    entries: list[bytes] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in counts:
            new = [chance.randbytes(chance.randrange(0, 40)) for _ in range(count)]
            assert append(folder, len(entries), new) == len(entries) + count
            entries += new
        tiles = Tiles.in_folder(folder, len(entries))
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        assert tiles.root() == merkle.root(leaves)
        assert list(tiles.entries()) == entries
        for _ in range(10 if entries else 0):
            size = chance.randint(1, len(entries))
            index, old = chance.randrange(size), chance.randint(0, size)
            assert tiles.root(size) == merkle.root(leaves[:size])
            assert tiles.inclusion_path(index, size) == merkle.inclusion_path(leaves[:size], index)
            assert tiles.consistency_path(old, size) == merkle.consistency_path(leaves[:size], old)
            assert list(tiles.entries(old, size)) == entries[old:size]
            assert tiles.leaf_hashes(old, size) == leaves[old:size]


def test_the_files_of_the_example_of_the_specification(tmp_path: Path) -> None:
    """tlog-tiles: a tree of size 70,000 has 273 full tiles at level 0, and so on."""
    append(tmp_path, 0, [b""] * 70_000)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    full = [f"tile/{level}/{index:03d}" for level in ("0", "entries") for index in range(273)]
    partial = ["tile/0/273.p/112", "tile/entries/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert found == sorted([*full, "tile/1/000", *partial])
    assert (tmp_path / "tile/0/000").stat().st_size == 8192
    assert (tmp_path / "tile/entries/000").read_bytes() == bytes(512)


def test_a_tree_of_256_entries_has_a_full_tile_and_a_root_above_it(tmp_path: Path) -> None:
    append(tmp_path, 0, [b"x"] * 256)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]


def test_appending_writes_only_the_last_tiles(tmp_path: Path) -> None:
    size = append(tmp_path, 0, [b"x"] * 1000)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    append(tmp_path, size, [b"y"])
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before, "older checkpoints need these files"
    new = sorted(str(path.relative_to(tmp_path)) for path in after.keys() - before.keys())
    assert new == ["tile/0/003.p/233", "tile/entries/003.p/233"]


def test_partial_tiles_go_when_the_tile_is_full_and_older_sizes_stay_readable(tmp_path: Path) -> None:
    entries = [bytes([i % 256]) for i in range(300)]
    sizes, size = [], 0
    for step in (100, 100, 100):
        size = append(tmp_path, size, entries[size : size + step])
        sizes.append(size)
    assert not (tmp_path / "tile/0/000.p").exists()
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    for old in sizes:
        assert Tiles.in_folder(tmp_path, old).root() == merkle.root(leaves[:old])
        assert list(Tiles.in_folder(tmp_path, old).entries()) == entries[:old]


@pytest.mark.parametrize("crash_after", range(6))
def test_a_process_that_dies_while_it_appends_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_after: int
) -> None:
    from ledger.log import tiles as module

    first, more = [b"a%d" % i for i in range(250)], [b"b%d" % i for i in range(300)]
    size = append(tmp_path, 0, first)
    root = merkle.root([merkle.leaf_hash(entry) for entry in first])
    written, write = [], module.write_atomically

    def dying(path: Path, data: bytes, **mode: int) -> None:
        if len(written) == crash_after:
            raise KeyboardInterrupt
        written.append(path)
        write(path, data, **mode)

    monkeypatch.setattr(module, "write_atomically", dying)
    with pytest.raises(KeyboardInterrupt):
        append(tmp_path, size, more)
    monkeypatch.undo()
    assert Tiles.in_folder(tmp_path, size).root() == root
    assert list(Tiles.in_folder(tmp_path, size).entries()) == first
    other = [b"c%d" % i for i in range(300)]  # what was not committed may be something else
    assert append(tmp_path, size, other) == 550
    leaves = [merkle.leaf_hash(entry) for entry in [*first, *other]]
    assert Tiles.in_folder(tmp_path, 550).root() == merkle.root(leaves)
    assert list(Tiles.in_folder(tmp_path, 550).entries()) == [*first, *other]


def test_damage_is_named(tmp_path: Path) -> None:
    append(tmp_path, 0, [b"entry"] * 300)
    whole = tmp_path / "whole"
    shutil.copytree(tmp_path / "tile", whole / "tile")
    (whole / "tile/0/000").unlink()
    with pytest.raises(TileError, match=r"missing \(tile/0/000\)"):
        Tiles.in_folder(whole, 300).inclusion_path(3)
    (tmp_path / "tile/0/001.p/44").write_bytes(bytes(44 * 32 - 1))
    with pytest.raises(TileError, match="wrong size"):
        Tiles.in_folder(tmp_path, 300).root()
    bundle = tmp_path / "tile/entries/000"
    data = bundle.read_bytes()
    for bad in (data[:-1], data + b"\x00", data.replace(b"entry", b"other"), b"\xff\xff" + data):
        bundle.write_bytes(bad)
        with pytest.raises(TileError):
            list(Tiles.in_folder(tmp_path, 300).entries(0, 256))


def test_ranges_outside_the_log_are_refused(tmp_path: Path) -> None:
    append(tmp_path, 0, [b"entry"] * 3)
    tiles = Tiles.in_folder(tmp_path, 3)
    for wrong in (
        lambda: tiles.root(4),
        lambda: tiles.inclusion_path(3),
        lambda: tiles.inclusion_path(-1),
        lambda: tiles.consistency_path(4),
        lambda: tiles.consistency_path(-1),
        lambda: list(tiles.entries(0, 4)),
    ):
        with pytest.raises(IndexError):
            wrong()
    with pytest.raises(ValueError, match="65,535"):
        append(tmp_path, 3, [bytes(65_536)])
    assert append(tmp_path, 3, [bytes(65_535)]) == 4

"""The Merkle tree against published roots, the shared RFC 6962 proofs, and a naive definition."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commitment import merkle
from ledger.commitment.merkle import ConsistencyError, Frontier, InclusionError

VECTORS = Path(__file__).resolve().parents[3] / "../shared/vectors/rfc6962"

# Entries and roots of the Certificate Transparency reference tests (google/certificate-transparency,
# cpp/merkletree/merkle_tree_test.cc; also transparency-dev/merkle, testonly/constants.go).
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

leaf_lists = st.integers(0, 70).map(lambda n: [sha256(b"%d" % i).digest() for i in range(n)])


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) <= 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_proof(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2."""
    n = len(leaves)
    if m == n:
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*naive_proof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_proof(m - k, leaves[k:], False), naive_root(leaves[:k])]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    leaves = [merkle.leaf_hash(entry) for entry in ENTRIES[:size]]
    assert merkle.root(leaves).hex() == ROOTS[size]
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert frontier.root().hex() == ROOTS[size]


def vector_files(kind: str) -> list[object]:
    if not VECTORS.is_dir():
        reason = "the shared RFC 6962 vectors are not beside this checkout"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(p, id=str(p.relative_to(VECTORS))) for p in sorted((VECTORS / kind).rglob("*.json"))]


@pytest.mark.parametrize("file", vector_files("inclusion"))
def test_inclusion_vector(file: Path) -> None:
    case = json.loads(file.read_text())
    leaf, root = base64.b64decode(case["leafHash"] or ""), base64.b64decode(case["root"] or "")
    path = [base64.b64decode(node) for node in case["proof"] or []]
    if case["wantErr"]:
        with pytest.raises(InclusionError):
            merkle.verify_inclusion(leaf, case["leafIdx"], case["treeSize"], path, root)
    else:
        merkle.verify_inclusion(leaf, case["leafIdx"], case["treeSize"], path, root)


@pytest.mark.parametrize("file", vector_files("consistency"))
def test_consistency_vector(file: Path) -> None:
    case = json.loads(file.read_text())
    old_root, new_root = base64.b64decode(case["root1"] or ""), base64.b64decode(case["root2"] or "")
    path = [base64.b64decode(node) for node in case["proof"] or []]
    if case["wantErr"]:
        with pytest.raises(ConsistencyError):
            merkle.verify_consistency(case["size1"], case["size2"], old_root, new_root, path)
    else:
        merkle.verify_consistency(case["size1"], case["size2"], old_root, new_root, path)


@given(leaf_lists)
def test_root_is_that_of_the_recursive_definition(leaves: list[bytes]) -> None:
    assert merkle.root(leaves) == naive_root(leaves)


@given(leaf_lists.filter(bool), st.data())
def test_inclusion_paths(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.inclusion_path(leaves, index)
    assert path == naive_path(index, leaves)
    root = merkle.root(leaves)
    merkle.verify_inclusion(leaves[index], index, len(leaves), path, root)

    wrong = data.draw(st.integers(0, len(leaves) + 3).filter(lambda i: i != index))
    with pytest.raises(InclusionError):
        merkle.verify_inclusion(leaves[index], wrong, len(leaves), path, root)
    for bad in ([*path, root], path[:-1] if path else [root]):
        with pytest.raises(InclusionError):
            merkle.verify_inclusion(leaves[index], index, len(leaves), bad, root)


@given(leaf_lists, st.data())
def test_consistency_paths(leaves: list[bytes], data: st.DataObject) -> None:
    old = data.draw(st.integers(0, len(leaves)))
    path = merkle.consistency_path(leaves, old)
    if old:
        assert path == naive_proof(old, leaves)
    old_root, new_root = merkle.root(leaves[:old]), merkle.root(leaves)
    merkle.verify_consistency(old, len(leaves), old_root, new_root, path)
    for bad in ([*path, new_root], path[:-1] if path else [old_root]):
        with pytest.raises(ConsistencyError):
            merkle.verify_consistency(old, len(leaves), old_root, new_root, bad)
    if old:
        with pytest.raises(ConsistencyError):
            merkle.verify_consistency(old, len(leaves), merkle.leaf_hash(b"other"), new_root, path)


def test_every_flipped_byte_of_a_proof_is_caught() -> None:
    leaves = [merkle.leaf_hash(b"%d" % i) for i in range(13)]
    root, path = merkle.root(leaves), merkle.inclusion_path(leaves, 6)
    proof = merkle.consistency_path(leaves, 7)
    for hop in range(len(path)):
        for position in range(32):
            bad = list(path)
            bad[hop] = bad[hop][:position] + bytes([bad[hop][position] ^ 1]) + bad[hop][position + 1 :]
            with pytest.raises(InclusionError):
                merkle.verify_inclusion(leaves[6], 6, 13, bad, root)
    for hop in range(len(proof)):
        for position in range(32):
            bad = list(proof)
            bad[hop] = bad[hop][:position] + bytes([bad[hop][position] ^ 1]) + bad[hop][position + 1 :]
            with pytest.raises(ConsistencyError):
                merkle.verify_consistency(7, 13, merkle.root(leaves[:7]), root, bad)


def test_an_empty_tree_is_consistent_only_with_its_own_root() -> None:
    new = merkle.leaf_hash(b"a")
    merkle.verify_consistency(0, 1, merkle.EMPTY_ROOT, new, [])
    with pytest.raises(ConsistencyError, match="empty tree"):
        merkle.verify_consistency(0, 1, new, new, [])


def test_paths_outside_the_tree_are_refused() -> None:
    leaves = [merkle.leaf_hash(b"a")]
    with pytest.raises(IndexError):
        merkle.inclusion_path(leaves, 1)
    with pytest.raises(IndexError):
        merkle.inclusion_path(leaves, -1)
    with pytest.raises(IndexError):
        merkle.consistency_path(leaves, 2)
    with pytest.raises(InclusionError):
        merkle.verify_inclusion(leaves[0], -1, 1, [], leaves[0])
    with pytest.raises(ConsistencyError, match="shrunk"):
        merkle.verify_consistency(2, 1, leaves[0], leaves[0], [])


@given(leaf_lists)
def test_frontier_follows_the_tree(leaves: list[bytes]) -> None:
    frontier = Frontier()
    for count, leaf in enumerate(leaves):
        assert (frontier.size, frontier.root()) == (count, naive_root(leaves[:count]))
        frontier.append(leaf)
    assert frontier.root() == naive_root(leaves)


def test_frontier_takes_hashes_only() -> None:
    with pytest.raises(ValueError):
        Frontier().append(b"short")

"""The Merkle tree of RFC 6962: SHA-256, leaves prefixed with 0x00, inner nodes with 0x01.

References
----------
.. [1] RFC 6962, section 2.1 (tree, audit paths, consistency proofs).
.. [2] RFC 9162, sections 2.1.3.2 and 2.1.4.2 (the verification algorithms, same tree).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from ledger.errors import VerificationError

__all__ = [
    "EMPTY_ROOT",
    "ConsistencyError",
    "Frontier",
    "InclusionError",
    "consistency_path",
    "inclusion_path",
    "inclusion_paths",
    "leaf_hash",
    "node_hash",
    "root",
    "verify_consistency",
    "verify_inclusion",
]

#: Root of the tree without leaves: the hash of the empty string.
EMPTY_ROOT = sha256(b"").digest()

_HASH_SIZE = 32
# No real tree is larger than this; the limit bounds the work of a verifier.
_MAX_SIZE = 2**63


class InclusionError(VerificationError):
    """Raised when an inclusion path does not lead from the leaf to the root."""


class ConsistencyError(VerificationError):
    """Raised when a consistency path does not prove that the new tree extends the old one."""


def leaf_hash(data: bytes) -> bytes:
    """Hash one entry: ``SHA-256(0x00 || data)``."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees: ``SHA-256(0x01 || left || right)``."""
    return sha256(b"\x01" + left + right).digest()


def _next_level(level: Sequence[bytes]) -> list[bytes]:
    """Hash neighbours together; an odd last node moves up unchanged, as in RFC 6962."""
    pairs = iter(level)
    hashed = [
        sha256(b"\x01" + left + right).digest()
        for left, right in zip(pairs, pairs, strict=False)  # the odd one is handled below
    ]
    if len(level) & 1:
        hashed.append(level[-1])
    return hashed


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Compute the root of a tree.

    Parameters
    ----------
    leaf_hashes : sequence of 32-byte leaf hashes

    Returns
    -------
    bytes
        The root; ``SHA-256("")`` when there are no leaves.
    """
    if not leaf_hashes:
        return EMPTY_ROOT
    level = leaf_hashes
    while len(level) > 1:
        level = _next_level(level)
    return level[0]


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of one leaf, lowest node first (RFC 6962, 2.1.1).

    Raises
    ------
    IndexError
        When there is no leaf `index`.
    """
    return inclusion_paths(leaf_hashes, (index,))[0]


def inclusion_paths(leaf_hashes: Sequence[bytes], indices: Sequence[int]) -> list[list[bytes]]:
    """Return the audit paths of several leaves; the tree is hashed only once. See `inclusion_path`."""
    for index in indices:
        if not 0 <= index < len(leaf_hashes):
            raise IndexError(f"leaf {index} of a tree of {len(leaf_hashes)}")
    paths: list[list[bytes]] = [[] for _ in indices]
    level = leaf_hashes
    depth = 0
    while len(level) > 1:
        for path, index in zip(paths, indices, strict=True):
            sibling = (index >> depth) ^ 1
            if sibling < len(level):
                path.append(level[sibling])
        level = _next_level(level)
        depth += 1
    return paths


def consistency_path(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree of the first `old_size` leaves is a prefix of this tree (2.1.2).

    If the old size is zero or the size of the whole tree, no proof is needed and the path is empty.

    Raises
    ------
    IndexError
        When `old_size` is negative or larger than the tree.
    """
    if not 0 <= old_size <= len(leaf_hashes):
        raise IndexError(f"old size {old_size} of a tree of {len(leaf_hashes)}")
    if old_size in (0, len(leaf_hashes)):
        return []
    path: list[bytes] = []
    level = leaf_hashes
    # Go up from the last leaf of the old tree; full subtrees that end there are nodes of both trees.
    node = old_size - 1
    while node & 1:
        level = _next_level(level)
        node >>= 1
    if node:
        path.append(level[node])
    while len(level) > 1:
        sibling = node ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _next_level(level)
        node >>= 1
    return path


def _check_hashes(
    hashes: Sequence[bytes], what: str, error: type[InclusionError] | type[ConsistencyError]
) -> None:
    for value in hashes:
        if len(value) != _HASH_SIZE:
            raise error(f"{what} is not a SHA-256 hash", expected=f"{_HASH_SIZE} bytes", got=len(value))


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` is entry number `index` of the tree of `size` entries under `root`.

    Parameters
    ----------
    leaf : bytes
        The leaf *hash* (see `leaf_hash`), not the entry.
    index, size : int
        Position of the leaf, counted from zero, and number of leaves.
    path : sequence of bytes
        Audit path, lowest node first.
    root : bytes
        The trusted root.

    Raises
    ------
    InclusionError
        When the path has the wrong length or leads to another root.

    References
    ----------
    RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size <= _MAX_SIZE:
        raise InclusionError("the leaf is outside the tree", expected=f"index below {size}")
    _check_hashes((leaf, root, *path), "a hash of the inclusion proof", InclusionError)
    node, last, reached = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise InclusionError("the inclusion path is longer than the tree is high")
        if node & 1 or node == last:
            reached = node_hash(sibling, reached)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            reached = node_hash(reached, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise InclusionError("the inclusion path is shorter than the tree is high")
    if reached != root:
        raise InclusionError("the inclusion path leads to another root", expected=root, got=reached)


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree under `new_root` is the tree under `old_root` with entries added at its end.

    Raises
    ------
    ConsistencyError
        When the path has the wrong length or leads to another root, or the tree has shrunk.

    References
    ----------
    RFC 9162, section 2.1.4.2.
    """
    if not 0 <= old_size <= new_size <= _MAX_SIZE:
        raise ConsistencyError("the tree has shrunk", expected=f"at least {old_size} entries", got=new_size)
    if old_size != new_size:  # for equal sizes, the roots are compared without hashing
        _check_hashes((old_root, new_root, *path), "a hash of the consistency proof", ConsistencyError)
    if old_size in (0, new_size):
        _verify_without_path(old_size, new_size, old_root, new_root, path)
        return
    # If the old tree is full, its root is the first node, and the proof omits it.
    nodes = list(path) if old_size & (old_size - 1) else [old_root, *path]
    if not nodes:
        raise ConsistencyError("the consistency path is shorter than the tree is high")
    old, new = _roots_of(nodes, old_size, new_size)
    if old != old_root:
        raise ConsistencyError("the path leads to another old root", expected=old_root, got=old)
    if new != new_root:
        raise ConsistencyError("the path leads to another new root", expected=new_root, got=new)


def _roots_of(nodes: Sequence[bytes], old_size: int, new_size: int) -> tuple[bytes, bytes]:
    """Return the old and the new root that the nodes of a consistency proof lead to."""
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            raise ConsistencyError("the consistency path is longer than the tree is high")
        if node & 1 or node == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise ConsistencyError("the consistency path is shorter than the tree is high")
    return old, new


def _verify_without_path(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check the two cases that need no path: the old tree is empty, or the trees have one size."""
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ConsistencyError(
            "the old root is not the root of an empty tree", expected=EMPTY_ROOT, got=old_root
        )
    if path:
        raise ConsistencyError("the consistency path should be empty", expected="0 hashes", got=len(path))
    if old_size == new_size and old_root != new_root:
        raise ConsistencyError(
            "the two trees have the same size but different roots", expected=old_root, got=new_root
        )


class Frontier:
    """The right edge of a growing tree; it allows to append leaves and to compute the root.

    Its state is one hash for each bit that is set in the size, the largest full subtree first, so appending a
    leaf and computing the root take O(log n) hashes.

    Examples
    --------
    >>> frontier = Frontier()
    >>> for entry in (b"a", b"b", b"c"):
    ...     frontier.append(leaf_hash(entry))
    >>> frontier.root() == root([leaf_hash(entry) for entry in (b"a", b"b", b"c")])
    True
    """

    __slots__ = ("_nodes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._nodes: list[bytes] = []

    @property
    def size(self) -> int:
        """Number of leaves appended so far."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Append one leaf hash.

        Raises
        ------
        ValueError
            When `leaf` is not 32 bytes.
        """
        if len(leaf) != _HASH_SIZE:
            raise ValueError(f"a leaf hash must have {_HASH_SIZE} bytes, not {len(leaf)}")
        node, size = leaf, self._size
        while size & 1:
            node = node_hash(self._nodes.pop(), node)
            size >>= 1
        self._nodes.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Compute the root of the tree of all leaves so far."""
        if not self._nodes:
            return EMPTY_ROOT
        result = self._nodes[-1]
        for node in reversed(self._nodes[:-1]):
            result = node_hash(node, result)
        return result

"""A request for evaluations: the blinded elements that a member anchors on the chain, and their chunks.

The chain has the count and the root of an RFC 6962 tree over the elements, 32 bytes each. A holder is asked
for a chunk of `CHUNK` elements (the last chunk may have fewer). Because a chunk is a whole subtree, its path
to the root is short, and a holder needs no other chunk to check it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.commitment import merkle
from ledger.errors import VerificationError

__all__ = [
    "CHUNK",
    "MOST_ELEMENTS",
    "Chunk",
    "check_chunk",
    "check_element",
    "chunks",
    "element_path",
    "request_root",
]

#: Number of elements of a chunk: a power of two.
CHUNK: Final = 512

#: Maximum number of elements of a request, as the contract has it.
MOST_ELEMENTS: Final = 2**20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive elements of a request, with their path to its root.

    Parameters
    ----------
    request : int
        Number of the request on the chain.
    start : int
        Position of the first element: a multiple of `CHUNK`.
    elements : tuple of bytes
        Blinded elements, 32 bytes each.
    path : tuple of bytes
        Hashes from the chunk's subtree to the root.
    """

    request: int
    start: int
    elements: tuple[bytes, ...]
    path: tuple[bytes, ...]


def request_root(elements: Sequence[bytes]) -> bytes:
    """Return the root over the elements of a request; at least one."""
    return merkle.root(_subtrees(elements))


def chunks(request: int, elements: Sequence[bytes]) -> list[Chunk]:
    """Divide the elements of a request into chunks."""
    subtrees = _subtrees(elements)
    paths = merkle.inclusion_paths(subtrees, range(len(subtrees)))
    return [
        Chunk(request, number * CHUNK, tuple(elements[number * CHUNK : (number + 1) * CHUNK]), tuple(path))
        for number, path in enumerate(paths)
    ]


def check_chunk(chunk: Chunk, count: int, root: bytes) -> None:
    """Check that a chunk is a part of a request.

    Parameters
    ----------
    chunk : Chunk
    count : int
        Number of elements of the request, from the chain.
    root : bytes
        Its root, from the chain.

    Raises
    ------
    VerificationError
        When the chunk has another place or another size, or does not lead to the root.
    """
    number, rest = divmod(chunk.start, CHUNK)
    expected = min(CHUNK, count - chunk.start)
    if rest or not 0 <= chunk.start < count or len(chunk.elements) != expected:
        raise VerificationError(
            "the elements are not a chunk of the request",
            expected=f"{max(expected, 0)} elements from {number * CHUNK} on",
            got=f"{len(chunk.elements)} elements from {chunk.start} on",
        )
    subtree = merkle.root([merkle.leaf_hash(element) for element in chunk.elements])
    merkle.verify_inclusion(subtree, number, -(-count // CHUNK), list(chunk.path), root)


def element_path(elements: Sequence[bytes], position: int) -> list[bytes]:
    """Return the path of one element to the root of its request."""
    return merkle.inclusion_path([merkle.leaf_hash(element) for element in elements], position)


def check_element(element: bytes, position: int, count: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that an element is at a position of a request.

    Raises
    ------
    VerificationError
        When it is not.
    """
    merkle.verify_inclusion(merkle.leaf_hash(element), position, count, path, root)


def _subtrees(elements: Sequence[bytes]) -> list[bytes]:
    leaves = [merkle.leaf_hash(element) for element in elements]
    return [merkle.root(leaves[start : start + CHUNK]) for start in range(0, len(leaves), CHUNK)]

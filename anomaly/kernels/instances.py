"""The result of every kernel: instances of a pattern, with evidence edges and whether the search was cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly.kernels.csr import offsets, ranges

__all__ = ["Instances"]


@dataclass(frozen=True, eq=False)
class Instances:
    """Instances of one pattern.

    Attributes
    ----------
    anchor : (k,) int32
        Vertex (or group) that the instance belongs to.
    ptr : (k + 1,) int64
    edge : int32
        Numbers of the graph's edges; the evidence of instance i is `edge[ptr[i]:ptr[i + 1]]`.
    truncated : (k,) bool
        Whether a budget stopped the search that found the instance, so that it may be incomplete.
    cut : int
        Number of seeds whose search a budget or the hub policy stopped, with or without an instance.
    """

    anchor: npt.NDArray[np.int32]
    ptr: npt.NDArray[np.int64]
    edge: npt.NDArray[np.int32]
    truncated: npt.NDArray[np.bool_]
    cut: int = 0

    def __len__(self) -> int:
        return len(self.anchor)

    def __iter__(self) -> Iterator[npt.NDArray[np.int32]]:
        return (self.edges_of(i) for i in range(len(self)))

    def edges_of(self, instance: int) -> npt.NDArray[np.int32]:
        """Return the evidence edges of one instance, in the order of the search."""
        return self.edge[self.ptr[instance] : self.ptr[instance + 1]]

    def take(self, keep: npt.NDArray[np.int64]) -> Instances:
        """Return some of the instances; `cut` stays, because it counts searches, not instances."""
        ptr = offsets(self.sizes[keep])
        edge = self.edge[ranges(self.ptr[keep], ptr)]
        return Instances(self.anchor[keep], ptr, edge, self.truncated[keep], self.cut)

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Number of evidence edges of each instance."""
        return np.diff(self.ptr)

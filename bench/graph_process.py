"""Runs each measurement of graph features in a separate process, on streams that are created once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.graph_inputs import curve, stream

__all__ = ["Bench"]

_ROOT = Path(__file__).resolve().parents[1]


class Bench:
    """Runs each measurement in a separate process.

    Parameters
    ----------
    peer : str or None
        A Python with snapml.
    data : Path
        Folder with the labelled files.
    folder : Path
        Temporary folder for the streams.
    threads : int
        Threads of the peer; the engine uses one.
    """

    def __init__(self, peer: str | None, data: Path, folder: Path, threads: int) -> None:
        self.peer, self._data, self._folder, self._threads = peer, data, folder, threads

    def file(self, part: str, edges: int = 0) -> Path:
        """Return the file of a stream; the first call creates it."""
        path = self._folder / f"{part}-{edges}.npz"
        if not path.exists():
            columns = curve(part, edges) if edges else stream(part, self._data)
            np.savez(path, allow_pickle=False, **columns)
        return path

    def size(self, part: str) -> int:
        """Return the number of edges of a stream."""
        with np.load(self.file(part)) as columns:
            return len(columns["src"])

    def run(self, path: Path, **settings: Any) -> dict[str, Any]:
        """Measure once; see `bench.graph_worker`."""
        told = {
            "stream": str(path), "threads": self._threads, "scoring": "arrival", "ties": "exclude", "warm": 0,
            "most": 0, "keep": "", "counts_only": False, "limit_s": 1e9,
        } | settings  # fmt: skip
        python = self.peer if told["system"] == "peer" else sys.executable
        done = subprocess.run(
            [str(python), "-m", "bench.graph_worker"],
            input=json.dumps(told), cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

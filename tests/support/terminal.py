"""A program on a terminal of its own, for tests of what a person is asked."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["answered"]


def answered(
    command: Sequence[str], answers: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
) -> tuple[str, int]:
    """Run a program, and answer each prompt that ends with a colon; return what it shows, and its status."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        list(command),
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, start_new_session=True,
        env=None if environment is None else dict(environment),
    )  # fmt: skip
    os.close(theirs)
    shown, seen, waiting = b"", 0, list(answers)
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the program has closed the terminal
            break
        if not part:
            break
        shown += part
        if waiting and shown[seen:].endswith(b": "):
            seen = len(shown)
            os.write(ours, waiting.pop(0).encode() + b"\n")
    os.close(ours)
    return shown.decode(), process.wait(60)

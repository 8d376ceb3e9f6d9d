"""Loading libsodium: no file stays behind, and a temporary folder without room has its message."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

USE = "from ledger.encoding import oprf; print(len(oprf.generate_key()))"
TELL = f"""
from ledger.errors import CounterfoilError
try:
    {USE}
except CounterfoilError as error:
    print(type(error).__name__, error)
"""


def python(program: str, temporary: Path, *, most_bytes: int | None = None) -> str:
    """Run a program in a process of its own, whose files can be so large."""

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    done = subprocess.run(
        [sys.executable, "-B", "-c", program],
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_the_library_leaves_no_file_behind(tmp_path: Path) -> None:
    assert python(USE, tmp_path) == "32\n"
    assert list(tmp_path.iterdir()) == []


def test_who_does_not_use_the_group_does_not_load_it(tmp_path: Path) -> None:
    loaded = python("import sys, cli.main; print('rbcl' in sys.modules)", tmp_path)
    assert (loaded, list(tmp_path.iterdir())) == ("False\n", [])


def test_a_temporary_folder_without_room_is_told(tmp_path: Path) -> None:
    said = python(TELL, tmp_path, most_bytes=100_000)
    assert said.startswith("StorageError the disk is full")
    assert str(tmp_path) in said
    assert "Free disk space" in said
    assert list(tmp_path.iterdir()) == []
    assert python(TELL, tmp_path) == "32\n"

"""A killed chain leaves its endpoint file behind; nobody may be sent there while the next one starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from localchain import status
from localchain.home import exclusive, write_endpoint


def test_the_endpoint_of_a_killed_chain_is_not_believed_while_the_next_one_starts(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    stale = {"url": "http://127.0.0.1:1", "pid": dead.pid, "chain_id": 20_261}
    (tmp_path / "endpoint.json").write_text(json.dumps(stale))
    (tmp_path / "lock").write_text(f"{dead.pid}\n")
    with exclusive(tmp_path):
        assert status(tmp_path)["running"]
        assert status(tmp_path)["url"] is None
        (tmp_path / "lock").write_text(f"{dead.pid}\n")  # the instant before the new one writes its name
        assert status(tmp_path)["url"] is None
        (tmp_path / "lock").write_text(f"{os.getpid()}\n")
        write_endpoint(tmp_path, "http://127.0.0.1:2", 20_261)
        assert (status(tmp_path)["url"], status(tmp_path)["pid"]) == ("http://127.0.0.1:2", os.getpid())
    assert not status(tmp_path)["running"]

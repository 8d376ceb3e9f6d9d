"""An application served over HTTP in a thread, for tests that need a real connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from api.connections import LIMITS, Limits
from api.serving import configuration
from counterfoil.processes import listen

__all__ = ["served"]


@contextmanager
def served(app: Any, limits: Limits = LIMITS) -> Iterator[str]:
    """Serve an application on loopback as every service is served; yield its URL."""
    listening = listen(0)
    server = uvicorn.Server(configuration(app, limits=limits))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()

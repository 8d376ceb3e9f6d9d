"""A node that answers as badly as a test wants: raw bytes, or a real chain's answers changed on their way."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["HostileNode", "hostile_node", "http"]

#: Answers one question: gets the socket and the question, and writes what it likes.
Script = Callable[[socket.socket, Any], None]

#: Changes a real answer: gets the method, the params and the result.
Change = Callable[[str, Any, Any], Any]


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return an HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class HostileNode:
    """What it does can be set at any time; by default it passes everything on to a real chain."""

    upstream: str
    url: str = ""
    script: Script | None = None
    change: Change | None = None
    asked: list[Any] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        """Answer on one connection until either side closes it."""
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while (question := _read(stream)) is not None:
                self.asked.append(question)
                if self.script is not None:
                    self.script(connection, question)
                    return  # who writes raw bytes cannot promise that the connection is still usable
                connection.sendall(http(json.dumps(self.pass_on(question)).encode()))

    def pass_on(self, question: Any) -> Any:
        """Ask the real chain, and change what it says."""
        request = urllib.request.Request(
            self.upstream, json.dumps(question).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            answer = json.loads(response.read())
        if self.change is not None and isinstance(answer, dict) and "result" in answer:
            answer["result"] = self.change(question["method"], question["params"], answer["result"])
        return answer


def _read(stream: Any) -> Any:
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(stream.read(length)) if line else None


N = TypeVar("N", bound=HostileNode)


@contextmanager
def hostile_node(upstream: str, kind: type[N] = HostileNode) -> Iterator[N]:  # type: ignore[assignment]
    """Run one on loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    node = kind(upstream, f"http://127.0.0.1:{listener.getsockname()[1]}")

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=node.serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield node
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()

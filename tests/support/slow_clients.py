"""Clients that keep a server waiting, over raw sockets: the attacks that every service must survive."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

__all__ = ["ATTACKS", "closed_by_server", "connect"]

#: Seconds between two bytes of a slow client: never long enough for a time limit on a single read.
_PAUSE: Final = 0.05

#: Seconds after which a test gives up; a server that never closes the connection fails it.
_PATIENCE: Final = 20.0


def connect(port: int) -> socket.socket:
    """Open a connection to a service on loopback, with a small buffer for what it answers."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(_PATIENCE)
    client.connect(("127.0.0.1", port))
    return client


def _drip(client: socket.socket, byte: bytes) -> bool:
    """Send a byte from time to time; return whether the server ended the connection."""
    deadline = time.monotonic() + _PATIENCE
    client.settimeout(_PAUSE)
    while time.monotonic() < deadline:
        try:
            client.sendall(byte)
            if client.recv(4096) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def says_nothing(port: int, _path: str) -> bool:
    """Connect and wait."""
    with connect(port) as client:
        return closed_by_server(client)


def drips_head(port: int, path: str) -> bool:
    """Send a header that never ends."""
    with connect(port) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ".encode())
        return _drip(client, b"a")


def drips_second_head(port: int, path: str) -> bool:
    """Ask once as one should, then send a header that never ends, on the same connection."""
    with connect(port) as client:
        client.sendall(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Content-Length: 2\r\n\r\n{}".encode()
        )
        client.recv(4096)
        with suppress(OSError):
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ".encode())
        return _drip(client, b"a")


def drips_body(port: int, path: str) -> bool:
    """Promise a body and send a byte of it from time to time."""
    with connect(port) as client:
        client.sendall(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Content-Length: 1000\r\n\r\n".encode()
        )
        return _drip(client, b" ")


def closed_by_server(client: socket.socket) -> bool:
    """Wait until the server ends the connection."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            if client.recv(65_536) == b"":
                return True
        except TimeoutError:
            return False
        except OSError:
            return True
    return False


ATTACKS: Final[dict[str, Callable[[int, str], bool]]] = {
    "says nothing": says_nothing,
    "drips head": drips_head,
    "drips second head": drips_second_head,
    "drips body": drips_body,
}

"""``python -m bench.latency``: what a request costs with and without TCP_NODELAY on the server's connections.

Without it the kernel holds back a small segment until the one before it is acknowledged (RFC 896), and the
other side delays that for up to 40 ms (RFC 1122). It matters to a server that writes the head and the body of
an answer one after the other, as uvicorn does; the chain's server writes both at once.

Each server is a process of its own. The requests are sequential, on one connection that is kept open.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from eth_account import Account

from api.keyholder import create_app
from bench.report import machine
from cli.output import say, show_table
from ledger.encoding import oprf
from ledger.encoding.keyholder import create_epoch
from ledger.encoding.keyholder_client import HttpKeyHolder
from localchain import server

KEY = b"\x01" * 32
EPOCH = 1
WARMING = 20

#: Serves from a folder, with the option or without it, and says where it listens.
Service = Callable[[Path, bool, "SimpleQueue[str]"], None]
Ask = Callable[[], object]


def serve_chain(home: Path, nodelay: bool, said: SimpleQueue[str]) -> None:
    """Serve an empty chain."""
    made = server._handler
    server._handler = lambda dispatcher: type(
        "Handler", (made(dispatcher),), {"disable_nagle_algorithm": nodelay}
    )
    server.serve(home, port=0, chain_id=1, ready=said.put)


def serve_keyholder(home: Path, nodelay: bool, said: SimpleQueue[str]) -> None:
    """Serve a key holder by uvicorn, on a socket whose option the accepted connections inherit."""
    create_epoch(home, EPOCH)
    member = Account.from_key(KEY).address.lower()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
    said.put(f"http://127.0.0.1:{listening.getsockname()[1]}")
    application = create_app(home, members=lambda: {member}, quota=10**6)
    uvicorn.Server(uvicorn.Config(application, log_level="error")).run(sockets=[listening])


def time_rpc(url: str, requests: int) -> list[float]:
    """Ask the chain for its height."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port)

    def ask() -> None:
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        assert b"0x0" in connection.getresponse().read()

    with closing(connection):
        return timed(ask, requests)


def time_evaluations(url: str, requests: int) -> list[float]:
    """Ask the key holder for the evaluation of one element; blinded anew, for it answers no request twice."""
    elements = iter([oprf.blind(b"acct:A:1").element for _ in range(WARMING + requests)])
    with closing(HttpKeyHolder(url, KEY)) as holder:
        return timed(lambda: holder.evaluate(EPOCH, [next(elements)]), requests)


def timed(ask: Ask, requests: int) -> list[float]:
    """Return the milliseconds of each request, after some that warm up."""
    found = []
    for _ in range(WARMING + requests):
        begun = time.perf_counter()
        ask()
        found.append((time.perf_counter() - begun) * 1_000)
    return found[WARMING:]


def measure(service: Service, time_it: Callable[[str, int], list[float]], requests: int) -> list[list[float]]:
    """Return the milliseconds without the option, and with it."""
    spawn = multiprocessing.get_context("spawn")
    found = []
    for nodelay in (False, True):
        with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
            said: SimpleQueue[str] = spawn.SimpleQueue()
            process = spawn.Process(target=service, args=(Path(folder) / "home", nodelay, said))
            process.start()
            try:
                found.append(time_it(said.get(), requests))
            finally:
                process.terminate()
                process.join()
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=300, help="sequential requests on one connection")
    requests = parser.parse_args().requests
    rows = []
    for name, service, time_it in (
        ("chain: eth_blockNumber", serve_chain, time_rpc),
        ("key holder: one evaluation", serve_keyholder, time_evaluations),
    ):
        without, with_it = (statistics.median(ms) for ms in measure(service, time_it, requests))
        rows.append((name, f"{without:.2f}", f"{with_it:.2f}", f"{without / with_it:.1f}"))
    show_table(machine(), ["request", "p50 without, ms", "p50 with TCP_NODELAY, ms", "times faster"], rows)
    say(f"{requests} sequential requests on one connection each, loopback.")


if __name__ == "__main__":
    main()

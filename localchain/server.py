"""Serves a durable chain as JSON-RPC over HTTP on loopback: `python -m localchain.server --home DIR`.

If the process is killed and started again with the same command, it continues from the last stored block.
"""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

from eth_account import Account

from localchain import home as folder
from localchain.budget import BUDGET, Budget
from localchain.chain import LocalChain
from localchain.connections import Connections, Phase
from localchain.database import Database
from localchain.errors import LocalChainError
from localchain.genesis import DEFAULT_CHAIN_ID, faucet_key, open_genesis
from localchain.rpc import Dispatcher

__all__ = ["main", "serve"]

HOST = "127.0.0.1"

#: Tried first where no port is asked for: clients look here by custom.
DEFAULT_PORT = 8545

#: py-evm raises Python's recursion limit for contracts that call themselves. A thread's usual stack is too
#: small for that depth, and overflowing it ends the process. Memory is taken only as deep as it is used.
_THREAD_STACK = 256 * 2**20

#: Seconds between two looks for connections that are late.
_LOOK_SECONDS = 0.5

_BUSY_TEXT = b"the chain has too many connections; try again in 1 s\n"
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_BUSY_TEXT), _BUSY_TEXT)
)

#: Names under which a browser or client may call us. Anything else is a foreign page that found our port.
_LOCAL_NAMES = {"127.0.0.1", "localhost"}

_log = logging.getLogger(__name__)


def serve(
    home: Path,
    *,
    port: int | None,
    chain_id: int,
    ready: Callable[[str], None] | None = None,
    budget: Budget = BUDGET,
) -> None:
    """Serve the chain in a folder until SIGTERM or SIGINT; make the chain if the folder holds none.

    Parameters
    ----------
    home : Path
        The chain's folder; made if it is not there.
    port : int, optional
        TCP port on loopback; 0 picks a free one. None takes `DEFAULT_PORT`, or a free one when that is taken:
        the endpoint file says which.
    chain_id : int
        EIP-155 chain identifier. A stored chain must have the same identifier.
    ready : callable, optional
        Called with the URL once the server answers.
    budget : Budget
        The limits.

    Raises
    ------
    ChainInUseError
        If another process serves this chain.
    WrongGenesisError
        If the folder contains another chain.
    LocalChainError
        If the port that was asked for is taken.
    """
    folder.private_folder(home)
    with folder.exclusive(home):
        database = Database(home / folder.DATABASE)
        try:
            faucet = bytes.fromhex(Account.from_key(faucet_key(home)).address.removeprefix("0x"))
            genesis = open_genesis(database, chain_id=chain_id, faucet=faucet)
        except BaseException:
            database.close()
            raise
        chain = LocalChain(database, genesis, budget)
        try:
            _serve_chain(chain, home, port, ready)
        finally:
            chain.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server from the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line without the program's name.

    Returns
    -------
    int
        Exit code: 0 stopped, 2 could not start.
    """
    parser = argparse.ArgumentParser(prog="python -m localchain.server", description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="folder of the chain")
    parser.add_argument(
        "--port", type=int, help=f"0 picks a free one; default: {DEFAULT_PORT}, or a free one if it is taken"
    )
    parser.add_argument("--chain-id", type=int, default=DEFAULT_CHAIN_ID)
    options = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        serve(options.home, port=options.port, chain_id=options.chain_id)
    except LocalChainError as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def _listening(port: int | None, dispatcher: Dispatcher, budget: Budget) -> _Server:
    """Return a server that has its port."""
    wanted = DEFAULT_PORT if port is None else port
    try:
        return _Server((HOST, wanted), dispatcher, budget)
    except (OSError, OverflowError) as problem:
        if port is None and isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE:
            return _listening(0, dispatcher, budget)
        reason = getattr(problem, "strerror", None) or str(problem)
        raise LocalChainError(
            f"cannot listen on {HOST}:{wanted} ({reason})", next_step="Choose another port, or 0."
        ) from problem


def _serve_chain(
    chain: LocalChain, home: Path, port: int | None, ready: Callable[[str], None] | None
) -> None:
    server = _listening(port, Dispatcher(chain), chain.budget)
    url = f"http://{HOST}:{server.server_port}"
    previous_stack = threading.stack_size(_THREAD_STACK)
    with server:
        _stop_on_signals(server)
        folder.write_endpoint(home, url, chain.genesis.chain_id)
        try:
            _log.info("chain %d answers at %s, block %d", chain.genesis.chain_id, url, chain.index.height())
            if ready is not None:
                ready(url)
            server.serve_forever(poll_interval=_LOOK_SECONDS)
        finally:
            folder.remove_endpoint(home)
            threading.stack_size(previous_stack)
    _log.info("stopped at block %d", chain.index.height())


def _stop_on_signals(server: ThreadingHTTPServer) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # Python delivers signals to the main thread only; who runs us elsewhere stops the process

    def stop(_number: int, _frame: FrameType | None) -> None:
        # shutdown waits for the loop that this handler interrupts
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    if (
        signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    ):  # what a shell puts in the background ignores it
        signal.signal(signal.SIGINT, stop)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], dispatcher: Dispatcher, budget: Budget) -> None:
        self.dispatcher = dispatcher
        self.budget = budget
        self.connections = Connections(budget)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, if there is place for it."""
        if self.connections.admit(request) is None:
            with suppress(OSError):
                request.setblocking(False)
                request.send(_BUSY)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self.connections.release(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Close the connections that are late, between two new ones."""
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            self.connections.close_late()

    _looked = 0.0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what ended a connection; a client that went away, or was sent away, is no error."""
        _log.debug("a connection ended", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive: a connection per request halves the rate of small ones
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one segment
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._connection = self.server.connections.of(self.request)

    def handle_one_request(self) -> None:
        if self._connection.phase is not Phase.READING:
            self._connection.enter(Phase.IDLE)
        if not self.rfile.peek(1):  # type: ignore[attr-defined]
            self.close_connection = True
            return
        self._connection.enter(Phase.READING)
        super().handle_one_request()

    def do_POST(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            status, message = refusal
            # The body is not read, so the connection cannot be used again.
            self.close_connection = True
            self._reply(status, message.encode(), "text/plain; charset=utf-8")
            return
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the client went away, or was too slow
            self.close_connection = True
            return
        self._connection.enter(Phase.WORKING)
        answer = self.server.dispatcher.answer(body, self._connection)
        if answer is None:
            self._reply(HTTPStatus.NO_CONTENT, b"", "application/json")
        else:
            self._reply(HTTPStatus.OK, answer, "application/json")

    def _refusal(self) -> tuple[HTTPStatus, str] | None:
        if self.headers.get("Host", "").rsplit(":", 1)[0].lower() not in _LOCAL_NAMES:
            return HTTPStatus.FORBIDDEN, "this chain answers to its loopback address only"
        kind = self.headers.get_content_type() if "Content-Type" in self.headers else ""
        if kind != "application/json":
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json"
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return HTTPStatus.LENGTH_REQUIRED, "expected Content-Length"
        if len(length) > 12 or int(length) > self.server.budget.body_bytes:
            return (
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"at most {self.server.budget.body_bytes} bytes in one request",
            )
        return None

    def _reply(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self._connection.enter(Phase.WRITING)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        _log.debug(format, *args)


if __name__ == "__main__":
    sys.exit(main())

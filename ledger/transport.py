"""JSON-RPC over HTTP to a node that may be slow, broken or hostile; time and size of a response are limited.

A response must be a JSON document with the identifier of the request. The time limit covers the whole
response, and the size limit stops reading. Redirects and compression are refused, so that a signed
transaction goes only to the configured node, and a small response cannot expand to a large one.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from ledger.errors import ChainError, ChainUnreachableError
from ledger.nesting import MOST_DEPTH, nesting

__all__ = ["MOST_BYTES", "AnswerTooLargeError", "Transport", "quoted"]

#: Maximum size of an answer in bytes; it is hexadecimal, so half of it is payload.
MOST_BYTES: Final = 64 * 2**20

#: Maximum number of values in an answer, counted by commas and brackets: in memory, a small value takes many
#: times the size of its text.
_MOST_VALUES: Final = 1_000_000

#: Number of bytes read at a time.
_CHUNK: Final = 2**18

#: Maximum number of characters of a node's answer that an error quotes.
_QUOTED: Final = 200

_OTHER_NODE: Final = "Check that --chain is the address of a JSON-RPC node, or try another endpoint."


#: Seconds between the attempts at a request whose connection the node closes, or answers with 503.
_PAUSES: Final = (0.05, 0.2, 0.5)


class _DroppedError(ConnectionError):
    """Raised when the node closes a new connection before it answers."""


class AnswerTooLargeError(ChainError):
    """Raised when an answer is larger than the limit; ask for fewer blocks."""


class Transport:
    """A client of a JSON-RPC endpoint, with one connection per thread.

    Parameters
    ----------
    url : str
        `http://` or `https://`, with user and password if the node requires them.
    seconds : float
        Maximum time for one request and its whole response.
    most_bytes : int
        Maximum size of a response.

    Raises
    ------
    ChainError
        When the URL is neither http nor https.

    References
    ----------
    JSON-RPC 2.0, sections 4 to 6.
    """

    def __init__(self, url: str, *, seconds: float, most_bytes: int = MOST_BYTES) -> None:
        self.url = _without_password(url)
        self._place = _parsed(url)
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._numbers = itertools.count(1)
        self._local = threading.local()
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if self._place.username is not None:
            pair = f"{unquote(self._place.username)}:{unquote(self._place.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()

    def ask(self, method: str, params: Any) -> dict[str, Any]:
        """Send one request; return the response object, which holds a result or an error.

        Raises
        ------
        ChainUnreachableError
            When no node answers in time.
        AnswerTooLargeError
            When the response is too large.
        ChainError
            When the response is not JSON-RPC, or belongs to another request.
        """
        number = next(self._numbers)
        answer = self._exchange(_question(number, method, params))
        return self._checked(answer, number)

    def ask_all(self, questions: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
        """Send several requests as one batch; return the responses in the order of the requests.

        Raises
        ------
        ChainError
            As for `ask`, and when a response is missing or occurs twice.
        """
        numbers = [next(self._numbers) for _ in questions]
        answers = self._exchange(
            [_question(number, *question) for number, question in zip(numbers, questions, strict=True)]
        )
        if not isinstance(answers, list):
            raise self._nonsense(f"the node answered a batch of requests with {quoted(answers)}")
        found = {a.get("id"): a for a in answers if isinstance(a, dict) and _is_number(a.get("id"))}
        if len(answers) != len(numbers) or set(found) != set(numbers):
            raise self._nonsense(f"the node answered {len(found)} of {len(numbers)} requests")
        return [self._checked(found[number], number) for number in numbers]

    # -- documents --------------------------------------------------------------------------------------

    def _checked(self, answer: Any, number: int) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise self._nonsense(f"the node's answer is not JSON-RPC: {quoted(answer)}")
        if answer.get("jsonrpc") != "2.0" or ("result" in answer) == ("error" in answer):
            raise self._nonsense(f"the node's answer is not JSON-RPC: {quoted(answer)}")
        error = answer.get("error")
        if "error" in answer and not (
            isinstance(error, dict)
            and _is_number(error.get("code"))
            and isinstance(error.get("message"), str)
        ):
            raise self._nonsense(f"the node answered with a malformed error: {quoted(error)}")
        unread = "error" in answer and answer.get("id") is None  # the node could not read the request's id
        if not unread and (not _is_number(answer.get("id")) or answer["id"] != number):
            raise self._nonsense(f"the node answered request {quoted(answer.get('id'))} instead of {number}")
        return answer

    def _exchange(self, question: Any) -> Any:
        status, body = self._post(json.dumps(question, separators=(",", ":"), default=_plain).encode())
        if body.count(b",") + body.count(b"[") + body.count(b"{") > _MOST_VALUES:
            raise self._too_large()
        if nesting(body) > MOST_DEPTH:
            raise self._nonsense(f"the answer is nested deeper than {MOST_DEPTH} levels: {quoted(body)}")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            if status != http.client.OK:
                raise self._nonsense(f"the node answered HTTP {status}: {quoted(body)}") from error
            raise self._nonsense(f"the answer is not JSON ({quoted(str(error))}): {quoted(body)}") from error
        # Some nodes send JSON-RPC errors with an HTTP status other than 200.
        if status != http.client.OK and not (isinstance(answer, dict) and "error" in answer):
            raise self._nonsense(f"the node answered HTTP {status}: {quoted(body)}")
        return answer

    def _nonsense(self, what: str) -> ChainError:
        return ChainError(what, where=self.url, next_step=_OTHER_NODE)

    # -- bytes ------------------------------------------------------------------------------------------

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Send a request until it is answered; a node with too many connections is asked again."""
        for pause in _PAUSES:
            try:
                answer = self._post_once(body)
            except _DroppedError:
                pass  # the node closed the connection; repeating a request has no second effect
            else:
                if answer[0] != http.client.SERVICE_UNAVAILABLE or _is_json(answer[1]):
                    return answer
            time.sleep(pause)
        try:
            return self._post_once(body)
        except _DroppedError as error:
            raise self._silent(error) from error

    def _post_once(self, body: bytes) -> tuple[int, bytes]:
        kept = getattr(self._local, "connection", None)
        if kept is not None:
            try:
                return self._post_on(kept, body)
            except (http.client.RemoteDisconnected, ConnectionError):
                pass  # the idle connection was closed
            except OSError as error:
                raise self._silent(error) from error
        try:
            connection = self._connect()
        except OSError as error:
            raise self._silent(error) from error
        try:
            return self._post_on(connection, body)
        except ConnectionError as error:
            raise _DroppedError(*error.args) from error
        except OSError as error:
            raise self._silent(error) from error

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._place.hostname or "", self._place.port
        connection: http.client.HTTPConnection
        if self._place.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=self._seconds, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._seconds)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _post_on(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
        self._local.connection = None
        watch = _Watch(connection, self._seconds)
        try:
            with watch:
                path = (self._place.path or "/") + (f"?{self._place.query}" if self._place.query else "")
                connection.request("POST", path, body, self._headers)
                response = connection.getresponse()
                answer = self._read(response)
            if watch.expired:  # an answer without a length ends when the connection closes
                raise TimeoutError
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            if watch.expired or isinstance(error, TimeoutError):
                raise ChainUnreachableError(
                    f"the node did not finish its answer within {self._seconds:g} s",
                    where=self.url,
                    next_step="The node may be busy or broken: run the same command again, or check --chain.",
                ) from error
            if isinstance(error, OSError):
                raise
            raise self._nonsense(f"the answer is incomplete or not HTTP: {quoted(repr(error))}") from error
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._local.connection = connection
        return response.status, answer

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        encoding = response.getheader("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise self._nonsense(f"the answer is compressed ({quoted(encoding)}), which was not requested")
        if (response.length or 0) > self._most_bytes:
            raise self._too_large()
        body = bytearray()
        while chunk := response.read(_CHUNK):
            body += chunk
            if len(body) > self._most_bytes:
                raise self._too_large()
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return bytes(body)

    def _too_large(self) -> AnswerTooLargeError:
        return AnswerTooLargeError(
            f"the answer is larger than {self._most_bytes / 2**20:g} MiB or {_MOST_VALUES:,} values",
            where=self.url,
            next_step="Ask for fewer blocks at a time, or try another endpoint with --chain.",
        )

    def _silent(self, error: OSError) -> ChainUnreachableError:
        if isinstance(error, ssl.SSLError):
            return ChainUnreachableError(
                f"no secure connection to the endpoint is possible: {error.reason or error}",
                where=self.url,
                next_step="Check --chain; the endpoint's certificate must be valid for its host name.",
            )
        return ChainUnreachableError(
            "nothing answers JSON-RPC",
            where=self.url,
            next_step="Start the embedded chain with `counterfoil chain start`, or check --chain.",
        )


class _Watch:
    """Closes a connection at the time limit, even if bytes still arrive."""

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self.expired = False
        self._socket = connection.sock
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> _Watch:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _expire(self) -> None:
        self.expired = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def quoted(value: object) -> str:
    """Return a node's text, shortened and without control characters, for an error message."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = "".join(c if c.isprintable() else " " for c in text[: 4 * _QUOTED])
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"


def _is_json(body: bytes) -> bool:
    return body[:1] in (b"{", b"[")


def _plain(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) else dict(value)


def _question(number: int, method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _parsed(url: str) -> SplitResult:
    try:
        place = urlsplit(url)
        usable = place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ChainError(
            "this is not the address of a JSON-RPC endpoint",
            where=quoted(url),
            next_step="Give an address with --chain, such as http://127.0.0.1:8545.",
        )
    return place


def _without_password(url: str) -> str:
    place = _parsed(url)
    return url if place.username is None else url.replace(place.netloc.rpartition("@")[0] + "@", "", 1)

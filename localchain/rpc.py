"""JSON-RPC: answers single requests and arrays; an invalid request gets a JSON-RPC error object.

Consecutive `eth_sendRawTransaction` of one array are mined together: a hundred batches need few commits.
Everything else is read and answered in turns, one request at a time: a client that sends long arrays on many
connections waits as long for its next turn as a client that asks one thing.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby
from typing import Any

from localchain.chain import LocalChain
from localchain.errors import InvalidParamsError, RpcError, TooMuchDataError
from localchain.fairness import Gate
from localchain.formats import hexadecimal, parse_data
from localchain.methods import Methods

__all__ = ["Dispatcher"]

_SEND = "eth_sendRawTransaction"
_PARSE_ERROR, _INVALID_REQUEST, _METHOD_NOT_FOUND, _INTERNAL = -32700, -32600, -32601, -32603

_log = logging.getLogger(__name__)


class _RefusedError(RpcError):
    """Raised for a body that is refused as a whole."""

    def __init__(self, what: str, *, code: int = _INVALID_REQUEST) -> None:
        super().__init__(what, next_step="Correct the request; see the JSON-RPC 2.0 specification.")
        self.code = code


class Dispatcher:
    """Answers JSON-RPC documents about one chain.

    Parameters
    ----------
    chain : LocalChain
        The chain.

    References
    ----------
    JSON-RPC 2.0 specification, sections 4 to 6.
    """

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain
        self._budget = chain.budget
        self._methods = Methods(chain).table()
        self._readers = Gate(chain.budget.readers)

    def answer(self, body: bytes, client: Hashable = None) -> bytes | None:
        """Answer one document.

        Parameters
        ----------
        body : bytes
            A request or an array of requests, as JSON.
        client : hashable
            Who asks: requests of one client take turns with those of each other one.

        Returns
        -------
        bytes or None
            The answer as JSON; None if every request is a notification, which is not answered.
        """
        try:
            with self._readers.turn(client):
                document = self._document(body)
        except RpcError as problem:
            return _encoded(_error(None, problem.code, str(problem)))
        if not isinstance(document, list):
            return next(self._answers([document], client), None)
        answers = list(self._answers(document, client))
        return b"[" + b",".join(answers) + b"]" if answers else None

    def _document(self, body: bytes) -> Any:
        """Return the request or the array in a body."""
        budget = self._budget
        # counted before it is read: in memory, a small value takes many times the size of its text
        values = body.count(b",") + body.count(b"[") + body.count(b"{")
        if values > budget.body_values:
            raise _RefusedError(f"invalid request: {values} values, at most {budget.body_values}")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as problem:
            raise _RefusedError(f"parse error: {problem}", code=_PARSE_ERROR) from problem
        if document == []:
            raise _RefusedError("invalid request: an empty array")
        if isinstance(document, list) and len(document) > budget.array_requests:
            raise _RefusedError(
                f"invalid request: {len(document)} requests in one array, at most {budget.array_requests}"
            )
        return document

    def _answers(self, requests: Sequence[Any], client: Hashable) -> Iterator[bytes]:
        """Yield the answers in order; an array stops being answered when it took too long or is too large."""
        closing = time.monotonic() + self._budget.array_seconds
        size = 0
        for sending, group in groupby(requests, key=_is_sending):
            members = list(group)
            sent = iter(self._send(members) if sending else ())
            for request in members:
                if sending:
                    answer = _encoded(next(sent))
                elif size and (size > self._budget.answer_bytes or time.monotonic() > closing):
                    answer = _encoded(_failure(request, _rest()))
                else:
                    with self._readers.turn(client):
                        answer = _encoded(self._answer_one(request))
                size += len(answer)
                if not _is_notification(request):
                    yield answer

    def _send(self, requests: Sequence[Any]) -> list[dict[str, Any]]:
        """Mine consecutive raw transactions together; a malformed one affects only its own answer."""
        parsed: list[bytes | RpcError] = [_raw(request) for request in requests]
        try:
            mined = iter(self._chain.submit([raw for raw in parsed if isinstance(raw, bytes)]))
        except sqlite3.Error as problem:
            _log.exception("a block could not be stored")
            message = f"the block could not be stored: {problem}"
            return [_error(request.get("id"), _INTERNAL, message) for request in requests]
        except Exception:
            _log.exception("sending failed")
            return [_error(request.get("id"), _INTERNAL, "internal error") for request in requests]
        outcomes = [next(mined) if isinstance(raw, bytes) else raw for raw in parsed]
        return [
            _failure(request, outcome)
            if isinstance(outcome, RpcError)
            else _success(request, hexadecimal(outcome))
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    def _answer_one(self, request: Any) -> dict[str, Any]:
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _error(None, _INVALID_REQUEST, "invalid request: expected an object with a method")
        name, params = request["method"], request.get("params", [])
        method = self._methods.get(name)
        if method is None:
            return _error(request.get("id"), _METHOD_NOT_FOUND, f"the method {name[:80]} does not exist")
        if not isinstance(params, list):
            return _failure(request, InvalidParamsError("expected params as an array"))
        if not method.least <= len(params) <= method.most:
            counts = f"{method.least}" if method.least == method.most else f"{method.least} to {method.most}"
            return _failure(
                request, InvalidParamsError(f"{name}: expected {counts} params, got {len(params)}")
            )
        try:
            return _success(request, method.function(*params))
        except RpcError as problem:
            return _failure(request, problem)
        except Exception:
            _log.exception("%s failed", name)
            return _error(request.get("id"), _INTERNAL, "internal error")


def _is_sending(request: Any) -> bool:
    return isinstance(request, dict) and request.get("method") == _SEND


def _is_notification(request: Any) -> bool:
    return isinstance(request, dict) and isinstance(request.get("method"), str) and "id" not in request


def _raw(request: dict[str, Any]) -> bytes | RpcError:
    params = request.get("params")
    if not isinstance(params, list) or len(params) != 1:
        return InvalidParamsError(f"{_SEND}: expected 1 param, a signed transaction")
    try:
        return parse_data(params[0], "transaction")
    except InvalidParamsError as problem:
        return problem


def _rest() -> TooMuchDataError:
    return TooMuchDataError(
        "the answers to the requests before this one in the array took too long or are too large",
        next_step="Ask for it again, in a smaller array.",
    )


def _success(request: dict[str, Any], result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request.get("id"), "result": result}


def _failure(request: dict[str, Any], problem: RpcError) -> dict[str, Any]:
    answer = _error(request.get("id"), problem.code, str(problem))
    if problem.data is not None:
        answer["error"]["data"] = problem.data
    return answer


def _error(request_id: Any, code: int, message: str) -> dict[str, Any]:
    if not isinstance(request_id, str | int | float | None):
        request_id = None
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


def _encoded(answer: Any) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()

"""JSON-RPC: answers single requests and arrays; an invalid request gets a JSON-RPC error object.

Consecutive `eth_sendRawTransaction` of one array are mined together: a hundred batches need few commits.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from localchain.chain import LocalChain
from localchain.errors import InvalidParamsError, RpcError
from localchain.formats import hexadecimal, parse_data
from localchain.methods import Methods

__all__ = ["MAX_REQUESTS", "Dispatcher"]

#: Most requests in one array.
MAX_REQUESTS = 1000

_SEND = "eth_sendRawTransaction"
_PARSE_ERROR, _INVALID_REQUEST, _METHOD_NOT_FOUND, _INTERNAL = -32700, -32600, -32601, -32603

_log = logging.getLogger(__name__)


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
        self._methods = Methods(chain).table()

    def answer(self, body: bytes) -> bytes | None:
        """Answer one document.

        Parameters
        ----------
        body : bytes
            A request or an array of requests, as JSON.

        Returns
        -------
        bytes or None
            The answer as JSON; None if every request is a notification, which is not answered.
        """
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as problem:
            return _encoded(_error(None, _PARSE_ERROR, f"parse error: {problem}"))
        if not isinstance(document, list):
            answers = self._answer_all([document])
            return _encoded(answers[0]) if answers else None
        if not document:
            return _encoded(_error(None, _INVALID_REQUEST, "invalid request: an empty array"))
        if len(document) > MAX_REQUESTS:
            message = f"invalid request: {len(document)} requests in one array, at most {MAX_REQUESTS}"
            return _encoded(_error(None, _INVALID_REQUEST, message))
        answers = self._answer_all(document)
        return _encoded(answers) if answers else None

    def _answer_all(self, requests: Sequence[Any]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        for sending, group in groupby(requests, key=_is_sending):
            members = list(group)
            found = self._send(members) if sending else [self._answer_one(request) for request in members]
            answers += [
                answer
                for request, answer in zip(members, found, strict=True)
                if not _is_notification(request)
            ]
        return answers

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

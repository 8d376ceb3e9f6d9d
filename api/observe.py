"""Around every request: an identifier, security headers, one line in the log, and no stack trace outside."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any, Final, TextIO

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import ProblemError

__all__ = ["Observed"]

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Observed:
    """ASGI middleware that gives each answer its identifier and headers, and logs it as one line of JSON.

    Neither the query nor any header is logged: a token never reaches the log.

    Parameters
    ----------
    app : ASGI application
    log : text file, optional
        File for the log lines; standard error by default.
    """

    def __init__(self, app: ASGIApp, log: TextIO | None = None) -> None:
        self._app = app
        self._log: Any = structlog.wrap_logger(
            structlog.PrintLogger(log or sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = str(uuid.uuid4())
        started = time.perf_counter()
        status = 0

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = state["request_id"]
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except Exception:
            self._log.exception("request failed", request_id=state["request_id"], path=scope["path"])
            if status:  # the answer has started: let the server close the connection
                raise
            problem = ProblemError("desk-failed", "the desk failed; its log contains the reason")
            await problem.response(scope)(scope, receive, observed_send)
        finally:
            said = {name: state[name] for name in ("role", "subject", "reason") if name in state}
            client = scope.get("client")
            self._log.info(
                "request",
                request_id=state["request_id"],
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=round((time.perf_counter() - started) * 1000, 1),
                client=client[0] if client else None,
                **said,
            )

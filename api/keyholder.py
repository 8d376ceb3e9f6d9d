"""The HTTP service of a key holder: evaluates blinded points for active members, each within its quota.

``POST /v1/evaluate`` is signed by the caller (`ledger.encoding.keyholder_client`); ``GET /v1/epochs/{epoch}``
and ``GET /healthz`` are open. Errors are problem documents (RFC 9457). The service never sees an
identifier: who serves it learns how many points which member asked for, and nothing else. Put TLS in front
of it wherever it leaves the machine.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from ledger.encoding.keyholder import MAX_ELEMENTS, LocalKeyHolder, UnknownEpochError, epochs
from ledger.encoding.keyholder_client import ACCOUNT_HEADER, SIGNATURE_HEADER, TIME_HEADER, request_message
from ledger.encoding.ristretto import ElementError
from ledger.errors import CounterfoilError, QuotaExceededError, VerificationError
from ledger.signing import recover_address

__all__ = ["EvaluateRequest", "EvaluateResponse", "create_app"]

_MAX_BODY = 256 + 72 * MAX_ELEMENTS  # 64 hex digits, quotes, comma, some white space
_MAX_SKEW = 300  # seconds
_TIME = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE = re.compile(r"(0x)?[0-9a-fA-F]{130}", re.ASCII)

Element = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class EvaluateRequest(BaseModel):
    """Blinded points to evaluate under the key of an epoch."""

    model_config = ConfigDict(extra="forbid")

    epoch: StrictInt = Field(ge=0, lt=10**9)
    blinded: list[Element] = Field(min_length=1, max_length=MAX_ELEMENTS)


class EvaluateResponse(BaseModel):
    """Evaluated points in the order of the request, and one proof for all of them (hex)."""

    elements: list[str]
    proof: str


class _ProblemError(Exception):
    """Raised inside the service to answer with a problem document."""

    def __init__(self, status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.headers = status, title, detail, headers

    def response(self) -> JSONResponse:
        return JSONResponse(
            {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail},
            self.status,
            self.headers,
            "application/problem+json",
        )


class _SeenRequests:
    """Refuses a signed request that comes twice: replayed, it would spend the quota of who signed it.

    Kept in memory, as a request is only good for `_MAX_SKEW` seconds on either side of its time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[tuple[str, bytes], float] = {}
        self._lock = threading.Lock()

    def check(self, account: str, digest: bytes) -> None:
        now = self._clock()
        with self._lock:
            while self._until and next(iter(self._until.values())) < now:  # the oldest stand first
                del self._until[next(iter(self._until))]
            if (account, digest) in self._until:
                raise _ProblemError(
                    409, "Request repeated", "this request was answered before; sign a new one"
                )
            self._until[account, digest] = now + 2 * _MAX_SKEW


def create_app(
    home: Path,
    *,
    members: Callable[[], Collection[str]],
    quota: int,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """Build the service.

    Parameters
    ----------
    home : Path
        Folder of the holder, with at least one epoch (`ledger.encoding.keyholder.create_epoch`).
    members : callable
        Gives the addresses of the members that are active on chain; asked for on every evaluation, so
        whoever passes it should cache what the chain says.
    quota : int
        Evaluations per member, epoch and day.
    clock : callable
        Gives the Unix time in seconds.

    Returns
    -------
    FastAPI

    Raises
    ------
    ConfigurationError
        When `home` does not exist or `quota` is senseless.
    """
    holder = LocalKeyHolder(home, quota=quota, clock=clock)
    seen = _SeenRequests(clock)
    app = FastAPI(title="Counterfoil key holder", version="1", docs_url=None, redoc_url=None)

    @app.exception_handler(_ProblemError)
    async def problem(_: Request, error: _ProblemError) -> JSONResponse:
        return error.response()

    @app.exception_handler(StarletteHTTPException)
    async def http_error(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return _ProblemError(error.status_code, str(error.detail), str(error.detail)).response()

    @app.exception_handler(RequestValidationError)
    async def not_understood(_: Request, error: RequestValidationError) -> JSONResponse:
        return _not_understood(error.errors()[0]).response()

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        return _ProblemError(500, "Internal error", "the key holder failed; its log says why").response()

    @app.get("/healthz")
    def health() -> dict[str, Any]:
        return {"status": "ok", "epochs": epochs(home)}

    @app.get("/v1/epochs/{epoch}")
    def epoch_key(epoch: Annotated[int, PathParameter(ge=0, lt=10**9)]) -> dict[str, Any]:
        try:
            return {"epoch": epoch, "public_key": holder.public_key(epoch).hex()}
        except CounterfoilError as error:
            raise _refusal(error, holder, clock) from error

    @app.post(
        "/v1/evaluate",
        response_model=EvaluateResponse,
        openapi_extra={
            "requestBody": {"content": {"application/json": {"schema": EvaluateRequest.model_json_schema()}}}
        },
    )
    async def evaluate(request: Request) -> EvaluateResponse:
        body = await _read(request)
        account = await run_in_threadpool(_authenticate, request, body, members, clock, seen)
        try:
            asked = EvaluateRequest.model_validate_json(body)
        except ValidationError as error:
            raise _not_understood(error.errors()[0]) from error
        blinded = [bytes.fromhex(text) for text in asked.blinded]
        try:
            answer = await run_in_threadpool(holder.evaluate, asked.epoch, blinded, account)
        except CounterfoilError as error:
            raise _refusal(error, holder, clock) from error
        return EvaluateResponse(
            elements=[element.hex() for element in answer.elements], proof=answer.proof.hex()
        )

    return app


async def _read(request: Request) -> bytes:
    """Read the body, and no more of it than an honest request has."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            detail = f"a request has at most {MAX_ELEMENTS} elements in {_MAX_BODY} bytes"
            raise _ProblemError(413, "Request too large", detail)
    return bytes(body)


def _authenticate(
    request: Request,
    body: bytes,
    members: Callable[[], Collection[str]],
    clock: Callable[[], float],
    seen: _SeenRequests,
) -> str:
    """Give the address of the active member that signed the request."""
    account = request.headers.get(ACCOUNT_HEADER, "")
    signed_at = request.headers.get(TIME_HEADER, "")
    signature = request.headers.get(SIGNATURE_HEADER, "")
    if not _TIME.fullmatch(signed_at) or not _SIGNATURE.fullmatch(signature):
        detail = f"sign the request: {ACCOUNT_HEADER}, {TIME_HEADER} and {SIGNATURE_HEADER} are needed"
        raise _ProblemError(401, "Not signed", detail)
    if abs(clock() - int(signed_at)) > _MAX_SKEW:
        detail = (
            f"the request was signed more than {_MAX_SKEW} s away from this clock; set the caller's clock"
        )
        raise _ProblemError(401, "Signed at another time", detail)
    message = request_message(request.method, request.url.path, signed_at, body)
    try:
        signer = recover_address(message, bytes.fromhex(signature.removeprefix("0x")))
    except VerificationError as error:
        raise _ProblemError(401, "Signature not valid", "the signature is not one") from error
    if signer.lower() != account.lower():
        detail = f"the signature is not that of {account[:42]} over this method, path, time and body"
        raise _ProblemError(401, "Signature not valid", detail)
    try:
        active = {member.lower() for member in members()}
    except CounterfoilError as error:
        raise _ProblemError(
            503, "Members unknown", f"who is a member cannot be read: {error.what}"
        ) from error
    if signer.lower() not in active:
        raise _ProblemError(403, "Not an active member", f"{signer} is not an active member on chain")
    seen.check(signer, message.encode())
    return signer


def _not_understood(first: Mapping[str, Any]) -> _ProblemError:
    where = ".".join(map(str, first["loc"])) or "body"
    return _ProblemError(422, "Request not understood", f"{where}: {first['msg']}")


def _refusal(error: CounterfoilError, holder: LocalKeyHolder, clock: Callable[[], float]) -> _ProblemError:
    if isinstance(error, QuotaExceededError):
        wait = max(1, int(holder.resets_at().timestamp() - clock()) + 1)
        return _ProblemError(429, "Quota used up", str(error), {"Retry-After": str(wait)})
    if isinstance(error, UnknownEpochError):
        return _ProblemError(404, "Unknown epoch", str(error))
    if isinstance(error, ElementError):
        return _ProblemError(422, "Not a blinded element", str(error))
    return _ProblemError(500, "The key holder cannot answer", error.what)

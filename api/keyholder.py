"""The HTTP service of a key holder: it evaluates the blinded points that a member has anchored on the chain.

The caller signs ``POST /v3/evaluate`` (`ledger.encoding.keyholder_client`); ``GET /v3/holder`` and
``GET /healthz`` need no signature. Errors are problem documents (RFC 9457). The service never sees an
identifier of an account: it learns only how many points each member sends. Use a TLS proxy if other machines
connect to it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints, ValidationError

from api import problems
from api.problems import ProblemError
from ledger.encoding.keyholder_client import ACCOUNT_HEADER, SIGNATURE_HEADER, TIME_HEADER, request_message
from ledger.errors import ChainError, CounterfoilError, QuotaExceededError, VerificationError
from ledger.evaluation_request import CHUNK, Chunk
from ledger.holder.evaluating import NotAnchoredError, ShareHolder
from ledger.holder.shares import UnknownShareError
from ledger.signing import recover_address

__all__ = ["EvaluateRequest", "EvaluateResponse", "create_app"]

_MAX_PATH = 16  # hashes of a path in a request of 2**20 elements
_MAX_BODY = 256 + 72 * (CHUNK + _MAX_PATH)  # 64 hex digits, quotes, comma, some white space
_MAX_SKEW = 300  # seconds
_TIME = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE = re.compile(r"(0x)?[0-9a-fA-F]{130}", re.ASCII)

Element = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class EvaluateRequest(BaseModel):
    """A chunk of a request that the member anchored: its blinded points, and their path to the root."""

    model_config = ConfigDict(extra="forbid")

    request: StrictInt = Field(ge=1, lt=2**64)
    start: StrictInt = Field(ge=0, lt=2**32)
    blinded: list[Element] = Field(min_length=1, max_length=CHUNK)
    path: list[Element] = Field(max_length=_MAX_PATH)


class EvaluateResponse(BaseModel):
    """Evaluated points in the order of the request, with proof and composite of each batch (hex)."""

    generation: int
    index: int
    elements: list[str]
    proofs: list[str]
    composites: list[str]


class _SeenRequests:
    """Refuses a repeated signed request: a replay would keep the holder busy.

    The requests are kept in memory while they are valid: `_MAX_SKEW` seconds before and after their time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[tuple[str, bytes], float] = {}
        self._lock = threading.Lock()

    def check(self, account: str, digest: bytes) -> None:
        now = self._clock()
        with self._lock:
            while self._until and next(iter(self._until.values())) < now:  # the oldest are first
                del self._until[next(iter(self._until))]
            if (account, digest) in self._until:
                raise ProblemError("repeated", "this request was already answered; sign a new request")
            self._until[account, digest] = now + 2 * _MAX_SKEW


def create_app(
    holder: ShareHolder, *, ready: Callable[[], None], clock: Callable[[], float] = time.time
) -> FastAPI:
    """Build the service of a key holder.

    Parameters
    ----------
    holder : ShareHolder
        Evaluates the points with its share.
    ready : callable
        Raises an error if the chain cannot be read; called by ``GET /healthz``.
    clock : callable
        Returns the Unix time in seconds.
    """
    seen = _SeenRequests(clock)
    app = FastAPI(title="Counterfoil key holder", version="3", docs_url=None, redoc_url=None)
    problems.handle(app)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        failed = ProblemError("keyholder-failed", "the key holder failed; its log says why")
        return failed.response(request.scope)

    @app.exception_handler(CounterfoilError)
    def refused(request: Request, error: CounterfoilError) -> JSONResponse:
        request.state.reason = str(error)
        return _refusal(error).response(request.scope)

    @app.get("/healthz")
    def health() -> dict[str, Any]:
        ready()
        return {"status": "ok"}

    @app.get("/v3/holder")
    def identity() -> dict[str, Any]:
        shares = holder.shares()
        return {
            "account": holder.keys.address,
            "encryption_key": holder.keys.encryption_public.hex(),
            "shares": [
                {"epoch": s.epoch, "generation": s.generation, "index": s.index, "public": s.public.hex()}
                for s in shares
            ],
        }

    @app.post(
        "/v3/evaluate",
        response_model=EvaluateResponse,
        openapi_extra={
            "requestBody": {"content": {"application/json": {"schema": EvaluateRequest.model_json_schema()}}}
        },
    )
    async def evaluate(request: Request) -> EvaluateResponse:
        body = await _read(request)
        account = await run_in_threadpool(_authenticate, request, body, clock, seen)
        try:
            asked = EvaluateRequest.model_validate_json(body)
        except ValidationError as error:
            raise _not_understood(error.errors()[0]) from error
        elements, path = (tuple(map(bytes.fromhex, part)) for part in (asked.blinded, asked.path))
        chunk = Chunk(asked.request, asked.start, elements, path)
        answer = await run_in_threadpool(holder.evaluate, account, chunk)
        return EvaluateResponse(
            generation=answer.generation,
            index=answer.index,
            elements=[element.hex() for element in answer.answer.elements],
            proofs=[proof.hex() for proof in answer.answer.proofs],
            composites=[composite.hex() for composite in answer.answer.composites],
        )

    @app.api_route("/v{number}/{rest:path}", methods=["GET", "POST"], include_in_schema=False)
    def other_version(number: str, rest: str) -> None:
        raise ProblemError("other-version", "this key holder speaks version 3 of the protocol")

    return app


async def _read(request: Request) -> bytes:
    """Read the body; refuse one that is larger than the largest valid request."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            detail = f"a request may have at most {CHUNK} elements and {_MAX_BODY} bytes"
            raise ProblemError("request-too-large", detail)
    return bytes(body)


def _authenticate(
    request: Request,
    body: bytes,
    clock: Callable[[], float],
    seen: _SeenRequests,
) -> str:
    """Return the address of the account that signed the request."""
    account = request.headers.get(ACCOUNT_HEADER, "")
    signed_at = request.headers.get(TIME_HEADER, "")
    signature = request.headers.get(SIGNATURE_HEADER, "")
    if not _TIME.fullmatch(signed_at) or not _SIGNATURE.fullmatch(signature):
        detail = (
            f"sign the request: the headers {ACCOUNT_HEADER}, {TIME_HEADER} and {SIGNATURE_HEADER} are needed"
        )
        raise ProblemError("not-signed", detail)
    if abs(clock() - int(signed_at)) > _MAX_SKEW:
        detail = f"the signing time is more than {_MAX_SKEW} s from the key holder's clock; check both clocks"
        raise ProblemError("signed-at-another-time", detail)
    message = request_message(request.method, request.url.path, signed_at, body)
    try:
        signer = recover_address(message, bytes.fromhex(signature.removeprefix("0x")))
    except VerificationError as error:
        raise ProblemError("signature-not-valid", "the signature is malformed") from error
    if signer.lower() != account.lower():
        detail = f"the signature over this method, path, time and body is not by {account[:42]}"
        raise ProblemError("signature-not-valid", detail)
    seen.check(signer, message.encode())
    return signer


def _not_understood(first: Mapping[str, Any]) -> ProblemError:
    where = ".".join(map(str, first["loc"])) or "body"
    return ProblemError("request-not-understood", f"{where}: {first['msg']}")


def _refusal(error: CounterfoilError) -> ProblemError:
    if isinstance(error, QuotaExceededError):
        return ProblemError("asked-too-often", str(error))
    if isinstance(error, NotAnchoredError):
        return ProblemError("not-anchored", str(error))
    if isinstance(error, UnknownShareError):
        return ProblemError("unknown-share", str(error))
    if isinstance(error, ChainError):
        return ProblemError("members-unknown", f"the chain cannot be read: {error.what}")
    if isinstance(error, VerificationError):
        return ProblemError("other-elements", str(error))
    return ProblemError("keyholder-failed", error.what)

"""The HTTP service of a key holder: it evaluates blinded points for active members, up to a daily quota.

The caller signs ``POST /v2/evaluate`` (`ledger.encoding.keyholder_client`); ``GET /v2/epochs/{epoch}`` and
``GET /healthz`` need no signature. Errors are problem documents (RFC 9457). The service never sees an
identifier of an account: it learns only how many points each member sends. Use a TLS proxy if other machines
connect to it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints, ValidationError

from api import problems
from api.problems import ProblemError
from ledger.encoding.keyholder import MAX_ELEMENTS, LocalKeyHolder, UnknownEpochError
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
    """Evaluated points in the order of the request, and one proof for each four points (hex)."""

    elements: list[str]
    proofs: list[str]


class _SeenRequests:
    """Refuses a repeated signed request: a replay would use the quota of the member that signed it.

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
    holder: LocalKeyHolder,
    *,
    members: Callable[[], Collection[str]],
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """Build the service of a key holder.

    Parameters
    ----------
    holder : LocalKeyHolder
        Evaluates the points, and counts the evaluations against the quota.
    members : callable
        Returns the addresses of the active members on the chain; called for every evaluation.
    clock : callable
        Returns the Unix time in seconds.
    """
    seen = _SeenRequests(clock)
    app = FastAPI(title="Counterfoil key holder", version="2", docs_url=None, redoc_url=None)
    problems.handle(app)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        failed = ProblemError("keyholder-failed", "the key holder failed; its log says why")
        return failed.response(request.scope)

    @app.get("/healthz")
    def health() -> dict[str, Any]:
        return {"status": "ok", "epochs": holder.epochs()}

    @app.get("/v2/epochs/{epoch}")
    def epoch_key(epoch: Annotated[int, PathParameter(ge=0, lt=10**9)]) -> dict[str, Any]:
        try:
            return {"epoch": epoch, "public_key": holder.public_key(epoch).hex()}
        except CounterfoilError as error:
            raise _refusal(error, holder, clock) from error

    @app.post(
        "/v2/evaluate",
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
            elements=[element.hex() for element in answer.elements],
            proofs=[proof.hex() for proof in answer.proofs],
        )

    @app.api_route("/v1/{rest:path}", methods=["GET", "POST"], include_in_schema=False)
    def version_1(rest: str) -> None:
        raise ProblemError("other-version", "this key holder speaks version 2 of the protocol, not version 1")

    return app


async def _read(request: Request) -> bytes:
    """Read the body; refuse one that is larger than the largest valid request."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            detail = f"a request may have at most {MAX_ELEMENTS} elements and {_MAX_BODY} bytes"
            raise ProblemError("request-too-large", detail)
    return bytes(body)


def _authenticate(
    request: Request,
    body: bytes,
    members: Callable[[], Collection[str]],
    clock: Callable[[], float],
    seen: _SeenRequests,
) -> str:
    """Return the address of the active member that signed the request."""
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
    try:
        active = {member.lower() for member in members()}
    except CounterfoilError as error:
        raise ProblemError(
            "members-unknown", f"the members cannot be read from the chain: {error.what}"
        ) from error
    if signer.lower() not in active:
        raise ProblemError("not-active", f"{signer} is not an active member on the chain")
    seen.check(signer, message.encode())
    return signer


def _not_understood(first: Mapping[str, Any]) -> ProblemError:
    where = ".".join(map(str, first["loc"])) or "body"
    return ProblemError("request-not-understood", f"{where}: {first['msg']}")


def _refusal(error: CounterfoilError, holder: LocalKeyHolder, clock: Callable[[], float]) -> ProblemError:
    if isinstance(error, QuotaExceededError):
        wait = max(1, int(holder.resets_at().timestamp() - clock()) + 1)
        return ProblemError("quota-used-up", str(error), headers={"Retry-After": str(wait)})
    if isinstance(error, UnknownEpochError):
        return ProblemError("unknown-epoch", str(error))
    if isinstance(error, ElementError):
        return ProblemError("not-an-element", str(error))
    return ProblemError("keyholder-failed", error.what)

"""Problem documents: the form of every error over HTTP, and the kind of problem for each error.

References
----------
.. [1] RFC 9457, Problem Details for HTTP APIs
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from ledger.errors import (
    ChainError,
    ChainUnreachableError,
    ConfigurationError,
    CounterfoilError,
    InputError,
    VerificationError,
)

__all__ = [
    "KEYHOLDER_KINDS",
    "KINDS",
    "MEDIA_TYPE",
    "Problem",
    "ProblemError",
    "documented",
    "handle",
    "known_parameters",
    "not_verified",
    "problem_of",
]

MEDIA_TYPE: Final = "application/problem+json"

#: Kinds of problem: status, title and explanation. The page /docs shows them.
KINDS: Final[Mapping[str, tuple[int, str, str]]] = {
    "bad-request": (
        400,
        "The request cannot be used",
        "A value in the request is not usable; detail names it.",
    ),
    "no-token": (
        401,
        "A token is needed",
        "Send the header `Authorization: Bearer cf_...` with a token of this desk.",
    ),
    "unknown-token": (
        401,
        "The token is not known",
        "This desk never issued it, or it has expired or was revoked.",
    ),
    "wrong-role": (
        403,
        "The token's role may not do this",
        "The table of routes lists the roles for each route.",
    ),
    "not-a-member": (
        403,
        "The token is for no active member",
        "The bank was never admitted, or it was revoked.",
    ),
    "not-found": (404, "Not found", "There is no such resource, or this token may not see it."),
    "too-large": (413, "The body is too large", "A receipt or a disclosure is smaller than 1 MiB."),
    "unsupported-media-type": (415, "The type of the body is not supported", "Send application/json."),
    "not-understood": (
        422,
        "The request was not understood",
        "A parameter is unknown, or its value has the wrong form.",
    ),
    "not-verified": (422, "Verification failed", "The receipt or disclosure is not valid."),
    "desk-failed": (500, "The desk failed", "Look for the X-Request-Id of the answer in its log."),
    "desk-damaged": (500, "The desk's own data does not verify", "A file of its mirror was changed."),
    "chain-failed": (
        502,
        "The chain answered with an error",
        "It may also be the chain of another consortium.",
    ),
    "chain-unreachable": (503, "The chain does not answer", "Try again later."),
    "not-set-up": (503, "The desk is not set up yet", "A file that the desk needs does not exist yet."),
    "not-ready": (503, "The desk is behind the chain", "The mirror has not read all batches yet."),
}

#: The same for a key holder; it has no page that shows them.
KEYHOLDER_KINDS: Final[Mapping[str, tuple[int, str, str]]] = {
    "not-signed": (401, "Not signed", "A header of the signature is missing or malformed."),
    "signed-at-another-time": (
        401,
        "Signed at another time",
        "The caller's clock or the key holder's clock is wrong.",
    ),
    "signature-not-valid": (
        401,
        "Signature not valid",
        "The signature is not the caller's signature for this request.",
    ),
    "not-active": (403, "Not an active member", "The signer is not an active member on the chain."),
    "not-anchored": (
        403,
        "Not anchored",
        "The chain does not say that this member may have these elements evaluated.",
    ),
    "unknown-share": (404, "Unknown share", "The key holder has no share of this key."),
    "other-version": (
        410,
        "Another version of the protocol",
        "Install the version of Counterfoil that the key holder runs.",
    ),
    "repeated": (409, "Request repeated", "A signed request is answered only once."),
    "request-too-large": (413, "Request too large", "Send fewer elements in one request."),
    "request-not-understood": (422, "Request not understood", "The body has the wrong form."),
    "other-elements": (422, "Other elements", "The elements are not those that the member anchored."),
    "asked-too-often": (429, "Asked too often", "These elements were evaluated too often today."),
    "keyholder-failed": (500, "The key holder cannot answer", "Its log contains the reason."),
    "members-unknown": (
        503,
        "Members unknown",
        "The list of members cannot be read, because the chain does not answer.",
    ),
}


class Problem(BaseModel):
    """An error, as a problem document (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Kind of problem: a link to its explanation.")
    title: str = Field(description="Title of the kind of problem.")
    status: int
    detail: str | None = Field(default=None, description="What happened in this case.")
    instance: str | None = Field(
        default=None, description="Identifier of this error; it is also in the desk's log."
    )
    next_step: str | None = Field(default=None, description="What the caller can do.")
    expected: str | None = Field(default=None, description="If a proof is not valid: the expected value.")
    got: str | None = Field(default=None, description="If a proof is not valid: the value found.")


class ProblemError(Exception):
    """Raised to answer with a problem document.

    Parameters
    ----------
    kind : str
        One of `KINDS` or of `KEYHOLDER_KINDS`.
    detail : str
        What happened in this case.
    next_step : str, optional
        What the caller can do about it.
    headers : mapping, optional
    **members
        More members of the document.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        next_step: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers = kind, detail, dict(headers or {})
        self.status, self.title, _ = KINDS.get(kind) or KEYHOLDER_KINDS[kind]
        self.members = {**members, "next_step": next_step}

    def response(self, scope: Mapping[str, Any]) -> JSONResponse:
        """Return the HTTP response for the request of an ASGI scope."""
        base = _explained(scope)
        kind = "about:blank" if base is None else f"{base}/docs#{self.kind}"
        return _answer(scope, kind, self.title, self.status, self.detail, self.headers, self.members)


def problem_of(error: CounterfoilError) -> ProblemError:
    """Return the problem document for an error.

    The document contains the place of an error only if the caller's input is wrong; paths and endpoints of
    the desk are only in its log. A VerificationError here concerns the desk's own state; use `not_verified`
    for a proof that a caller sent.
    """
    if isinstance(error, InputError):
        return ProblemError("bad-request", _told(error), next_step=error.next_step)
    kinds: list[tuple[type[CounterfoilError], str]] = [
        (VerificationError, "desk-damaged"),
        (ChainUnreachableError, "chain-unreachable"),
        (ChainError, "chain-failed"),
        (ConfigurationError, "not-set-up"),
    ]
    kind = next((kind for known, kind in kinds if isinstance(error, known)), "desk-failed")
    return ProblemError(kind, error.what, next_step=error.next_step)


def not_verified(error: VerificationError) -> ProblemError:
    """Return the problem document for a proof that a caller sent and that does not verify."""
    sides = {"expected": error.expected, "got": error.got}
    members: dict[str, Any] = {name: _text(value) for name, value in sides.items() if value is not None}
    return ProblemError("not-verified", _told(error), next_step=error.next_step, **members)


def handle(app: FastAPI) -> None:
    """Make every error of an application a problem document."""

    @app.exception_handler(ProblemError)
    def problem(request: Request, error: ProblemError) -> JSONResponse:
        request.state.reason = error.detail
        return error.response(request.scope)

    @app.exception_handler(CounterfoilError)
    def ours(request: Request, error: CounterfoilError) -> JSONResponse:
        request.state.reason = str(error)
        return problem_of(error).response(request.scope)

    @app.exception_handler(RequestValidationError)
    def not_understood(request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [{"where": ".".join(map(str, e["loc"])), "what": e["msg"]} for e in error.errors()]
        detail = "; ".join(f"{entry['where']}: {entry['what']}" for entry in wrong)
        return ProblemError("not-understood", detail, errors=wrong).response(request.scope)

    @app.exception_handler(HTTPException)
    def plain(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        if status == HTTPStatus.NOT_FOUND and _explained(request.scope) is not None:
            return ProblemError("not-found", "the desk has no such address").response(request.scope)
        headers = dict(error.headers or {})
        return _answer(request.scope, "about:blank", status.phrase, status, str(error.detail), headers, {})


def known_parameters(request: Request) -> None:
    """Refuse an unknown parameter: with a misspelt filter, the answer would contain everything."""
    known = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    if not set(request.query_params) <= set(known):
        raise ProblemError(
            "not-understood",
            "query: the request has a parameter that this address does not know",
            next_step=f"The parameters of this address: {', '.join(known) or 'none'}.",
        )


def _explained(scope: Mapping[str, Any]) -> str | None:
    """Return the base address of the page /docs, which explains the kinds of problem; None if it has none."""
    app = scope.get("app")
    return "" if app is None else getattr(app.state, "url", None)


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of a route that may answer with problems of these kinds."""
    schema = {"$ref": "#/components/schemas/Problem"}
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(KINDS[kind][0], []).append(KINDS[kind][1])
    return {
        status: {"description": "; or: ".join(of_status), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, of_status in titles.items()
    }


def _answer(
    scope: Mapping[str, Any],
    kind: str,
    title: str,
    status: int,
    detail: str,
    headers: Mapping[str, str],
    members: Mapping[str, Any],
) -> JSONResponse:
    request_id = scope.get("state", {}).get("request_id")
    document: dict[str, Any] = {"type": kind, "title": title, "status": int(status), "detail": detail}
    document["instance"] = None if request_id is None else f"urn:uuid:{request_id}"
    document |= members
    content = {name: value for name, value in document.items() if value is not None}
    return JSONResponse(content, int(status), dict(headers), MEDIA_TYPE)


def _told(error: CounterfoilError) -> str:
    return error.what if error.where is None else f"{error.what} ({error.where})"


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes | bytearray) else str(value)

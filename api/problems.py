"""Problem documents: the one shape of every error over HTTP, and which error becomes which problem.

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

#: Kinds of problem: status, title, and what it means. The page /docs explains each under its name.
KINDS: Final[Mapping[str, tuple[int, str, str]]] = {
    "bad-request": (400, "The request cannot be used as it is", "An argument names something unusable."),
    "no-token": (401, "A token is needed", "Send `Authorization: Bearer cf_...`, as issued by the desk."),
    "unknown-token": (401, "The token is not known", "It was never issued here, or it was revoked."),
    "wrong-role": (403, "The token's role may not do this", "Another role may; each route says which."),
    "not-a-member": (403, "The token's member is none", "It was never admitted, or it was revoked."),
    "not-found": (404, "There is nothing here", "Or nothing that this token may know of."),
    "too-large": (413, "The body is too large", "Receipts and disclosures stay below 1 MiB."),
    "unsupported-media-type": (415, "The body is of another type", "Send application/json."),
    "not-understood": (422, "The request was not understood", "A parameter has another form."),
    "not-verified": (422, "Verification failed", "What was sent does not prove what it says."),
    "desk-failed": (500, "The desk failed", "Its log has the reason under the answer's X-Request-Id."),
    "desk-damaged": (500, "What the desk keeps does not verify", "A file of its mirror was changed."),
    "chain-failed": (502, "The chain answered with an error", "Or it is not this consortium's chain."),
    "chain-unreachable": (503, "The chain does not answer", "Try again later."),
    "not-set-up": (503, "The desk is not set up yet", "Something it reads is not there yet."),
    "not-ready": (503, "The desk is behind the chain", "Its mirror has batches to read."),
}

#: The same for a key holder, which has no page that explains them.
KEYHOLDER_KINDS: Final[Mapping[str, tuple[int, str, str]]] = {
    "not-signed": (401, "Not signed", "A header of the signature is missing or malformed."),
    "signed-at-another-time": (401, "Signed at another time", "One of the two clocks is wrong."),
    "signature-not-valid": (401, "Signature not valid", "It is not the caller's, over this request."),
    "not-active": (403, "Not an active member", "The chain does not know the signer as an active member."),
    "unknown-epoch": (404, "Unknown epoch", "The key holder has no key of that number."),
    "repeated": (409, "Request repeated", "A signed request is good for one answer."),
    "request-too-large": (413, "Request too large", "Send fewer elements at once."),
    "request-not-understood": (422, "Request not understood", "The body has another form."),
    "not-an-element": (422, "Not a blinded element", "An element is no point of the group."),
    "quota-used-up": (429, "Quota used up", "Each evaluation counts; the quota is renewed every day."),
    "keyholder-failed": (500, "The key holder cannot answer", "Its log says why."),
    "members-unknown": (503, "Members unknown", "The chain, which knows the members, does not answer."),
}


class Problem(BaseModel):
    """An error, for programs and for people."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="What kind of problem: a link that explains it.")
    title: str = Field(description="The kind in words.")
    status: int
    detail: str | None = Field(default=None, description="What happened this time.")
    instance: str | None = Field(default=None, description="This occurrence, as the desk's log names it.")
    next_step: str | None = Field(default=None, description="What to do about it.")
    expected: str | None = Field(default=None, description="Of a proof: the value that should stand there.")
    got: str | None = Field(default=None, description="Of a proof: the value that does.")


class ProblemError(Exception):
    """Raised to answer with a problem document.

    Parameters
    ----------
    kind : str
        One of `KINDS` or of `KEYHOLDER_KINDS`.
    detail : str
        What happened this time.
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
        """Return the answer to the request of an ASGI scope."""
        base = _explained(scope)
        kind = "about:blank" if base is None else f"{base}/docs#{self.kind}"
        return _answer(scope, kind, self.title, self.status, self.detail, self.headers, self.members)


def problem_of(error: CounterfoilError) -> ProblemError:
    """Return the problem document for an error.

    The document says where the error happened only if it is about the caller's input; paths and endpoints of
    the desk stay in its log. A VerificationError here is about the desk's own state: `not_verified` is for
    what a caller sent.
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
    """Return the problem that says why what a caller sent does not verify: expected, and got."""
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
            return ProblemError("not-found", "no such address").response(request.scope)
        headers = dict(error.headers or {})
        return _answer(request.scope, "about:blank", status.phrase, status, str(error.detail), headers, {})


def known_parameters(request: Request) -> None:
    """Refuse a parameter that the address does not have: a misspelt filter would return everything."""
    known = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    if not set(request.query_params) <= set(known):
        raise ProblemError(
            "not-understood",
            "query: a parameter that this address does not have",
            next_step=f"It has: {', '.join(known) or 'none'}.",
        )


def _explained(scope: Mapping[str, Any]) -> str | None:
    """Return the address under which /docs explains the kinds of problem; None where no page does."""
    app = scope.get("app")
    return "" if app is None else getattr(app.state, "url", None)


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with problems of these kinds, for OpenAPI."""
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

"""The HTTP service of a witness: C2SP tlog-witness.

``POST /add-checkpoint`` takes a checkpoint and answers with a cosignature. ``GET /<hash>/checkpoint`` returns
the last cosigned checkpoint of a log, where the hash is the SHA-256 of the log's origin in hex. Nothing needs
a token: a checkpoint is taken only if its log has signed it. Use a TLS proxy if other machines connect to it.

References
----------
.. [1] C2SP tlog-witness, https://c2sp.org/tlog-witness
"""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, Response

from ledger.errors import CounterfoilError
from ledger.log.submission import MOST_BYTES, PATH, SIZE_TYPE
from ledger.witness import RefusedError, Witness

__all__ = ["create_app"]


def create_app(witness: Witness) -> FastAPI:
    """Build the service of a witness."""
    app = FastAPI(title="Counterfoil witness", version="1", openapi_url=None)
    origins = {sha256(origin.encode()).hexdigest(): origin for origin in witness.origins}

    @app.exception_handler(RefusedError)
    async def refused(_: Request, refusal: RefusedError) -> Response:
        if refusal.size is not None:
            # no character set: the media type must be exactly this
            return Response(f"{refusal.size}\n", refusal.status, headers={"Content-Type": SIZE_TYPE})
        # what is left of a body that is too large is not read
        closing = refusal.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        headers = {"Connection": "close"} if closing else None
        return PlainTextResponse(f"{refusal.what}\n", refusal.status, headers=headers)

    @app.exception_handler(CounterfoilError)
    async def failed(_: Request, error: CounterfoilError) -> Response:
        return PlainTextResponse(f"the witness failed: {error.what}\n", HTTPStatus.SERVICE_UNAVAILABLE)

    @app.get("/healthz")
    def health() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.post(PATH)
    async def add_checkpoint(request: Request) -> PlainTextResponse:
        body = await _read(request)
        return PlainTextResponse(await run_in_threadpool(witness.add_checkpoint, body))

    @app.get("/{log}/checkpoint")
    def checkpoint(log: str) -> PlainTextResponse:
        note = witness.latest(origins[log]) if log in origins else None
        if note is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "the witness has cosigned no checkpoint of this log")
        return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})

    return app


async def _read(request: Request) -> bytes:
    """Read the body; refuse one that is larger than the largest valid request."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {MOST_BYTES} bytes"
            )
    return bytes(body)

"""The published log: the signed checkpoint and the batch hashes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, BinaryIO, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from api.access import Desk
from api.problems import ProblemError, documented, known_parameters

__all__ = ["router"]

router: Final = APIRouter(tags=["log"], dependencies=[Depends(known_parameters)])

_HASH_BYTES: Final = 32
_CHUNK: Final = 1 << 16

_OPEN: Final = {"Cache-Control": "no-cache", "Cross-Origin-Resource-Policy": "cross-origin"}


@router.get(
    "/v1/log/checkpoint",
    summary="Return the signed checkpoint of the log",
    response_class=PlainTextResponse,
    responses=documented("not-understood", "not-set-up"),
)
def get_checkpoint(desk: Desk) -> PlainTextResponse:
    """Return the newest checkpoint, a C2SP signed note, to compare with other copies. No token is needed."""
    return PlainTextResponse(desk.checkpoint().decode(), headers=_OPEN)


@router.get(
    "/v1/log/hashes",
    summary="Return the batch hashes in log order",
    response_class=Response,
    responses={
        200: {
            "description": "32 bytes (SHA-256 of the batch header) for each batch.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented("bad-request", "not-understood", "not-set-up"),
    },
)
def get_log_hashes(
    desk: Desk,
    start: Annotated[
        int, Query(alias="from", ge=0, le=2**53, description="Log index of the first hash.")
    ] = 0,
    end: Annotated[
        int | None, Query(alias="to", ge=0, le=2**53, description="Log index after the last hash.")
    ] = None,
) -> StreamingResponse:
    """Return the leaves of the log's Merkle tree, all or a range. No token is needed."""
    file = desk.log().open("rb")
    size = file.seek(0, 2) // _HASH_BYTES
    stop = size if end is None else end
    if not start <= stop <= size:
        file.close()
        raise ProblemError(
            "bad-request",
            f"{start} to {stop} is not a range of the log, which has {size} batches",
            next_step="Give from and to with 0 <= from <= to <= size of the log.",
            log_size=size,
        )
    file.seek(start * _HASH_BYTES)
    length = (stop - start) * _HASH_BYTES
    headers = {**_OPEN, "Content-Length": str(length), "Counterfoil-Log-Size": str(size)}
    return StreamingResponse(_read(file, length), media_type="application/octet-stream", headers=headers)


def _read(file: BinaryIO, length: int) -> Iterator[bytes]:
    with file:
        while length > 0 and (chunk := file.read(min(_CHUNK, length))):
            length -= len(chunk)
            yield chunk

"""What the desk publishes of the log: the signed checkpoint, and every batch hash."""

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
    summary="The signed state of the log",
    response_class=PlainTextResponse,
    responses=documented("not-understood", "not-set-up"),
)
def get_checkpoint(desk: Desk) -> PlainTextResponse:
    """Give the newest checkpoint, a C2SP signed note. Open to everyone: compare it with what others see."""
    return PlainTextResponse(desk.checkpoint().decode(), headers=_OPEN)


@router.get(
    "/v1/log/hashes",
    summary="The batch hashes, in log order",
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
    start: Annotated[int, Query(alias="from", ge=0, le=2**53, description="First log index.")] = 0,
    end: Annotated[
        int | None, Query(alias="to", ge=0, le=2**53, description="Log index after the last one wanted.")
    ] = None,
) -> StreamingResponse:
    """Give the leaves of the log's tree, all or a range. Open to everyone: they prove nothing but order."""
    file = desk.log().open("rb")
    size = file.seek(0, 2) // _HASH_BYTES
    stop = size if end is None else end
    if not start <= stop <= size:
        file.close()
        raise ProblemError(
            "bad-request",
            f"the log has {size} batches; from {start} to {stop} is no range of it",
            next_step="Ask for 0 <= from <= to <= size.",
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

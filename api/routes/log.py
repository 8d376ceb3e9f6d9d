"""The two published logs: checkpoints, tiles of hashes, and bundles of entries (C2SP tlog-tiles)."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends
from fastapi import Path as PathParameter
from fastapi.responses import PlainTextResponse, Response

from api.access import Desk
from api.problems import ProblemError, documented, known_parameters

__all__ = ["router"]

router: Final = APIRouter(tags=["log"], dependencies=[Depends(known_parameters)])

#: Index of a tile in groups of three digits, and its width if it is not full.
_INDEX: Final = re.compile(
    r"(x[0-9]{3}/)*[0-9]{3}(\.p/([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?", re.ASCII
)
_OPEN: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}
#: A file of a tile never changes.
_FOREVER: Final = {**_OPEN, "Cache-Control": "public, max-age=31536000, immutable"}
_NEW: Final = {**_OPEN, "Cache-Control": "no-cache"}

Log = Annotated[
    Literal["ledger", "verdicts"],
    PathParameter(description="The log of what the chain records, or of the desk's verdicts on batches."),
]
Level = Annotated[
    str,
    PathParameter(
        pattern=r"^(entries|[0-9]|[1-5][0-9]|6[0-3])$",
        description="Level of the tile; `entries` for a bundle of entries.",
    ),
]
Index = Annotated[
    str, PathParameter(description="Index of the tile, as in x001/234; a partial tile ends with .p/WIDTH.")
]


@router.get(
    "/v1/log/{log}/checkpoint",
    summary="Return the newest checkpoint of a log that enough witnesses have cosigned",
    response_class=PlainTextResponse,
    responses=documented("not-understood", "not-set-up"),
)
def get_checkpoint(desk: Desk, log: Log) -> PlainTextResponse:
    """Return the signed state of a log (C2SP tlog-checkpoint). No token is needed."""
    note = desk.published(log, "checkpoint")
    if note is None:
        raise ProblemError(
            "not-set-up",
            f"no checkpoint of the log {log} was published yet",
            next_step="Run `counterfoil desk sync`; it says which witnesses are missing.",
        )
    return PlainTextResponse(note, headers=_NEW)


@router.get(
    "/v1/log/{log}/tile/{level}/{index:path}",
    summary="Return hashes or entries of a log",
    response_class=Response,
    responses={
        200: {
            "description": "Up to 256 hashes of 32 bytes; or up to 256 entries, each after its length in "
            "two bytes.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented("not-found", "not-understood", "not-set-up"),
    },
)
def get_tile(desk: Desk, log: Log, level: Level, index: Index) -> Response:
    """Return a tile, or a bundle of entries (C2SP tlog-tiles). No token is needed."""
    data = desk.published(log, f"tile/{level}/{index}") if _INDEX.fullmatch(index) else None
    if data is None:
        raise ProblemError(
            "not-found",
            "there is no such tile",
            next_step="Read the checkpoint first: it says how many entries the log has.",
        )
    return Response(data, media_type="application/octet-stream", headers=_FOREVER)

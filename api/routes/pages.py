"""The desk's web pages: its public state and an index of the API, without scripts.

The pages load nothing from other servers. Flags need a token, so no page shows them.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.access import Desk
from api.problems import KINDS
from api.routes.health import readiness
from api.state import ServedDesk
from ledger.errors import CounterfoilError

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)

_STYLE: Final = Path(__file__).parents[1] / "desk.css"


@router.get("/", response_class=HTMLResponse)
def front_page(desk: Desk) -> HTMLResponse:
    """Show the state of the desk and its checkpoints."""
    try:
        state = readiness(desk)
        status = (
            "Ready" if state.status == "ready" else f"Behind: {state.lag_batches} batches wait to be mirrored"
        )
        facts = [
            ("Chain height", f"block {state.height}"),
            ("Mirrored to", f"block {state.mirrored_block}"),
            ("Lag of the mirror", f"{state.lag_blocks} blocks, {state.lag_batches} batches"),
            ("Batches in the log", str(state.log_size)),
        ]
        good = state.status == "ready"
    except CounterfoilError as error:
        status, facts, good = f"Not ready: {error.what}", [], False
    body = (
        f'<p class="status {"good" if good else "bad"}" role="status">{escape(status)}</p>'
        + _list(facts)
        + "<h2>Checkpoints</h2><p>The signed state of the two logs, with the cosignatures of the members' "
        "witnesses. The ledger log has what the chain records, the verdict log what the desk says about each "
        "batch. Receipts are verified against both.</p>"
        + "".join(f"<pre>{escape(_checkpoint(desk, log))}</pre>" for log in ("ledger", "verdicts"))
        + '<h2>More</h2><ul><li><a href="/docs">The API</a></li>'
        '<li>The checkpoint of the <a href="/v1/log/ledger/checkpoint">ledger log</a> and of the '
        '<a href="/v1/log/verdicts/checkpoint">verdict log</a></li>'
        '<li><a href="/readyz">Readiness</a>, <a href="/openapi.json">OpenAPI document</a></li></ul>'
        "<p>Rows on this ledger are pseudonymised, but they are still personal data. Only the API "
        "shows flags and rows, and it needs a token.</p>"
    )
    return _page("Counterfoil: the desk", body)


@router.get("/docs", response_class=HTMLResponse)
def api_index(request: Request) -> HTMLResponse:
    """List the routes and the kinds of problem, from the OpenAPI document."""
    schema: dict[str, Any] = request.app.openapi()
    routes = [
        [
            f"<code>{method.upper()} {escape(path)}</code>",
            escape(operation["summary"]),
            escape(", ".join(operation.get("x-roles", ["everyone, without a token"]))),
            _parameters(operation),
        ]
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    problems = [
        [f'<code id="{kind}">{kind}</code>', str(status), escape(title), escape(meaning)]
        for kind, (status, title, meaning) in KINDS.items()
    ]
    body = (
        "<p>Send <code>Authorization: Bearer cf_...</code> with a token for your role. For all details see "
        'the <a href="/openapi.json">OpenAPI document</a>.</p><h2>Routes</h2>'
        + _table(("Route", "What it does", "Roles", "Parameters"), routes)
        + "<h2>Problems</h2><p>Every error is a problem document (RFC 9457) with title, detail and "
        "next_step. The desk's log contains its instance.</p>"
        + _table(("Kind", "Status", "Title", "What it means"), problems)
    )
    return _page("Counterfoil: the API", body)


@router.get("/desk.css")
def style() -> Response:
    """Return the style sheet of the pages."""
    return Response(_STYLE.read_bytes(), media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def _checkpoint(desk: ServedDesk, log: str) -> str:
    note = desk.published(log, "checkpoint")
    if note is None:
        return f"no checkpoint of the log {log} was published yet"
    return str(note.decode(errors="replace"))


def _parameters(operation: dict[str, Any]) -> str:
    names = [
        f"<code>{escape(p['name'])}</code>" for p in operation.get("parameters", ()) if p["in"] == "query"
    ]
    return ", ".join(names)


def _list(facts: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts) + "</dl>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{cells}</tbody></table></div>'


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/desk.css"></head>'
        f'<body><main><h1><a href="/">{escape(title)}</a></h1>{body}</main></body></html>'
    )

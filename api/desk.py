"""The desk's HTTP API: `create_app` makes it of a state folder, `server` listens."""

from __future__ import annotations

from typing import Any, Final, TextIO

import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

import counterfoil
from api import problems
from api.observe import Observed
from api.routes import batches, flags, health, log, matching, members, pages, rules, verification
from api.state import ServedDesk
from ledger.home import Home

__all__ = ["create_app", "server"]

_ROUTERS: Final = (health, members, batches, log, matching, flags, rules, verification, pages)

_TAGS: Final = [
    {"name": "health", "description": "Is the desk alive, and does it keep up with the chain?"},
    {"name": "consortium", "description": "Who takes part."},
    {"name": "ledger", "description": "What was posted, and how halves met."},
    {"name": "log", "description": "Public: what receipts are checked against."},
    {"name": "flags", "description": "What detectors and rules say about rows."},
    {"name": "rules", "description": "What was approved as regulation."},
    {"name": "verification", "description": "What a receipt or a disclosure proves."},
]

_DESCRIPTION: Final = (
    "The desk of a Counterfoil consortium. Rows are pseudonymised: they are still personal data. "
    "Every error is a problem document (RFC 9457)."
)


def create_app(
    home: Home,
    *,
    chain: str | None = None,
    url: str | None = None,
    max_lag: int = 16,
    log: TextIO | None = None,
) -> FastAPI:
    """Make the desk's API.

    It holds no state of its own: everything is read from the home and the chain for each request, so a sync,
    a scan or a new token beside it shows at once.

    Parameters
    ----------
    home : Home
        The state folder; it may be empty yet, routes then say what is missing.
    chain : str, optional
        JSON-RPC endpoint; the home's embedded chain by default.
    url : str, optional
        Where clients reach the API; stands in the OpenAPI document and makes problem types absolute.
    max_lag : int
        Blocks that the mirror may be behind, while batches wait, before the desk is not ready. Greater than
        the depth that makes a block final.
    log : text file, optional
        Where the access log goes; the standard error by default.
    """
    base = (url or "").rstrip("/")
    app = _Desk(
        title="Counterfoil desk",
        version=counterfoil.__version__,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        servers=[{"url": base}] if base else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.desk = ServedDesk(home, chain=chain, max_lag=max_lag)
    app.state.url = base
    problems.handle(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    app.add_middleware(Observed, log=log)
    return app


def server(app: FastAPI, *, host: str = "127.0.0.1", port: int = 8600) -> uvicorn.Server:
    """Return a server of the API; `run` it. Put TLS in front of it wherever it leaves the machine.

    Its own log is off, as the API writes one.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            access_log=False,
            log_level="warning",
            server_header=False,
            h11_max_incomplete_event_size=16_384,
        )
    )


class _Desk(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, with the problem's schema and without the framework's own errors."""
        if self.openapi_schema is None:
            schema = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                tags=self.openapi_tags,
                servers=self.servers,
                routes=self.routes,
            )
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = problems.Problem.model_json_schema()
            self.openapi_schema = schema
        return self.openapi_schema


def _operation_id(route: APIRoute) -> str:
    return route.name

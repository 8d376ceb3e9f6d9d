"""The desk's HTTP API: `create_app` makes it from a state folder, and `server` serves it."""

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
from api.serving import configuration
from api.state import ServedDesk
from ledger.home import Home

__all__ = ["create_app", "server"]

_ROUTERS: Final = (health, members, batches, log, matching, flags, rules, verification, pages)

_TAGS: Final = [
    {
        "name": "health",
        "description": "Whether the desk runs, and whether its mirror is up to date with the chain.",
    },
    {"name": "consortium", "description": "The members of the consortium."},
    {"name": "ledger", "description": "Posted batches, and the counts of matched transfers."},
    {
        "name": "log",
        "description": "The two public logs, which receipts are verified against.",
    },
    {"name": "flags", "description": "Flags of the detectors and findings of the rules."},
    {"name": "rules", "description": "The rule set in force."},
    {"name": "verification", "description": "Verification of receipts and disclosures."},
]

_DESCRIPTION: Final = (
    "The desk of a Counterfoil consortium. Rows are pseudonymised, but they are still personal data. "
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

    The API keeps no state of its own: it reads the state folder and the chain for each request. Results of a
    sync or a scan, and new tokens, are visible at once.

    Parameters
    ----------
    home : Home
        The state folder; while it is empty, the routes answer with a problem that names what is missing.
    chain : str, optional
        JSON-RPC endpoint; the home's embedded chain by default.
    url : str, optional
        Address of the API for clients; it is used in the OpenAPI document and in problem types.
    max_lag : int
        Number of blocks that the mirror may lag, while batches wait, until the desk is not ready. It must be
        greater than the number of blocks after which a block is final.
    log : text file, optional
        File for the access log; standard error by default.
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
    """Return a server for the API; call its `run`. Use a TLS proxy if other machines connect to it.

    The server's own access log is off, because the API writes one.
    """
    return uvicorn.Server(configuration(app, host=host, port=port))


class _Desk(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, with the schema of problem documents added."""
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

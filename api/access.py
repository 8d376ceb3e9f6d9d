"""Access control: check the bearer token and its role, and find the code of a member's token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import ProblemError, documented, known_parameters
from api.state import ServedDesk
from counterfoil.tokens import ROLES, Role, Token

__all__ = ["Anyone", "Desk", "Officer", "allow", "desk_of", "member_code", "route"]

_BEARER: Final = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    bearerFormat="cf_...",
    description="A token for a role (member, officer, auditor, operator); the operator issues it.",
)


def desk_of(request: Request) -> ServedDesk:
    """Return the desk that the application serves."""
    state: ServedDesk = request.app.state.desk
    return state


Desk = Annotated[ServedDesk, Depends(desk_of)]


def allow(*roles: Role) -> Callable[..., Token]:
    """Return the dependency that accepts only tokens of these roles, and returns the token."""

    def caller(
        request: Request,
        desk: Desk,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Token:
        if credentials is None:
            challenge = {"WWW-Authenticate": 'Bearer realm="counterfoil"'}
            raise ProblemError(
                "no-token",
                "this address needs a token",
                next_step="Send the header `Authorization: Bearer cf_...`; the operator issues tokens.",
                headers=challenge,
            )
        token = desk.tokens.find(credentials.credentials)
        if token is None:
            challenge = {"WWW-Authenticate": 'Bearer realm="counterfoil", error="invalid_token"'}
            raise ProblemError(
                "unknown-token",
                "this token is not valid",
                next_step="Ask the operator for a new one.",
                headers=challenge,
            )
        request.state.role, request.state.subject = token.role, token.subject
        if token.role not in roles:
            raise ProblemError(
                "wrong-role",
                f"this address is for: {', '.join(roles)}; the role of the token is {token.role}",
            )
        known_parameters(request)  # only after the role check: other roles must not learn the parameters
        return token

    return caller


Anyone = Annotated[Token, Depends(allow(*ROLES))]
Officer = Annotated[Token, Depends(allow("officer"))]


def member_code(desk: ServedDesk, token: Token) -> int | None:
    """Return the code of the member that a token is for; None for the roles that see everything.

    Raises
    ------
    ProblemError
        When the chain does not know the member, or the member was revoked.
    """
    if token.role != "member":
        return None
    member = next((m for m in desk.members() if m.agent == token.subject), None)
    if member is None or member.status == "revoked":
        what = "is not on the chain" if member is None else "was revoked"
        raise ProblemError("not-a-member", f"the member {token.subject} {what}")
    return member.code


def route(*kinds: str, roles: tuple[Role, ...] = ROLES) -> dict[str, Any]:
    """Return the OpenAPI options of a route that needs a token: its roles, and its possible problems."""
    return {
        "responses": documented(
            "no-token", "unknown-token", "wrong-role", "not-understood", "not-set-up", *kinds
        ),
        "openapi_extra": {"x-roles": list(roles)},
    }

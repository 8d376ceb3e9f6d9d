"""``counterfoil desk token``: issue, list and revoke access tokens of the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.output import emit, say, settings, show_table
from counterfoil import tokens as access

__all__ = ["app"]


class _Roles(TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Resolve a command; for an unknown one, raise an error that lists the known ones."""
        if args and self.get_command(ctx, args[0]) is None:
            known = ", ".join(self.list_commands(ctx))
            raise typer.BadParameter(f"{args[0]!r} is not a role or command; the known ones are: {known}")
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_Roles, help="Issue, list and revoke access tokens of the API.", no_args_is_help=True)


def _issuer(role: str) -> Callable[..., None]:
    def issue(
        context: typer.Context,
        subject: Annotated[
            str, typer.Argument(help="Agent identifier of the member, or name of the person or program.")
        ],
        days: Annotated[
            float | None, typer.Option(help="Number of days after which the token expires. Default: never.")
        ] = None,
    ) -> None:
        options = settings(context)
        text = access.issue(options.home, role, subject, days=days)
        emit(options, {"role": role, "subject": subject, "token": text}, lambda: typer.echo(text))

    issue.__doc__ = f"Issue a token for the role {role}. It is printed once; only its hash is stored."
    return issue


for _role in access.ROLES:
    app.command(_role)(_issuer(_role))


@app.command("list")
def list_tokens(context: typer.Context) -> None:
    """List the tokens that are not revoked, without their secret texts."""
    options = settings(context)
    now = datetime.now(UTC)
    found = [
        {"id": token.id, **asdict(token), "expired": token.expired(now)}
        for token in access.tokens(options.home)
    ]
    for entry in found:
        del entry["hash"]

    def render() -> None:
        columns = ["id", "role", "subject", "issued", "expires"]
        rows = [
            (
                entry["id"],
                entry["role"],
                entry["subject"],
                entry["issued_at"],
                _expiry(entry),
            )
            for entry in found
        ]
        show_table(f"{len(found)} tokens", columns, rows)

    emit(options, found, render)


def _expiry(entry: dict[str, Any]) -> str:
    if entry["expires_at"] is None:
        return "never"
    moment = datetime.fromtimestamp(entry["expires_at"], UTC)
    return f"{moment:%Y-%m-%d %H:%M} UTC{' (expired)' if entry['expired'] else ''}"


@app.command()
def revoke(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="The token, or at least 8 first digits of its identifier.")],
) -> None:
    """Revoke a token; a running desk refuses it from the next request on."""
    options = settings(context)
    revoked = access.revoke(options.home, token)
    value = {"id": revoked.id, "role": revoked.role, "subject": revoked.subject}
    emit(options, value, lambda: None)
    say(f"Token {revoked.id} of {revoked.subject} ({revoked.role}) is revoked.")

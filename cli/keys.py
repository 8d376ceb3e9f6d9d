"""``counterfoil keys``: show, encrypt and replace keys of this machine's parties, or move them to a token."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from cli.member import Agent, read_agent
from cli.output import Settings, emit, say, settings, show_facts, show_table
from counterfoil.keys import KeyFile, create_on_token, key_files
from counterfoil.rotation import ROTATED, rotate
from ledger.keystore.passphrase import NEW_PASSPHRASE

__all__ = ["app"]

app = typer.Typer(
    help="Show, encrypt and replace keys, or move them to a token (docs/keys.md).", no_args_is_help=True
)

Member = Annotated[
    str | None,
    typer.Option(
        "--member",
        "-m",
        envvar="COUNTERFOIL_MEMBER",
        callback=lambda text: text and read_agent(text),
        help="The keys of this member (BIC).",
    ),
]
Party = Annotated[
    str | None,
    typer.Option(help="The keys of another party of this state folder: desk, founder, holder or officer-N."),
]
Uri = Annotated[
    str,
    typer.Option("--pkcs11", help="Name of the key on the token: 'pkcs11:token=...;object=...' (RFC 7512)."),
]


class TokenType(StrEnum):
    """The kinds of keys that a token can hold."""

    secp256k1 = "secp256k1"
    ed25519 = "ed25519"


def _file(options: Settings, member: str | None, party: str | None) -> KeyFile:
    if (member is None) == (party is None):
        raise typer.BadParameter("give either --member AGENT, or --party")
    if member is not None:
        return KeyFile.of_member(options.home, member)
    known = {"desk": KeyFile.of_desk, "founder": KeyFile.of_founder, "holder": KeyFile.of_holder}
    kind, _, number = (party or "").partition("-")
    if kind in known and not number:
        return known[kind](options.home)
    if kind == "officer" and number.isdecimal():
        return KeyFile.of_officer(options.home, int(number))
    raise typer.BadParameter("a party is desk, founder, holder, or officer-1, officer-2, ...")


@app.command()
def show(context: typer.Context, member: Member = None, party: Party = None) -> None:
    """Show the public parts of keys, and where the private parts are; no passphrase is needed.

    Without an option, all key files of the state folder are shown.
    """
    options = settings(context)
    one = member is not None or party is not None
    files = [_file(options, member, party)] if one else list(key_files(options.home))
    shown = [(file, file.show()) for file in files]

    def render() -> None:
        for file, keys in shown:
            rows = [(key.name, key.type, key.public, key.token or key.storage) for key in keys]
            show_table(f"Keys of the {file.party}", ["key", "type", "public part", "private part"], rows)

    value = [
        {"party": file.party, "file": str(file.path), "keys": [asdict(key) for key in keys]}
        for file, keys in shown
    ]
    emit(options, value, render)


@app.command()
def encrypt(context: typer.Context, member: Member = None, party: Party = None) -> None:
    """Encrypt a key file under a passphrase.

    The plain file may still be on the disk and in backups: if others could read it, replace the keys.
    """
    options = settings(context)
    file = _file(options, member, party)
    file.encrypt()
    _done(options, file, "The keys are encrypted. Without the passphrase they are lost: store it safely.")


@app.command()
def passphrase(
    context: typer.Context,
    member: Member = None,
    party: Party = None,
    new_passphrase_fd: Annotated[
        int | None, typer.Option(min=0, help="File descriptor that gives the new passphrase.")
    ] = None,
) -> None:
    """Change the passphrase of a key file; backups keep the old one."""
    options = settings(context)
    if new_passphrase_fd is not None:
        NEW_PASSPHRASE.use_descriptor(new_passphrase_fd)
    file = _file(options, member, party)
    file.change_passphrase()
    _done(options, file, "The key file has the new passphrase.")


@app.command("rotate")
def rotate_command(
    context: typer.Context,
    agent: Agent,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", "-k", help=f"Key to replace: {', '.join(ROTATED)}; repeat it. Default: all."),
    ] = None,
    account_pkcs11: Annotated[
        str | None, typer.Option(help="The new account key is on a token; it is made there if it is missing.")
    ] = None,
    witness_pkcs11: Annotated[
        str | None, typer.Option(help="The new witness key is on a token; it is made there if it is missing.")
    ] = None,
) -> None:
    """Replace a member's keys on this machine and on the chain; run it again if it was interrupted.

    The old file stays as keys-1.json: what was sealed to the old keys needs them.
    """
    options = settings(context)
    given = {"account": account_pkcs11, "witness": witness_pkcs11}
    tokens = {name: uri for name, uri in given.items() if uri is not None}
    names = key or (list(tokens) if tokens else ROTATED)
    done = rotate(agent, options.home, chain=options.chain, names=names, tokens=tokens)
    facts = [("agent", done.agent), ("account", done.account), ("old keys", done.kept or "still in use")]
    emit(options, asdict(done), lambda: show_facts("Rotation", facts))
    for step in done.next_steps:
        say(step)
    if not done.complete:
        say(f"Then complete it: `{options.program} keys rotate -m {agent}`.")


@app.command("import")
def import_command(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Name of the key, as `keys show` lists it, such as account.")],
    uri: Uri,
    member: Member = None,
    party: Party = None,
) -> None:
    """Move an account key or an Ed25519 key from a key file to a token, where it cannot be read again.

    Backups of the file still have the key. For a key that was never in a file, use `keys rotate`.
    """
    options = settings(context)
    file = _file(options, member, party)
    moved = file.to_token(key, uri)
    emit(
        options,
        asdict(moved),
        lambda: show_facts("Moved", [(moved.name, moved.public), ("token", moved.token)]),
    )


@app.command()
def create(
    context: typer.Context,
    uri: Uri,
    kind: Annotated[TokenType, typer.Option("--type", help="The kind of key.")] = TokenType.secp256k1,
) -> None:
    """Make a key pair on a token; print the address of the account, or the public key."""
    options = settings(context)
    public = create_on_token(kind.value, uri)
    emit(options, {"type": kind.value, "public": public, "token": uri}, lambda: typer.echo(public))


def _done(options: Settings, file: KeyFile, text: str) -> None:
    emit(options, {"party": file.party, "file": str(file.path), "storage": "encrypted"}, lambda: None)
    say(text)

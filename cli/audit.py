"""``counterfoil verify``, ``fsck``, ``bundle`` and ``audit``: check proofs without trust in the operator."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.audit_views import show_chain_report, show_proof
from cli.draw_views import show_draw, show_opened
from cli.output import counted, emit, progress, say, settings, show_facts, show_table, tell
from counterfoil import Auditor
from counterfoil.member import agent_identifier
from ledger.errors import InputError, VerificationError
from ledger.storage import PUBLISHED, write_atomically

if TYPE_CHECKING:
    from ledger.audit.report import WorkingPaper

__all__ = ["app", "bundle_command", "fsck_command", "verify_command"]

app = typer.Typer(
    help="Count proven and claimed payments; draw what members had evaluated, and verify it.",
    no_args_is_help=True,
)

ReaderKeys = Annotated[
    Path | None, typer.Option(help="File with your own reader keys. Default: what the desk has mirrored.")
]
TrustFile = Annotated[
    Path | None, typer.Option(help="Trust file. Default: the trust file in the state folder.")
]


def verify_command(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="File with a receipt, a disclosure, a bundle or a checkpoint.")
    ],
    trust: TrustFile = None,
    recipient: Annotated[
        str | None, typer.Option(help="Refuse disclosures that were made for anybody else.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a working paper: a file that ends with .html or .csv.")
    ] = None,
) -> None:
    """Verify a receipt, a disclosure, a bundle or a checkpoint offline, against a trust file."""
    options = settings(context)
    auditor = Auditor(options.home, trust=trust)
    if report is None:
        show_proof(options, auditor.verify(file, recipient=recipient), auditor.trust())
        return
    if report.suffix not in (".html", ".csv"):
        raise InputError(
            "a working paper is HTML or CSV",
            where=str(report),
            next_step="Give a file name that ends with .html or .csv; a browser prints HTML as PDF.",
        )
    paper, result = auditor.working_paper(file, date=datetime.now(UTC), recipient=recipient)
    _write_report(report, paper)
    if isinstance(result, VerificationError):
        raise result
    show_proof(options, result, auditor.trust())


def _write_report(file: Path, paper: WorkingPaper) -> None:
    text = paper.to_html() if file.suffix == ".html" else paper.to_csv()
    write_atomically(file, text.encode())
    say(f"The working paper is in {file}.")


def bundle_command(
    context: typer.Context,
    flag: Annotated[str, typer.Argument(help="Identifier of the flag, or its first digits.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File for the bundle.")],
    disclosure: Annotated[
        list[Path] | None, typer.Option(help="A bank's disclosure to add; give it once for each file.")
    ] = None,
) -> None:
    """Write one evidence file of a flag: rows, receipts, disclosures, decisions, and their proofs."""
    from counterfoil import Desk

    options = settings(context)
    made = Desk(options.home, chain=options.chain).bundle(flag, disclosures=disclosure or ())
    write_atomically(out, made.to_bytes())
    flag_id = None if made.flag is None else made.flag.flag_id.hex()
    value = {
        "file": str(out),
        "flag_id": flag_id,
        "receipts": len(made.receipts),
        "disclosures": len(made.disclosures),
        "decisions": len(made.decisions),
    }

    def render() -> None:
        parts = (counted(len(held), noun) for held, noun in (
            (made.receipts, "receipt"), (made.disclosures, "disclosure"), (made.decisions, "decision")
        ))  # fmt: skip
        tell(f"{out}: {', '.join(parts)}.")
        tell(f"An auditor verifies it offline with `counterfoil verify {out} --trust TRUST_FILE`.")

    emit(options, value, render)


def fsck_command(
    context: typer.Context,
    chain_only: Annotated[
        bool, typer.Option("--chain-only", help="Check what needs no key and no file of the desk.")
    ] = False,
    reader_keys: ReaderKeys = None,
    published: Annotated[
        str | None, typer.Option(help="Folder or URL of the desk's published logs, to compare them.")
    ] = None,
    trust: TrustFile = None,
) -> None:
    """Read the whole chain again, compare the result with the mirror, and show the differences.

    With --chain-only or --reader-keys, it is compared with the desk's published logs: for an auditor.
    """
    options = settings(context)
    auditor = Auditor(
        options.home, trust=trust, chain=options.chain, reader_keys=reader_keys, published=published
    )
    if chain_only and reader_keys is not None:
        raise InputError(
            "--chain-only uses no keys", next_step="Give either --chain-only or --reader-keys FILE."
        )
    if chain_only or reader_keys is not None:
        with progress(options) as advance:
            found = auditor.check_chain(progress=advance)
        show_chain_report(options, found)
        found.raise_if_different()
        return
    with progress(options) as advance:
        report = auditor.fsck(progress=advance)

    def render() -> None:
        rows = [("batches", report.batches), ("rows", report.rows), ("rejected batches", report.rejected)]
        rows += [("  because a key is missing", report.without_key)] * bool(report.without_key)
        show_table(
            "Compared with the chain", ["", "count"], [*rows, ("differences", len(report.differences))]
        )
        if report.differences:
            show_table(
                "Differences", ["where", "difference"], [(d.where, d.what) for d in report.differences]
            )

    emit(options, {k: v for k, v in asdict(report).items() if k != "verdicts"}, render)
    report.raise_if_different()


@app.command("keys")
def keys_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.")],
) -> None:
    """Make an auditor's reader key, and print the public part; the members add it as a reader."""
    options = settings(context)
    value = {"public_key": Auditor.make_reader_keys(file).hex(), "file": str(file)}
    emit(options, value, lambda: show_facts("Reader key", value.items()))
    command = f"{options.program} consortium reader {value['public_key']} --label NAME"
    say(f"A member proposes it: `{command}`.")


@app.command("ceremony")
def ceremony_command(
    context: typer.Context,
    number: Annotated[int, typer.Argument(min=1, help="Number of the key ceremony on the chain.")],
) -> None:
    """Compute the key of a key ceremony from its transcript on the chain, and compare it with the chain.

    It names the holder at fault if the ceremony failed.
    """
    options = settings(context)
    key = Auditor(options.home, chain=options.chain).ceremony(number)
    value = {
        "epoch": key.number,
        "generation": key.generation,
        "public_key": key.public_key.hex(),
        "share_commitments": [share.hex() for share in key.share_commitments],
    }
    emit(options, value, lambda: show_facts(f"Ceremony {number} gives the key on the chain", value.items()))


@app.command("completeness")
def completeness_command(
    context: typer.Context, reader_keys: ReaderKeys = None, trust: TrustFile = None
) -> None:
    """Count for each member which rows both banks posted, and list the claims of one bank about another."""
    options = settings(context)
    auditor = Auditor(options.home, trust=trust, chain=options.chain, reader_keys=reader_keys)
    with progress(options) as advance:
        found = auditor.completeness(progress=advance)

    def render() -> None:
        columns = ["member", "month", "rows", "proven", "conflict", "claimed", "on us", "outside"]
        rows: list[tuple[Any, ...]] = [
            (m.agent, m.month, m.rows, m.proven, m.conflict, m.claimed, m.on_us, m.outside)
            for m in found.members
        ]
        show_table("Completeness by member", columns, rows)
        tell(
            "Proven: both banks posted it. Claimed: only this bank did. On us: both accounts are at this "
            "bank. Outside: the other bank is not a member."
        )
        if found.claims:
            claims = [(c.claimant, c.about, c.month, c.rows) for c in found.claims]
            show_table("Claims of one bank about another", ["claimant", "about", "month", "rows"], claims)
            tell("A claim is the claimant's word. It is no proof that the other bank left a payment out.")
        if found.unknown:
            unknown = [(u.agent, u.reason, u.batches, u.rows) for u in found.unknown]
            show_table("Unknown rows", ["member", "reason", "batches", "rows"], unknown)

    emit(options, asdict(found), render)


@app.command("draw")
def draw_command(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="Agent identifier (BIC) of the member.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File for the draw.")],
    count: Annotated[int, typer.Option(min=1, help="How many elements; at most 1,000.")] = 20,
    until_block: Annotated[
        int | None, typer.Option(help="Only what was anchored up to this block. Default: the newest block.")
    ] = None,
    trust: TrustFile = None,
) -> None:
    """Draw elements that a member had evaluated; the member must show the rows that they were needed for.

    A guess of an account has no row. Keep the file: what the member opens is verified against it.
    """
    options = settings(context)
    auditor = Auditor(options.home, trust=trust, chain=options.chain)
    made = auditor.draw(agent_identifier(agent), count=count, until_block=until_block)
    write_atomically(out, made.to_bytes(), mode=PUBLISHED)
    show_draw(options, made, out)


@app.command("opened")
def opened_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What the member opened.")],
    draw: Annotated[Path, typer.Option(help="Your own draw.")],
    recipient: Annotated[str | None, typer.Option(help="Refuse what was opened for anybody else.")] = None,
    grace_days: Annotated[
        int | None, typer.Option(min=0, help="Days that a row may take to the chain. Default: 7.")
    ] = None,
    trust: TrustFile = None,
) -> None:
    """Verify what a member opened of a draw; the exit code is 1 if an element is unexplained or wrong."""
    options = settings(context)
    auditor = Auditor(options.home, trust=trust, chain=options.chain)
    found = auditor.check_opened(file, draw, recipient=recipient, grace_days=grace_days)
    show_opened(options, found)
    found.raise_if_unexplained()

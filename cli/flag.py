"""``counterfoil flag``: flags a person can read, their evidence, and their recomputation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.checking import run_rules
from cli.consortium import connect
from cli.deciding import decisions, register_decide, said, show_decisions, verdicts
from cli.desk import member_names
from cli.findings import register, rules_of
from cli.flag_views import moment, say_what_is_next, show_flag
from cli.output import Settings, emit, progress, say, settings, show_entries, show_table, tell
from ledger.errors import ConfigurationError, VerificationError
from ledger.flag import Flag

if TYPE_CHECKING:
    import pyarrow as pa

    from ledger.reader.cases import CaseBook, KeptFlag

__all__ = ["app"]

app = typer.Typer(help="Flags and findings: list, show, recompute.", no_args_is_help=True)

FlagId = Annotated[str, typer.Argument(help="The flag's identifier, or its first digits.")]

#: Gravest first.
_SEVERITIES: Final = ("high", "medium", "low")


@app.command("list")
def list_flags(
    context: typer.Context,
    title: Annotated[str | None, typer.Option(help="Only this typology or rule.")] = None,
    severity: Annotated[str | None, typer.Option(help="Only this severity: low, medium or high.")] = None,
    undecided: Annotated[bool, typer.Option("--undecided", help="Only what no officer decided yet.")] = False,
) -> None:
    """List flags and findings, the gravest first; at the end, how many there are of each kind."""
    options = settings(context)
    with _book(options) as book:
        kept = book.flags()
    decided = verdicts(options.home)
    found = [
        k
        for k in kept
        if title in (None, k.flag.title)
        and severity in (None, k.flag.severity)
        and not (undecided and k.flag_id in decided)
    ]
    found.sort(key=_urgency)
    value = [
        {
            "flag_id": k.flag_id.hex(),
            **k.flag.to_json(),
            "latest_score": k.latest_score,
            "verdict": decided.get(k.flag_id),
        }
        for k in found
    ]
    entries = [
        (
            (
                k.flag_id.hex()[:12],
                k.flag.title,
                f"{k.flag.severity}, {k.flag.certainty}",
                moment(k.flag.window[0])[:10],
            ),
            "\n".join([k.flag.explanation, *_since(k, decided.get(k.flag_id))]),
        )
        for k in found
    ]

    def render() -> None:
        show_entries(f"{len(found)} flags", entries)
        if found:
            tell("")
            show_table("How many", ["flag", *_SEVERITIES, "undecided"], _counted(found, decided))

    emit(options, value, render)
    if not kept:
        say(f"None was raised yet; run `{options.program} desk scan` and `{options.program} desk check`.")


@app.command()
def show(
    context: typer.Context,
    flag_id: FlagId,
    svg: Annotated[Path | None, typer.Option(help="Draw the evidence to this file.")] = None,
    graphml: Annotated[Path | None, typer.Option(help="Export the evidence graph to this file.")] = None,
) -> None:
    """Show one flag: what, why, which payments, and which clause or parameters. Needs no chain."""
    options = settings(context)
    with _book(options) as book:
        kept = book.find(flag_id)
    if svg or graphml:
        from ledger.transfers.evidence import evidence_graph, to_graphml, to_svg
        from ledger.transfers.mirror import load_rows

        transfers = load_rows(options.home.desk.mirror, kept.flag.rows)
        graph = evidence_graph(kept.flag, transfers, banks=member_names(options.home))
        if svg:
            svg.write_text(to_svg(graph), "utf-8")
        if graphml:
            graphml.write_bytes(to_graphml(graph))
    made = decisions(options.home).get(kept.flag_id, [])
    value = {
        "flag_id": kept.flag_id.hex(),
        **kept.flag.to_json(),
        "latest_score": kept.latest_score,
        "decisions": [d.to_json() for d in made],
    }

    def render() -> None:
        show_flag(options, kept)
        show_decisions(made)
        if not made:
            say_what_is_next(options, kept)

    emit(options, value, render)
    for path in (svg, graphml):
        if path:
            say(f"Written to {path}.")


@app.command()
def replay(context: typer.Context, flag_id: FlagId) -> None:
    """Recompute a flag from the ledger position it names; fails when it does not come out the same.

    Where the mirror has moved on since, the position is mirrored again from the chain, into a folder that is
    removed afterwards.
    """
    from anomaly.learning.scoring import replay as replay_detector
    from anomaly.learning.shelf import Shelf

    options = settings(context)
    with _book(options) as book:
        kept = book.find(flag_id)
    flag = kept.flag
    with _at_position(options, flag) as transfers:
        if flag.source.kind == "detector":
            replay_detector(flag, transfers, Shelf(options.home.desk.models))
        else:
            gateway = connect(options.home, options.chain)
            ruleset = rules_of(gateway, flag)
            findings = run_rules(gateway, ruleset, transfers, flag.position, home=options.home).findings
            if flag.to_json() not in [finding.bounded().to_json() for finding in findings]:
                raise VerificationError(
                    "the finding does not come out again",
                    where=kept.flag_id.hex(),
                    next_step="Check that the banks' places and rates beside the desk are those of then.",
                )
    emit(options, {"flag_id": kept.flag_id.hex(), "equal": True}, lambda: None)
    say(f"Flag {kept.flag_id.hex()[:12]} comes out again, equal in every field.")


@contextmanager
def _at_position(options: Settings, flag: Flag) -> Iterator[pa.Table]:
    """Read the transfers as they stood at the position that a flag names, of the period that it names."""
    from anomaly.scan import period_of
    from ledger.segment import Manifest
    from ledger.transfers.mirror import load_mirror

    period = period_of(flag)
    position = Manifest.read(options.home.desk.mirror).position
    if position == flag.position:
        yield load_mirror(options.home.desk.mirror, period=period)[0]
        return
    from ledger.home import DeskHome
    from ledger.reader import desk as rounds
    from ledger.reader.keys import DeskKeys

    gateway = connect(options.home, options.chain)
    depth = gateway.height() - flag.position.block
    if depth < 0 or (position.chain_id, position.contract) != (
        flag.position.chain_id,
        flag.position.contract,
    ):
        raise VerificationError(
            "the chain does not hold the position that the flag names",
            expected=f"block {flag.position.block} of {flag.position.contract}",
            got=f"block {gateway.height()} of {position.contract}",
        )
    keys = DeskKeys.load(options.home.desk.keys)
    with TemporaryDirectory(prefix="counterfoil-") as folder, progress(options) as advance:
        there = DeskHome(Path(folder))
        rounds.sync(there, gateway, keys, depth=depth, progress=advance)
        yield load_mirror(there.mirror, period=period)[0]


def _urgency(kept: KeptFlag) -> tuple[int, float, int]:
    """Order flags as an officer works: the gravest first, of these the likeliest, of these the newest."""
    return _SEVERITIES.index(kept.flag.severity), -(kept.latest_score or 0.0), -kept.flag.window[1]


def _counted(found: Sequence[KeptFlag], decided: Mapping[bytes, str]) -> list[tuple[Any, ...]]:
    """Count flags by what they are, their severity, and whether an officer has decided."""
    kinds: dict[str, list[KeptFlag]] = {}
    for kept in found:
        kinds.setdefault(kept.flag.title, []).append(kept)
    return [
        (
            title,
            *(sum(k.flag.severity == severity for k in of_kind) for severity in _SEVERITIES),
            sum(k.flag_id not in decided for k in of_kind),
        )
        for title, of_kind in sorted(kinds.items())
    ]


@contextmanager
def _book(options: Settings) -> Iterator[CaseBook]:
    from ledger.reader.cases import CaseBook

    if not options.home.desk.keys.exists():
        raise ConfigurationError(
            "there is no desk here",
            where=str(options.home.desk.root),
            next_step="Run `counterfoil demo`, or check --home.",
        )
    book = CaseBook(options.home.desk.cases)
    try:
        yield book
    finally:
        book.close()


def _since(kept: KeptFlag, verdict: str | None) -> Iterator[str]:
    """Say what became of a flag since it was raised."""
    if verdict is not None:
        yield f"Decided: {said(verdict)}."
    if kept.latest_score is not None:
        yield f"Scored {kept.latest_score:.0%} by the last scan with a champion."


register(app)
register_decide(app)

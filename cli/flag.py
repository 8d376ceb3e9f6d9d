"""``counterfoil flag``: flags a person can read, their evidence, and their recomputation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.checking import active_rules, run_rules
from cli.consortium import connect
from cli.deciding import decisions, register_decide, said, show_decisions, verdicts
from cli.desk import member_names
from cli.findings import figures, register, show_owed
from cli.output import Settings, emit, progress, say, settings, show_entries, show_facts, show_table
from ledger.errors import ConfigurationError, VerificationError
from ledger.flag import Flag

if TYPE_CHECKING:
    import pyarrow as pa

    from ledger.gateway import Gateway
    from ledger.reader.cases import CaseBook, KeptFlag

__all__ = ["app"]

app = typer.Typer(help="Flags and findings: list, show, recompute.", no_args_is_help=True)

FlagId = Annotated[str, typer.Argument(help="The flag's identifier, or its first digits.")]

#: Figures that come in pairs, in minor units, and are read as one amount.
_AMOUNTS: Final = {"sum": "together", "amount": "amount"}


@app.command("list")
def list_flags(
    context: typer.Context,
    title: Annotated[str | None, typer.Option(help="Only this typology or rule.")] = None,
    severity: Annotated[str | None, typer.Option(help="Only this severity: low, medium or high.")] = None,
    undecided: Annotated[bool, typer.Option("--undecided", help="Only what no officer decided yet.")] = False,
) -> None:
    """List flags and findings, newest last."""
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
                f"{len(k.flag.rows)} rows",
                _moment(k.flag.window[0])[:10],
            ),
            "\n".join([k.flag.explanation, *_since(k, decided.get(k.flag_id))]),
        )
        for k in found
    ]
    emit(options, value, lambda: show_entries(f"{len(found)} flags", entries))
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
        from anomaly.evidence import evidence_graph, to_graphml, to_svg
        from anomaly.mirror import load_rows

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
        _render(options, kept)
        show_decisions(made)

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
            ruleset = _rules_of(gateway, flag)
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
    from anomaly.mirror import load_mirror
    from anomaly.scan import period_of
    from ledger.segment import Manifest

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


def _rules_of(gateway: Gateway, flag: Flag) -> Any:
    """Return the rule set that a finding names; it may have been superseded since."""
    from compliance.ruleset import RuleSet

    for entry in gateway.rule_sets():
        if entry.hash.hex() == flag.source.version:
            return RuleSet.from_bytes(entry.document)
    return active_rules(gateway)


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


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _render(options: Settings, kept: KeptFlag) -> None:
    flag = kept.flag
    names = member_names(options.home)
    facts = [
        ("flag", kept.flag_id.hex()),
        ("what", flag.title),
        ("explanation", flag.explanation),
        ("window (UTC)", f"{_moment(flag.window[0])} to {_moment(flag.window[1])}"),
        ("certainty", flag.certainty),
        ("severity", flag.severity),
        ("score", flag.score),
        ("now scored", kept.latest_score),
        ("raised by", f"{flag.source.kind} {flag.source.id}, version {flag.source.version[:12]}"),
        ("position", f"block {flag.position.block}, {flag.position.log_size} batches"),
        ("anchored", "not yet" if kept.block is None else f"block {kept.block}"),
        ("truncated", flag.truncated),
    ]
    if flag.citation:
        facts[2:2] = [("citation", flag.citation), ("clause", flag.clause)]
    show_facts("Flag", facts)
    if flag.details:
        show_facts("Figures", _figures(figures(flag.details)))
        if flag.source.kind == "rule":
            show_owed(flag, names)
    entities = [(e.pseudonym, names.get(e.agent, f"bank {e.agent}")) for e in flag.entities]
    show_table("Accounts and parties (pseudonyms)", ["pseudonym", "bank"], entities)
    show_table(*_evidence(options, flag, names))


def _figures(details: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Read a flag's figures as a person does: currency by its letters, minor units as an amount."""
    from anomaly.money import ALPHA, NUMERIC, amount_range

    currency = details.get("currency")
    code = NUMERIC.get(currency) if isinstance(currency, str) else currency
    paired = {
        f"{name}_{end}": name
        for name in _AMOUNTS
        for end in ("low", "high")
        if code is not None and f"{name}_low" in details and f"{name}_high" in details
    }
    for name, value in sorted(details.items()):
        pair = paired.get(name)
        if pair is None:
            yield name, ALPHA.get(value, value) if name == "currency" and isinstance(value, int) else value
        elif name.endswith("_low"):
            low, high = int(details[f"{pair}_low"]), int(details[f"{pair}_high"])
            yield _AMOUNTS[pair], amount_range(low, high, int(code or 0))


def _evidence(
    options: Settings, flag: Flag, names: Mapping[int, str]
) -> tuple[str, list[str], list[tuple[Any, ...]]]:
    """Return the table of payments in evidence; their places alone where the mirror does not hold them."""
    from anomaly.evidence import evidence_rows
    from anomaly.mirror import load_rows
    from anomaly.money import amount_range

    try:
        transfers = load_rows(options.home.desk.mirror, flag.rows)
        rows = evidence_rows(flag, transfers).to_pylist()
    except ConfigurationError:
        places = [(names.get(r.member, f"bank {r.member}"), f"{r.sequence}:{r.index}") for r in flag.rows]
        return "Evidence (there is no mirror here to read it from)", ["posted by", "batch:row"], places

    def end(row: Mapping[str, Any], side: str) -> str:
        account, agent = row[f"{side}_account"], int(row[f"{side}_agent"] or 0)
        told = account.hex()[:8] if account is not None and any(account) else "unknown"
        return f"{told} {names.get(agent, f'bank {agent}') if agent else 'outside'}"

    payments = [
        (
            _moment(row["time_low"]),
            end(row, "debtor"),
            end(row, "creditor"),
            amount_range(row["amount_low"], row["amount_high"], row["currency"]),
        )
        for row in rows
    ]
    return f"Payments in evidence: {len(payments)}", ["time (UTC)", "from", "to", "amount"], payments


register(app)
register_decide(app)

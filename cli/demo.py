"""``counterfoil demo``: a whole consortium on this machine, from bank files to verified flags."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from anomaly.evidence import evidence_graph, to_graphml, to_svg
from anomaly.scan import scan
from anomaly.score import Score, score
from anomaly.simulation import simulate, write
from anomaly.simulation.labelled import split_labelled
from anomaly.tables import load_mirror
from cli.consortium import admit
from cli.consortium_commands import establish
from cli.desk import check_transfers, keep_and_anchor
from cli.local import ensure_chain, ensure_keyholder, stop
from cli.output import Settings, emit, progress, say, settings, show_table
from cli.posting import PostReport, post_source
from compliance.check import CheckRun
from compliance.rulebook import model_ruleset
from ledger.audit.trust import Trust
from ledger.audit.verify import verify
from ledger.flag import Flag, RowRef
from ledger.gateway import Gateway
from ledger.home import Home
from ledger.member.keys import MemberKeys
from ledger.member.receipts import disclose, make_receipt
from ledger.member.vault import Vault
from ledger.reader import desk as rounds
from ledger.reader.cases import CaseBook
from ledger.reader.keys import DeskKeys
from ledger.segment import write_atomically

__all__ = ["demo"]

_QUOTA = 1_000_000


@dataclass(slots=True)
class _Story:
    """What the demonstration did, for the closing summary."""

    seconds: dict[str, float] = field(default_factory=dict)
    posts: list[PostReport] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    score: Score | None = None
    flags: list[Flag] = field(default_factory=list)
    check: CheckRun | None = None
    files: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        say(f"[bold]{name}[/] ...")
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def demo(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="End after the summary instead of serving the desk.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option(help="Post this labelled file of payments instead of the simulation.")
    ] = None,
    rows: Annotated[int | None, typer.Option(help="With --file: only its first so many rows.")] = None,
    members: Annotated[int, typer.Option(help="With --file: how many of its largest banks take part.")] = 12,
    transactions: Annotated[int, typer.Option(help="Transactions to simulate.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 7,
    port: Annotated[int, typer.Option(help="Port of the desk's API.")] = 8600,
) -> None:
    """Run a consortium: chain, key holder, banks and desk; post, scan, check, disclose, verify.

    Interrupted? Run it again with the same options: what is done stays done.
    """
    options = settings(context)
    home = options.home
    story = _Story()
    source = home.root / "banks"
    started: list[int] = []
    try:
        with story.stage("bank files"):
            _bank_files(source, file, rows, members, transactions, seed)
        with story.stage("chain and consortium"):
            gateway = _set_up(options, source, started)
        with story.stage("post"):
            _post_all(options, source, story)
        with story.stage("mirror and match"), progress(options) as advance:
            keys = DeskKeys.load(home.desk.keys)
            report = rounds.sync(home.desk, gateway, keys, progress=advance)
            story.states, story.rejected = report.states, len(report.rejected)
        transfers, position = load_mirror(home.desk.mirror)
        with story.stage("scan"), progress(options) as advance:
            story.flags = scan(
                transfers, position, progress=lambda _n, done, total: advance("scan", done, total)
            )
        with story.stage("check"):
            story.check = check_transfers(gateway, transfers, position)
        with story.stage("anchor flags"):
            keep_and_anchor(home, gateway, [*story.flags, *story.check.findings])
        if (source / "truth.parquet").exists():
            with story.stage("score"):
                truth = _placed_truth(home, gateway, pd.read_parquet(source / "truth.parquet"))
                story.score = score(story.flags, transfers, truth)
        with story.stage("disclose and verify"):
            _prove(home, gateway, story)
        _summary(options, story)
        if not once:
            _serve(options, port)
    finally:
        for pid in reversed(started):
            stop(pid)


def _bank_files(
    source: Path, file: Path | None, rows: int | None, members: int, transactions: int, seed: int
) -> None:
    if (source / "consortium.json").exists():
        return
    partial = source.with_name("banks.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if file is None:
        write(simulate(transactions=transactions, seed=seed), partial)
    else:
        split_labelled(file, partial, members=members, rows=rows)
    partial.rename(source)


def _agents(source: Path) -> list[str]:
    return sorted(path.stem for path in (source / "members").glob("*.csv"))


def _set_up(options: Settings, source: Path, started: list[int]) -> Gateway:
    home = options.home
    url = options.chain
    if url is None:
        url, pid = ensure_chain(home)
        started += [pid] if pid else []
    gateway = establish(options, url, model_ruleset())
    keys = []
    for agent in _agents(source):
        place = home.member(agent)
        if not place.keys.exists():
            MemberKeys.generate(agent).save(place.keys)
        keys.append(MemberKeys.load(place.keys))
    admit(home, gateway, keys)
    _, pid = ensure_keyholder(home, quota=_QUOTA)
    started += [pid] if pid else []
    return gateway


def _post_all(options: Settings, source: Path, story: _Story) -> None:
    agents = _agents(source)
    with (
        ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn")) as pool,
        progress(options) as advance,
    ):
        jobs = [
            pool.submit(_post_one, options.home, agent, source / "members" / f"{agent}.csv", options.chain)
            for agent in agents
        ]
        for done, job in enumerate(as_completed(jobs), start=1):
            report = job.result()
            story.posts.append(report)
            advance("banks", done, len(agents))
            say(f"  {report.agent}: {report.intake.read:,} rows read, {report.sealed_rows:,} posted")


def _post_one(home: Home, agent: str, file: Path, chain: str | None) -> PostReport:
    return post_source(home, agent, file, chain=chain)


def _placed_truth(home: Home, gateway: Gateway, truth: pd.DataFrame) -> pd.DataFrame:
    """Give the planted transactions their places on the ledger, which only the banks' vaults know."""
    places: dict[str, tuple[int, int, int]] = {}
    wanted = set(truth["uetr"])
    for member in gateway.members():
        with Vault(home.member(member.agent).vault) as vault:
            cursor = vault.connection.execute(
                "SELECT uetr, batch, row_index, side FROM record WHERE batch IS NOT NULL AND uetr IS NOT NULL"
            )
            for uetr, batch, index, side in cursor:
                if uetr in wanted and (uetr not in places or side != 2):
                    places[uetr] = (member.code, batch, index)
    columns = ["member", "sequence", "index"]
    placed = pd.DataFrame([places.get(uetr, (-1, -1, -1)) for uetr in truth["uetr"]], columns=columns)
    half = {f"{side}_{name}": placed[name].to_numpy() for side in ("debit", "credit") for name in columns}
    return pd.DataFrame(
        {"pattern_id": truth["pattern_id"].to_numpy(), "typology": truth["typology"].to_numpy(), **half}
    )


def _prove(home: Home, gateway: Gateway, story: _Story) -> None:
    """Take the strongest flag, disclose a row of its evidence, and verify the disclosure offline."""
    by_code = {member.code: member.agent for member in gateway.members()}
    flag = next((f for f in story.flags if f.severity == "high" and f.rows), None)
    flag = flag or next((f for f in story.flags if f.rows), None)
    place = flag.rows[0] if flag else RowRef(next(iter(by_code)), 0, 0)
    agent = by_code[place.member]
    keys = MemberKeys.load(home.member(agent).keys)
    trust = Trust.load(home.trust)
    with Vault(home.member(agent).vault) as vault:
        record = vault.record_at(place.sequence, place.index)
        assert record is not None, "the ledger holds a row that its bank does not"  # noqa: S101
        receipt = make_receipt(
            vault,
            record,
            log=home.desk.log.read_bytes(),
            checkpoint=home.desk.checkpoint.read_text("utf-8"),
            checkpoint_keys=trust.checkpoint_keys,
        )
        disclosure = disclose(
            vault,
            keys,
            record,
            receipt,
            policy=gateway.policies()[receipt.header.policy_hash],
            names=["uetr", "timestamp", "amount", "currency", "debtor_account", "creditor_account"],
            purpose="Evidence for a flag, to the compliance officer of the consortium",
        )
    out = home.root / "evidence"
    for name, data in (("receipt.json", receipt.to_bytes()), ("disclosure.json", disclosure.to_bytes())):
        write_atomically(out / name, data)
        verify((out / name).read_bytes(), trust)
        story.files[name] = str(out / name)
    if flag is None:
        return
    transfers, _ = load_mirror(home.desk.mirror)
    graph = evidence_graph(flag, transfers)
    write_atomically(out / "flag.svg", to_svg(graph).encode())
    write_atomically(out / "flag.graphml", to_graphml(graph))
    book = CaseBook(home.desk.cases)
    try:
        kept = next(k for k in book.flags() if k.flag.rows == flag.rows and k.flag.title == flag.title)
    finally:
        book.close()
    story.files |= {"flag": kept.flag_id.hex(), "explanation": flag.explanation}


def _summary(options: Settings, story: _Story) -> None:
    posted = sum(report.sealed_rows for report in story.posts)
    read = sum(report.intake.read for report in story.posts)
    quarantined = sum(report.intake.quarantined for report in story.posts)
    check = story.check
    value: dict[str, Any] = {
        "rows_read": read,
        "rows_posted": posted,
        "rows_quarantined": quarantined,
        "batches": sum(report.batches for report in story.posts),
        "batches_rejected": story.rejected,
        "states": story.states,
        "seconds": story.seconds,
        "seconds_posting_by_stage": _stage_sums(story.posts),
        "flags": len(story.flags),
        "findings": len(check.findings) if check else 0,
        "typologies": story.score.to_frame().to_dict("records") if story.score else [],
        "files": story.files,
    }

    def render() -> None:
        rows = [("rows read", read), ("rows posted", posted), ("rows quarantined", quarantined)]
        show_table("Posted", ["", "count"], [*rows, ("batches", value["batches"])])
        show_table("Transfers by state", ["state", "count"], story.states.items())
        if story.score:
            columns = ["typology", "planted", "found", "recall", "flags", "right", "precision"]
            tallies = (*story.score.typologies, story.score.total)
            show_table(
                "Flags against the planted truth (an instance is found when one flag holds half of its rows)",
                columns,
                [
                    (s.typology, s.instances, s.found, s.recall, s.flags, s.right, s.precision)
                    for s in tallies
                ],
            )
        if check:
            show_table(
                "Rules in force, extracted from the model rulebook",
                ["rule", "citation", "rows", "certain", "possible", "needs member"],
                [
                    (s.rule_id, s.citation, s.rows, s.certain, s.possible, s.needs_member)
                    for s in check.summary
                ],
            )
        show_table(
            "Time by stage", ["stage", "seconds"], [(k, round(v, 2)) for k, v in story.seconds.items()]
        )
        home = options.home.root
        if "flag" in story.files:
            say(f"One flag: {story.files['explanation']}")
            say(f"  read it:  counterfoil --home {home} flag show {story.files['flag'][:12]}")
            say(f"  see it:   {home / 'evidence' / 'flag.svg'}")
        if "disclosure.json" in story.files:
            say("A row of its evidence was disclosed by its bank and verified offline. Verify it yourself:")
            say(f"  counterfoil --home {home} verify {story.files['disclosure.json']}")

    emit(options, value, render)


def _stage_sums(posts: list[PostReport]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for report in posts:
        for stage, seconds in report.seconds.items():
            sums[stage] = sums.get(stage, 0.0) + seconds
    return sums


def _serve(options: Settings, port: int) -> None:
    import uvicorn
    from api.desk import create_app

    from api.tokens import issue

    officer = issue(options.home, "officer", "demo-officer")
    say(f"The desk answers at http://127.0.0.1:{port} (stop with Ctrl-C).")
    say(f"  curl -H 'Authorization: Bearer {officer}' http://127.0.0.1:{port}/v1/flags")
    uvicorn.run(
        create_app(options.home, chain=options.chain), host="127.0.0.1", port=port, log_level="warning"
    )

"""The demonstration: every party of a consortium at work on this machine, stage by stage."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import asdict, dataclass
from multiprocessing import active_children
from pathlib import Path
from socket import socket
from typing import Final

import pandas as pd

from anomaly.scan import ScanParameters, scan
from anomaly.score import score
from anomaly.simulation import simulate, write
from anomaly.simulation.labelled import split_labelled
from api.desk import create_app, server
from api.tokens import issue
from cli.checking import check_transfers
from cli.consortium import admit
from cli.consortium_commands import establish
from cli.desk import keep_and_anchor, member_names, note_members
from cli.local import ensure_chain, ensure_keyholder, listen, stop
from cli.output import Settings, progress, say
from cli.posting import PostReport, post_source
from cli.scanning import period_to_scan
from cli.summary import Story, summarise
from compliance.rulebook import model_ruleset
from ledger.audit.trust import Trust
from ledger.audit.verify import verify
from ledger.errors import InputError
from ledger.flag import Flag, RowRef
from ledger.gateway import Gateway
from ledger.home import Home
from ledger.member.keys import MemberKeys
from ledger.member.receipts import disclose, make_receipt
from ledger.member.vault import Vault
from ledger.processes import Workers, deferring
from ledger.reader import desk as rounds
from ledger.reader.cases import CaseBook
from ledger.reader.keys import DeskKeys
from ledger.schema import Side
from ledger.storage import write_atomically
from ledger.transfers.evidence import evidence_graph, to_graphml, to_svg
from ledger.transfers.mirror import load_mirror, load_rows

__all__ = ["Banks", "run"]

_QUOTA = 1_000_000
_HEED_SECONDS: Final = 0.2
_ASKED: Final = "demo.json"
_DISCLOSED = ("uetr", "timestamp", "amount", "currency", "debtor_account", "creditor_account")


@dataclass(frozen=True, slots=True)
class Banks:
    """Where the banks' files come from: a labelled file, or else the simulation."""

    file: Path | None = None
    rows: int | None = None
    members: int = 12
    transactions: int = 100_000
    seed: int = 7


def run(options: Settings, banks: Banks, *, port: int | None) -> None:
    """Run all stages and print the summary; then serve the desk on `port`, unless it is None."""
    home = options.home
    source = home.root / "banks"
    story = Story()
    started: list[int] = []
    listening = None if port is None else listen(port)  # a taken port is said before the work, not after it
    try:
        with story.stage("bank files"):
            _bank_files(source, banks)
        with story.stage("chain and consortium"):
            gateway = _set_up(options, source, started)
        with story.stage("post"):
            _post_all(options, source, story)
        with story.stage("mirror and match"), progress(options) as advance:
            report = rounds.sync(home.desk, gateway, DeskKeys.load(home.desk.keys), progress=advance)
            note_members(home, gateway)
            story.states, story.rejected = report.states, len(report.rejected)
        transfers, position = load_mirror(home.desk.mirror)
        with story.stage("scan"), progress(options) as advance:
            period = period_to_scan(gateway, home.desk.mirror)
            story.flags = scan(
                transfers,
                position,
                parameters=ScanParameters(period=period),
                progress=lambda _, n, of: advance("scan", n, of),
            )
        with story.stage("check"):
            story.check = check_transfers(gateway, transfers, position, home=home)
        with story.stage("anchor flags"):
            keep_and_anchor(home, gateway, [*story.flags, *story.check.findings])
        if (source / "truth.parquet").exists():
            with story.stage("score"):
                truth = _placed_truth(home, gateway, pd.read_parquet(source / "truth.parquet"))
                story.score = score(story.flags, transfers, truth)
        with story.stage("disclose and verify"):
            _prove(home, gateway, story)
        summarise(options, story)
        if listening is not None:
            _serve(options, listening)
    finally:
        for pid in reversed(started):
            stop(pid)


def _bank_files(source: Path, banks: Banks) -> None:
    asked = asdict(banks) | {"file": None if banks.file is None else str(banks.file.resolve())}
    if (source / "consortium.json").exists():
        note = source / _ASKED
        made = json.loads(note.read_text("utf-8")) if note.exists() else asked
        if made != asked:
            raise InputError(
                "this folder holds another demonstration, of "
                + (f"{made['file']}" if made["file"] else f"{made['transactions']:,} simulated transactions"),
                where=str(source.parent),
                next_step="Name another folder with --home, or repeat the same options.",
            )
        return
    if banks.file is not None and not banks.file.is_file():
        raise InputError("there is no such file", where=str(banks.file))
    partial = source.with_name("banks.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if banks.file is None:
        write(simulate(transactions=banks.transactions, seed=banks.seed), partial)
    else:
        split = split_labelled(banks.file, partial, members=banks.members, rows=banks.rows)
        say(f"  {split['transactions']:,} payments concern the {len(split['members'])} largest banks")
    (partial / _ASKED).write_text(json.dumps(asked, indent=2) + "\n", "utf-8")
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


def _post_all(options: Settings, source: Path, story: Story) -> None:
    agents = _agents(source)
    with deferring() as heed, Workers(2) as pool, progress(options) as advance:
        waiting = {
            pool.submit(_post_one, options.home, agent, source / "members" / f"{agent}.csv", options.chain)
            for agent in agents
        }
        advance("banks", 0, len(agents))
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=_HEED_SECONDS, return_when=FIRST_COMPLETED)
                heed()
                for report in [job.result() for job in finished]:
                    story.posts.append(report)
                    advance("banks", len(story.posts), len(agents))
                    say(f"  {report.agent}: {report.intake.read:,} rows read, {report.sealed_rows:,} posted")
        except BaseException:
            # a bank may be stopped anywhere: what it has taken in or sealed is durable, the next run goes on
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in active_children():
                worker.terminate()
            raise


def _post_one(home: Home, agent: str, file: Path, chain: str | None) -> PostReport:
    return post_source(home, agent, file, chain=chain)


def _placed_truth(home: Home, gateway: Gateway, truth: pd.DataFrame) -> pd.DataFrame:
    """Give the planted transactions their places on the ledger, which only the banks' vaults know."""
    places: dict[str, tuple[int, int, int]] = {}
    wanted = set(truth["uetr"])
    for member in gateway.members():
        with Vault(home.member(member.agent).vault) as vault:
            for uetr, batch, index, side in vault.places():
                if uetr in wanted and (uetr not in places or side != Side.CREDIT):
                    places[uetr] = (member.code, batch, index)
    columns = ["member", "sequence", "index"]
    placed = pd.DataFrame([places.get(uetr, (-1, -1, -1)) for uetr in truth["uetr"]], columns=columns)
    half = {f"{side}_{name}": placed[name].to_numpy() for side in ("debit", "credit") for name in columns}
    return pd.DataFrame(
        {"pattern_id": truth["pattern_id"].to_numpy(), "typology": truth["typology"].to_numpy(), **half}
    )


def _prove(home: Home, gateway: Gateway, story: Story) -> None:
    """Let a bank disclose a row of a flag's evidence, verify it offline, and draw the flag."""
    flag = next((f for f in story.flags if f.severity == "high" and f.rows), None)
    flag = flag or next((f for f in story.flags if f.rows), None)
    place = flag.rows[0] if flag else RowRef(1, 0, 0)
    trust = Trust.load(home.trust)
    out = home.root / "evidence"
    for name, data in _proofs(home, gateway, trust, place).items():
        write_atomically(out / f"{name}.json", data)
        verify((out / f"{name}.json").read_bytes(), trust)
        story.files[name] = str(out / f"{name}.json")
    if flag is not None:
        story.files |= _draw(home, flag, out)


def _proofs(home: Home, gateway: Gateway, trust: Trust, place: RowRef) -> dict[str, bytes]:
    agent = next(member.agent for member in gateway.members() if member.code == place.member)
    keys = MemberKeys.load(home.member(agent).keys)
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
            names=_DISCLOSED,
            purpose="Evidence for a flag, to the compliance officer of the consortium",
        )
    return {"receipt": receipt.to_bytes(), "disclosure": disclosure.to_bytes()}


def _draw(home: Home, flag: Flag, out: Path) -> dict[str, str]:
    transfers = load_rows(home.desk.mirror, flag.rows)
    graph = evidence_graph(flag, transfers, banks=member_names(home))
    write_atomically(out / "flag.svg", to_svg(graph).encode())
    write_atomically(out / "flag.graphml", to_graphml(graph))
    book = CaseBook(home.desk.cases)
    try:
        kept = next(k for k in book.flags() if k.flag.rows == flag.rows and k.flag.title == flag.title)
    finally:
        book.close()
    return {"flag": kept.flag_id.hex(), "explanation": flag.explanation, "drawing": str(out / "flag.svg")}


def _serve(options: Settings, listening: socket) -> None:
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    token = issue(options.home, "officer", "demo-officer")
    say(f"The desk answers at {url} (stop with Ctrl-C).")
    say(f"  curl -H 'Authorization: Bearer {token}' {url}/v1/flags")
    server(create_app(options.home, chain=options.chain)).run(sockets=[listening])

"""Measures every stage from a bank's file to flags, on a small simulated consortium and a real chain."""

from __future__ import annotations

import shutil
import sqlite3
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from anomaly.scan import scan
from anomaly.simulation import simulate, write
from bench.report import Results
from compliance.rulebook import model_ruleset
from counterfoil.checking import check_transfers
from counterfoil.connection import connect
from counterfoil.founding import establish
from counterfoil.holders import holders_in, pseudonymiser_for
from counterfoil.processes import ensure_chain
from ledger.gateway import Gateway, Limits
from ledger.home import Home
from ledger.member.intake import open_source
from ledger.member.keys import MemberKeys
from ledger.member.outbox import Outbox
from ledger.member.quarantine import take_in
from ledger.member.vault import Vault
from ledger.reader import desk
from ledger.reader.keys import DeskKeys
from ledger.transfers.mirror import load_mirror

__all__ = ["BASELINE", "BATCHED", "measure_baseline", "measure_round", "set_up"]

BASELINE = "one row per transaction: seal and post"
BATCHED = "batches of 800: seal and post"
_POST_ONE, _POST_MANY = "one row per transaction: post only", "batches of 800: post only"


def set_up(root: Path, transactions: int) -> tuple[Home, list[str], int | None]:
    """Simulate bank files, start a chain, create a consortium; return home, agents, the chain's process."""
    home = Home(root)
    write(simulate(transactions=transactions), root / "banks")
    url, pid = ensure_chain(home)
    agents = sorted(path.stem for path in (root / "banks" / "members").glob("*.csv"))
    for agent in [*agents, "BASELINE"]:
        MemberKeys.generate(agent).save(home.member(agent).keys)
    members = [MemberKeys.load(home.member(agent).keys) for agent in [*agents, "BASELINE"]]
    establish(home, url, model_ruleset(), members, limits=Limits(evaluations=10**9))
    return home, agents, pid


def measure_round(home: Home, agents: list[str], results: Results, number: int) -> None:
    """Measure every stage once for all banks, in new vaults for this round."""
    gateway = connect(home)
    folder = home.root / f"round-{number}"
    start_rows = gateway.log_size()
    end_to_end = time.perf_counter()
    rows = _intake(home, agents, folder, results)
    _pseudonyms(home, gateway, agents, folder, results)
    _seal_on_two_cores(home, agents, folder, results, rows)
    sealed_at = time.perf_counter()
    posted = _post(home, gateway, agents, folder)
    post_seconds = time.perf_counter() - sealed_at
    results.add(_POST_MANY, posted, post_seconds)
    started = time.perf_counter()
    report = desk.sync(home.desk, gateway, DeskKeys.load(home.desk.keys))
    assert report.counts.rejected == 0, "rows were posted that do not count"
    results.add("mirror and match", report.counts.rows, time.perf_counter() - started)
    transfers, position = load_mirror(home.desk.mirror)
    started = time.perf_counter()
    scan(transfers, position)
    results.add("scan (transfers)", transfers.num_rows, time.perf_counter() - started)
    started = time.perf_counter()
    check_transfers(gateway, transfers, position)
    results.add("check (transfers)", transfers.num_rows, time.perf_counter() - started)
    results.add("end to end, pseudonyms cold", rows, time.perf_counter() - end_to_end)
    assert gateway.log_size() > start_rows, "nothing was posted"


def _vault(folder: Path, agent: str) -> Path:
    return folder / f"{agent}.sqlite"


def _intake(home: Home, agents: list[str], folder: Path, results: Results) -> int:
    started = time.perf_counter()
    total = 0
    for agent in agents:
        with Vault(_vault(folder, agent)) as vault:
            source = open_source(home.root / "banks" / "members" / f"{agent}.csv")
            counts, _ = take_in(vault, source, agent, folder / "quarantine")
            total += counts.accepted
    results.add("intake", total, time.perf_counter() - started)
    return total


def _pseudonyms(home: Home, gateway: Gateway, agents: list[str], folder: Path, results: Results) -> None:
    epoch = gateway.epoch()
    holders = holders_in(home, gateway.url)
    started = time.perf_counter()
    asked = 0
    for agent in agents:
        with Vault(_vault(folder, agent)) as vault:
            keys = MemberKeys.load(home.member(agent).keys)
            pseudonymiser = pseudonymiser_for(home, keys, epoch, holders)
            asked += Outbox(vault, keys, gateway).pseudonymise(pseudonymiser, epoch.number)
    results.add("pseudonyms, cold (identifiers)", asked, time.perf_counter() - started)


def _seal_on_two_cores(home: Home, agents: list[str], folder: Path, results: Results, rows: int) -> None:
    with ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_connect_only, [home] * 2))
        started = time.perf_counter()
        sealed = sum(pool.map(seal_vault, [home] * len(agents), agents, [folder] * len(agents)))
        results.add("encode, commit and seal on two cores", sealed, time.perf_counter() - started)
    assert sealed == rows, "not every row was sealed"


def _connect_only(home: Home) -> None:
    """Warm up a worker, so that imports and the first connection are not measured as sealing."""
    connect(home)


def seal_vault(home: Home, agent: str, folder: Path) -> int:
    """Seal all waiting rows in one vault of a round."""
    with Vault(_vault(folder, agent)) as vault:
        outbox = Outbox(vault, MemberKeys.load(home.member(agent).keys), connect(home))
        _continue_on_chain(vault, outbox)
        return outbox.seal(closed_before=datetime.now(UTC)).rows


def _continue_on_chain(vault: Vault, outbox: Outbox) -> None:
    """Put the member's last batch on the chain into a round's new vault, so that it goes on from there."""
    gateway = outbox.gateway
    sequence, head = gateway.head_of(outbox.account)
    if not sequence:
        return
    every = gateway.batches(gateway.deployment.block, gateway.height())
    (last,) = (posted for posted in every if posted.batch_hash == head)
    with vault.writing() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO batch (sequence, header, hash, signature, rows, raw, transaction_hash, "
            "nonce, block, block_time) VALUES (?, ?, ?, ?, X'', X'', X'', 0, ?, 0)",
            (sequence - 1, last.header.to_bytes().decode(), head, last.signature, last.block),
        )


def _post(home: Home, gateway: Gateway, agents: list[str], folder: Path) -> int:
    posted = 0
    for agent in agents:
        with Vault(_vault(folder, agent)) as vault:
            Outbox(vault, MemberKeys.load(home.member(agent).keys), gateway).post()
            posted += vault.count() - vault.count_waiting()
    return posted


def measure_baseline(home: Home, agents: list[str], results: Results, number: int, rows: int) -> None:
    """Post rows of one bank twice: one row per transaction, and in batches of 800."""
    gateway = connect(home)
    agent = agents[0]
    filled = _vault(home.root / f"round-{number}", agent)
    for name, rows_per_batch, limit in ((BASELINE, 1, rows), (BATCHED, 800, None)):
        path = home.root / f"baseline-{number}-{rows_per_batch}.sqlite"
        _copy_unposted(filled, path, limit)
        with Vault(path) as vault:
            outbox = Outbox(vault, MemberKeys.load(home.member(agent).keys), gateway)
            _continue_on_chain(vault, outbox)
            started = time.perf_counter()
            sealed = outbox.seal(closed_before=datetime.now(UTC), rows_per_batch=rows_per_batch).rows
            sealed_at = time.perf_counter()
            outbox.post()
            done = time.perf_counter()
        results.add(name, sealed, done - started)
        if rows_per_batch == 1:
            results.add(_POST_ONE, sealed, done - sealed_at)


def _copy_unposted(source: Path, target: Path, limit: int | None) -> None:
    shutil.copy(source, target)
    connection = sqlite3.connect(target)
    connection.execute("UPDATE record SET batch = NULL, row_index = NULL")
    connection.execute("DELETE FROM batch")
    if limit is not None:
        connection.execute("DELETE FROM record WHERE id NOT IN (SELECT id FROM record LIMIT ?)", (limit,))
    connection.commit()
    connection.close()

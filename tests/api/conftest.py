"""The desk over HTTP: a small real consortium of its own with rules, flags and a rejected batch, served."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.desk import create_app, server
from compliance.rulebook import model_ruleset
from counterfoil.founding import activate_rules
from counterfoil.tokens import Role, issue
from ledger.batch import BatchHeader
from ledger.flag import Entity, Flag, FlagSource, RowRef
from ledger.reader.cases import CaseBook, KeptFlag
from ledger.reader.recipients import Recipients
from ledger.schema import MatchState
from ledger.segment import Manifest, load
from tests.support.consortium import ChainProcess, SmallConsortium, founded, run_everything
from tests.support.rows import BANKS, book

REVOKED = "ECHOITMM"


@dataclass
class ServedDesk:
    """The desk's API on a port of its own, with a token for each role and member."""

    consortium: SmallConsortium
    app: FastAPI
    url: str
    log: io.StringIO
    tokens: dict[str, str]
    client: httpx.Client

    def call(self, path: str, who: str | None = None, *, method: str = "GET", **more: Any) -> httpx.Response:
        """Ask as `officer`, `auditor`, `operator`, a bank's name, or as nobody."""
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens.get(who, who)}"
        return self.client.request(method, path, headers=headers, **more)

    def get(self, path: str, who: str | None = None, **parameters: Any) -> Any:
        """Return the JSON of a good answer."""
        answer = self.call(path, who, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def problem(self, path: str, who: str | None, status: int, kind: str, **more: Any) -> dict[str, Any]:
        """Return the problem document of an answer, after checking its form."""
        answer = self.call(path, who, **more)
        assert answer.status_code == status, answer.text
        return problem_of(answer, kind)

    @property
    def batches(self) -> int:
        """How many batches are posted."""
        return self.consortium.gateway.log_size()

    def flags(self) -> list[KeptFlag]:
        """Return the flags as the desk keeps them."""
        kept = CaseBook(self.consortium.home.desk.cases)
        try:
            return list(kept.each())
        finally:
            kept.close()

    def lines(self, answer: httpx.Response) -> list[dict[str, Any]]:
        """Return the log lines of one request; they are written after its answer is sent."""
        wanted = answer.headers["x-request-id"]
        deadline = time.monotonic() + 5
        while True:
            entries = [json.loads(line) for line in self.log.getvalue().splitlines()]
            found = [entry for entry in entries if entry["request_id"] == wanted]
            if any("milliseconds" in entry for entry in found) or time.monotonic() > deadline:
                return found
            time.sleep(0.01)


def problem_of(answer: httpx.Response, kind: str) -> dict[str, Any]:
    """Check an answer to be a problem document of a kind (RFC 9457) and return it."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status_code
    assert document["type"] == (kind if ":" in kind else f"/docs#{kind}")
    assert document["title"]
    assert document["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    assert "Traceback" not in answer.text
    return document


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port."""
    running = server(app, port=0)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not running.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join(20)


@contextmanager
def served_desk(consortium: SmallConsortium, **options: Any) -> Iterator[ServedDesk]:
    """Serve a consortium's desk with a token for each role and bank."""
    tokens: dict[str, str] = {role: issue(consortium.home, role, f"the {role}") for role in _ROLES}
    tokens |= {bank: issue(consortium.home, "member", bank) for bank in consortium.banks}
    log = io.StringIO()
    app = create_app(consortium.home, **{"chain": consortium.url, "log": log, **options})
    with served(app) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield ServedDesk(consortium, app, url, log, tokens, client)


_ROLES: tuple[Role, ...] = ("officer", "auditor", "operator")


@pytest.fixture(scope="session")
def desk(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    """A desk with everything in it: read from it only."""
    made = founded(chain, tmp_path_factory.mktemp("desk"), banks=(*BANKS, REVOKED))
    made.operate("revokeMember", made.keys[REVOKED].address)
    rules = model_ruleset()
    activate_rules(made.home, made.gateway, rules.to_bytes(), rules.keys)
    run_everything(made, book(datetime.now(UTC)))
    post_garbage(made, BANKS[2])
    made.sync()
    raise_flags(made)
    with served_desk(made) as it:
        yield it


def post_garbage(consortium: SmallConsortium, bank: str) -> None:
    """Post a batch that the contract must take and the desk must refuse: its payload is no envelope."""
    keys, gateway = consortium.keys[bank], consortium.gateway
    sequence, head = gateway.head_of(keys.address)
    deployment = gateway.deployment
    header = BatchHeader(
        chain_id=deployment.chain_id,
        contract=deployment.address("BatchLedger"),
        member=bytes.fromhex(keys.address[2:]),
        sequence=sequence,
        previous_hash=head,
        epoch=1,
        policy_hash=consortium.policy.hash,
        row_count=7,
        rows_root=b"\x01" * 32,
    )
    stated = (sequence, head, 1, header.policy_hash, 7, header.rows_root)
    signature = header.sign(deployment.genesis, keys.account)
    gateway.transact(keys.account, "BatchLedger", "post", stated, signature, b"nothing" * 9)


def raise_flags(consortium: SmallConsortium) -> None:
    """Raise flags over real rows: one that two banks share, one for each on-us transfer, one finding."""
    folder = consortium.home.desk.mirror
    manifest = Manifest.read(folder)
    assert manifest.transfers is not None
    transfers = load(folder, manifest.transfers).to_pylist()
    between = [
        t
        for t in transfers
        if t["state"] == MatchState.MATCHED and (t["debtor_agent"], t["creditor_agent"]) == (1, 2)
    ]
    on_us = [t for t in transfers if t["state"] == MatchState.ON_US][:8]
    flags = [_flag(manifest, "fan-in", between, "high")]
    flags += [_flag(manifest, "cycle", [transfer], "low") for transfer in on_us]
    flags.append(_flag(manifest, "model-1", between[:1], "medium", kind="rule"))
    kept = CaseBook(consortium.home.desk.cases)
    try:
        recipients = Recipients.of(consortium.gateway, consortium.desk_keys.account)
        assert kept.keep(flags, recipients) == len(flags)
        kept.anchor(consortium.gateway, consortium.desk_keys.account)
    finally:
        kept.close()


def _flag(
    manifest: Manifest, title: str, transfers: list[Any], severity: Any, kind: Any = "detector"
) -> Flag:
    entities, rows = set(), set()
    for t in transfers:
        for side, half in (("debtor", "debit"), ("creditor", "credit")):
            entities.add(Entity(t[f"{side}_account"].hex(), t[f"{side}_agent"]))
            if t[f"{half}_member"] >= 0:
                rows.add(RowRef(t[f"{half}_member"], t[f"{half}_sequence"], t[f"{half}_index"]))
    return Flag(
        source=FlagSource(kind, title, "1", {"least": 3}),
        title=title,
        position=manifest.position,
        entities=tuple(sorted(entities)),
        rows=tuple(sorted(rows)),
        window=(transfers[0]["time_low"], transfers[-1]["time_high"]),
        score=None,
        certainty="certain" if kind == "detector" else "possible",
        severity=severity,
        explanation=f"{len(rows)} rows look like {title}",
        citation="31 CFR 1010.311" if kind == "rule" else None,
        clause="more than $10,000" if kind == "rule" else None,
        details={"rows": len(rows)},
    )

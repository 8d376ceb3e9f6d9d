"""``python -m bench.proofs``: what authorship costs, and how fast receipts, disclosures and bundles are.

Two banks post payments on an embedded chain. Told are, in one run: the share of posting that signing the
batch headers takes (the member's signature and the chain's recovery of its account, beside sealing, sending
and mining); the time to make the receipts of 1,000 rows; the time to verify 1,000 receipts, 1,000
disclosures, and bundles of them; and the size of a disclosure.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd

from bench.report import machine
from cli.output import say, show_table
from counterfoil import Desk, KeyHolder, Member, Operator
from ledger.audit.bundle import verify_bundle
from ledger.audit.trust import Trust
from ledger.audit.verify import Verifier
from ledger.bundle import Bundle
from ledger.encoding import evaluation
from ledger.log import Proof
from ledger.member.vault import Vault

_FIELDS: Final = (
    "uetr",
    "timestamp",
    "amount",
    "currency",
    "debtor_agent",
    "debtor_account",
    "creditor_agent",
    "creditor_account",
)

_FEW: Final = ("timestamp", "amount", "currency", "purpose")


def payments(count: int, accounts: int) -> pd.DataFrame:
    """Return payments of ALFADEFF to BRAVFRPP, spread over a month and over that many accounts of each."""
    start = pd.Timestamp("2026-01-05T00:00:00Z")
    return pd.DataFrame(
        {
            "transaction_id": [f"A-{n}" for n in range(count)],
            "uetr": [f"{n:08x}-0000-4000-8000-{n:012x}" for n in range(count)],
            "timestamp": [
                (start + pd.Timedelta(seconds=n * 2_500_000 // count)).isoformat() for n in range(count)
            ],
            "debtor_agent": "ALFADEFF",
            "debtor_account": [f"100-{n * 7919 % accounts}" for n in range(count)],
            "creditor_agent": "BRAVFRPP",
            "creditor_account": [f"200-{n * 104_729 % accounts}" for n in range(count)],
            "amount": [f"{100 + n % 20_000}.00" for n in range(count)],
            "currency": "EUR",
        }
    )


def _timed(call: Callable[[], Any], rounds: int) -> tuple[float, float, float]:
    """Return the median, the lowest and the highest of some rounds, in seconds of processor time."""
    found = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return statistics.median(found), min(found), max(found)


def _told(seconds: tuple[float, float, float]) -> str:
    median, lowest, highest = seconds
    return f"{median:.2f} s ({lowest:.2f} to {highest:.2f})"


def signature_share(home: Path, member: Member, posted_seconds: float) -> tuple[int, float]:
    """Return the number of batches, and the share of posting that their signatures take."""
    keys = member.keys()
    with Vault(Operator(home).home.member(member.agent).vault) as vault:
        count, _ = vault.batches.count()
        batches = [vault.batches.posted(sequence) for sequence in range(count)]
    genesis = Trust.load(Operator(home).home.trust).deployment.genesis
    start = time.perf_counter()
    for batch in batches:
        batch.header.sign(genesis, keys.account)  # the member's part
        batch.header.check_author(
            batch.signature, genesis
        )  # the chain recovers the account with coincurve too
    return count, (time.perf_counter() - start) / posted_seconds


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payments", type=int, default=20_000)
    parser.add_argument("--accounts", type=int, default=3_000)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        home = Path(folder) / "consortium"
        operator = Operator(home)
        operator.start_chain()
        try:
            _measure(home, operator, given)
        finally:
            operator.stop_chain()


def _measure(home: Path, operator: Operator, given: argparse.Namespace) -> None:
    operator.found()
    keyholder = KeyHolder(home)
    alfa, bravo = (Member.create(agent, home, keyholder=keyholder) for agent in ("ALFADEFF", "BRAVFRPP"))
    operator.admit([alfa, bravo])
    source = payments(given.payments, given.accounts)
    report = alfa.post(source)
    bravo.post(source.assign(transaction_id=source["transaction_id"].str.replace("A", "B")))
    Desk(home).sync()
    posting = report.seconds["seal"] + report.seconds["post"]
    batches, share = signature_share(home, alfa, posting)
    step = given.payments // given.documents
    keys = [f"A-{n * step}" for n in range(given.documents)]
    receipts = alfa.receipts(keys)
    disclosures = [
        disclosure.to_bytes()
        for disclosure in alfa.disclosures(keys, _FIELDS, purpose="bench", recipient="bench")
    ]
    trust = Trust.load(Operator(home).home.trust)
    made = [receipt.to_bytes() for receipt in receipts]
    rows = [
        ("rows posted by one bank, batches", f"{report.sealed_rows:,}, {batches}"),
        ("sealing and posting them", f"{posting:.2f} s"),
        ("of that, the authors' signatures", f"{share:.2%}"),
        (
            f"receipts of {len(made):,} rows, made",
            _told(_timed(lambda: alfa.receipts(keys), given.rounds)),
        ),
        (f"{len(made):,} receipts, verified", _told(_timed(lambda: _verify(trust, made), given.rounds))),
        (
            f"{len(disclosures):,} disclosures of two accounts each, verified",
            _told(_timed(lambda: _verify(trust, disclosures), given.rounds)),
        ),
        *_bundles(trust, alfa, keys, given.rounds),
        ("bytes of a receipt, of a disclosure (medians)", f"{_size(made):,}, {_size(disclosures):,}"),
    ]
    show_table("Proofs", ["", "measured"], rows)
    say(f"{machine()}; processor time of one process, median of {given.rounds} (lowest to highest)")


def _verify(trust: Trust, documents: list[bytes]) -> None:
    """Verify documents with a verifier that has seen none; the cache of evaluations is emptied too."""
    evaluation._verified.cache_clear()
    verifier = Verifier(trust)
    for data in documents:
        verifier.verify(data)


def _bundles(trust: Trust, alfa: Member, keys: list[str], rounds: int) -> list[tuple[str, str]]:
    """Verify bundles with a receipt and a disclosure of each row, with few fields and with accounts."""
    rows = []
    for fields, told in (
        (("timestamp", "amount", "currency", "purpose"), "four fields"),
        (_FIELDS, "two accounts"),
    ):
        disclosed = alfa.disclosures(keys, fields, purpose="bench", recipient="bench")
        receipts = [held.receipt for held in disclosed]
        bundle = Bundle(
            trust=trust.fingerprint,
            flag=None,
            receipts=receipts,
            disclosures=disclosed,
            decisions=(),
            policies=list(dict.fromkeys(held.policy for held in disclosed)),
            ledger_checkpoint=Proof.parse(receipts[0].ledger_proof).checkpoint,
            verdict_checkpoint=Proof.parse(receipts[0].verdict_proof).checkpoint,
        )
        data = bundle.to_bytes()
        label = f"a bundle of {len(disclosed):,} disclosures of {told} ({len(data) / 1e6:.0f} MB), verified"
        rows.append((label, _told(_timed(partial(_verify_bundle, trust, data), rounds))))
    return rows


def _verify_bundle(trust: Trust, data: bytes) -> None:
    evaluation._verified.cache_clear()
    verify_bundle(data, trust)


def _size(documents: list[bytes]) -> int:
    return int(statistics.median(map(len, documents)))


if __name__ == "__main__":
    main()

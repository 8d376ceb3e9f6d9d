"""The vault: what happens together happens together, nothing is stored twice, nobody else reads it."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.encoding import oprf
from ledger.encoding.evaluation import PROOF_BATCH, EpochKey, check_pseudonym
from ledger.encoding.pseudonym import ProvenBatch, Pseudonym
from ledger.errors import ConfigurationError
from ledger.evaluation_request import request_root
from ledger.member.intake import Chunk, open_source, read_chunks
from ledger.member.transaction import Transaction
from ledger.member.vault import Vault
from ledger.schema import FIELDS, Side
from tests.support.pseudonyms import SECRET, ThresholdGroup, proven
from tests.support.rows import row, write_csv

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def rows(count: int, first: int = 0) -> list[dict[str, str]]:
    return [
        row(n, datetime(2026, 3, 1, n % 24, tzinfo=UTC), "ALFADEFF", "BRAVFRPP", bank="ALFADEFF")
        for n in range(first, first + count)
    ]


def chunk_of(path: Path) -> Chunk:
    (chunk,) = read_chunks(open_source(path), "ALFADEFF", now=NOW)
    return chunk


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault.sqlite")


def test_only_the_owner_may_read_it(vault: Vault, tmp_path: Path) -> None:
    vault.add(vault.start_run("x"), chunk_of(write_csv(tmp_path / "a.csv", rows(3))))
    for path in tmp_path.glob("vault.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "vault.sqlite"
    Vault(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigurationError, match="format 99, this version reads 3"):
        Vault(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigurationError, match="not readable") as caught:
        Vault(path)
    assert "backup" in str(caught.value.next_step)


def test_a_second_file_holds_the_same_rows_and_nothing_is_stored_twice(vault: Vault, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", rows(5))
    first, _ = vault.add(vault.start_run("a"), chunk_of(path))
    again, apart = vault.add(vault.start_run("a"), chunk_of(path))
    assert (first.accepted, first.already_held) == (5, 0)
    assert (again.accepted, again.already_held, again.quarantined, apart) == (0, 5, 0, [])
    assert vault.count() == 5


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"transaction_id": "OTHER"}, "uetr"),
        ({"uetr": ""}, "transaction_id"),
        ({"amount": "1.00"}, "transaction_id"),
        ({"amount": "1.00", "transaction_id": "OTHER"}, "uetr"),
    ],
)
def test_a_duplicate_with_another_content_is_kept_apart(
    vault: Vault, tmp_path: Path, change: dict[str, str], field: str
) -> None:
    made = rows(5)
    vault.add(vault.start_run("a"), chunk_of(write_csv(tmp_path / "a.csv", made)))
    later = [made[0], made[1] | change, *rows(2, first=10)]
    counts, apart = vault.add(vault.start_run("b"), chunk_of(write_csv(tmp_path / "b.csv", later)))
    assert (counts.read, counts.accepted, counts.already_held, counts.quarantined) == (4, 2, 1, 1)
    assert [(q.line, q.field) for q in apart] == [(3, field)]
    assert "line 3 of an earlier file" in apart[0].reason
    held = vault.find(made[1]["transaction_id"])
    assert held is not None
    assert held.values[FIELDS.index("amount")] == made[1]["amount"]


def test_the_same_row_twice_in_one_file_is_a_duplicate(vault: Vault, tmp_path: Path) -> None:
    made = rows(3)
    counts, apart = vault.add(vault.start_run("a"), chunk_of(write_csv(tmp_path / "a.csv", [*made, made[1]])))
    assert (counts.read, counts.accepted, counts.quarantined) == (4, 3, 1)
    assert [(q.line, q.field) for q in apart] == [(5, "transaction_id")]
    assert "line 3" in apart[0].reason


def test_rows_without_uetr_do_not_collide(vault: Vault, tmp_path: Path) -> None:
    made = [r | {"uetr": ""} for r in rows(4)]
    counts, _ = vault.add(vault.start_run("a"), chunk_of(write_csv(tmp_path / "a.csv", made)))
    assert counts.accepted == 4


def test_every_identifier_without_a_pseudonym_is_named_also_when_others_have_one(
    vault: Vault, tmp_path: Path
) -> None:
    vault.add(vault.start_run("a"), chunk_of(write_csv(tmp_path / "a.csv", rows(3))))
    missing = vault.identifiers_without_pseudonym(1)
    assert missing == sorted(missing)
    assert len(missing) == 9
    vault.store_pseudonyms([(1, 0, proven([missing[0], missing[4]]))])
    assert vault.identifiers_without_pseudonym(1) == [m for m in missing if m not in (missing[0], missing[4])]
    assert vault.identifiers_without_pseudonym(2) == missing


def test_a_pseudonym_is_never_replaced(vault: Vault) -> None:
    (first,), (second,) = (proven(["acct:A:1"], secret=oprf.generate_key()) for _ in range(2))
    vault.store_pseudonyms([(1, 0, [first])])
    kept = vault.pseudonym_proof(1, "acct:A:1")
    vault.store_pseudonyms([(2, 0, [second])])
    assert vault.pseudonyms(1) == {"acct:A:1": first.pseudonyms[0].value}
    assert vault.pseudonym_proof(1, "acct:A:1") == kept == (first.evaluation, 0, first.pseudonyms[0].blind)


def test_each_stored_pseudonym_is_proven_by_what_is_stored_with_it(vault: Vault) -> None:
    identifiers = [f"acct:A:{number:02}" for number in range(2 * PROOF_BATCH + 3)]
    for epoch in (1, 2):
        vault.store_pseudonyms([(epoch, 0, proven(identifiers, epoch=epoch))])
    keys = {(epoch, 0): EpochKey(epoch, 0, oprf.public_key(SECRET)) for epoch in (1, 2)}
    with Vault(vault.path) as again:
        for epoch in (1, 2):
            for identifier, value in again.pseudonyms(epoch).items():
                proof = again.pseudonym_proof(epoch, identifier)
                assert proof is not None
                check_pseudonym(identifier, value, *proof, keys)
    assert vault.pseudonym_proof(3, identifiers[0]) is None
    assert vault.pseudonym_proof(1, "acct:A:none") is None


def test_the_shares_of_several_holders_are_stored_too(vault: Vault) -> None:
    group = ThresholdGroup(3, 5, generation=7)
    blinded = [oprf.blind(b"acct:A:%d" % number) for number in range(3)]
    evaluation = group.evaluate([item.element for item in blinded], [1, 4, 5])
    made = tuple(Pseudonym(f"acct:A:{number}", b"p" * 16, item.scalar) for number, item in enumerate(blinded))
    vault.store_pseudonyms([(1, 0, [ProvenBatch(evaluation, made)])])
    for number, item in enumerate(blinded):
        assert vault.pseudonym_proof(1, f"acct:A:{number}") == (evaluation, number, item.scalar)


def test_pseudonyms_and_their_evaluation_are_stored_together_or_not_at_all(vault: Vault) -> None:
    (batch,) = proven(["acct:A:1", "acct:A:2"])
    without_blind = Pseudonym("acct:A:3", bytes(16), None)  # type: ignore[arg-type]
    broken = batch._replace(pseudonyms=(*batch.pseudonyms, without_blind))
    with pytest.raises(sqlite3.IntegrityError):
        vault.store_pseudonyms([(1, 0, [batch, broken])])
    for table in ("pseudonym", "evaluation"):
        assert vault.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_what_proves_a_pseudonym_takes_little_room(vault: Vault) -> None:
    """The pseudonym, the identifier and the proof together; half of it in the blind and the elements."""
    identifiers = [f"acct:EXAMPLEXX:{number:010}" for number in range(400)]

    def size() -> int:
        vault.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return vault.path.stat().st_size

    before = size()
    vault.store_pseudonyms([(1, 0, proven(identifiers))])
    assert (size() - before) / len(identifiers) < 250


def test_salts_differ_between_records_and_between_vaults(vault: Vault, tmp_path: Path) -> None:
    with Vault(tmp_path / "other.sqlite") as other:
        seeds = {vault.seed("a"), vault.seed("b"), other.seed("a")}
    assert len(seeds) == 3
    assert vault.seed("a") == Vault(vault.path).seed("a")


def test_the_last_incoming_payment_is_the_newest_before_the_record(vault: Vault) -> None:
    def made(number: int, side: Side, hour: int, debtor: str, creditor: str) -> Transaction:
        values = [None] * len(FIELDS)
        at = dict(zip(FIELDS, range(len(FIELDS)), strict=True))
        values[at["transaction_id"]] = str(number)  # type: ignore[call-overload]
        values[at["debtor_account"]], values[at["creditor_account"]] = debtor, creditor  # type: ignore[call-overload]
        return Transaction(tuple(values), side, hour * 3_600_000_000, 100)

    chunk = Chunk(
        lines=[1, 2, 3, 4, 5],
        transactions=[
            made(1, Side.CREDIT, 1, "x", "mine"),
            made(2, Side.ON_US, 3, "other", "mine"),
            made(3, Side.DEBIT, 4, "mine", "y"),
            made(4, Side.CREDIT, 5, "x", "mine"),
            made(5, Side.CREDIT, 6, "mine", "z"),
        ],
    )
    vault.add(vault.start_run("x"), chunk)
    incoming = {held.values[1]: last for held, last in vault.records([5, 4, 3, 2, 1])}
    assert incoming == {"1": None, "2": None, "3": 3 * 3_600_000_000, "4": None, "5": None}


KILLED = """
import os, signal, sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from ledger.member.intake import open_source, read_chunks
from ledger.member.vault import Vault
vault = Vault(Path(sys.argv[1]))
source = open_source(Path(sys.argv[2]))
run = vault.start_run("x")
for number, chunk in enumerate(read_chunks(source, "ALFADEFF", now=datetime(2026, 3, 2, 12, tzinfo=UTC), chunk_rows=10)):
    if number == int(sys.argv[3]):
        with vault.writing() as connection:
            connection.execute("UPDATE record SET amount_minor = 0")
            os.kill(os.getpid(), signal.SIGKILL)
    vault.add(run, chunk)
"""  # noqa: E501


def test_a_kill_in_the_middle_leaves_whole_chunks_and_the_same_command_completes_them(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", rows(35))
    place = tmp_path / "vault.sqlite"
    done = subprocess.run([sys.executable, "-c", KILLED, str(place), str(path), "2"], check=False)
    assert done.returncode == -signal.SIGKILL
    with Vault(place) as vault:
        assert vault.count() == 20
        changed = "SELECT count(*) FROM record WHERE amount_minor = 0"
        assert vault.connection.execute(changed).fetchone() == (0,)
        counts, _ = vault.add(vault.start_run("x"), chunk_of(path))
        assert (counts.read, counts.accepted, counts.already_held) == (35, 15, 20)
        assert vault.count() == 35


def test_a_failed_transaction_leaves_nothing(vault: Vault) -> None:
    def half() -> None:
        with vault.writing() as connection:
            connection.execute("INSERT INTO run (source) VALUES ('x')")
            connection.execute("INSERT INTO run (source) VALUES (NULL)")

    with pytest.raises(sqlite3.IntegrityError):
        half()
    assert vault.connection.execute("SELECT count(*) FROM run").fetchone() == (0,)


# requests for evaluations


def test_a_request_keeps_its_elements_and_knows_what_was_answered(vault: Vault) -> None:
    identifiers = [f"acct:A:{number:02}" for number in range(2 * PROOF_BATCH + 3)]
    batches = proven(identifiers)
    blinded = [oprf.blind(name.encode()) for name in identifiers]
    made = vault.requests.add(1, blinded)
    assert (made.count, made.number) == (len(identifiers), None)
    assert made.root == request_root([item.element for item in blinded])
    with Vault(vault.path) as again:
        assert again.requests.open(1) == [made]
        assert again.requests.open(2) == []
        assert again.requests.blinded(made) == blinded
        numbered = again.requests.anchored(made, 9)
    assert vault.requests.open(1) == [numbered]
    assert vault.requests.evaluated(numbered) == set()
    vault.store_pseudonyms([(9, 0, batches[:1]), (8, PROOF_BATCH, batches[1:2])])
    assert vault.requests.evaluated(numbered) == {0}
    vault.requests.remove(numbered)
    assert vault.requests.open(1) == []
    assert vault.requests.blinded(numbered) == []
    assert len(vault.pseudonyms(1)) == 2 * PROOF_BATCH


def test_requests_come_back_in_the_order_they_were_made(vault: Vault) -> None:
    made = [vault.requests.add(epoch, [oprf.blind(b"acct:A:%d" % epoch)]) for epoch in (1, 2, 1)]
    assert vault.requests.open(1) == [made[0], made[2]]
    vault.requests.remove(made[0])
    assert vault.requests.open(1) == [made[2]]


def test_a_request_is_stored_whole_or_not_at_all(vault: Vault) -> None:
    good = oprf.blind(b"acct:A:1")
    with pytest.raises(sqlite3.IntegrityError):
        vault.requests.add(1, [good, replace(good, scalar=None)])  # type: ignore[arg-type]
    assert vault.requests.open(1) == []
    assert vault.connection.execute("SELECT count(*) FROM requested").fetchone() == (0,)

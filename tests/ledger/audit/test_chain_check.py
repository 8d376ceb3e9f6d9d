"""An auditor with a node and a trust file, and nothing of the desk but what it publishes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil import Auditor
from ledger.audit.chain_check import check_chain
from ledger.audit.differences import FsckError
from ledger.audit.keys import ReaderKeys
from ledger.errors import ConfigurationError
from ledger.log import Checkpoint, sign_checkpoint
from tests.support.consortium import ChainProcess, Poster, SmallConsortium, founded


@pytest.fixture
def alone(consortium: SmallConsortium, tmp_path: Path) -> Path:
    """A folder with the trust file and nothing else."""
    shutil.copy(consortium.home.trust, tmp_path / "trust.json")
    return tmp_path


def test_the_chain_alone_is_checked_without_any_file_of_the_desk(
    consortium: SmallConsortium, alone: Path
) -> None:
    auditor = Auditor(alone / "empty", trust=alone / "trust.json", chain=consortium.url)
    report = auditor.check_chain()
    report.raise_if_different()
    assert report.accounts == len(consortium.banks)
    assert report.batches == consortium.gateway.log_size()
    assert report.rows == sum(
        posted.header.row_count for posted in consortium.gateway.batches(0, report.block)
    )
    assert (report.ledger_size, report.verdict_size) == (None, None)


def test_the_published_logs_are_compared_with_the_chain(consortium: SmallConsortium, alone: Path) -> None:
    public = consortium.home.desk.public
    auditor = Auditor(alone / "empty", trust=alone / "trust.json", chain=consortium.url, published=public)
    report = auditor.check_chain()
    report.raise_if_different()
    assert report.verdict_size == report.batches == report.accepted + report.apart
    assert report.ledger_size is not None
    assert report.ledger_size >= report.batches + report.accounts


def test_a_desk_that_publishes_another_ledger_is_found(consortium: SmallConsortium, tmp_path: Path) -> None:
    copy = consortium.copy(tmp_path / "copy")
    public, keys, trust = copy.home.desk.public, copy.desk_keys, copy.trust
    note = public / "ledger" / "checkpoint"
    origin = trust.deployment.ledger_origin
    size = int(note.read_text().splitlines()[1])
    note.write_text(sign_checkpoint(Checkpoint(origin, size, b"\x01" * 32), origin, keys.ledger))
    report = check_chain(copy.gateway, trust, published=public)
    assert "published log ledger" in [found.where for found in report.differences]
    with pytest.raises(FsckError):
        report.raise_if_different()


def test_a_verdict_log_that_the_chain_does_not_record_is_found(
    consortium: SmallConsortium, tmp_path: Path
) -> None:
    copy = consortium.copy(tmp_path / "copy")
    public, keys, trust = copy.home.desk.public, copy.desk_keys, copy.trust
    note = public / "verdicts" / "checkpoint"
    origin = trust.deployment.verdict_origin
    size = int(note.read_text().splitlines()[1])
    note.write_text(sign_checkpoint(Checkpoint(origin, size, b"\x01" * 32), origin, keys.verdicts))
    report = check_chain(copy.gateway, trust, published=public)
    said = [found.what for found in report.differences]
    assert f"the chain does not record its head at {size} verdicts" in said
    assert "its entries do not give the root of its checkpoint" in said


def test_a_member_that_the_trust_file_does_not_have_is_found(consortium: SmallConsortium) -> None:
    trust = consortium.trust
    report = check_chain(consortium.gateway, replace(trust, members=trust.members[:-1]))
    assert [found.what for found in report.differences] == [
        f"a member of the chain ({consortium.banks[-1]}) is not in the trust file"
    ]


class _Lying:
    """A node that answers with changed batches or case entries."""

    def __init__(self, gateway: Any, change: Any, what: str) -> None:
        self._gateway, self._change, self._what = gateway, change, what

    def __getattr__(self, name: str) -> Any:
        held = getattr(self._gateway, name)
        if name != self._what:
            return held
        return lambda *args: map(self._change, held(*args))


def test_a_batch_that_its_author_did_not_sign_is_found(consortium: SmallConsortium) -> None:
    def change(posted: Any) -> Any:
        header = replace(posted.header, rows_root=b"\x01" * 32)
        return replace(posted, header=header, batch_hash=header.hash) if posted.log_index == 0 else posted

    report = check_chain(_Lying(consortium.gateway, change, "batches"), consortium.trust)  # type: ignore[arg-type]
    assert any("not signed by the account" in found.what for found in report.differences)


def test_a_batch_out_of_its_place_is_found(consortium: SmallConsortium) -> None:
    def change(posted: Any) -> Any:
        header = replace(posted.header, previous_hash=b"\x01" * 32)
        return replace(posted, header=header) if posted.log_index == 0 else posted

    report = check_chain(_Lying(consortium.gateway, change, "batches"), consortium.trust)  # type: ignore[arg-type]
    said = [found.what for found in report.differences]
    assert any("does not follow batch" in what for what in said)
    assert any("another hash" in what for what in said)


def test_a_changed_entry_of_the_case_log_is_found(consortium: SmallConsortium) -> None:
    def change(entry: Any) -> Any:
        return replace(entry, payload=entry.payload + b"x")

    report = check_chain(_Lying(consortium.gateway, change, "case_entries"), consortium.trust)  # type: ignore[arg-type]
    assert any("does not give the head" in found.what for found in report.differences)


def test_an_auditors_own_key_reads_what_was_posted_after_it_was_registered(
    chain: ChainProcess, tmp_path: Path
) -> None:
    """Two batches, and a key that is registered between them: the first is unknown, and not missing."""
    made = founded(chain, tmp_path / "consortium")
    poster = Poster(made, made.banks[0])
    start = datetime.now(UTC) - timedelta(days=2)
    poster.fill(5, start=start)
    poster.seal()
    poster.post()
    keys = ReaderKeys.generate(max(reader.epoch for reader in made.gateway.readers()) + 1)
    keys.save(tmp_path / "reader.json")
    for epoch, (key_id, public) in keys.public().items():
        made.operate("addReader", key_id, public, epoch, "auditor")
    poster.fill(7, start=start + timedelta(hours=3), first=100)
    poster.seal()
    poster.post()
    made.sync()
    shutil.copy(made.home.trust, tmp_path / "trust.json")
    options = {"trust": tmp_path / "trust.json", "chain": made.url, "reader_keys": tmp_path / "reader.json"}
    auditor = Auditor(tmp_path / "empty", **options, published=made.home.desk.public)
    found = auditor.completeness()
    assert [(line.agent, line.rows, line.outside) for line in found.members] == [(made.banks[0], 7, 7)]
    assert [(line.agent, line.batches, line.rows) for line in found.unknown] == [(made.banks[0], 1, 5)]
    assert not found.claims
    auditor.check_chain().raise_if_different()


def test_keys_that_were_never_registered_open_nothing(consortium: SmallConsortium, alone: Path) -> None:
    ReaderKeys.generate(1).save(alone / "reader.json")
    auditor = Auditor(
        alone / "empty", trust=alone / "trust.json", chain=consortium.url, reader_keys=alone / "reader.json"
    )
    with pytest.raises(ConfigurationError, match="none of this reader's keys"):
        auditor.completeness()


def test_a_missing_or_damaged_key_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no file of reader keys"):
        ReaderKeys.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_bytes(b"{}")
    with pytest.raises(ConfigurationError, match="not a file of reader keys"):
        ReaderKeys.load(tmp_path / "bad.json")

"""An auditor's own reader key: made, registered, and enough to check everything without the desk's keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from counterfoil import Auditor, Operator
from ledger.errors import ConfigurationError
from tests.support.consortium import ChainProcess, SmallConsortium, founded, run_everything
from tests.support.rows import book


def test_a_registered_auditor_reads_what_is_posted_afterwards(chain: ChainProcess, tmp_path: Path) -> None:
    made = founded(chain, tmp_path / "home")
    keys = tmp_path / "auditor" / "keys.json"
    public = Auditor.make_reader_keys(keys)
    assert keys.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigurationError, match="never overwritten"):
        Auditor.make_reader_keys(keys)
    Operator(made.home, chain=made.url).add_reader(public, "auditor")
    run_everything(made, book(datetime.now(UTC)))
    auditor = Auditor(made.home, chain=made.url, reader_keys=keys)
    assert auditor.check_chain().differences == ()
    found = auditor.completeness()
    assert sum(member.rows for member in found.members) > 100
    assert found.unknown == ()


def test_an_auditor_without_a_registered_key_is_told(consortium: SmallConsortium, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    Auditor.make_reader_keys(keys)
    with pytest.raises(ConfigurationError, match="none of this reader's keys was ever registered"):
        Auditor(consortium.home, chain=consortium.url, reader_keys=keys).completeness()

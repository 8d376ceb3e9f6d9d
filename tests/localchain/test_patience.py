"""The ledger's own gateway on a chain with narrow limits: it waits and splits, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from localchain.genesis import DEFAULT_CHAIN_ID
from tests.localchain.conftest import Node
from tests.support.consortium import ChainProcess, Poster, founded

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_an_honest_bank_posts_and_reads_although_its_share_is_used_up(
    tmp_path: Path, serving: Callable[..., AbstractContextManager[Node]]
) -> None:
    limits = {
        "account_gas": 16_000_000,
        "account_gas_per_second": 16_000_000,
        "log_blocks": 2,
        "log_count": 2,
    }
    with serving(tmp_path / "chain", DEFAULT_CHAIN_ID, **limits) as node:
        chain = ChainProcess(node.url, node.home, node.process.pid)
        bank = Poster(founded(chain, tmp_path / "consortium", banks=("ALFADE20",)), "ALFADE20")
        bank.fill(16, start=START)
        bank.seal(rows_per_batch=1)
        assert bank.post() == 16
        assert [posted.header.sequence for posted in bank.on_chain()] == list(range(16))

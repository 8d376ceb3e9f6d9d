"""A batch whose fee became too low is signed again and posted once, also after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from ledger.errors import ChainError, TransactionRejectedError
from ledger.gateway import Gateway
from ledger.member.outbox import Outbox
from tests.support.consortium import ChainProcess, Poster, founded
from tests.support.fee_market import FeeMarket
from tests.support.hostile_node import hostile_node

START = datetime(2026, 3, 2, 8, tzinfo=UTC)

#: Posts what one bank sealed, in a process that can be killed.
POST = """
import sys
from pathlib import Path
from ledger.deployment import Deployment
from ledger.gateway import Gateway
from ledger.home import Home
from ledger.member.keys import MemberKeys
from ledger.member.outbox import Outbox
from ledger.member.vault import Vault
home, url, agent = Home(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
with Vault(home.member(agent).vault) as vault:
    gateway = Gateway(url, Deployment.load(home.deployment))
    Outbox(vault, MemberKeys.load(home.member(agent).keys), gateway).post()
"""


@pytest.fixture(scope="module")
def banks(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Poster]:
    """One consortium with a bank for each test."""
    names = [f"FEES{n:04d}" for n in range(10)]
    made = founded(chain, tmp_path_factory.mktemp("fees"), banks=names)
    return iter([Poster(made, name) for name in names])


@pytest.fixture
def bank(banks: Iterator[Poster]) -> Poster:
    """A bank with three sealed batches."""
    bank = next(banks)
    bank.fill(60, start=START)
    bank.seal(rows_per_batch=20)
    return bank


@pytest.fixture
def market(chain: ChainProcess) -> Iterator[FeeMarket]:
    with hostile_node(chain.url, FeeMarket) as node:
        yield node


def post(bank: Poster, market: FeeMarket, *, wait: float = 10.0) -> int:
    """Run the bank's command against the node with the fee market."""
    gateway = Gateway(market.url, bank.gateway.deployment)
    with bank.vault() as vault:
        return Outbox(vault, bank.keys, gateway).post(wait=wait)


def fields(raw: bytes) -> dict[str, Any]:
    return TypedTransaction.from_bytes(HexBytes(raw)).as_dict()


def posted_once(bank: Poster, batches: int = 3) -> bool:
    with bank.vault() as vault:
        headers = [h for (h,) in vault.connection.execute("SELECT hash FROM batch ORDER BY sequence")]
        assert vault.batches.count() == (batches, batches)
    return [posted.batch_hash for posted in bank.on_chain()] == headers


def test_a_base_fee_that_rose_after_sealing_is_paid(bank: Poster, market: FeeMarket) -> None:
    before = bank.raws()
    market.base_fee = 100 * fields(before[0])["maxFeePerGas"]
    assert post(bank, market) == 3
    assert posted_once(bank)
    after = bank.raws()
    assert [fields(raw)["nonce"] for raw in after] == [fields(raw)["nonce"] for raw in before]
    assert [fields(raw)["data"] for raw in after] == [fields(raw)["data"] for raw in before]
    assert all(fields(raw)["maxFeePerGas"] >= market.base_fee for raw in after)


def test_a_refusal_because_of_the_fee_is_answered_with_a_higher_one(bank: Poster, market: FeeMarket) -> None:
    # the newest block that the node shows is one before the fee rose
    market.announced = bank.gateway.base_fee()
    market.base_fee = 5 * fields(bank.raws()[0])["maxFeePerGas"]
    assert post(bank, market) == 3
    assert posted_once(bank)


def test_a_fee_that_no_raise_reaches_is_told_and_nothing_is_lost(bank: Poster, market: FeeMarket) -> None:
    market.announced = bank.gateway.base_fee()
    market.base_fee = 10**9 * fields(bank.raws()[0])["maxFeePerGas"]
    with pytest.raises(TransactionRejectedError, match=r"less than block base fee.*same command again"):
        post(bank, market)
    assert bank.on_chain() == []
    market.base_fee = market.announced = None
    assert post(bank, market) == 3
    assert posted_once(bank)


def test_a_batch_that_stays_in_the_pool_is_replaced_by_the_same_command(
    bank: Poster, market: FeeMarket
) -> None:
    market.priority = 10**9
    with pytest.raises(ChainError, match=r"not mined within.*run the same command again"):
        post(bank, market, wait=0.2)
    assert len(market.pool) == 3
    assert post(bank, market) == 3
    assert market.pool == {}
    assert posted_once(bank)


def test_a_kill_between_storing_and_sending_loses_nothing(bank: Poster, market: FeeMarket) -> None:
    before = bank.raws()
    market.base_fee = 2 * fields(before[0])["maxFeePerGas"]
    command = [sys.executable, "-c", POST, str(bank.consortium.home.root), market.url, bank.agent]
    process = subprocess.Popen(command)

    def kill(_fields: dict[str, Any]) -> None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        raise ConnectionError  # the node did not get it either

    market.before_send = kill
    assert process.wait(timeout=120) == -signal.SIGKILL
    stored = bank.raws()
    assert all(fields(raw)["maxFeePerGas"] >= market.base_fee for raw in stored)
    assert bank.on_chain() == []
    sent: list[int] = []
    market.before_send = lambda raw: sent.append(raw["maxFeePerGas"])
    assert post(bank, market) == 3
    assert bank.raws() == stored
    assert sent == [fields(raw)["maxFeePerGas"] for raw in stored]
    assert posted_once(bank)


def test_the_batch_as_it_was_signed_before_is_mined_after_all(bank: Poster, market: FeeMarket) -> None:
    market.priority = 10**9
    with pytest.raises(ChainError, match="not mined within"):
        post(bank, market, wait=0.2)  # signs the first batch again, and ends before it is sent
    replaced = bank.raws()
    assert fields(replaced[0])["maxPriorityFeePerGas"] >= market.priority
    market.mine_pool()
    assert post(bank, market) == 3
    assert posted_once(bank)


def test_a_fee_that_is_too_high_to_be_true_is_not_signed(bank: Poster, market: FeeMarket) -> None:
    before = bank.raws()
    market.base_fee = 10**15 + 1
    with pytest.raises(ChainError, match="empty the account"):
        post(bank, market)
    market.base_fee, market.priority = None, 10**15 + 1
    with pytest.raises(ChainError, match="empty the account"):
        post(bank, market, wait=0.2)
    assert bank.raws() == before

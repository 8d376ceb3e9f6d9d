"""Alive and ready are two things: a desk without its chain lives, and says that it is not ready."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import pytest

from api.desk import create_app
from counterfoil import processes
from counterfoil.tokens import issue
from ledger.home import Home
from tests.api.conftest import ServedDesk, post_garbage, problem_of, served, served_desk
from tests.support.consortium import ChainProcess, SmallConsortium, chain_process, founded
from tests.support.rows import BANKS


def test_a_desk_in_step_is_ready(desk: ServedDesk) -> None:
    state = desk.get("/readyz")
    gateway = desk.consortium.gateway
    assert state["status"] == "ready"
    assert state["height"] == gateway.height()
    assert state["lag_blocks"] == state["height"] - state["mirrored_block"]
    assert state["log_size"] == gateway.log_size() > 3
    assert state["lag_batches"] == 0
    assert desk.get("/healthz") == {"status": "alive"}


def test_blocks_of_the_desk_itself_do_not_make_it_late(desk: ServedDesk) -> None:
    """Anchoring flags makes blocks that carry no batch: there is nothing in them to mirror."""
    with served_desk(desk.consortium, max_lag=0) as strict:
        state = strict.get("/readyz")
    assert state["lag_blocks"] > 0
    assert state["status"] == "ready"


def test_a_batch_that_is_not_mirrored_makes_it_late_beyond_the_limit(
    chain: ChainProcess, tmp_path: Path
) -> None:
    made = founded(chain, tmp_path)
    made.sync()
    post_garbage(made, BANKS[0])
    with served_desk(made, max_lag=1000) as patient:
        assert patient.get("/readyz")["lag_batches"] == 1
    with served_desk(made, max_lag=0) as strict:
        found = strict.problem("/readyz", None, 503, "not-ready")
        assert found["readiness"]["lag_batches"] == 1
        assert found["next_step"]
        assert "Behind: 1 batches" in strict.call("/").text
        made.sync()
        state = strict.get("/readyz")
        assert (state["status"], state["lag_batches"]) == ("ready", 0)
        assert state["lag_blocks"] == 1, "the desk recorded the new head of the verdict log"


def test_a_desk_outlives_its_chain(tmp_path: Path) -> None:
    with chain_process(tmp_path / "of") as process:
        made = founded(process, tmp_path / "home")
        made.sync()
        with served_desk(made, chain=None) as desk:
            assert desk.get("/readyz")["status"] == "ready"
            processes.stop(process.pid)
            down = desk.problem("/readyz", None, 503, "chain-unreachable")
            assert "chain start" in down["next_step"]
            assert desk.get("/healthz") == {"status": "alive"}
            assert "Not ready" in desk.call("/").text
            assert desk.get("/v1/batches", "auditor") == {"items": [], "next": None}
            assert desk.call("/v1/log/ledger/checkpoint").status_code == 200
            desk.problem("/v1/members", "auditor", 503, "chain-unreachable")
            desk.problem("/v1/flags", BANKS[0], 503, "chain-unreachable")


def test_an_endpoint_where_nothing_listens(desk: ServedDesk) -> None:
    with served_desk(desk.consortium, chain="http://127.0.0.1:9") as cut:
        down = cut.problem("/readyz", None, 503, "chain-unreachable")
        assert "127.0.0.1:9" not in str(down), "an open answer tells nothing of where the chain is"


def test_a_chain_of_another_consortium(tmp_path: Path, consortium: SmallConsortium) -> None:
    with (
        chain_process(tmp_path / "other") as other,
        served_desk(consortium.copy(tmp_path / "home"), chain=other.url) as lost,
    ):
        assert "chain" in lost.problem("/readyz", None, 502, "chain-failed")["detail"]


@pytest.mark.parametrize(
    "path",
    ["/v1/members", "/v1/batches", "/v1/matching", "/v1/rules", "/v1/log/verdicts/checkpoint"],
)
def test_an_empty_home_says_what_is_missing(tmp_path: Path, chain: ChainProcess, path: str) -> None:
    home = Home(tmp_path)
    token = issue(home, "auditor", "early")
    app = create_app(home, chain=chain.url, log=io.StringIO())
    with served(app) as url:
        answer = httpx.get(url + path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 503
        document = problem_of(answer, "not-set-up")
        assert document["next_step"]
        assert str(tmp_path) not in answer.text
        assert httpx.get(url + "/healthz").status_code == 200
    assert not (tmp_path / "desk").exists(), "asking made nothing"

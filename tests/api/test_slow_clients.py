"""Slow clients of the desk, the key holder and the witness are closed, and the others are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from ledger.encoding.keyholder import LocalKeyHolder

import api.desk
import api.keyholder
import api.witness
from api.connections import Limits
from ledger.home import Home
from ledger.witness import Witness
from tests.support.logs import MOMENT, SmallLog, SmallWitness
from tests.support.served import served
from tests.support.slow_clients import ATTACKS, closed_by_server, connect

#: Short, so that the tests are.
STRICT = Limits(connections=8, request_seconds=0.4, answer_seconds=0.4)


def desk(folder: Path) -> Any:
    return api.desk.create_app(Home(folder))


def keyholder(folder: Path) -> Any:
    return api.keyholder.create_app(LocalKeyHolder(folder, quota=1), members=list)


def witness(folder: Path) -> Any:
    alfa = SmallWitness("ALFADE20")
    return api.witness.create_app(
        Witness(folder, alfa.name, alfa.private, [SmallLog.of(1).key], clock=lambda: MOMENT)
    )


#: Each service, with an address that takes a body.
SERVICES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "desk": (desk, "/v1/verify"),
    "key holder": (keyholder, "/v2/evaluate"),
    "witness": (witness, "/add-checkpoint"),
}


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made, path = SERVICES[request.param]
    with served(made(tmp_path_factory.mktemp("service")), STRICT) as url:
        yield url, path


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_slow_client_is_closed_and_the_others_are_answered(service: tuple[str, str], attack: str) -> None:
    url, path = service
    assert ATTACKS[attack](urlsplit(url).port or 0, path)
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_many_idle_connections_make_room_for_new_ones(service: tuple[str, str]) -> None:
    url, _path = service
    clients = [connect(urlsplit(url).port or 0) for _ in range(40)]
    try:
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert closed_by_server(clients[0])
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_a_client_that_does_not_read_its_answer_is_closed(close: bytes) -> None:
    ended = []

    async def large(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/large":
            for _ in range(200):
                await send({"type": "http.response.body", "body": bytes(2**18), "more_body": True})
        await send({"type": "http.response.body"})
        ended.append(scope["path"])

    with served(large, STRICT) as url, connect(urlsplit(url).port or 0) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n" + close + b"\r\n")
        while "/large" not in ended:  # the application goes on when the connection is closed
            assert httpx.get(f"{url}/small").status_code == 200
        taken = 0
        with suppress(ConnectionError):
            while chunk := client.recv(2**16):
                taken += len(chunk)
        assert taken < 200 * 2**18


def test_a_client_that_reads_is_not_closed_however_much_it_asks() -> None:
    async def answer(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": bytes(100_000)})

    with served(answer, STRICT) as url, httpx.Client() as client:
        assert {len(client.get(url).content) for _ in range(300)} == {100_000}

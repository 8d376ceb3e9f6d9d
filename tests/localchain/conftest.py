"""Chains to test on: inside the test, and as a real process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from localchain import status
from localchain.budget import BUDGET, Budget
from localchain.chain import LocalChain
from localchain.database import Database
from localchain.genesis import open_genesis

CHAIN_ID = 20_777
#: Emits its calldata as the data of one log, with topics 7 and the caller:
#: CALLDATASIZE, 0, 0, CALLDATACOPY, CALLER, 7, CALLDATASIZE, 0, LOG2, STOP
ECHO = bytes.fromhex("600e600c600039600e6000f3" + "366000600037" + "336007366000a200")
#: Reverts with its calldata: CALLDATASIZE, 0, 0, CALLDATACOPY, CALLDATASIZE, 0, REVERT
BOUNCE = bytes.fromhex("600a600c600039600a6000f3" + "366000600037" + "366000fd")


@dataclass
class Sender:
    """An account that signs in order."""

    account: LocalAccount
    chain_id: int = CHAIN_ID
    nonce: int = 0

    def sign(self, **fields: Any) -> bytes:
        """Sign the account's next transaction; `nonce` may be given to break the order."""
        filled = {
            "to": "0x" + "11" * 20,
            "value": 0,
            "gas": 21_000,
            "data": b"",
            "nonce": self.nonce,
            "chainId": self.chain_id,
        } | fields
        if "gasPrice" not in filled:
            filled = {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 1} | filled
        if filled["to"] is None:
            del filled["to"]
        else:
            filled["to"] = to_checksum_address(filled["to"])
        if filled["chainId"] is None:
            del filled["chainId"]
        if "nonce" not in fields:
            self.nonce += 1
        return bytes(self.account.sign_transaction(filled).raw_transaction)


@dataclass
class Node:
    """A chain in a process of its own."""

    process: subprocess.Popen[bytes]
    home: Path
    url: str

    def post(self, body: bytes, **headers: str) -> Any:
        """Send a body as it is."""
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"} | headers)
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.loads(response.read())

    def ask(self, method: str, *params: Any) -> Any:
        """Call a method and return the whole answer."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.post(json.dumps(request).encode())

    def result(self, method: str, *params: Any) -> Any:
        """Call a method that must succeed."""
        answer = self.ask(method, *params)
        assert "result" in answer, answer
        return answer["result"]


#: Serves a chain with other limits than the usual ones.
SERVE = """
import json, sys
from pathlib import Path
from localchain.budget import Budget
from localchain.server import serve
serve(Path(sys.argv[1]), port=0, chain_id=int(sys.argv[2]), budget=Budget(**json.loads(sys.argv[3])))
"""


def start(home: Path, chain_id: int = CHAIN_ID, **limits: float) -> Node:
    """Start a chain's process and wait until it answers; `limits` are those of its budget."""
    command = [sys.executable, "-c", SERVE, str(home), str(chain_id), json.dumps(limits)]
    if not limits:
        command = [sys.executable, "-m", "localchain.server", "--home", str(home), "--port", "0"]
        command += ["--chain-id", str(chain_id)]
    errors = (home.parent / f"{home.name}.log").open("ab")
    process = subprocess.Popen(command, stderr=errors)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        described = status(home) if home.exists() else {}
        # The file of a killed predecessor names another process.
        if described.get("url") and described["pid"] == process.pid:
            return Node(process, home, described["url"])
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the chain did not start: {Path(errors.name).read_text()[-2000:]}")


@contextmanager
def running(home: Path, chain_id: int = CHAIN_ID, **limits: float) -> Iterator[Node]:
    """A chain's process, ended at the end."""
    node = start(home, chain_id, **limits)
    try:
        yield node
    finally:
        node.process.kill()
        node.process.wait()


@pytest.fixture(scope="session")
def echo() -> bytes:
    """Creation code of a contract that logs its calldata."""
    return ECHO


@pytest.fixture(scope="session")
def bounce() -> bytes:
    """Creation code of a contract that reverts with its calldata."""
    return BOUNCE


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[Node]]:
    """A chain's process in a folder, for the length of a `with`."""
    return running


@pytest.fixture(scope="session")
def opened() -> Callable[..., LocalChain]:
    """A chain's file, opened inside the test."""
    return open_chain


@pytest.fixture(scope="session")
def new_sender() -> Callable[..., Sender]:
    """An account that signs in order; a new one, or of a private key."""
    return lambda key=None, chain_id=CHAIN_ID: Sender(
        Account.from_key(key) if key else Account.create(), chain_id
    )


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One process for all tests of a module."""
    with running(tmp_path_factory.mktemp("chain") / "home") as started:
        yield started


@pytest.fixture
def faucet() -> Sender:
    """The account that the chain in `chain` starts with."""
    return Sender(Account.create())


@pytest.fixture
def chain(tmp_path: Path, faucet: Sender) -> Iterator[LocalChain]:
    """A chain inside the test."""
    opened = open_chain(tmp_path / "chain.sqlite3", faucet)
    yield opened
    opened.close()


def open_chain(path: Path, faucet: Sender, budget: Budget = BUDGET) -> LocalChain:
    """Open a chain's file, new or not."""
    database = Database(path)
    address = bytes.fromhex(faucet.account.address[2:])
    genesis = open_genesis(database, chain_id=faucet.chain_id, faucet=address)
    return LocalChain(database, genesis, budget)

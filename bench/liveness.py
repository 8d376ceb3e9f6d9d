"""``python -m bench.liveness``: how fast a bank posts while another member attacks the embedded chain.

One bank posts full batches to the real contracts, in turns alone and beside an attack, so that both have the
same machine. The attacker is a member with a process of its own. A ratio of 0.5 is the fair share of two.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from ledger.encoding.keyholder import create_epoch
from web3 import Web3

from bench.chain_length import FULL, Poster
from bench.report import machine
from cli.output import say, show_table
from counterfoil.founding import admit, found, open_epoch, publish_policy
from counterfoil.processes import ensure_chain, stop
from ledger.gateway import Gateway
from ledger.home import Home
from ledger.member.keys import MemberKeys

#: Connections that an attack uses at the same time.
CONNECTIONS = 16

#: Transactions in one array: as many as an outbox sends.
WINDOW = 16

ROWS = 800

#: Creation code of a contract that runs until its gas is gone: JUMPDEST, PUSH1 0, JUMP.
LOOP = bytes.fromhex("6004600c60003960046000f3" + "5b600056")


def ask(url: str, document: Any) -> Any:
    """Send a JSON-RPC document; return the answer, or None if there is none."""
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
    with suppress(OSError, ValueError), urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())
    return None


def question(method: str, *params: Any) -> dict[str, Any]:
    """Return a request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def failing(gateway: Gateway, keys: MemberKeys, size: int) -> None:
    """Send batches with a wrong sequence number, for ever: the contract refuses each one."""
    stated = (10**6, bytes(32), 1, bytes(32), ROWS, bytes(32))
    arguments = (stated, bytes(65), os.urandom(size))
    while True:
        nonce = gateway.next_nonce(keys.address)
        signed = [
            gateway.sign(keys.account, "BatchLedger", "post", *arguments, nonce=nonce + place)
            for place in range(WINDOW)
        ]
        # not with the gateway, which is patient
        ask(gateway.url, [question("eth_sendRawTransaction", "0x" + one.raw.hex()) for one in signed])


def on_all_connections(action: Callable[[], Any]) -> None:
    """Repeat an action for ever, on many connections at the same time."""

    def repeat() -> None:
        while True:
            action()

    for _ in range(CONNECTIONS - 1):
        threading.Thread(target=repeat, daemon=True).start()
    repeat()


def calls(gateway: Gateway, keys: MemberKeys) -> None:
    """Rehearse a full batch again and again, many times in one array."""
    signed = gateway.sign(
        keys.account,
        "BatchLedger",
        "post",
        (0, bytes(32), 1, bytes(32), ROWS, bytes(32)),
        bytes(65),
        os.urandom(FULL),
        nonce=0,
    )
    to = gateway.deployment.contracts["BatchLedger"]
    data = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()["data"].to_0x_hex()
    many = [question("eth_call", {"from": keys.address, "to": to, "data": data}, "latest")] * WINDOW
    on_all_connections(lambda: ask(gateway.url, many))


def loops(gateway: Gateway, keys: MemberKeys) -> None:
    """Create a contract that uses up all gas, and call it with the most gas that the chain takes."""
    fields = {
        "value": 0,
        "chainId": gateway.deployment.chain_id,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 1,
    }
    contract: str | None = None
    while True:
        nonce = gateway.next_nonce(keys.address)
        wanted = {"to": contract, "gas": 40_000_000} if contract else {"data": LOOP, "gas": 1_000_000}
        signed = Account.sign_transaction(fields | wanted | {"nonce": nonce}, keys.account)
        sent = ask(gateway.url, question("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex()))
        if contract is None and sent and "result" in sent:
            receipt = ask(gateway.url, question("eth_getTransactionReceipt", sent["result"]))
            contract = Web3.to_checksum_address(receipt["result"]["contractAddress"])


def looping_calls(gateway: Gateway, _keys: MemberKeys) -> None:
    """Let the chain execute creation code that uses up all gas."""
    call = question("eth_call", {"data": "0x5b600056"}, "latest")
    on_all_connections(lambda: ask(gateway.url, call))


def logs(gateway: Gateway, _keys: MemberKeys) -> None:
    """Ask for all events, many times in one array."""
    wanted = question("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    full = question("eth_getBlockByNumber", "latest", True)
    on_all_connections(lambda: ask(gateway.url, [wanted, full] * 50))


def slow(gateway: Gateway, _keys: MemberKeys) -> None:
    """Open connections that send a byte from time to time."""
    place = urlsplit(gateway.url)
    clients: list[socket.socket] = []
    while True:
        with suppress(OSError):
            client = socket.create_connection((place.hostname, place.port), timeout=1)
            client.sendall(b"POST / HTTP/1.1\r\nX-Slow: ")
            clients.append(client)
        for client in clients[-500:]:
            with suppress(OSError):
                client.send(b"a")
        clients = clients[-500:]
        time.sleep(0.005)


ATTACKS: dict[str, Callable[[Gateway, MemberKeys], None]] = {
    "small transactions that fail": lambda gateway, keys: failing(gateway, keys, 100),
    "full batches that fail": lambda gateway, keys: failing(gateway, keys, FULL),
    "transactions that loop": loops,
    "calls that loop": looping_calls,
    "calls with full batches": calls,
    "all events and blocks": logs,
    "slow connections": slow,
}


def attack(name: str, home: Path, url: str, ready: Event) -> None:
    """Attack until the process is killed."""
    state = Home(home)
    gateway, keys = found(state, url), MemberKeys.load(state.member("BRAVOGB1").keys)
    ready.set()
    ATTACKS[name](gateway, keys)


@contextmanager
def attacked(name: str, home: Path, url: str) -> Iterator[None]:
    """Attack in a process of its own."""
    context = get_context("spawn")
    ready = context.Event()
    process = context.Process(target=attack, args=(name, home, url, ready), daemon=True)
    process.start()
    try:
        ready.wait()
        time.sleep(1.0)
        yield
    finally:
        process.kill()
        process.join()


def speed(poster: Poster, posts: int) -> float:
    """Return the rows per second of some full batches, one after the other."""
    poster.seconds[FULL].clear()
    for _ in range(posts):
        poster.post(FULL)
    return ROWS * posts / sum(poster.seconds[FULL])


def main() -> None:
    """Measure every attack and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.liveness", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each attack")
    parser.add_argument("--posts", type=int, default=20, help="full batches in one measurement")
    parser.add_argument("--attack", choices=ATTACKS, action="append", help="only this attack")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    figures: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        home = Home(Path(folder))
        url, pid = ensure_chain(home)
        try:
            gateway = found(home, url)
            open_epoch(home, gateway, 1, create_epoch(home.keyholder(), 1))
            banks = [MemberKeys.generate("ALFADEFF"), MemberKeys.generate("BRAVOGB1")]
            banks[1].save(home.member("BRAVOGB1").keys)
            admit(home, gateway, banks)
            publish_policy(home, gateway, cuts={"EUR": [1_000_001]}, rule_set=None)
            poster = Poster(gateway, banks[0], next(iter(gateway.policies())))
            for name in options.attack or ATTACKS:
                found_here = figures.setdefault(name, [])
                for _ in range(options.rounds):
                    alone = speed(poster, options.posts)
                    with attacked(name, home.root, url):
                        found_here.append((alone, speed(poster, options.posts)))
                say(f"{name}: {', '.join(f'{beside / alone:.2f}' for alone, beside in found_here)}")
        finally:
            if pid is not None:
                stop(pid)
    rows = []
    for name, pairs in figures.items():
        ratios = [beside / alone for alone, beside in pairs]
        speeds = [f"{statistics.median(values):,.0f}" for values in zip(*pairs, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}, {max(ratios):.2f})"
        rows.append((name, *speeds, spread))
    show_table(machine(), ["attack", "rows/s alone", "rows/s beside it", "ratio (lowest, highest)"], rows)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2))


if __name__ == "__main__":
    main()

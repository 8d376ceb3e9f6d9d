"""kill -9 in the middle of a stream of transactions: nothing acknowledged is lost, nothing happens twice.

The long form runs by `make crash`.
"""

from __future__ import annotations

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from web3 import Web3

from localchain.faucet import fund

ROUNDS = 40 if "COUNTERFOIL_CRASH_ROUNDS" in os.environ else 8


class Stream:
    """A client that sends numbered logs, alone and in arrays, and remembers what was acknowledged.

    After an error it asks nothing: like a poster's outbox it sends the same signed bytes again.
    """

    def __init__(self, sender, contract, seed):
        self.sender, self.contract = sender, contract
        self.random = random.Random(seed)
        self.waiting = []
        self.acknowledged = []

    def run(self, node, stop):
        while not stop.is_set():
            while len(self.waiting) < 12:
                number = (self.sender.nonce).to_bytes(4, "big")
                data = number + bytes(self.random.choice([10, 20_000]))
                raw = self.sender.sign(to=self.contract, data=data, gas=900_000)
                self.waiting.append("0x" + raw.hex())
            chosen = self.waiting[: self.random.choice([1, 1, 5, 12])]
            try:
                self._send(node, chosen)
            except (OSError, ConnectionError, ValueError):
                return  # the chain was killed under us

    def _send(self, node, raws):
        if len(raws) == 1:
            assert node.result("eth_sendRawTransaction", raws[0])
        else:
            provider = Web3.HTTPProvider(node.url, exception_retry_configuration=None)
            answers = provider.make_batch_request([("eth_sendRawTransaction", [raw]) for raw in raws])
            assert all("result" in answer for answer in answers), answers
        self.acknowledged += raws
        del self.waiting[: len(raws)]


def check(node, streams, expected_genesis):
    """Everything acknowledged is there, once, in order, with its receipt and its log."""
    web3 = Web3(Web3.HTTPProvider(node.url))
    assert web3.eth.get_block(0)["hash"] == expected_genesis
    assert web3.eth.chain_id == 20_777
    for stream in streams:
        wanted = {
            "address": stream.contract,
            "topics": [None, "0x" + bytes(12).hex() + stream.sender.account.address[2:].lower()],
        }
        starts = range(0, web3.eth.block_number + 1, 50)  # an answer is at most 2 MiB
        logs = [
            log
            for start in starts
            for log in web3.eth.get_logs(wanted | {"fromBlock": start, "toBlock": start + 49})
        ]
        numbers = [int.from_bytes(log["data"][:4], "big") for log in logs]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        assert web3.eth.get_transaction_count(stream.sender.account.address) == stream.first + len(numbers)
        mined = {bytes(log["transactionHash"]) for log in logs}
        assert len(mined) == len(numbers) >= len(stream.acknowledged)
        for raw in stream.acknowledged:
            assert bytes(Web3.keccak(hexstr=raw)) in mined
        for raw in stream.acknowledged[-5:]:
            receipt = web3.eth.get_transaction_receipt(Web3.keccak(hexstr=raw))
            assert receipt["status"] == 1
            assert len(receipt["logs"]) == 1
    # The chain is linked down to the genesis.
    block = web3.eth.get_block("latest")
    for number in range(block["number"] - 1, max(block["number"] - 10, -1), -1):
        parent = web3.eth.get_block(number)
        assert parent["hash"] == block["parentHash"]
        block = parent


@pytest.mark.crash
def test_kill_nine_loses_nothing_acknowledged(tmp_path, serving, new_sender, echo):
    seeded = random.Random(20_261)
    home = tmp_path / "home"
    with serving(home) as node:
        genesis = Web3(Web3.HTTPProvider(node.url)).eth.get_block(0)["hash"]
        senders = [new_sender() for _ in range(2)]
        fund(node.url, home, [sender.account.address for sender in senders], 1000, deployer=True)
        node.result("eth_sendRawTransaction", "0x" + senders[0].sign(to=None, data=echo, gas=200_000).hex())
        contract = Web3(Web3.HTTPProvider(node.url)).eth.get_block("latest", True)["transactions"][0]
        receipt = node.result("eth_getTransactionReceipt", "0x" + contract["hash"].hex())
    streams = [
        Stream(sender, Web3.to_checksum_address(receipt["contractAddress"]), seed)
        for seed, sender in enumerate(senders)
    ]
    for stream in streams:
        stream.first = stream.sender.nonce

    for _ in range(ROUNDS):
        with serving(home) as node:
            check(node, streams, genesis)
            stop = threading.Event()
            with ThreadPoolExecutor(len(streams)) as pool:
                runs = [pool.submit(stream.run, node, stop) for stream in streams]
                time.sleep(seeded.uniform(0.05, 0.6))
                node.process.kill()
                for run in runs:
                    run.result(timeout=120)
    with serving(home) as node:
        check(node, streams, genesis)
        for stream in streams:  # what was in flight is sent again, the same bytes, and is there once
            for raw in list(stream.waiting):
                stream._send(node, [raw])
        check(node, streams, genesis)
    assert sum(len(stream.acknowledged) for stream in streams) > 4 * ROUNDS


def test_two_client_processes_share_the_chain_and_the_faucet(tmp_path, serving, new_sender):
    import subprocess
    import sys

    home = tmp_path / "home"
    program = (
        "import sys, pathlib; from localchain.faucet import fund; "
        "fund(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:], 1)"
    )
    groups = [[new_sender().account.address for _ in range(10)] for _ in range(2)]
    with serving(home) as node:
        clients = [
            subprocess.Popen([sys.executable, "-c", program, node.url, str(home), *group]) for group in groups
        ]
        assert [client.wait(timeout=240) for client in clients] == [0, 0]
        web3 = Web3(Web3.HTTPProvider(node.url))
        for address in [address for group in groups for address in group]:
            assert web3.eth.get_balance(address) == 10**18

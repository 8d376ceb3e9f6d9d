"""The JSON-RPC surface, judged by another implementation: the same signed transactions go to eth-tester."""

from __future__ import annotations

import pytest
from eth_tester import EthereumTester, PyEVMBackend
from web3 import EthereumTesterProvider, Web3

from localchain.home import FAUCET

#: eth-tester's chain id is fixed, so the other chain takes it too.
TESTER_CHAIN_ID = 131277322940537


@pytest.fixture(scope="module")
def both(tmp_path_factory, serving, new_sender, echo, bounce):
    """Two chains that were sent the same eight transactions, and their hashes."""
    sender = new_sender(chain_id=TESTER_CHAIN_ID)
    home = tmp_path_factory.mktemp("chain") / "home"
    home.mkdir(mode=0o700)
    (home / FAUCET).write_text(bytes(sender.account.key).hex())  # only the faucet may send ether
    genesis = {
        bytes.fromhex(sender.account.address[2:]): {"balance": 10**24, "nonce": 0, "code": b"", "storage": {}}
    }
    tester = Web3(EthereumTesterProvider(EthereumTester(PyEVMBackend(genesis_state=genesis))))
    with serving(home, TESTER_CHAIN_ID) as node:
        ours = Web3(Web3.HTTPProvider(node.url))
        raws = [
            sender.sign(value=7),
            sender.sign(to=None, data=echo, gas=200_000),
            sender.sign(to=None, data=bounce, gas=200_000, gasPrice=10**11),
        ]
        hashes = [tester.eth.send_raw_transaction(raw) for raw in raws]
        echoing, bouncing = (
            tester.eth.get_transaction_receipt(hash_)["contractAddress"] for hash_ in hashes[1:]
        )
        raws += [
            sender.sign(to=echoing, data=b"\x00" * 40 + b"\x01" * 2000, gas=300_000),
            sender.sign(to=echoing, data=b"", gas=100_000, gasPrice=10**11),
            sender.sign(to=bouncing, data=b"refused", gas=100_000),
            sender.sign(
                to=echoing,
                data=b"x",
                gas=100_000,
                accessList=[{"address": echoing, "storageKeys": ["0x" + "00" * 31 + "05"]}],
            ),
            sender.sign(to=None, data=bytes.fromhex("5b600056"), gas=100_000),  # loops until the gas is gone
        ]
        hashes += [tester.eth.send_raw_transaction(raw) for raw in raws[3:]]
        for raw, hash_ in zip(raws, hashes, strict=True):
            assert node.result("eth_sendRawTransaction", "0x" + raw.hex()) == "0x" + hash_.hex()
        yield ours, tester, hashes, echoing, bouncing


def test_receipts_agree(both):
    ours, tester, hashes, *_ = both
    for hash_ in hashes:
        mine, theirs = (dict(w3.eth.get_transaction_receipt(hash_)) for w3 in (ours, tester))
        for field in ("status", "gasUsed", "contractAddress", "from", "transactionIndex", "type"):
            assert mine[field] == theirs[field], field
        assert (mine["to"] or "") == (theirs["to"] or "")
        assert len(mine["logs"]) == len(theirs["logs"])
        for log, other in zip(mine["logs"], theirs["logs"], strict=True):
            for field in ("address", "data", "topics", "logIndex", "transactionHash"):
                assert log[field] == other[field], field
    assert [ours.eth.get_transaction_receipt(hash_)["status"] for hash_ in hashes].count(0) == 2


def test_transactions_agree(both):
    ours, tester, hashes, *_ = both
    for hash_ in hashes:
        mine, theirs = (dict(w3.eth.get_transaction(hash_)) for w3 in (ours, tester))
        for field in ("nonce", "value", "gas", "from", "type", "r", "s"):
            assert mine[field] == theirs[field], field
        assert bytes(mine["input"]) == bytes(theirs.get("input", theirs.get("data", b"")))
        assert mine["chainId"] == TESTER_CHAIN_ID


def test_calls_code_and_counts_agree(both):
    ours, tester, hashes, echoing, bouncing = both
    sender = tester.eth.get_transaction(hashes[0])["from"]
    for w3 in (ours, tester):
        assert w3.eth.get_transaction_count(sender) == len(hashes)
    for contract in (echoing, bouncing):
        assert ours.eth.get_code(contract) == tester.eth.get_code(contract) != b""
    assert ours.eth.call({"to": echoing, "data": "0x01"}) == b""


def test_headers_commit_to_the_same_transactions_and_receipts(both):
    """The tries are computed by py-evm in both, over the same content, so their roots must be equal."""
    ours, tester, hashes, *_ = both
    for hash_ in hashes:
        mine, theirs = (
            w3.eth.get_block(w3.eth.get_transaction(hash_)["blockNumber"]) for w3 in (ours, tester)
        )
        assert list(mine["transactions"]) == list(theirs["transactions"]) == [hash_]
        for field in ("transactionsRoot", "receiptsRoot", "gasUsed"):
            assert mine[field] == theirs[field], field
        assert int.from_bytes(mine["logsBloom"]) == int.from_bytes(theirs["logsBloom"])


def test_blocks_by_number_hash_and_tag_are_the_same_block(both):
    ours, _tester, hashes, *_ = both
    head = ours.eth.get_block("latest")
    assert head["number"] == ours.eth.block_number
    assert ours.eth.get_block(head["hash"]) == head == ours.eth.get_block(head["number"])
    full = ours.eth.get_block(head["number"], full_transactions=True)
    assert full["transactions"][0]["hash"] == hashes[-1]
    assert full["size"] == head["size"] > 500
    assert ours.eth.get_block(head["number"] - 1)["hash"] == head["parentHash"]
    assert ours.eth.get_block("earliest")["number"] == 0
    for tag in ("safe", "finalized", "pending"):
        assert ours.eth.get_block(tag) == head


def test_logs_are_found_by_range_address_topics_and_block(both):
    ours, _tester, hashes, echoing, bouncing = both
    emitted = [log for hash_ in hashes for log in ours.eth.get_transaction_receipt(hash_)["logs"]]
    assert len(emitted) == 3
    find = ours.eth.get_logs
    assert find({"fromBlock": 0, "toBlock": "latest"}) == emitted
    assert find({"fromBlock": 0, "address": [echoing, bouncing]}) == emitted
    assert find({"fromBlock": 0, "address": bouncing}) == []
    assert find({"fromBlock": 0, "topics": ["0x" + "00" * 31 + "07"]}) == emitted
    assert find({"fromBlock": 0, "topics": [None, ["0x" + "00" * 31 + "07"]]}) == []
    assert find({"blockHash": emitted[1]["blockHash"]}) == [emitted[1]]
    number = emitted[1]["blockNumber"]
    assert find({"fromBlock": number, "toBlock": number}) == [emitted[1]]
    assert find({"fromBlock": number + 1, "toBlock": 10**6}) == emitted[2:]


def test_block_receipts_are_the_receipts(both):
    ours, _tester, hashes, *_ = both
    receipt = ours.eth.get_transaction_receipt(hashes[3])
    assert ours.eth.get_block_receipts(receipt["blockNumber"]) == [receipt]


def test_fees_and_identity(both):
    ours, *_ = both
    assert ours.eth.chain_id == TESTER_CHAIN_ID
    assert ours.net.version == str(TESTER_CHAIN_ID)
    assert ours.eth.gas_price > 0
    assert ours.eth.max_priority_fee == 1
    assert ours.eth.accounts == []
    assert not ours.eth.syncing
    history = ours.eth.fee_history(3, "latest", [50])
    assert len(history["baseFeePerGas"]) == 4
    assert len(history["gasUsedRatio"]) == len(history["reward"]) == 3


def test_unknown_things_are_null_not_errors(both):
    ours, *_ = both
    nothing = "0x" + "ab" * 32
    for method in ("eth_getTransactionByHash", "eth_getTransactionReceipt"):
        assert ours.provider.make_request(method, [nothing])["result"] is None
    assert ours.provider.make_request("eth_getBlockByNumber", [hex(10**6), False])["result"] is None
    assert ours.provider.make_request("eth_getBlockByHash", [nothing, True])["result"] is None


def test_a_revert_carries_the_contracts_own_words(both):
    ours, _tester, _hashes, _echoing, bouncing = both
    call = {"to": bouncing, "data": "0xdeadbeef"}
    for method in ("eth_call", "eth_estimateGas"):
        error = ours.provider.make_request(method, [call, "latest"])["error"]
        assert (error["code"], error["data"]) == (3, "0xdeadbeef")

"""Sending and asking: what is mined, what is refused and why, and that nothing runs twice."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from localchain.admission import calldata_floor
from localchain.calls import CallRequest
from localchain.errors import CallRevertedError, InvalidParamsError, RpcError, TransactionRefusedError
from localchain.genesis import BASE_FEE
from localchain.index import LogFilter
from localchain.rpc import Dispatcher


def mined(chain, raw):
    """Send one transaction that must be mined, and return its row."""
    (outcome,) = chain.submit([raw])
    if isinstance(outcome, RpcError):
        raise outcome
    return chain.index.transaction(outcome)


def balance(chain, address):
    with chain.locked():
        return chain.state_at(chain.head.block_number).get_balance(bytes.fromhex(address[2:]))


def test_a_sent_transaction_is_in_a_block_when_the_call_returns(chain, faucet, new_sender):
    someone = new_sender().account.address
    row = mined(chain, faucet.sign(to=someone, value=5))
    assert (row.block, row.position, row.status, row.gas_used) == (1, 0, 1, 21_000)
    assert row.sender.hex() == faucet.account.address[2:].lower()
    assert balance(chain, someone) == 5


def test_the_same_transaction_twice_is_one(chain, faucet, new_sender):
    someone = new_sender().account.address
    raw = faucet.sign(to=someone, value=5)
    first = chain.submit([raw, raw])
    height = chain.head.block_number
    assert first == [keccak(raw)] * 2 == chain.submit([raw]) * 2
    assert chain.head.block_number == height
    assert balance(chain, someone) == 5


def test_an_array_is_mined_in_one_block_and_a_refusal_spoils_only_itself(chain, faucet):
    raws = [faucet.sign() for _ in range(3)]
    skipping = faucet.sign(nonce=99)
    outcomes = chain.submit([raws[0], skipping, b"nonsense", raws[1], raws[2]])
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "bytes",
        "TransactionRefusedError",
        "InvalidParamsError",
        "bytes",
        "bytes",
    ]
    rows = chain.index.transactions(1)
    assert [row.raw for row in rows] == raws
    assert [row.cumulative_gas for row in rows] == [21_000, 42_000, 63_000]
    assert chain.head.block_number == 1


def test_more_than_half_a_block_of_gas_takes_several_blocks(chain, faucet):
    # 10 transactions of 16 M gas each; a block is filled to 75 M
    raws = [faucet.sign(gas=16_000_000) for _ in range(10)]
    assert all(isinstance(outcome, bytes) for outcome in chain.submit(raws))
    per_block = [len(chain.index.transactions(number)) for number in range(1, chain.head.block_number + 1)]
    assert sum(per_block) == 10
    assert len(per_block) > 1 or chain.head.gas_used <= chain.head.gas_limit // 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"nonce": 1}, r"nonce too high: next nonce 0, tx nonce 1.*\. Sign it again with the next nonce"),
        ({"chainId": 1}, "invalid chain id: signed for chain 1, this is chain 20777. Sign it for this chain"),
        ({"gas": 20_999}, "intrinsic gas too low: have 20999, want at least 21000.*with a higher gas limit"),
        ({"data": b"\x01" * 100, "gas": 24_999}, "intrinsic gas too low: have 24999, want at least 25000"),
        ({"gas": 150_000_001}, "exceeds the gas limit of a transaction.*with a lower gas limit"),
        ({"maxFeePerGas": 1}, "max fee per gas less than block base fee.*with a higher maxFeePerGas"),
        ({"value": 10**30}, "insufficient funds for gas.*Fund the account"),
    ],
)
def test_what_could_never_be_mined_is_refused_with_the_reason(chain, faucet, fields, message):
    with pytest.raises(TransactionRefusedError, match=message):
        mined(chain, faucet.sign(**({"nonce": 0} | fields)))
    assert chain.head.block_number == 0
    assert mined(chain, faucet.sign(nonce=0)).status == 1  # and the nonce is not blocked


def test_a_used_nonce_is_too_low(chain, faucet):
    mined(chain, faucet.sign())
    with pytest.raises(TransactionRefusedError, match="nonce too low: next nonce 1, tx nonce 0"):
        mined(chain, faucet.sign(nonce=0, value=1))


def test_a_legacy_transaction_must_name_its_chain(chain, faucet):
    assert mined(chain, faucet.sign(gasPrice=10**11)).status == 1
    with pytest.raises(TransactionRefusedError, match="signed for no chain"):
        mined(chain, faucet.sign(gasPrice=10**11, chainId=None))


@given(raw=st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"\x02" + tail))
@settings(max_examples=60, deadline=None)
def test_bytes_that_are_no_transaction_are_named_so(chain_for_bytes, raw):
    with pytest.raises((InvalidParamsError, TransactionRefusedError)):
        mined(chain_for_bytes, raw)
    assert chain_for_bytes.head.block_number == 0


@pytest.fixture(scope="module")
def chain_for_bytes(tmp_path_factory, opened, new_sender):
    chain = opened(tmp_path_factory.mktemp("chain") / "chain.sqlite3", new_sender())
    yield chain
    chain.close()


def test_a_bit_flipped_in_a_transaction_is_not_the_senders(chain, faucet):
    raw = faucet.sign(value=5)
    for position in range(0, len(raw), 3):
        forged = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        (outcome,) = chain.submit([forged])
        # Where it still decodes it is signed by somebody else, who has no funds.
        assert not isinstance(outcome, bytes), position
    assert chain.head.block_number == 0


def test_a_reverted_transaction_is_mined_with_status_zero(chain, faucet, bounce):
    contract = mined(chain, faucet.sign(to=None, data=bounce, gas=200_000)).contract
    row = mined(chain, faucet.sign(to="0x" + contract.hex(), data=b"no", gas=100_000))
    assert row.status == 0
    assert chain.index.logs_of(row.block) == []
    with pytest.raises(CallRevertedError) as caught:
        chain.call(CallRequest(to=contract, data=b"no"), row.block)
    assert caught.value.data == "0x" + b"no".hex()


def test_calls_leave_no_trace_and_see_the_block_they_ask_for(chain, faucet, new_sender):
    someone = new_sender().account.address
    mined(chain, faucet.sign(to=someone, value=5))
    mined(chain, faucet.sign(to=someone, value=5))
    root = chain.head.state_root
    empty = bytes.fromhex("22" * 20)
    assert chain.call(CallRequest(to=empty, data=b""), 2) == b""
    with chain.locked():
        address = bytes.fromhex(someone[2:])
        assert [chain.state_at(number).get_balance(address) for number in range(3)] == [0, 5, 10]
    assert chain.head.state_root == root


@given(data=st.binary(max_size=3000))
@settings(max_examples=20, deadline=None)
def test_estimated_gas_is_enough_and_not_much_more(echo_chain, data):
    chain, sender, contract = echo_chain
    request = CallRequest(to=contract, data=data, sender=bytes.fromhex(sender.account.address[2:]))
    estimate = chain.estimate_gas(request, chain.head.block_number)
    row = mined(chain, sender.sign(to="0x" + contract.hex(), data=data, gas=estimate))
    assert row.status == 1
    assert calldata_floor(data) <= row.gas_used <= estimate <= row.gas_used * 1.02


@pytest.fixture(scope="module")
def echo_chain(tmp_path_factory, opened, new_sender, echo):
    sender = new_sender()
    chain = opened(tmp_path_factory.mktemp("chain") / "chain.sqlite3", sender)
    contract = mined(chain, sender.sign(to=None, data=echo, gas=200_000)).contract
    yield chain, sender, contract
    chain.close()


def test_everything_is_still_there_when_the_file_is_opened_again(tmp_path, opened, faucet, echo):
    path = tmp_path / "chain.sqlite3"
    chain = opened(path, faucet)
    contract = mined(chain, faucet.sign(to=None, data=echo, gas=200_000)).contract
    raws = [faucet.sign(to="0x" + contract.hex(), data=bytes([n]) * n, gas=200_000) for n in range(1, 6)]
    hashes = chain.submit(raws)
    before = (chain.head, chain.genesis, [chain.index.transaction(hash_) for hash_ in hashes])
    logs = chain.index.logs(LogFilter(0, 10, (contract,)), size=10**6)
    chain.close()

    again = opened(path, faucet)
    assert (again.head, again.genesis, [again.index.transaction(hash_) for hash_ in hashes]) == before
    assert again.index.logs(LogFilter(0, 10, (contract,)), size=10**6) == logs
    assert [log.data for log in logs] == [bytes([n]) * n for n in range(1, 6)]
    assert again.submit(raws) == hashes
    assert mined(again, faucet.sign()).block == before[0].block_number + 1
    again.close()


def test_a_block_that_cannot_be_stored_never_was(tmp_path, opened, faucet, new_sender):
    path = tmp_path / "chain.sqlite3"
    chain = opened(path, faucet)
    someone = new_sender().account.address
    raw = faucet.sign(to=someone, value=5)
    with closing(sqlite3.connect(path)) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON transactions BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
        request = {"id": 1, "method": "eth_sendRawTransaction", "params": ["0x" + raw.hex()]}
        answer = json.loads(Dispatcher(chain).answer(json.dumps(request).encode()))
        assert answer["error"] == {"code": -32603, "message": "the block could not be stored: disk is full"}
        assert (chain.head.block_number, balance(chain, someone)) == (0, 0)
        other.execute("DROP TRIGGER full")
    assert mined(chain, raw).block == 1
    assert balance(chain, someone) == 5
    chain.close()


def test_many_blocks_in_a_second_do_not_run_ahead_of_the_clock(chain, faucet):
    import time

    for _ in range(20):
        mined(chain, faucet.sign())
    timestamps = [chain.header(number).timestamp for number in range(21)]
    assert timestamps == sorted(timestamps)
    assert timestamps[-1] <= time.time()


def test_a_clock_that_goes_back_does_not_take_the_blocks_with_it(chain, faucet, monkeypatch):
    mined(chain, faucet.sign())
    before = chain.head.timestamp
    for now in (before - 3600, before + 60):
        monkeypatch.setattr("localchain.chain.time.time", lambda now=now: now)
        mined(chain, faucet.sign())
    assert [chain.header(number).timestamp for number in (1, 2, 3)] == [before, before, before + 60]


def test_the_base_fee_never_moves(chain, faucet):
    fees = []
    for _ in range(5):
        chain.submit([faucet.sign(gas=5_000_000, data=b"\x01" * 20_000) for _ in range(8)])
        fees.append(chain.base_fee)
    assert fees == [BASE_FEE] * 5

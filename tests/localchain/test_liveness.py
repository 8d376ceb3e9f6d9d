"""Attacks of one member on the chain that it shares with the others, each written out."""

from __future__ import annotations

import json
import threading
import time

import pytest

from localchain.block import Block
from localchain.budget import Budget
from localchain.calls import CallRequest
from localchain.errors import (
    AllowanceUsedError,
    CallRevertedError,
    InvalidParamsError,
    RpcError,
    TooMuchDataError,
    TransactionRefusedError,
)
from localchain.genesis import BASE_FEE
from localchain.permission import DEPLOYER
from localchain.rpc import Dispatcher

#: Creation code of a contract that runs until its gas is gone: JUMPDEST, PUSH1 0, JUMP.
LOOP = bytes.fromhex("6004600c60003960046000f3" + "5b600056")


def one(chain, raw):
    """Send one transaction; return its row, or raise why it was refused."""
    (outcome,) = chain.submit([raw])
    if isinstance(outcome, RpcError):
        raise outcome
    return chain.index.transaction(outcome)


def funded(chain, faucet, sender, **fields):
    """Let the faucet fund an account as a member of a consortium."""
    one(chain, faucet.sign(to=sender.account.address, value=10**21, gas=60_000, **fields))
    return sender


@pytest.fixture
def member(chain, faucet, new_sender):
    return funded(chain, faucet, new_sender())


@pytest.fixture
def contract(chain, faucet, echo):
    return "0x" + one(chain, faucet.sign(to=None, data=echo, gas=200_000)).contract.hex()


def test_a_member_cannot_bring_a_loop_onto_the_chain(chain, member):
    with pytest.raises(TransactionRefusedError, match=r"may not create contracts.*Ask the operator"):
        one(chain, member.sign(nonce=0, to=None, data=LOOP, gas=16_000_000))
    # a loop in the creation code itself
    with pytest.raises(TransactionRefusedError, match="may not create contracts"):
        one(chain, member.sign(nonce=0, to=None, data=bytes.fromhex("5b600056"), gas=16_000_000))


@pytest.mark.parametrize("number", [1, 5, 8, 0x0F])
def test_a_member_cannot_call_what_is_no_contract_of_a_consortium(chain, member, number):
    with pytest.raises(TransactionRefusedError, match="not a contract of a consortium"):
        one(chain, member.sign(nonce=0, to="0x" + bytes([number]).rjust(20, b"\0").hex(), gas=16_000_000))


def test_a_member_cannot_make_more_accounts_that_send(chain, member, new_sender):
    accomplice = new_sender()
    with pytest.raises(TransactionRefusedError, match="Only the faucet sends ether"):
        one(chain, member.sign(nonce=0, to=accomplice.account.address, value=10**20))


def test_only_the_faucet_names_deployers(chain, faucet, member, contract, new_sender, echo):
    other = new_sender()
    with pytest.raises(TransactionRefusedError):
        one(chain, member.sign(nonce=0, to=other.account.address, data=DEPLOYER, gas=60_000))
    one(chain, member.sign(to=contract, data=DEPLOYER, gas=100_000))  # from a member it means nothing
    with pytest.raises(TransactionRefusedError, match="may not create contracts"):
        one(chain, member.sign(to=None, data=echo, gas=200_000))


def test_what_the_chain_knows_survives_a_restart(tmp_path, opened, faucet, new_sender, echo):
    path = tmp_path / "restarted.sqlite3"
    chain = opened(path, faucet)
    deployer = funded(chain, faucet, new_sender(), data=DEPLOYER)
    member = funded(chain, faucet, new_sender())
    contract = "0x" + one(chain, deployer.sign(to=None, data=echo, gas=200_000)).contract.hex()
    chain.close()
    again = opened(path, faucet)
    assert one(again, deployer.sign(to=None, data=echo, gas=200_000)).contract
    assert one(again, member.sign(to=contract, gas=100_000)).status == 1
    with pytest.raises(TransactionRefusedError, match="may not create contracts"):
        one(again, member.sign(to=None, data=echo, gas=200_000))
    again.close()


def test_one_transaction_has_a_largest_gas_limit(chain, member, contract):
    with pytest.raises(TransactionRefusedError, match=r"limit of a transaction.*EIP-7825"):
        one(chain, member.sign(nonce=0, to=contract, gas=40_000_000))


def test_failing_transactions_do_not_raise_the_fee_of_others(chain, faucet, member, bounce, new_sender):
    failing = "0x" + one(chain, faucet.sign(to=None, data=bounce, gas=200_000)).contract.hex()
    signed_before = funded(chain, faucet, new_sender()).sign(
        to=failing, gas=100_000, maxFeePerGas=BASE_FEE + 1, maxPriorityFeePerGas=1
    )
    spam = [member.sign(to=failing, data=b"\x01" * 390_000, gas=16_777_216) for _ in range(13)]
    assert all(isinstance(outcome, bytes) for outcome in chain.submit(spam))
    heights = range(chain.head.block_number + 1)
    assert {chain.header(number).base_fee_per_gas for number in heights} == {BASE_FEE}
    assert max(chain.header(number).gas_used for number in heights) > 60_000_000
    assert one(chain, signed_before).status == 0


def test_an_account_that_used_its_share_is_told_when_to_try_again(
    tmp_path, opened, faucet, new_sender, echo, bounce
):
    limits = Budget(account_gas=10_000_000, account_gas_per_second=100_000)
    chain = opened(tmp_path / "limited.sqlite3", faucet, limits)
    failing = "0x" + one(chain, faucet.sign(to=None, data=bounce, gas=200_000)).contract.hex()
    spammer, honest = (funded(chain, faucet, new_sender()) for _ in range(2))
    outcomes = chain.submit([spammer.sign(to=failing, gas=50_000) for _ in range(20)])
    refused = [outcome for outcome in outcomes if isinstance(outcome, RpcError)]
    assert 0 < len(outcomes) - len(refused) <= 6  # a failed one costs its account too
    assert isinstance(refused[0], AllowanceUsedError)
    assert one(chain, honest.sign(to=failing, gas=50_000)).status == 0
    raw = "0x" + spammer.sign(nonce=len(outcomes) - len(refused), to=failing, gas=50_000).hex()
    request = {"id": 1, "method": "eth_sendRawTransaction", "params": [raw]}
    error = json.loads(Dispatcher(chain).answer(json.dumps(request).encode()))["error"]
    assert error["code"] == -32005
    assert error["data"]["retryAfterSeconds"] >= 1
    assert "used up its share" in error["message"]
    chain.close()


def waiting(chain, count):
    while len(chain._waiting) < count:
        time.sleep(0.001)


def test_a_queue_of_one_member_does_not_delay_the_others(chain, member, faucet, new_sender, contract):
    honest = funded(chain, faucet, new_sender())
    for sender in (member, honest):
        one(chain, sender.sign(to=contract, gas=100_000))
    spam = [member.sign(to=contract, data=b"\x01" * 390_000, gas=16_777_216) for _ in range(8)]
    post = honest.sign(to=contract, gas=100_000)
    with chain.locked():  # nothing is mined until both wait
        threads = [threading.Thread(target=chain.submit, args=(spam,))]
        threads[0].start()
        waiting(chain, len(spam))
        threads.append(threading.Thread(target=chain.submit, args=([post],)))
        threads[1].start()
        waiting(chain, len(spam) + 1)
    for thread in threads:
        thread.join()
    order = [row.raw for n in range(chain.head.block_number + 1) for row in chain.index.transactions(n)]
    assert order.index(post) - order.index(spam[0]) <= 1
    assert order.index(spam[-1]) > order.index(post) + 5


def test_a_thousand_strangers_do_not_delay_a_member(chain, member, new_sender, contract):
    one(chain, member.sign(to=contract, gas=100_000))
    spam = [new_sender().sign(to=contract, gas=100_000) for _ in range(200)]
    post = member.sign(to=contract, gas=100_000)
    order = []

    def submit(raws):
        chain.submit(raws)
        order.append(len(raws))

    with chain.locked():
        threads = [threading.Thread(target=submit, args=([raw],)) for raw in spam]
        for thread in threads:
            thread.start()
        waiting(chain, len(spam))
        threads.append(threading.Thread(target=submit, args=([post],)))
        threads[-1].start()
        waiting(chain, len(spam) + 1)
        head = chain._waiting
        assert len(head._waiting) == 2  # all strangers share one place
    for thread in threads:
        thread.join()
    assert chain.index.contains(chain._decoded(post).hash)


def test_a_transaction_that_breaks_the_machine_harms_only_its_sender(
    chain, member, faucet, new_sender, contract, monkeypatch
):
    honest = funded(chain, faucet, new_sender())
    bad, good = member.sign(to=contract, gas=100_000), honest.sign(to=contract, gas=100_000)
    apply = Block.apply

    def faulty(block, raw, *args):
        if raw == bad:
            raise MemoryError
        apply(block, raw, *args)

    def fails():
        with pytest.raises(MemoryError):
            chain.submit([bad])
        failed.append(bad)

    monkeypatch.setattr(Block, "apply", faulty)
    outcomes, failed = [], []
    with chain.locked():
        threads = [threading.Thread(target=lambda: outcomes.append(chain.submit([good])))]
        threads[0].start()
        waiting(chain, 1)
        threads.append(threading.Thread(target=fails))
        threads[1].start()
        waiting(chain, 2)
    for thread in threads:
        thread.join()
    assert isinstance(outcomes[0][0], bytes)
    assert chain.index.transaction(outcomes[0][0]).status == 1
    assert failed == [bad]


def test_a_call_or_estimate_that_loops_ends(tmp_path, opened, faucet):
    chain = opened(tmp_path / "calls.sqlite3", faucet, Budget(call_seconds=0.02))
    loop = one(chain, faucet.sign(to=None, data=LOOP, gas=200_000)).contract
    for ask in (chain.call, chain.estimate_gas):
        with pytest.raises(RpcError, match=r"more than 0.02 s of processor time"):
            ask(CallRequest(to=loop, data=b"", gas=10**12), 1)
    chain.close()


def test_a_call_has_little_gas_beyond_its_calldata(tmp_path, opened, faucet):
    chain = opened(tmp_path / "calls.sqlite3", faucet, Budget(call_gas=50_000))
    loop = one(chain, faucet.sign(to=None, data=LOOP, gas=200_000)).contract
    with pytest.raises(RpcError, match="OutOfGas"):
        chain.call(CallRequest(to=loop, data=b"", gas=10**12), 1)
    chain.close()


def test_a_call_runs_no_code_that_is_not_on_the_chain(chain):
    with pytest.raises(RpcError, match="creation code is not executed"):
        chain.call(CallRequest(to=b"", data=bytes.fromhex("5b600056")), 0)
    with pytest.raises(RpcError, match="precompiled contract"):
        chain.call(CallRequest(to=b"\x05".rjust(20, b"\0"), data=b"\xff" * 96), 0)
    assert chain.estimate_gas(CallRequest(to=b"", data=bytes.fromhex("5b600056")), 0) == 2**24


def test_calls_that_wait_do_not_delay_a_transaction(chain, member, faucet, contract, bounce):
    target = one(chain, faucet.sign(to=None, data=bounce, gas=200_000)).contract
    one(chain, member.sign(to=contract, gas=100_000))
    order = []

    def ask():
        with pytest.raises(CallRevertedError):
            chain.call(CallRequest(to=target, data=b"x"), 1 + number)
        order.append("call")

    number = chain.head.block_number - 1
    post = member.sign(to=contract, gas=100_000)
    gate = chain._machine
    with chain.locked():
        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        while len(gate._queue) < 20:
            time.sleep(0.001)
        threads.append(threading.Thread(target=lambda: (chain.submit([post]), order.append("post"))))
        threads[-1].start()
        while len(gate._queue) < 21:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order.index("post") < 15


def ask_all(chain, requests):
    body = json.dumps([{"jsonrpc": "2.0", "id": n} | r for n, r in enumerate(requests)]).encode()
    return json.loads(Dispatcher(chain).answer(body))


def test_an_array_of_large_answers_is_cut_with_an_error_for_each_rest(tmp_path, opened, faucet, echo):
    chain = opened(tmp_path / "arrays.sqlite3", faucet, Budget(answer_bytes=100_000))
    contract = "0x" + one(chain, faucet.sign(to=None, data=echo, gas=200_000)).contract.hex()
    one(chain, faucet.sign(to=contract, data=b"\x01" * 10_000, gas=900_000))
    block = {"method": "eth_getBlockByNumber", "params": ["latest", True]}
    answers = ask_all(chain, [block] * 50)
    assert [answer["id"] for answer in answers] == list(range(50))
    kept = [answer for answer in answers if "result" in answer]
    assert 1 < len(kept) < 10
    assert {answer["error"]["code"] for answer in answers[len(kept) :]} == {-32005}
    chain.close()


def test_an_array_that_takes_long_is_cut_with_an_error_for_each_rest(tmp_path, opened, faucet):
    chain = opened(tmp_path / "arrays.sqlite3", faucet, Budget(array_seconds=0.0))
    answers = ask_all(chain, [{"method": "eth_chainId"}] * 3)
    assert ["result" in answer for answer in answers] == [True, False, False]
    chain.close()


def test_a_body_of_many_values_is_not_read(chain):
    answer = json.loads(Dispatcher(chain).answer(b"[" + b"[]," * 30_000 + b"[]]"))
    assert answer["error"]["code"] == -32600
    assert "values" in answer["error"]["message"]


def test_a_query_of_too_many_blocks_or_logs_asks_for_fewer(tmp_path, opened, faucet, echo):
    chain = opened(tmp_path / "logs.sqlite3", faucet, Budget(log_blocks=4, log_count=3, log_bytes=1_000))
    contract = "0x" + one(chain, faucet.sign(to=None, data=echo, gas=200_000)).contract.hex()
    for _ in range(3):
        chain.submit([faucet.sign(to=contract, data=b"\x01" * 300, gas=100_000) for _ in range(2)])
    logs = Dispatcher(chain)._methods["eth_getLogs"].function
    assert len(logs({"fromBlock": 1, "toBlock": 2})) == 2
    assert len(logs({"fromBlock": 4, "toBlock": 4})) == 2
    for first, last, message in [(0, 4, "blocks, more than 4"), (2, 4, "6 logs"), (2, 3, "bytes of data")]:
        with pytest.raises(TooMuchDataError, match=message):
            logs({"fromBlock": first, "toBlock": last})
    with pytest.raises(InvalidParamsError, match="at most 100"):
        logs({"topics": [["0x" + "11" * 32] * 101]})
    chain.close()


def test_a_fee_history_is_bounded(chain, faucet):
    history = Dispatcher(chain)._methods["eth_feeHistory"].function
    with pytest.raises(InvalidParamsError, match="at most 20 percentiles"):
        history("0x400", "latest", [1] * 21)
    assert len(history("0x400", "latest", [1])["reward"]) == 1

"""The outbox: every record in exactly one batch, order that tells nothing, and posting that always heals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ledger.batch import GENESIS_HASH, BatchHeader
from ledger.commitment import merkle
from ledger.encoding.rows import ROW, rows_from_bytes
from ledger.envelope import generate_keypair, key_id, open_envelope
from ledger.errors import ConfigurationError, TransactionRejectedError
from ledger.gateway import Gateway
from ledger.member.keys import MemberKeys
from ledger.member.outbox import Outbox, _shuffled_within
from ledger.member.replacement import key_change
from ledger.member.vault import Vault
from ledger.signing import new_key
from localchain.faucet import fund
from tests.support.consortium import EPOCH, ChainProcess, Poster, founded

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def banks(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Poster]:
    """One consortium with a bank for each test."""
    names = [f"BANK{n:04d}" for n in range(40)]
    made = founded(chain, tmp_path_factory.mktemp("outbox"), banks=names)
    return iter([Poster(made, name) for name in names])


@pytest.fixture
def bank(banks: Iterator[Poster]) -> Poster:
    return next(banks)


def sealed(vault: Vault) -> list[tuple[BatchHeader, np.ndarray, int | None]]:  # type: ignore[type-arg]
    cursor = vault.connection.execute("SELECT header, rows, block FROM batch ORDER BY sequence")
    return [(BatchHeader.from_bytes(h.encode()), rows_from_bytes(r), block) for h, r, block in cursor]


def test_every_record_stands_in_exactly_one_batch_and_batches_form_a_chain(bank: Poster) -> None:
    bank.fill(100, start=START)
    assert bank.seal(rows_per_batch=16).batches == 7
    with bank.vault() as vault:
        places = vault.connection.execute("SELECT batch, row_index FROM record").fetchall()
        batches = sealed(vault)
        assert len(set(places)) == 100
        assert Counter(batch for batch, _ in places) == dict.fromkeys(range(6), 16) | {6: 4}
        for header, rows, _ in batches:
            leaves = [merkle.leaf_hash(r.tobytes()) for r in rows]
            assert (header.row_count, header.rows_root) == (len(rows), merkle.root(leaves))
        roots = [bytes(r["record_root"]) for _, rows, _ in batches for r in rows]
        assert len(set(roots)) == 100
    assert [header.sequence for header, _, _ in batches] == list(range(7))
    assert batches[0][0].previous_hash == GENESIS_HASH
    assert all(later.previous_hash == earlier.hash for (earlier, _, _), (later, _, _) in pairwise(batches))


def test_what_is_posted_is_what_was_sealed_and_the_desk_can_open_it(bank: Poster) -> None:
    bank.fill(30, start=START)
    bank.seal(rows_per_batch=16)
    assert bank.post() == 2
    on_chain = bank.on_chain()
    (key,) = bank.consortium.desk_keys.readers.values()
    with bank.vault() as vault:
        for posted, (header, rows, block) in zip(on_chain, sealed(vault), strict=True):
            assert posted.header == header
            assert posted.batch_hash == header.hash
            assert posted.block == block
            assert open_envelope(posted.payload, header.pack(), key) == rows.tobytes()


def test_a_second_run_seals_and_posts_nothing(bank: Poster) -> None:
    bank.fill(10, start=START)
    assert (bank.seal().rows, bank.post()) == (10, 1)
    assert (bank.seal().rows, bank.post()) == (0, 0)
    assert len(bank.on_chain()) == 1


def test_rows_that_come_later_get_their_pseudonyms_and_the_next_sequence(bank: Poster) -> None:
    bank.fill(5, start=START)
    bank.seal()
    bank.post()
    bank.fill(40, start=START, first=1000)
    assert bank.seal().rows == 40
    assert bank.post() == 1
    assert bank.gateway.head_of(bank.keys.address)[0] == 2


def test_a_bucket_that_has_not_closed_stays(bank: Poster) -> None:
    bank.fill(121, start=START)
    hour = timedelta(hours=1)
    assert bank.seal(now=START + hour - timedelta(microseconds=1)).rows == 0
    assert bank.seal(now=START + hour).rows == 60
    assert bank.seal(now=START + 2 * hour + timedelta(minutes=59)).rows == 60
    assert bank.seal(now=START + 3 * hour).rows == 1


def test_order_within_a_bucket_tells_nothing_and_buckets_stay_in_order(bank: Poster) -> None:
    bank.fill(120, start=START)
    bank.seal(rows_per_batch=50)
    with bank.vault() as vault:
        order = [
            row[0] for row in vault.connection.execute("SELECT time_us FROM record ORDER BY batch, row_index")
        ]
        buckets = np.concatenate([rows["time_bucket"] for _, rows, _ in sealed(vault)])
    assert (np.diff(buckets.astype(np.int64)) >= 0).all()
    for half in (order[:60], order[60:]):
        assert sorted(half) != half
        # a rank correlation of 60 shuffled values beyond 0.6 has a probability below 1e-6
        assert abs(float(np.corrcoef(np.arange(60), np.argsort(np.argsort(half)))[0, 1])) < 0.6


def test_the_shuffle_is_fresh_each_time_and_uniform_over_places() -> None:
    ids = np.arange(4, dtype=np.int64)
    seen = Counter(tuple(_shuffled_within(ids, np.zeros(4, np.int64)).tolist()) for _ in range(4_800))
    assert len(seen) == 24
    # chi squared, 23 degrees of freedom: beyond 75 has a probability below 1e-6
    assert sum((n - 200) ** 2 / 200 for n in seen.values()) < 75


def test_an_answer_that_was_lost_is_healed_by_sending_again(bank: Poster) -> None:
    bank.fill(60, start=START)
    bank.seal(rows_per_batch=20)
    raws = bank.raws()
    bank.gateway.send(raws[:2])  # taken by the chain; we die before the answer
    assert bank.post() == 3
    assert len(bank.on_chain()) == 3
    with bank.vault() as vault:
        assert all(block is not None for _, _, block in sealed(vault))


def test_what_the_chain_has_and_we_did_not_note_is_noted(bank: Poster) -> None:
    bank.fill(60, start=START)
    bank.seal(rows_per_batch=20)
    bank.post()
    with bank.vault() as vault:
        vault.connection.execute("UPDATE batch SET block = NULL, block_time = NULL WHERE sequence > 0")
    assert bank.post() == 2
    assert len(bank.on_chain()) == 3


def test_a_pause_is_told_before_a_nonce_is_lost(bank: Poster) -> None:
    bank.fill(20, start=START)
    bank.seal()
    bank.operate("pause")
    before = bank.gateway.next_nonce(bank.keys.address)  # the bank may have voted
    with pytest.raises(TransactionRejectedError, match="the consortium is paused") as caught:
        bank.post()
    assert "same command again" in str(caught.value.next_step)
    assert bank.gateway.next_nonce(bank.keys.address) == before
    bank.operate("unpause")
    assert bank.post() == 1


@pytest.mark.parametrize("stop", ["pause", "suspend"])
def test_batches_mined_in_vain_are_posted_after_the_obstacle_is_gone(
    chain: ChainProcess, tmp_path: Path, stop: str
) -> None:
    """The two others decide, so that the bank's own vote takes no nonce of its batches."""
    names = [f"BANKDE0{n}" for n in range(3)]
    bank = Poster(founded(chain, tmp_path / "home", banks=names), names[-1])
    address = bank.keys.address
    bank.fill(60, start=START)
    bank.seal(rows_per_batch=20)
    raws = bank.raws()
    before = bank.gateway.next_nonce(address)
    bank.gateway.send(raws[:1])
    bank.operate(*(("pause",) if stop == "pause" else ("suspendMember", address)))
    bank.gateway.send(raws[1:])  # mined, refused: their nonces are gone
    assert bank.gateway.next_nonce(address) == before + 3
    with pytest.raises(TransactionRejectedError, match=r"paused|suspended"):
        bank.post()
    bank.operate(*(("unpause",) if stop == "pause" else ("reinstateMember", address)))
    bank.fill(10, start=START, first=500)
    bank.seal()
    assert bank.post() >= 3
    assert bank.gateway.head_of(address)[0] == 4
    assert sum(posted.header.row_count for posted in bank.on_chain()) == 70


def test_a_nonce_used_for_something_else_is_no_dead_end(bank: Poster) -> None:
    bank.fill(40, start=START)
    bank.seal(rows_per_batch=20)
    with pytest.raises(TransactionRejectedError, match="only the members together"):
        bank.gateway.transact(bank.keys.account, "Consortium", "pause")
    free = bank.gateway.next_nonce(bank.keys.address)
    stray = bank.gateway.sign(bank.keys.account, "Consortium", "pause", nonce=free)
    bank.gateway.send([stray.raw])
    assert bank.post() == 2
    assert bank.gateway.head_of(bank.keys.address)[0] == 2


def test_a_batch_taken_under_another_transaction_is_recognised(bank: Poster) -> None:
    bank.fill(40, start=START)
    bank.seal(rows_per_batch=20)
    raws = bank.raws()
    key, free = bank.keys.account, bank.gateway.next_nonce(bank.keys.address)
    bank.gateway.send([bank.gateway.sign(key, "Consortium", "pause", nonce=free).raw])
    bank.gateway.send([bank.gateway.sign_again(key, raws[0], nonce=free + 1).raw])
    assert bank.post() == 2
    assert len(bank.on_chain()) == 2
    assert sum(posted.header.row_count for posted in bank.on_chain()) == 40


def test_two_copies_of_a_vault_cannot_both_post(bank: Poster, tmp_path: Path) -> None:
    bank.fill(20, start=START)
    other = bank.consortium.copy(tmp_path / "copy")
    bank.seal()
    other.seal(bank.agent)
    bank.post()
    with pytest.raises(TransactionRejectedError, match="expects"):
        other.post(bank.agent)
    assert len(bank.on_chain()) == 1


def test_two_processes_that_seal_from_one_vault_do_not_seal_a_row_twice(bank: Poster) -> None:
    bank.fill(60, start=START)
    with bank.vault() as first, bank.vault() as second:
        one = Outbox(first, bank.keys, bank.gateway)
        two = Outbox(second, bank.keys, bank.gateway)
        one.pseudonymise(bank.consortium.pseudonymiser(bank.agent), EPOCH)

        def meanwhile(*_: object) -> None:
            with pytest.raises(ConfigurationError, match="another process seals"):
                two_ids()

        def two_ids() -> None:
            ids = [i for (i,) in second.connection.execute("SELECT id FROM record ORDER BY id LIMIT 60")]
            two._seal_batch(ids, np.zeros(60, ROW), EPOCH, bank.consortium.policy, readers(bank.gateway))

        one.seal(closed_before=datetime.now(UTC), rows_per_batch=20, progress=meanwhile)
        places = first.connection.execute("SELECT batch, row_index FROM record").fetchall()
    assert len(set(places)) == 60
    assert bank.post() == 3


def readers(gateway: Gateway) -> list[tuple[bytes, bytes]]:
    return [(reader.key_id, reader.hpke_key) for reader in gateway.readers()]


@pytest.mark.parametrize(
    ("function", "message"), [("suspendMember", "is suspended"), ("revokeMember", "was revoked")]
)
def test_a_member_that_may_not_post_is_told_why(bank: Poster, function: str, message: str) -> None:
    bank.operate(function, bank.keys.address)
    with bank.vault() as vault, pytest.raises(TransactionRejectedError, match=message) as caught:
        Outbox(vault, bank.keys, bank.gateway)
    assert caught.value.next_step


def test_another_banks_keys_seal_nothing_in_a_vault(banks: Iterator[Poster], bank: Poster) -> None:
    bank.fill(5, start=START)
    bank.seal()
    bank.fill(5, start=START, first=5)
    other = next(banks)
    with bank.vault() as vault, pytest.raises(ConfigurationError, match="another account"):
        Outbox(vault, other.keys, other.gateway)
    assert bank.post() == 1


def test_what_is_sealed_is_signed_by_the_account_that_posts_it(bank: Poster) -> None:
    bank.fill(30, start=START)
    bank.seal(rows_per_batch=16)
    bank.post()
    genesis = bank.gateway.deployment.genesis
    with bank.vault() as vault:
        for posted in bank.on_chain():
            kept = vault.batches.posted(posted.header.sequence)
            kept.header.check_author(kept.signature, genesis)
            assert (kept.signature, kept.block) == (posted.signature, posted.block)
            assert kept.block_time == bank.gateway.block_time(posted.block)


# a bank that replaces its account


def replaced(bank: Poster, **keys: bytes) -> MemberKeys:
    """Replace a bank's account on the chain; its consortium uses the new keys from now on."""
    made = replace(bank.keys, account=new_key(), **keys)
    fund(bank.consortium.url, bank.consortium.home.chain, [made.address], 1_000)
    bank.consortium.change_keys(bank.agent, made)
    return made


def test_a_bank_goes_on_with_the_next_sequence_under_its_new_account(bank: Poster) -> None:
    old = bank.keys
    bank.fill(20, start=START)
    bank.seal(rows_per_batch=10)
    bank.post()
    before = bank.on_chain()
    new = replaced(bank)
    bank.fill(10, start=START, first=100)
    assert (bank.seal().rows, bank.post()) == (10, 1)
    (after,) = bank.on_chain()
    assert after.header.member == bytes.fromhex(new.address[2:])
    assert (after.header.sequence, after.header.previous_hash) == (2, before[-1].batch_hash)
    after.header.check_author(after.signature, bank.gateway.deployment.genesis)
    accounts = [entry for entry in bank.gateway.accounts() if entry.agent == bank.agent]
    assert [entry.account for entry in accounts] == [bytes.fromhex(k.address[2:]) for k in (old, new)]
    assert accounts[1].previous == accounts[0].account
    member = bank.gateway.member(new.address)
    assert (member.agent, member.code, member.status) == (bank.agent, accounts[0].code, "active")


def test_the_old_account_is_told_that_it_was_replaced(bank: Poster) -> None:
    old = bank.keys
    bank.fill(5, start=START)
    bank.seal()
    replaced(bank)
    with bank.vault() as vault, pytest.raises(TransactionRejectedError, match="another account now") as told:
        Outbox(vault, old, bank.gateway)
    assert "new account" in str(told.value.next_step)
    bank.gateway.send(bank.raws())  # its signed transaction is still there: the chain refuses it
    assert bank.gateway.head_of(old.address)[0] == 0


def test_what_the_old_account_sealed_and_did_not_post_is_sealed_anew(bank: Poster) -> None:
    """One batch is on the chain without our knowing, two are not: nothing is lost and nothing is twice."""
    bank.fill(60, start=START)
    bank.seal(rows_per_batch=20)
    bank.gateway.send(bank.raws()[:1])
    first = bank.on_chain()
    new = replaced(bank)
    with bank.vault() as vault:
        Outbox(vault, new, bank.gateway)
        assert vault.count_waiting() == 40
        assert [(header.sequence, block) for header, _, block in sealed(vault)] == [(0, first[0].block)]
    assert (bank.seal(rows_per_batch=20).rows, bank.post()) == (40, 2)
    every = [*first, *bank.on_chain()]
    assert [posted.header.sequence for posted in every] == [0, 1, 2]
    assert sum(posted.header.row_count for posted in every) == 60
    with bank.vault() as vault:
        places = vault.connection.execute("SELECT batch, row_index FROM record").fetchall()
        roots = [bytes(r["record_root"]) for _, rows, _ in sealed(vault) for r in rows]
    assert len(set(places)) == len(set(roots)) == 60


def test_a_bank_that_has_posted_nothing_replaces_its_account_too(bank: Poster) -> None:
    bank.fill(10, start=START)
    bank.seal()
    replaced(bank)
    assert (bank.seal().rows, bank.post()) == (10, 1)
    assert bank.gateway.head_of(bank.keys.address)[0] == 1


def test_keys_of_two_banks_are_no_change(banks: Iterator[Poster], bank: Poster) -> None:
    with pytest.raises(ConfigurationError, match=f"not of {bank.agent}"):
        key_change(bank.gateway, bank.keys, next(banks).keys)


def test_a_change_cannot_be_made_twice(bank: Poster) -> None:
    """Each signature has its nonce; so a bank may return to keys that it had before, with a new signature."""
    old = bank.keys
    rotated = replace(old, witness=bytes([7]) * 32)
    signed = key_change(bank.gateway, old, rotated)
    bank.consortium.change_keys(bank.agent, rotated)
    assert bank.gateway.member(old.address).witness_key == rotated.witness_public
    with pytest.raises(TransactionRejectedError, match="did not sign its admission or its change of keys"):
        bank.gateway.rehearse_calls([signed])
    bank.consortium.change_keys(bank.agent, old)
    assert bank.gateway.member(old.address).witness_key == old.witness_public
    with pytest.raises(TransactionRejectedError, match="did not sign its admission or its change of keys"):
        bank.gateway.rehearse_calls([signed])


def test_a_batch_is_sealed_to_nobody_only_with_an_error(bank: Poster) -> None:
    bank.fill(5, start=START)
    (reader,) = bank.gateway.readers()
    bank.operate("removeReader", reader.key_id)
    try:
        with pytest.raises(ConfigurationError, match="no reader"):
            bank.seal()
    finally:
        _, public = generate_keypair()
        bank.operate("addReader", key_id(public), public, reader.epoch + 1, "desk")

"""A holder in key ceremonies: killed anywhere it goes on, a cheat is named, and old shares are gone."""

from __future__ import annotations

import signal
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations, count
from pathlib import Path

import pytest

from ledger.encoding import oprf, sharing
from ledger.encoding.ceremony import CeremonyError, contribution_size
from ledger.errors import ConfigurationError, CounterfoilError, KeyHolderError, TransactionRejectedError
from ledger.gateway import Gateway
from ledger.holder.keys import HolderKeys
from ledger.holder.shares import UnknownShareError, held_shares, load_share
from ledger.transcripts import audit_ceremony
from tests.support.consortium import ChainProcess, SmallConsortium, founded
from tests.support.holders import Party, dealing, parties, run, start_ceremony
from tests.system.drivers import KILLS, start, take_part_once

#: Steps of a ceremony at which a holder is killed; each fifth one.
STRIDE = 5

#: Tests that share a consortium.
TESTS_EACH = 5


@pytest.fixture(scope="module")
def founded_so_far() -> list[SmallConsortium]:
    """For each test its consortium; a holder reads the whole history, so a few tests share one."""
    return []


@pytest.fixture
def consortium(
    chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory, founded_so_far: list[SmallConsortium]
) -> SmallConsortium:
    """A consortium without a history that is worth mentioning."""
    fresh = len(founded_so_far) % TESTS_EACH == 0
    place = tmp_path_factory.mktemp("ceremonies")
    founded_so_far.append(founded(chain, place, banks=["ALFADEFF"]) if fresh else founded_so_far[-1])
    return founded_so_far[-1]


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Epochs that no test has used."""
    return count(10)


@pytest.fixture
def epoch(numbers: Iterator[int]) -> int:
    return next(numbers)


@pytest.fixture
def three(consortium: SmallConsortium, tmp_path: Path) -> list[Party]:
    return parties(consortium, tmp_path / "holders", 3)


def key_of(gateway: Gateway, epoch: int) -> bytes:
    return max((k for k in gateway.epoch_keys() if k.number == epoch), key=lambda k: k.generation).public_key


def secret_of(holders: list[Party], epoch: int, indices: tuple[int, ...]) -> bytes:
    """Return the key that the shares of some holders give."""
    shares = [holders[index - 1].share(epoch) for index in indices]
    assert [share.index for share in shares] == list(indices)
    return sharing.combined_scalars(sharing.weights(indices), [share.secret for share in shares])


def test_any_two_of_three_holders_have_the_key_and_none_alone(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    record = run(start_ceremony(consortium, epoch, three, 2), three)
    assert record.status == "completed"
    key = audit_ceremony(consortium.gateway, record.number)
    assert {secret_of(three, epoch, pair) for pair in combinations((1, 2, 3), 2)} == {
        secret := secret_of(three, epoch, (1, 2))
    }
    assert oprf.public_key(secret) == key.public_key == key_of(consortium.gateway, epoch)
    for index, party in enumerate(three, start=1):
        share = party.share(epoch)
        assert share.secret != secret
        assert (share.ceremony, share.public) == (record.number, key.holders[index - 1])
        assert not party.step(), "nothing is left to do"
        for path in party.folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_key_is_shared_anew_and_old_shares_are_erased(
    consortium: SmallConsortium, three: list[Party], epoch: int, tmp_path: Path
) -> None:
    run(start_ceremony(consortium, epoch, three, 2), three)
    before, secret = key_of(consortium.gateway, epoch), secret_of(three, epoch, (1, 3))
    old = [party.share(epoch).secret for party in three]
    (new,) = parties(consortium, tmp_path / "new", 1)
    group = [new, three[2], three[0]]
    number = start_ceremony(consortium, epoch, group, 2, dealers=[1, 3])
    record = run(number, [*three, new])  # holder 2 is not among them any more, and looks all the same
    assert (record.status, record.generation) == ("completed", 1)
    run(number, [*three, new])
    assert (
        audit_ceremony(consortium.gateway, number).public_key == before == key_of(consortium.gateway, epoch)
    )
    assert {secret_of(group, epoch, pair) for pair in combinations((1, 2, 3), 2)} == {secret}
    assert not {party.share(epoch).secret for party in group} & {*old}
    assert [held_shares(party.folder) for party in group] == [[(epoch, 1)]] * 3
    assert held_shares(three[1].folder) == []
    mixed = [old[0], group[1].share(epoch).secret]
    assert sharing.combined_scalars(sharing.weights((1, 2)), mixed) != secret


def test_shares_of_one_generation_alone_give_the_threshold_of_the_next(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    """A key that one holder had is shared among three of whom two must answer."""
    run(start_ceremony(consortium, epoch, three[:1], 1), three[:1])
    secret = three[0].share(epoch).secret
    assert oprf.public_key(secret) == key_of(consortium.gateway, epoch)
    run(number := start_ceremony(consortium, epoch, three, 2), three)
    run(number, three)
    assert secret_of(three, epoch, (2, 3)) == secret
    assert held_shares(three[0].folder) == [(epoch, 1)]


def test_a_lost_holder_is_replaced_by_the_others(
    consortium: SmallConsortium, three: list[Party], epoch: int, tmp_path: Path
) -> None:
    run(start_ceremony(consortium, epoch, three, 2), three)
    before = key_of(consortium.gateway, epoch)
    alive = [three[0], three[2]]  # holder 2 has lost its folder
    (new,) = parties(consortium, tmp_path / "new", 1)
    record = run(start_ceremony(consortium, epoch, [*alive, new], 2, dealers=[1, 3]), [*alive, new])
    assert record.status == "completed"
    assert key_of(consortium.gateway, epoch) == before
    assert new.share(epoch).index == 3


def test_without_a_threshold_of_dealers_the_key_is_gone_and_the_chain_says_so(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    run(start_ceremony(consortium, epoch, three, 2), three)
    for dealers in ([3], [1, 1], [2, 1], [1, 4]):
        with pytest.raises(TransactionRejectedError, match="InvalidCeremony"):
            start_ceremony(consortium, epoch, three, 2, dealers=dealers)


def test_a_holder_that_never_deals_is_named_and_the_next_ceremony_does_without(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    number = start_ceremony(consortium, epoch, three, 2)
    three[2].step()  # it commits, and is not seen again
    record = run(number, three[:2])
    assert (record.status, [*record.contributions], record.confirmed) == ("running", [1, 2], ())
    with pytest.raises(CeremonyError, match="3 of the key ceremony sent nothing in the round deal"):
        audit_ceremony(consortium.gateway, number)
    again = run(start_ceremony(consortium, epoch, three[:2], 2), three[:2])
    assert again.status == "completed"
    assert consortium.gateway.ceremony(number).status == "replaced"
    assert not three[2].step()


@pytest.mark.parametrize("what", ["wrong share", "no contribution"])
def test_a_dealer_that_deals_wrongly_is_named_and_the_next_ceremony_does_without(
    consortium: SmallConsortium, three: list[Party], epoch: int, what: str
) -> None:
    number = start_ceremony(consortium, epoch, three, 2)

    def change(ceremony: object, dealer: int, data: bytes) -> bytes:
        assert dealer == 2
        if what == "no contribution":
            return bytes(len(data))
        return data[:-1] + bytes([data[-1] ^ 1])  # the last bytes are the share of holder 3

    cheat = dealing(three[1], change)
    for step in (three[0].step, cheat, three[2].step) * 2:
        step()
    assert cheat() in (True, False)
    record = run(number, [three[0], three[2]])
    assert record.status == "failed"
    assert record.complaint is not None
    assert record.complaint[1] == 2
    with pytest.raises(CeremonyError) as caught:
        audit_ceremony(consortium.gateway, number)
    assert caught.value.party.index == 2
    honest = [three[0], three[2]]
    assert run(start_ceremony(consortium, epoch, honest, 2), honest).status == "completed"
    assert not any(party.step() for party in three)
    for party in honest:
        assert party.share(epoch).ceremony == number + 1


def test_a_holder_that_complains_without_cause_is_named_itself(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    number = start_ceremony(consortium, epoch, three, 2)
    for _ in range(2):
        for party in three:
            party.step()
    three[2].send("complain", number, 1, bytes(131))
    assert run(number, three).status == "failed"
    with pytest.raises(CeremonyError) as caught:
        audit_ceremony(consortium.gateway, number)
    assert (caught.value.party.index, caught.value.party.role.name) == (3, "RECEIVER")


def test_a_holder_that_confirms_another_key_is_named_not_those_it_has_locked_out(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    """The contract refuses what differs from the first confirmation: the others cannot confirm any more."""
    number = start_ceremony(consortium, epoch, three, 2)
    for _ in range(2):
        for party in three:
            party.step()
    other = oprf.public_key(oprf.generate_key())
    three[2].send("confirm", number, other, [other] * 3)
    with pytest.raises(TransactionRejectedError, match="OtherResult"):
        three[0].step()
    with pytest.raises(CeremonyError, match="confirmed another result") as caught:
        audit_ceremony(consortium.gateway, number)
    assert caught.value.party.index == 3
    record = run(start_ceremony(consortium, epoch, three[:2], 2), three[:2])
    assert record.status == "completed"


def test_the_share_of_a_ceremony_that_failed_is_erased(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    """It would be a share of the key all the same, if a ceremony that shares it anew fails late."""
    run(start_ceremony(consortium, epoch, three, 2), three)
    number = start_ceremony(consortium, epoch, three, 2, dealers=[1, 2])
    for _ in range(2):
        for party in three[:2]:
            party.step()
    three[0].step()  # it has its new share, and confirms
    assert held_shares(three[0].folder) == [(epoch, 0), (epoch, 1)]
    three[2].step()
    three[2].send("complain", number, 1, b"")
    assert not three[0].step()
    assert held_shares(three[0].folder) == [(epoch, 0)]
    with pytest.raises(UnknownShareError):
        load_share(three[0].folder, epoch, 1)
    run(start_ceremony(consortium, epoch, three, 2, dealers=[1, 2]), three)
    run(number + 1, three)
    assert held_shares(three[0].folder) == [(epoch, 1)]


def test_a_holder_that_cannot_deal_in_one_ceremony_takes_part_in_the_others(
    consortium: SmallConsortium, three: list[Party], numbers: Iterator[int]
) -> None:
    lost, fine = next(numbers), next(numbers)
    run(start_ceremony(consortium, lost, three, 2), three)
    (three[0].folder / f"share-{lost}-0.json").unlink()
    first = start_ceremony(consortium, lost, three, 2, dealers=[1, 2])
    for party in three:
        with suppress(KeyHolderError):
            party.step()
    second = start_ceremony(consortium, fine, three, 2)
    for _ in range(3):
        assert three[0].step()  # in the second one
        for party in three[1:]:
            party.step()
    with pytest.raises(KeyHolderError, match="no share of epoch"):
        three[0].step()
    gateway = consortium.gateway
    assert (gateway.ceremony(first).status, gateway.ceremony(second).status) == ("running", "completed")
    assert key_of(gateway, fine)


def test_an_encryption_key_serves_one_ceremony_and_is_erased_after_it(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    """Who steals a holder's keys later reads no share of a ceremony that has ended."""
    before = [party.keys for party in three]
    number = start_ceremony(consortium, epoch, three, 2)
    with pytest.raises(TransactionRejectedError, match="InvalidHolder"):
        start_ceremony(consortium, epoch, three, 2)  # the holders have not looked, and have no new keys yet
    for party in three:
        party.step()
    aside = [party.folder / f"keys-{number}.json" for party in three]
    assert [HolderKeys.load(path) for path in aside] == before
    record = run(number, three)
    run(number, three)
    assert record.encryption_keys == tuple(keys.encryption_public for keys in before)
    assert not any(path.exists() for path in aside)
    for party, old in zip(three, before, strict=True):
        assert party.keys.account == old.account
        for path in party.folder.iterdir():
            assert old.encryption.hex() not in path.read_text("latin-1")


def test_strangers_have_no_part(consortium: SmallConsortium, three: list[Party], epoch: int) -> None:
    number = start_ceremony(consortium, epoch, three[:2], 2)
    assert not three[2].step()
    for function, arguments in (
        ("commit", (bytes([1]) * 32,)),
        ("complain", (1, b"")),
        ("confirm", (bytes([1]) * 32, [bytes([1]) * 32] * 2)),
    ):
        with pytest.raises(TransactionRejectedError, match="NoPart"):
            three[2].send(function, number, *arguments)


def test_what_was_sent_twice_or_is_not_what_was_committed_to_is_refused(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    number = start_ceremony(consortium, epoch, three[:2], 2)
    three[0].step()
    with pytest.raises(TransactionRejectedError, match="Repeated"):
        three[0].send("commit", number, bytes([1]) * 32)
    with pytest.raises(TransactionRejectedError, match="TooEarly"):
        three[0].send("deal", number, bytes(10))
    three[1].step()
    with pytest.raises(TransactionRejectedError, match="OtherContribution"):
        three[0].send("deal", number, bytes(10))
    assert run(number, three[:2]).status == "completed"


def test_a_largest_group_fits_in_its_messages(consortium: SmallConsortium) -> None:
    """32 holders of whom 32 must answer: the contract takes their contributions."""
    from ledger.encoding.ceremony import Ceremony, encryption_key_pair

    holders = tuple(encryption_key_pair()[1] for _ in range(32))
    ceremony = Ceremony(1, bytes(20), 1, 0, 1, 32, holders, None, ())
    assert contribution_size(ceremony) < 8192


# its keys


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "holder" / "keys.json"
    keys = HolderKeys.generate()
    keys.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert HolderKeys.load(path) == keys
    assert keys.account.hex() not in repr(keys)
    with pytest.raises(ConfigurationError, match="never overwritten"):
        HolderKeys.generate().save(path)
    assert HolderKeys.load(path) == keys
    with pytest.raises(ConfigurationError, match="no key holder in this folder"):
        HolderKeys.load(tmp_path / "nowhere.json")


def test_every_flipped_byte_of_a_share_is_caught(
    consortium: SmallConsortium, three: list[Party], epoch: int
) -> None:
    run(start_ceremony(consortium, epoch, three[:1], 1), three[:1])
    path = three[0].folder / f"share-{epoch}-0.json"
    good = path.read_bytes()
    share = three[0].share(epoch)
    unchecked = set()  # by the file itself: an index or a ceremony that is wrong is noticed by others
    for text in (f'"ceremony":"{share.ceremony}"', f'"index":"{share.index}"'):
        end = good.index(text.encode()) + len(text) - 1
        unchecked |= {*range(end - len(str(share.ceremony)), end)}
    for position in sorted({*range(len(good))} - unchecked):
        path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(CounterfoilError):
            load_share(three[0].folder, epoch, 0)
    path.write_bytes(good)
    assert three[0].share(epoch) == share


# killed; at the end of this file, because it adds many ceremonies to the history


def test_a_holder_killed_at_each_of_its_steps_goes_on_with_the_same_contribution(
    consortium: SmallConsortium, numbers: Iterator[int], tmp_path: Path
) -> None:
    """A second contribution would differ from what was committed to, and end the ceremony."""
    killed, other = parties(consortium, tmp_path / "holders", 2)
    home = consortium.home.root
    deaths = 0
    while True:
        epoch = next(numbers)
        number = start_ceremony(consortium, epoch, [killed, other], 2)
        process = start(take_part_once, home, killed.folder, other.folder, number, die_at=deaths)
        process.join(120)
        before = contribution(killed, number)
        record = run(number, [killed, other])
        assert record.status == "completed"
        after = contribution(killed, number)
        assert after == record.contributions[1]
        assert before in (None, after)
        assert killed.share(epoch).public == audit_ceremony(consortium.gateway, number).holders[0]
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        KILLS["key holder, at a step of a ceremony"] += 1
        deaths += STRIDE
    assert deaths >= 12


def contribution(party: Party, number: int) -> bytes | None:
    path = party.folder / f"contribution-{number}.bin"
    return path.read_bytes() if path.exists() else None

"""A key holder: keys that are never lost or replaced, and a count that no crash or race can cheat."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger.encoding.keyholder import MAX_ELEMENTS, LocalKeyHolder, UnknownEpochError, create_epoch, epochs

from ledger.encoding import oprf
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.encoding.ristretto import ElementError
from ledger.errors import ConfigurationError, InputError, QuotaExceededError, VerificationError
from tests.support.pseudonyms import values

NOON = 1_750_000_000.0  # 2025-06-15 15:06:40 UTC


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "holder"
    create_epoch(folder, 1)
    return folder


def blinded(count: int) -> list[bytes]:
    return [oprf.blind(b"%d" % number).element for number in range(count)]


def test_an_epoch_survives_a_restart(home: Path) -> None:
    public = LocalKeyHolder(home, quota=10).public_key(1)
    first = values(Pseudonymiser(single_holder(LocalKeyHolder(home, quota=10), 1, public)), ["acct:A:1"])
    again = values(Pseudonymiser(single_holder(LocalKeyHolder(home, quota=10), 1, public)), ["acct:A:1"])
    assert first == again


def test_epochs_have_their_own_keys_and_unlike_pseudonyms(home: Path) -> None:
    create_epoch(home, 12)
    create_epoch(home, 2)
    assert epochs(home) == [1, 2, 12]
    holder = LocalKeyHolder(home, quota=10)
    results = {
        values(Pseudonymiser(single_holder(holder, epoch, holder.public_key(epoch))), ["acct:A:1"])[0]
        for epoch in epochs(home)
    }
    assert len(results) == 3


def test_a_key_is_never_overwritten_and_private(home: Path) -> None:
    file = home / "epoch-1.json"
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        create_epoch(home, 1)
    assert file.read_bytes() == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [path.name for path in home.iterdir()] == ["epoch-1.json"]


def test_every_flipped_byte_of_a_key_file_is_caught(home: Path) -> None:
    file = home / "epoch-1.json"
    good = file.read_bytes()
    for position in range(len(good)):
        file.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(VerificationError):
            LocalKeyHolder(home, quota=1).public_key(1)


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b'{"format":"other"}'])
def test_what_is_not_a_key_file_is_refused(home: Path, text: bytes) -> None:
    (home / "epoch-1.json").write_bytes(text)
    with pytest.raises(VerificationError):
        LocalKeyHolder(home, quota=1).public_key(1)


def test_an_unknown_epoch_names_the_known_ones(home: Path) -> None:
    with pytest.raises(UnknownEpochError, match=r"keys for epochs: 1\."):
        LocalKeyHolder(home, quota=1).evaluate(2, blinded(1))


def test_a_missing_folder_and_a_senseless_quota_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no key holder"):
        LocalKeyHolder(tmp_path / "nowhere", quota=1)
    with pytest.raises(ConfigurationError, match="quota of 0"):
        LocalKeyHolder(tmp_path, quota=0)
    with pytest.raises(ConfigurationError, match="not the number"):
        create_epoch(tmp_path, -1)


def test_the_quota_counts_elements_per_member_epoch_and_day(home: Path) -> None:
    create_epoch(home, 2)
    now = [NOON]
    holder = LocalKeyHolder(home, quota=5, clock=lambda: now[0])
    holder.evaluate(1, blinded(3), member="a")
    with pytest.raises(QuotaExceededError) as caught:
        holder.evaluate(1, blinded(3), member="a")
    message = str(caught.value)
    assert "3 evaluations requested; 3 of 5 used" in message
    assert "2025-06-16 00:00 UTC" in message
    assert holder.used("a", 1) == 3  # a refused batch costs nothing
    holder.evaluate(1, blinded(2), member="a")
    with pytest.raises(QuotaExceededError):
        holder.evaluate(1, blinded(1), member="a")
    holder.evaluate(1, blinded(5), member="b")
    holder.evaluate(2, blinded(5), member="a")
    now[0] += 86_400
    assert holder.used("a", 1) == 0
    holder.evaluate(1, blinded(5), member="a")


def test_the_count_outlives_the_process(home: Path) -> None:
    LocalKeyHolder(home, quota=2, clock=lambda: NOON).evaluate(1, blinded(2), member="a")
    with pytest.raises(QuotaExceededError):
        LocalKeyHolder(home, quota=2, clock=lambda: NOON).evaluate(1, blinded(1), member="a")


def test_an_evaluation_is_counted_before_it_is_answered(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that dies while it computes has already written the price down."""
    holder = LocalKeyHolder(home, quota=5, clock=lambda: NOON)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ledger.encoding.keyholder.evaluate_in_batches", die)
    with pytest.raises(KeyboardInterrupt):
        holder.evaluate(1, blinded(4), member="a")
    assert LocalKeyHolder(home, quota=5, clock=lambda: NOON).used("a", 1) == 4


def test_what_is_refused_is_not_counted(home: Path) -> None:
    holder = LocalKeyHolder(home, quota=5, clock=lambda: NOON)
    with pytest.raises(ElementError, match="identity"):
        holder.evaluate(1, [*blinded(1), bytes(32)], member="a")
    for count in (0, MAX_ELEMENTS + 1):
        with pytest.raises(InputError, match="1 to 1024"):
            holder.evaluate(1, blinded(1) * count, member="a")
    assert holder.used("a", 1) == 0


def test_racing_requests_cannot_exceed_the_quota(home: Path) -> None:
    """Eight holders on one folder, as so many workers would be, each asked for three of ten."""
    elements, granted, refused = blinded(3), [], []

    def ask(holder: LocalKeyHolder) -> Callable[[], None]:
        def run() -> None:
            try:
                granted.append(holder.evaluate(1, elements, member="a"))
            except QuotaExceededError:
                refused.append(1)

        return run

    threads = [
        threading.Thread(target=ask(LocalKeyHolder(home, quota=10, clock=lambda: NOON))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(granted), len(refused)) == (3, 5)
    assert LocalKeyHolder(home, quota=10, clock=lambda: NOON).used("a", 1) == 9

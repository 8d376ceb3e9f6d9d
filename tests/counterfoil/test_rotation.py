"""Replacing a member's keys: on the chain and in the folder, whatever moment it is interrupted at."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import counterfoil
from counterfoil import rotation
from counterfoil.keys import KeyFile
from counterfoil.rotation import rotate
from ledger.errors import ChainError, ConfigurationError, InputError
from ledger.keystore.passphrase import PASSPHRASE, PassphraseError
from ledger.keystore.token import TokenAccount, TokenCheckpointKey
from ledger.member.keys import MemberKeys
from tests.support.consortium import ChainProcess, Poster, founded
from tests.support.softhsm import Token, needs_softhsm

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def banks(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Poster]:
    """One consortium with a bank for each test."""
    made = founded(chain, tmp_path_factory.mktemp("rotation"), banks=[f"BANK{n:04d}" for n in range(13)])
    return iter([Poster(made, name) for name in made.banks])


@pytest.fixture
def bank(banks: Iterator[Poster]) -> Poster:
    return next(banks)


def folder(bank: Poster) -> Path:
    return bank.consortium.home.member(bank.agent).root


def run(bank: Poster, **options: object) -> rotation.Rotation:
    return rotate(bank.agent, bank.consortium.home, chain=bank.consortium.url, **options)  # type: ignore[arg-type]


def reload(bank: Poster) -> MemberKeys:
    bank.consortium.keys[bank.agent] = MemberKeys.load(folder(bank) / "keys.json")
    return bank.keys


def registered(bank: Poster, keys: MemberKeys) -> bool:
    member = bank.gateway.member(keys.address)
    return (member.status, member.x25519_key, member.hpke_key, member.witness_key) == (
        "active",
        keys.x25519_public,
        keys.hpke_public,
        keys.witness_public,
    )


def names(bank: Poster) -> set[str]:
    return {path.name for path in folder(bank).glob("keys*")}


def test_all_keys_are_replaced_and_the_bank_goes_on_posting(bank: Poster) -> None:
    old = bank.keys
    bank.fill(10, start=START)
    bank.seal()
    bank.post()
    done = run(bank)
    new = reload(bank)
    assert (done.complete, done.account, done.next_steps) == (
        True,
        new.address,
        ("Start the member's witness again: it cosigns with the new key from then on.",),
    )
    secrets = {getattr(keys, name) for keys in (old, new) for name in rotation.ROTATED}
    assert len(secrets) == 8
    assert registered(bank, new)
    assert bank.gateway.member(old.address).status == "replaced"
    assert names(bank) == {"keys.json", "keys-1.json"}
    assert MemberKeys.load(folder(bank) / "keys-1.json") == old
    bank.fill(5, start=START, first=100)
    bank.seal()
    assert bank.post() == 1
    bank.consortium.sync()
    trust = bank.consortium.trust
    assert new.address.lower() in {"0x" + member.account.hex() for member in trust.members}
    with bank.vault() as vault:
        record = vault.record_at(1, 0)
    assert record is not None
    receipts = counterfoil.Member(bank.agent, bank.consortium.home, chain=bank.consortium.url)
    assert counterfoil.verify(receipts.receipt("1:0").to_bytes(), trust)


def test_chosen_keys_are_replaced_alone(bank: Poster) -> None:
    old = bank.keys
    run(bank, names=["witness"])
    new = reload(bank)
    assert (new.account, new.x25519, new.hpke) == (old.account, old.x25519, old.hpke)
    assert new.witness != old.witness
    assert registered(bank, new)


def test_every_rotation_keeps_the_keys_before_it(bank: Poster) -> None:
    kept = [bank.keys]
    for _ in range(3):
        run(bank)
        kept.append(reload(bank))
    assert names(bank) == {"keys.json", "keys-1.json", "keys-2.json", "keys-3.json"}
    files = ("keys-1.json", "keys-2.json", "keys-3.json", "keys.json")
    assert [MemberKeys.load(folder(bank) / name) for name in files] == kept


@pytest.mark.parametrize("step", ["_fund", "_change_on_chain", "_publish", "_swap", "_sync"])
def test_a_rotation_that_was_interrupted_is_completed_by_the_same_call(
    bank: Poster, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each step, and inside the last one: the new keys that were made first stay."""
    old = bank.keys

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rotation, step, killed)
        with pytest.raises(KeyboardInterrupt):
            run(bank)
    assert MemberKeys.load(folder(bank) / "keys.json") == old
    new = MemberKeys.load(folder(bank) / "keys-next.json")
    done = run(bank)
    assert (done.complete, done.kept) == (True, str(folder(bank) / "keys-1.json"))
    assert reload(bank) == new
    assert registered(bank, new)
    assert names(bank) == {"keys.json", "keys-1.json"}
    assert MemberKeys.load(folder(bank) / "keys-1.json") == old


def test_a_change_that_was_sent_and_not_answered_is_found_on_the_chain(
    bank: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = rotation._change_on_chain

    def unanswered(*given: object) -> None:
        change(*given)  # type: ignore[arg-type]
        raise ChainError("the node does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "_change_on_chain", unanswered)
        with pytest.raises(ChainError):
            run(bank)
    assert names(bank) == {"keys.json", "keys-next.json"}
    assert run(bank).complete
    assert registered(bank, reload(bank))


def test_a_chain_that_has_not_decided_leaves_the_old_keys_in_use(
    bank: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = bank.keys
    with monkeypatch.context() as patched:
        patched.setattr(rotation, "_change_on_chain", lambda *_: None)
        done = run(bank)
    assert (done.complete, done.kept) == (False, None)
    assert reload(bank) == old
    assert run(bank).complete


def test_encrypted_keys_stay_encrypted(bank: Poster, passphrase: str) -> None:
    KeyFile.of_member(bank.consortium.home, bank.agent).encrypt()
    run(bank)
    file = KeyFile.of_member(bank.consortium.home, bank.agent)
    assert file.encrypted
    before = names(bank)
    PASSPHRASE.use("wrong")
    with pytest.raises(PassphraseError):
        run(bank)
    assert names(bank) == before


def test_two_processes_do_not_rotate_at_once(bank: Poster) -> None:
    lock = folder(bank) / "rotation.lock"
    lock.touch()
    holder = subprocess.Popen(
        ["flock", str(lock), "sh", "-c", "echo held; read _"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigurationError, match="another process replaces"):
            run(bank)
    finally:
        holder.communicate("\n", timeout=30)
    assert names(bank) == {"keys.json"}


@needs_softhsm
def test_the_new_keys_are_made_on_a_token(bank: Poster, token: Token) -> None:
    tokens = {"account": token.uri(f"{bank.agent}-account"), "witness": token.uri(f"{bank.agent}-witness")}
    old = bank.keys
    run(bank, names=list(tokens), tokens=tokens)
    new = reload(bank)
    assert isinstance(new.account, TokenAccount)
    assert isinstance(new.witness, TokenCheckpointKey)
    assert (new.x25519, new.hpke) == (old.x25519, old.hpke)
    assert registered(bank, new)
    bank.fill(5, start=START)
    bank.seal()
    assert bank.post() == 1


def test_what_cannot_be_rotated_is_refused_before_anything_is_written(banks: object, tmp_path: Path) -> None:
    for options in (
        {"names": []},
        {"names": ["ledger"]},
        {"tokens": {"hpke": "pkcs11:token=a;object=b"}},
    ):
        with pytest.raises(InputError, match="cannot be replaced in this way"):
            rotate("ALFADEFF", tmp_path, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="holds no keys of the member"):
        rotate("ALFADEFF", tmp_path)
    assert list(tmp_path.iterdir()) == []

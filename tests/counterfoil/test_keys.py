"""Key files of a state folder: shown, encrypted, given another passphrase; the old file stays to the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from counterfoil.governance import Governance

from counterfoil import Member
from counterfoil.keys import KeyFile, key_files
from ledger import canonical, storage
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.keystore.passphrase import NEW_PASSPHRASE, PASSPHRASE, PassphraseError
from ledger.keystore.token import TokenError
from ledger.member.keys import MemberKeys
from ledger.reader.keys import DeskKeys
from tests.support.softhsm import Token, needs_softhsm

BANK = "ALFADEFF"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    MemberKeys.generate(BANK).save(made.member(BANK).keys)
    DeskKeys.generate(24_313).save(made.desk.keys)
    Governance.generate().save(made)
    return made


def files(home: Home) -> list[KeyFile]:
    return [KeyFile.of_member(home, BANK), KeyFile.of_desk(home), KeyFile.of_governance(home)]


def loads(home: Home) -> list[object]:
    return [
        MemberKeys.load(home.member(BANK).keys),
        DeskKeys.load(home.desk.keys),
        Governance.load(home),
    ]


def test_all_key_files_of_a_folder_are_found(home: Home, tmp_path: Path) -> None:
    assert [file.party for file in key_files(home)] == ["operator and officers", "desk", f"member {BANK}"]
    assert list(key_files(Home(tmp_path / "empty"))) == []


def test_the_public_parts_are_those_of_the_keys(home: Home) -> None:
    keys = MemberKeys.load(home.member(BANK).keys)
    shown = {key.name: key for key in KeyFile.of_member(home, BANK).show()}
    assert shown["account"].public == keys.address
    assert shown["witness"].public == keys.witness_public.hex()
    assert shown["hpke"].public == keys.hpke_public.hex()
    assert shown["x25519"].public == keys.x25519_public.hex()
    assert {key.storage for key in shown.values()} == {"plain"}


def test_encrypting_keeps_every_key(home: Home, passphrase: str) -> None:
    before = loads(home)
    for file in files(home):
        assert not file.encrypted
        file.encrypt()
        assert file.encrypted
        assert {key.storage for key in file.show()} == {"encrypted"}
    assert loads(home) == before
    with pytest.raises(ConfigurationError, match="encrypted already"):
        files(home)[0].encrypt()


def test_a_file_of_the_version_before_is_encrypted_too(home: Home, passphrase: str) -> None:
    path = home.member(BANK).keys
    keys = MemberKeys.load(path)
    old = {name: getattr(keys, name).hex() for name in ("account", "x25519", "hpke", "witness")}
    path.write_bytes(canonical.dumps({"format": "counterfoil/member-keys/2", "agent": BANK, **old}))
    KeyFile.of_member(home, BANK).encrypt()
    assert MemberKeys.load(path) == keys
    assert b"counterfoil/member-keys/3" in path.read_bytes()


def test_another_passphrase_opens_what_the_old_one_no_longer_opens(home: Home, passphrase: str) -> None:
    before = loads(home)
    for file in files(home):
        file.encrypt()
    for file in files(home):
        PASSPHRASE.use(passphrase)
        NEW_PASSPHRASE.use("another one")
        file.change_passphrase()
    assert loads(home) == before
    for file, load in zip(files(home), (lambda: MemberKeys.load(home.member(BANK).keys),), strict=False):
        PASSPHRASE.use(passphrase)
        with pytest.raises(PassphraseError, match="the passphrase is wrong"):
            load()
        assert file.encrypted


def test_a_passphrase_of_a_plain_file_cannot_be_changed(home: Home, passphrase: str) -> None:
    with pytest.raises(ConfigurationError, match="not encrypted"):
        KeyFile.of_desk(home).change_passphrase()


@pytest.mark.parametrize(
    "act", [KeyFile.change_passphrase, lambda file: file.to_token("account", "pkcs11:token=a;object=b")]
)
def test_a_wrong_passphrase_changes_nothing(
    home: Home, passphrase: str, act: Callable[[KeyFile], object]
) -> None:
    file = KeyFile.of_member(home, BANK)
    file.encrypt()
    before = file.path.read_bytes()
    PASSPHRASE.use("wrong")
    NEW_PASSPHRASE.use("another one")
    with pytest.raises(PassphraseError, match="the passphrase is wrong"):
        act(file)
    assert file.path.read_bytes() == before


def test_a_crash_while_the_file_is_written_leaves_the_old_one(
    home: Home, passphrase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = KeyFile.of_member(home, BANK)
    before, keys = file.path.read_bytes(), MemberKeys.load(file.path)

    def crash(_descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(storage.os, "fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            file.encrypt()
    assert file.path.read_bytes() == before
    assert [path.name for path in file.path.parent.iterdir()] == ["keys.json"]
    file.encrypt()
    assert MemberKeys.load(file.path) == keys


def test_a_member_is_created_with_an_encrypted_file(tmp_path: Path, passphrase: str) -> None:
    made = Member.create(BANK, tmp_path, encrypt=True)
    assert KeyFile.of_member(made.home, BANK).encrypted
    assert made.keys().agent == BANK
    again = Member.create(BANK, tmp_path)
    assert again.keys() == made.keys()


@pytest.mark.parametrize("name", ["x25519", "hpke", "nothing"])
def test_a_key_that_cannot_be_on_a_token_is_named_with_those_that_can(home: Home, name: str) -> None:
    with pytest.raises(InputError, match=r"no key .* that can be moved") as caught:
        KeyFile.of_member(home, BANK).to_token(name, "pkcs11:token=a;object=b")
    assert "account, witness" in str(caught.value.next_step)


@needs_softhsm
def test_a_move_that_was_interrupted_is_completed(home: Home, token: Token, passphrase: str) -> None:
    """The key is on the token, and the file has it too: the same call again imports nothing, and finishes."""
    file, uri = KeyFile.of_member(home, BANK), token.uri()
    file.encrypt()
    before, address = file.path.read_bytes(), MemberKeys.load(file.path).address
    for _ in range(2):
        file.path.write_bytes(before)
        moved = file.to_token("account", uri)
        assert (moved.public, moved.storage) == (address, "token")
        assert file.encrypted
    assert MemberKeys.load(file.path).address == address
    with pytest.raises(InputError, match="no key 'account'"):
        file.to_token("account", token.uri())


@needs_softhsm
def test_a_key_is_not_moved_to_the_place_of_another(home: Home, token: Token) -> None:
    uri = token.uri()
    KeyFile.of_desk(home).to_token("account", uri)
    file = KeyFile.of_member(home, BANK)
    before = file.path.read_bytes()
    with pytest.raises(TokenError, match="another key of this name"):
        file.to_token("account", uri)
    assert file.path.read_bytes() == before

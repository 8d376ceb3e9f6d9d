"""Key files: what opens them, what does not, and what can be read without a passphrase."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.accounts import PartyAccount, read_account
from ledger import canonical
from ledger.errors import ConfigurationError
from ledger.holder.keys import HolderKeys, read_holder_keys
from ledger.keystore import keyfile, sealing
from ledger.keystore.keyfile import KeyFileDocument
from ledger.keystore.passphrase import PASSPHRASE, PassphraseError
from ledger.member.keys import MemberKeys, read_member_keys
from ledger.reader.keys import DeskKeys, read_desk_keys
from ledger.signing import SoftwareAccount, new_key
from tests.support.golden import TOKEN_KEYS


@dataclass
class Party:
    """The key file of a party: how it is made, saved, read with and without its secrets."""

    make: Callable[[], Any]
    save: Callable[[Any, Path, str | None], None]
    load: Callable[[Path], Any]
    read: Callable[[Path], KeyFileDocument]


PARTIES = {
    "member": Party(
        lambda: MemberKeys.generate("ALFADEFF"),
        lambda keys, path, phrase: keys.save(path, passphrase=phrase),
        MemberKeys.load,
        read_member_keys,
    ),
    "desk": Party(
        lambda: DeskKeys.generate(24_313),
        lambda keys, path, phrase: keys.save(path, passphrase=phrase),
        DeskKeys.load,
        read_desk_keys,
    ),
    "officer": Party(
        lambda: PartyAccount(new_key(), b"\7" * 32),
        lambda keys, path, phrase: keys.save(path, passphrase=phrase),
        lambda path: PartyAccount.load(path, who="an officer"),
        read_account,
    ),
    "key holder": Party(
        HolderKeys.generate,
        lambda keys, path, phrase: keys.save(path, passphrase=phrase),
        HolderKeys.load,
        read_holder_keys,
    ),
}


@pytest.fixture(params=PARTIES)
def party(request: pytest.FixtureRequest) -> Party:
    return PARTIES[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys-of-a-party.json"


def test_an_encrypted_file_opens_with_its_passphrase_alone(party: Party, path: Path, passphrase: str) -> None:
    keys = party.make()
    party.save(keys, path, passphrase)
    assert party.load(path) == keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    for wrong in ("Correct horse battery staple", passphrase + " ", "x"):
        PASSPHRASE.use(wrong)
        with pytest.raises(PassphraseError, match="the passphrase is wrong, or the key file") as caught:
            party.load(path)
        assert caught.value.exit_code == 2
        assert wrong not in str(caught.value)
    assert path.read_bytes() == before


def test_no_secret_stands_in_an_encrypted_file(
    party: Party, tmp_path: Path, path: Path, passphrase: str
) -> None:
    keys = party.make()
    plain = tmp_path / "plain" / "keys-of-a-party.json"
    party.save(keys, plain, None)
    party.save(keys, path, passphrase)
    secrets = json.loads(plain.read_text())["secrets"]["keys"]
    assert secrets.keys() == party.read(path).keys.keys()
    for secret in secrets.values():
        assert secret in plain.read_text()
        assert secret not in path.read_text()


def test_the_public_parts_are_read_without_a_passphrase(
    party: Party, tmp_path: Path, passphrase: str
) -> None:
    keys = party.make()
    plain, encrypted = tmp_path / "1" / "keys-of-a-party.json", tmp_path / "2" / "keys-of-a-party.json"
    party.save(keys, plain, None)
    party.save(keys, encrypted, passphrase)
    PASSPHRASE.forget()
    assert party.read(plain).keys == party.read(encrypted).keys
    assert (party.read(plain).encrypted, party.read(encrypted).encrypted) == (False, True)
    with pytest.raises(PassphraseError, match="no terminal"):
        party.load(encrypted)


def test_other_ethereum_software_opens_the_account(path: Path, passphrase: str) -> None:
    keys = MemberKeys.generate("ALFADEFF")
    keys.save(path, passphrase=passphrase)
    keystore = json.loads(path.read_text())["secrets"]["keystores"]["account"]
    assert bytes(Account.decrypt(json.dumps(keystore), passphrase)) == keys.account
    assert "0x" + keystore["address"] == keys.address.lower()
    assert (keystore["version"], keystore["crypto"]["kdf"]) == (3, "scrypt")


def test_the_same_keys_are_never_encrypted_twice_in_the_same_way(tmp_path: Path, passphrase: str) -> None:
    keys = MemberKeys.generate("ALFADEFF")
    for name in "ab":
        keys.save(tmp_path / name, passphrase=passphrase)
    first, second = (json.loads((tmp_path / name).read_text())["secrets"] for name in "ab")
    assert first["scrypt"]["nonce"] != second["scrypt"]["nonce"]
    assert first["scrypt"]["salt"] != second["scrypt"]["salt"]
    assert first["ciphertext"] != second["ciphertext"]
    assert first["keystores"]["account"]["crypto"]["mac"] != second["keystores"]["account"]["crypto"]["mac"]


def places(value: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return every place of a document that holds a text or a number."""
    if not isinstance(value, dict):
        return [at]
    return [place for name, item in value.items() for place in places(item, (*at, name))]


def changed(value: Any, at: tuple[str, ...], new: Callable[[Any], Any]) -> Any:
    return {**value, at[0]: changed(value[at[0]], at[1:], new)} if at else new(value)


def another(value: Any) -> Any:
    """Return another value that the format allows in the same place, as far as it can be guessed."""
    if isinstance(value, int):
        return value * 2
    if isinstance(value, str) and set(value) <= set("0123456789abcdef-") and value:
        return ("1" if value[0] == "0" else "0") + value[1:]
    return "pkcs11:token=a;object=b;type=private" if value is None else value + "x"


def test_no_byte_of_an_encrypted_file_can_be_changed(party: Party, path: Path, passphrase: str) -> None:
    """Public parts, keystores and the names of tokens are bound to the ciphertext: nobody exchanges one."""
    party.save(party.make(), path, passphrase)
    value = json.loads(path.read_text())
    found = places(value)
    assert len(found) > 25
    for place in found:
        path.write_bytes(canonical.dumps(changed(value, place, another)))
        with pytest.raises(ConfigurationError):
            party.load(path)


def test_two_encrypted_files_cannot_be_mixed(tmp_path: Path, passphrase: str) -> None:
    for name in "ab":
        MemberKeys.generate("ALFADEFF").save(tmp_path / name, passphrase=passphrase)
    first, second = (json.loads((tmp_path / name).read_text()) for name in "ab")
    for part in ("scrypt", "ciphertext", "keystores"):
        mixed = changed(first, ("secrets", part), lambda _, part=part: second["secrets"][part])
        (tmp_path / "c").write_bytes(canonical.dumps(mixed))
        with pytest.raises(PassphraseError):
            MemberKeys.load(tmp_path / "c")


def test_a_plain_file_whose_public_parts_are_not_those_of_its_secrets_is_refused(
    party: Party, path: Path
) -> None:
    party.save(party.make(), path, None)
    value = json.loads(path.read_text())
    for name in value["keys"]:
        for place in (("keys", name, "public"), ("secrets", "keys", name)):
            path.write_bytes(canonical.dumps(changed(value, place, another)))
            with pytest.raises(ConfigurationError, match="public part is that of another key"):
                party.load(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda value: value["keys"].pop("hpke"), "at the key hpke: it is missing"),
        (lambda value: value["secrets"]["keys"].pop("hpke"), "at the key hpke: the file lacks it"),
        (lambda value: value["keys"].update(other=value["keys"]["hpke"]), "the format has no such key"),
        (lambda value: value["keys"]["hpke"].update(type="ed25519"), "the format has no such key"),
        (lambda value: value["secrets"]["keys"].update(other="01" * 32), "does not name it"),
        (lambda value: value["keys"]["hpke"].update(public="01" * 20), "not of its kind"),
        (lambda value: value["secrets"]["keys"].update(account="00" * 32), "account: it is no key"),
        (lambda value: value["keys"]["hpke"].update(token="pkcs11:token=a;object=b"), "cannot be on a token"),
        (lambda value: value["keys"]["account"].update(token="pkcs11:token=a;object=b"), "also in the file"),
        (lambda value: value["keys"]["account"].update(token="pkcs11:nothing"), "NAME=VALUE"),
    ],
)  # fmt: skip
def test_a_file_that_contradicts_itself_is_refused(
    path: Path, change: Callable[[dict[str, Any]], Any], told: str
) -> None:
    MemberKeys.generate("ALFADEFF").save(path)
    value = json.loads(path.read_text())
    change(value)
    path.write_bytes(canonical.dumps(value))
    with pytest.raises(ConfigurationError, match=told):
        MemberKeys.load(path)


def test_a_file_that_wants_too_much_memory_is_refused_before_it_gets_it(path: Path, passphrase: str) -> None:
    MemberKeys.generate("ALFADEFF").save(path, passphrase=passphrase)
    value = json.loads(path.read_text())
    for place, told in (
        (("secrets", "scrypt"), {"n": 2**20, "r": 64}),
        (("secrets", "scrypt"), {"n": 2**20, "r": 8, "p": 2}),
        (("secrets", "scrypt"), {"n": 17}),
        (("secrets", "scrypt"), {"n": 2**16, "r": 1}),
    ):
        path.write_bytes(canonical.dumps(changed(value, place, lambda old, told=told: old | told)))
        with pytest.raises(ConfigurationError, match="parameters of scrypt"):
            MemberKeys.load(path)
    huge = sealing.to_keystore(b"\1" * 32, passphrase)
    huge.crypto.kdfparams.n, huge.crypto.kdfparams.r = 2**20, 64
    with pytest.raises(ConfigurationError, match="parameters of scrypt"):
        sealing.from_keystore(huge, passphrase, where="here")


def test_an_encrypted_file_is_not_replaced_by_a_plain_one(party: Party, path: Path, passphrase: str) -> None:
    keys = party.make()
    party.save(keys, path, passphrase)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"never overwritten|would be replaced by one that is not"):
        party.save(keys, path, None)
    assert path.read_bytes() == before


def test_scrypt_runs_once_for_a_file_however_often_it_is_read(path: Path, passphrase: str) -> None:
    MemberKeys.generate("ALFADEFF").save(path, passphrase=passphrase)
    keyfile._opened.cache_clear()
    for _ in range(3):
        MemberKeys.load(path)
    assert keyfile._opened.cache_info().misses == 1


def test_keys_on_a_token_are_named_in_the_file_and_cost_no_pin_to_read(path: Path, passphrase: str) -> None:
    TOKEN_KEYS.save(path, passphrase=passphrase)
    read = MemberKeys.load(path)
    assert (read.address, read.witness_public) == (TOKEN_KEYS.address, TOKEN_KEYS.witness_public)
    assert not isinstance(read.account, bytes)
    assert json.loads(path.read_text())["secrets"]["keystores"] == {}
    named = read_member_keys(path).keys
    assert named["account"].token == "pkcs11:token=counterfoil;object=account;type=private"


def test_a_signer_that_no_file_can_name_is_not_stored(path: Path) -> None:
    keys = MemberKeys.generate("ALFADEFF")
    assert isinstance(keys.account, bytes)
    unnamed = MemberKeys("ALFADEFF", SoftwareAccount(keys.account), keys.x25519, keys.hpke, keys.witness)
    with pytest.raises(TypeError, match="SoftwareAccount"):
        unnamed.save(path)
    assert not path.exists()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
    st.lists(st.integers(0, 10**6), unique=True, max_size=5),
)
def test_any_passphrase_and_any_reader_keys_come_back(
    tmp_path: Path, passphrase: str, phrase: str, epochs: list[int]
) -> None:
    made = DeskKeys.generate(1)
    keys = DeskKeys(made.account, made.ledger, made.verdicts, dict.fromkeys(epochs, made.readers[1]))
    keys.save(tmp_path / "keys.json", passphrase=phrase)
    PASSPHRASE.use(phrase)
    assert DeskKeys.load(tmp_path / "keys.json") == keys

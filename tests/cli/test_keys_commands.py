"""`counterfoil keys` as the people of a bank, the desk and the operator run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from counterfoil import processes
from counterfoil.keys import KeyFile
from counterfoil.witness import MemberWitness
from ledger.home import Home
from ledger.keystore.passphrase import NEW_PASSPHRASE, PASSPHRASE
from ledger.member.keys import MemberKeys
from ledger.signing import address_of
from tests.cli.conftest import ROOT, Outcome, arguments, call, environment
from tests.support.consortium import ChainProcess, founded
from tests.support.softhsm import Token, needs_softhsm
from tests.support.terminal import answered

BANK = "ALFADEFF"
NAMES = ["account", "hpke", "witness", "x25519"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    keys = MemberKeys.generate(BANK)
    keys.save(Home(tmp_path / "home").member(BANK).keys)
    return tmp_path / "home"


def pipe(text: str) -> int:
    reader, writer = os.pipe()
    os.write(writer, text.encode() + b"\n")
    os.close(writer)
    return reader


def given(home: Path, phrase: str, *words: object) -> Outcome:
    """Run a command that reads its passphrase from a file descriptor."""
    try:
        return call(home, "--passphrase-fd", pipe(phrase), *words)
    finally:
        PASSPHRASE.forget()
        NEW_PASSPHRASE.forget()


def test_keys_are_shown_encrypted_and_given_another_passphrase(home: Path, passphrase: str) -> None:
    keys = MemberKeys.load(Home(home).member(BANK).keys)
    (shown,) = call(home, "--json", "keys", "show").expect().json
    assert (shown["party"], [key["name"] for key in shown["keys"]]) == (f"member {BANK}", NAMES)
    assert {key["storage"] for key in shown["keys"]} == {"plain"}
    assert shown["keys"][0]["public"] == keys.address

    done = given(home, "one two", "keys", "encrypt", "-m", BANK).expect()
    assert "Without the passphrase they are lost" in done.err
    (now,) = call(home, "--json", "keys", "show", "-m", BANK).expect().json
    assert {key["storage"] for key in now["keys"]} == {"encrypted"}
    assert [key["public"] for key in now["keys"]] == [key["public"] for key in shown["keys"]]

    wrong = given(home, "two one", "keys", "passphrase", "-m", BANK, "--new-passphrase-fd", pipe("three"))
    assert "the passphrase is wrong" in wrong.expect(2).err
    assert "two one" not in wrong.err
    given(home, "one two", "keys", "passphrase", "-m", BANK, "--new-passphrase-fd", pipe("three")).expect()
    PASSPHRASE.use("three")
    assert MemberKeys.load(Home(home).member(BANK).keys) == keys


def test_a_table_for_a_person_has_every_key_of_the_folder(home: Path) -> None:
    shown = call(home, "keys", "show").expect().out
    assert f"Keys of the member {BANK}" in shown
    for name in NAMES:
        assert name in shown


def test_status_warns_of_keys_that_are_not_encrypted(home: Path, passphrase: str) -> None:
    told = call(home, "member", "status", "-m", BANK).expect()
    assert f"the keys of {BANK} are not encrypted" in told.err
    assert "keys encrypt" in told.err
    KeyFile.of_member(Home(home), BANK).encrypt()
    PASSPHRASE.forget()  # what is counted is no secret
    assert "not encrypted" not in call(home, "member", "status", "-m", BANK).expect().err


def test_a_passphrase_is_taken_from_no_argument_and_no_value_of_a_variable(
    home: Path, passphrase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyFile.of_member(Home(home), BANK).encrypt()
    PASSPHRASE.forget()
    assert "No such option" in call(home, "--passphrase", "x", "keys", "show").expect(2).err
    monkeypatch.setenv("COUNTERFOIL_PASSPHRASE_FD", passphrase)
    told = call(home, "keys", "passphrase", "-m", BANK).expect(2).err
    assert "does not name a file descriptor" in told
    assert passphrase not in told


def test_a_descriptor_of_the_environment_and_a_credential_of_systemd(
    home: Path, passphrase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyFile.of_member(Home(home), BANK).encrypt()
    PASSPHRASE.forget()
    monkeypatch.setenv("COUNTERFOIL_PASSPHRASE_FD", str(pipe(passphrase)))
    monkeypatch.setenv("COUNTERFOIL_NEW_PASSPHRASE_FD", str(pipe("two")))
    call(home, "keys", "passphrase", "-m", BANK).expect()
    PASSPHRASE.forget()
    NEW_PASSPHRASE.forget()
    monkeypatch.delenv("COUNTERFOIL_PASSPHRASE_FD")
    monkeypatch.delenv("COUNTERFOIL_NEW_PASSPHRASE_FD")
    (tmp_path / "counterfoil-passphrase").write_text("two\n")
    (tmp_path / "counterfoil-new-passphrase").write_text("three\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    call(home, "keys", "passphrase", "-m", BANK).expect()
    PASSPHRASE.use("three")
    assert MemberKeys.load(Home(home).member(BANK).keys).agent == BANK


def test_a_person_is_asked_on_the_terminal(home: Path) -> None:
    """In processes of their own, with all the work of scrypt."""
    command = arguments(home, "keys", "encrypt", "-m", BANK)
    shown, status = answered(command, ["one two", "one two"], cwd=ROOT, environment=environment())
    assert status == 0, shown
    assert "one two" not in shown
    assert KeyFile.of_member(Home(home), BANK).encrypted
    command = arguments(home, "keys", "passphrase", "-m", BANK)
    shown, status = answered(command, ["wrong"], cwd=ROOT, environment=environment())
    assert (status, "the passphrase is wrong" in shown) == (2, True), shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("encrypt",), "give --member AGENT, --desk or --governance"),
        (("encrypt", "--desk", "--governance"), "give one of --member, --desk and --governance"),
        (("encrypt", "--desk"), "there is no desk here"),
        (("encrypt", "--governance"), "the operator's keys are not on this machine"),
        (("encrypt", "-m", "NOBODY"), "this member has no keys here"),
        (("show", "-m", "../x"), "is not an agent identifier"),
        (("passphrase", "-m", BANK), "the key file is not encrypted"),
        (("import", "account", "-m", BANK, "--pkcs11", "pkcs11:token=a"), "names no key"),
        (("import", "hpke", "-m", BANK, "--pkcs11", "pkcs11:token=a;object=b"), "can be moved"),
        (("rotate", "-m", "NOBODY"), "holds no keys of the member"),
        (("rotate", "-m", BANK, "-k", "ledger"), "cannot be replaced in this way"),
        (("encrypt", "-m", BANK), "no terminal to ask"),
    ],
)
def test_a_mistake_says_what_to_do_and_changes_nothing(
    home: Path, words: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Home(home).member(BANK).keys
    before = path.read_bytes()
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        err = call(home, "keys", *words).expect(2).err
    assert told in " ".join(err.replace("│", " ").split())
    assert path.read_bytes() == before


def test_a_member_starts_with_encrypted_keys(tmp_path: Path, passphrase: str) -> None:
    shown = given(tmp_path, passphrase, "--json", "member", "init", BANK, "--encrypt").expect().json
    file = KeyFile.of_member(Home(tmp_path), BANK)
    assert file.encrypted
    assert shown["account"] == file.show()[0].public


def test_keys_are_rotated(chain: ChainProcess, tmp_path: Path, passphrase: str) -> None:
    made = founded(chain, tmp_path / "home", banks=[BANK])
    place = Home(tmp_path / "home").member(BANK)
    old = MemberKeys.load(place.keys)
    given(made.home.root, passphrase, "keys", "encrypt", "-m", BANK).expect()
    words = ("--chain", made.url, "--json", "keys", "rotate", "-m", BANK, "-k", "account")
    assert "is wrong" in given(made.home.root, "no", *words).expect(2).err
    done = given(made.home.root, passphrase, *words).expect().json
    assert (done["complete"], done["kept"]) == (True, str(place.root / "keys-1.json"))
    assert made.gateway.member(done["account"]).status == "active"
    assert made.gateway.member(old.address).status == "replaced"
    PASSPHRASE.use(passphrase)
    assert MemberKeys.load(place.keys).witness == old.witness


def test_the_witness_of_encrypted_keys_is_started_as_a_process(
    chain: ChainProcess, tmp_path: Path, passphrase: str
) -> None:
    made = founded(chain, tmp_path / "home", banks=[BANK])
    file = KeyFile.of_member(made.home, BANK)
    file.encrypt()
    party = MemberWitness(BANK, made.home, chain=made.url)
    serve = arguments(made.home.root, "--chain", made.url, "member", "witness", BANK)[2:]
    url, pid = party.ensure_running(serve)
    assert pid is not None
    try:
        assert party.url() == url
    finally:
        processes.stop(pid)
    log = (made.home.root / f"witness-{BANK}.log").read_text()
    assert party.witness().key.text in log
    assert passphrase not in log


def test_a_service_whose_passphrase_is_wrong_does_not_start(home: Path, passphrase: str) -> None:
    KeyFile.of_member(Home(home), BANK).encrypt()
    reader = pipe("wrong")
    done = subprocess.run(
        arguments(home, "--passphrase-fd", reader, "member", "witness", BANK),
        env=environment(), cwd=ROOT, pass_fds=[reader], capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    os.close(reader)
    assert done.returncode == 2
    assert "the passphrase is wrong" in done.stderr
    assert "Traceback" not in done.stderr


@needs_softhsm
def test_keys_are_moved_to_a_token_and_made_there(home: Path, token: Token) -> None:
    address = address_of(MemberKeys.load(Home(home).member(BANK).keys).account)
    uri = token.uri()
    moved = call(home, "--json", "keys", "import", "account", "-m", BANK, "--pkcs11", uri).expect().json
    assert (moved["public"], moved["storage"]) == (address, "token")
    (shown,) = call(home, "--json", "keys", "show").expect().json
    assert shown["keys"][0]["token"] == moved["token"]
    made = call(home, "--json", "keys", "create", "--pkcs11", token.uri(), "--type", "ed25519").expect().json
    assert len(bytes.fromhex(made["public"])) == 32
    again = call(home, "keys", "create", "--pkcs11", uri).expect(2)
    assert "has a key of this name already" in again.err
    away = uri.replace(f"token={token.label}", "token=elsewhere")
    assert "the token is not there" in call(home, "keys", "create", "--pkcs11", away).expect(2).err

"""Where a passphrase comes from: the order of the sources, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.keystore.passphrase import PassphraseError, Secret, handed_on
from tests.support.terminal import answered

ROOT = Path(__file__).parents[3]


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[Secret]:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    made = Secret("passphrase", "passphrase of a test")
    monkeypatch.delenv(made.variable, raising=False)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield made


def pipe(data: bytes) -> int:
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader


def credential(folder: Path, monkeypatch: pytest.MonkeyPatch, data: bytes = b"of systemd") -> None:
    (folder / "counterfoil-passphrase").write_bytes(data)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))


def test_a_descriptor_is_read_once_and_closed(secret: Secret) -> None:
    reader = pipe(b"correct horse\n")
    secret.use_descriptor(reader)
    assert secret.read() == secret.read() == secret.choose() == "correct horse"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)


@pytest.mark.parametrize(
    ("given", "read"), [(b"a b \r\n", "a b "), (b"\nx\n\n", "\nx\n"), ("größe".encode(), "größe")]
)
def test_only_the_last_line_end_is_left_out(secret: Secret, given: bytes, read: str) -> None:
    secret.use_descriptor(pipe(given))
    assert secret.read() == read


def test_the_sources_are_asked_in_their_order(
    secret: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential(tmp_path, monkeypatch)
    assert secret.read() == "of systemd"
    secret.forget()
    monkeypatch.setenv(secret.variable, str(pipe(b"of the environment")))
    assert secret.read() == "of the environment"
    secret.use_descriptor(pipe(b"of the option"))
    assert secret.read() == "of the option"
    secret.use("of the program")
    assert secret.read() == "of the program"


def test_a_descriptor_that_fails_is_not_replaced_by_another_source(
    secret: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential(tmp_path, monkeypatch)
    secret.use_descriptor(987)
    with pytest.raises(PassphraseError, match="cannot be read: Bad file descriptor"):
        secret.read()


@pytest.mark.parametrize("value", ["hunter2", "-1", "3.0", " 3", "99999999999", "\N{SUPERSCRIPT TWO}"])
def test_an_environment_variable_names_a_descriptor_and_is_never_the_secret(
    secret: Secret, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(secret.variable, value)
    with pytest.raises(PassphraseError, match="does not name a file descriptor") as caught:
        secret.read()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\n", b"a\0b", b"x" * 1025, b"\xff\xfe"])
def test_what_is_no_passphrase_is_refused(secret: Secret, data: bytes) -> None:
    secret.use_descriptor(pipe(data))
    with pytest.raises(PassphraseError):
        secret.read()


def test_without_a_terminal_the_error_names_the_sources(secret: Secret) -> None:
    for ask in (secret.read, secret.choose):
        with pytest.raises(PassphraseError, match="no terminal to ask") as caught:
            ask()
        for source in ("--passphrase-fd", "COUNTERFOIL_PASSPHRASE_FD", "counterfoil-passphrase"):
            assert source in str(caught.value.next_step)


ASK = (
    "from ledger.keystore.passphrase import Secret\n"
    "secret = Secret('passphrase', 'passphrase of a test')\n"
    "print('=' + secret.{how}() + '=' + secret.{how}())"
)


def test_a_person_is_asked_once_and_sees_nothing_of_the_answer() -> None:
    shown, status = answered([sys.executable, "-c", ASK.format(how="read")], ["over the wire"], cwd=ROOT)
    assert status == 0
    assert shown.count("Passphrase of a test: ") == 1
    assert shown.count("over the wire") == 2, "printed by the program itself, twice, and never echoed"


def test_a_person_types_a_new_passphrase_twice() -> None:
    shown, status = answered([sys.executable, "-c", ASK.format(how="choose")], ["one", "one"], cwd=ROOT)
    assert status == 0
    assert "=one=one" in shown
    shown, status = answered([sys.executable, "-c", ASK.format(how="choose")], ["one", "two"], cwd=ROOT)
    assert status != 0
    assert "two different texts" in shown


def test_a_process_that_is_started_gets_what_this_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.keystore.passphrase import PASSPHRASE, PIN

    code = "from ledger.keystore.passphrase import PASSPHRASE, PIN; print(PASSPHRASE.read(), PIN.known())"
    monkeypatch.setenv("COUNTERFOIL_PIN_FD", "")
    PIN.forget()
    PASSPHRASE.use_descriptor(pipe(b"handed on"))
    try:
        with handed_on() as (descriptors, environment):
            assert not any("handed on" in value for value in environment.values())
            done = subprocess.run(
                [sys.executable, "-c", code],
                pass_fds=descriptors, env=environment, cwd=ROOT, capture_output=True, text=True, check=True,
            )  # fmt: skip
        assert done.stdout.split("\n")[0] == "handed on None"
        assert PASSPHRASE.read() == "handed on"
    finally:
        PASSPHRASE.forget()


def test_the_credential_store_is_asked_after_systemd(
    secret: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = pytest.importorskip("keyring", reason="the package keyring is not installed")
    backend = pytest.importorskip("keyring.backend")

    class InMemory(backend.KeyringBackend):  # type: ignore[name-defined, misc]
        priority = 1
        kept: dict[tuple[str, str], str] = {}  # noqa: RUF012 - one store for the process, as a desktop has

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    try:
        with pytest.raises(PassphraseError, match="no terminal"):
            secret.read()
        keyring.set_password("counterfoil", "passphrase", "of the desktop")
        assert secret.read() == "of the desktop"
        secret.forget()
        credential(tmp_path, monkeypatch)
        assert secret.read() == "of systemd"
    finally:
        keyring.set_keyring(before)

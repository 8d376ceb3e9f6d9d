"""The passphrase of key files and the PIN of tokens: where they come from. A process reads each of them once.

A secret is never taken from an argument or from the value of an environment variable: other users of the
machine see the former, and child processes and crash reports have the latter. The sources, in this order:

1. a file descriptor, named by an option of the command line or by an environment variable;
2. a credential of systemd, in the folder ``$CREDENTIALS_DIRECTORY``;
3. the credential store of the desktop, if the package ``keyring`` is installed and has the secret;
4. the terminal.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.errors import ConfigurationError

__all__ = [
    "NEW_PASSPHRASE",
    "PASSPHRASE",
    "PIN",
    "PassphraseError",
    "Secret",
    "handed_on",
    "known_secrets",
    "use_secrets",
    "without_descriptors",
]

#: Maximum length of a secret in bytes; a pipe holds as much without a reader.
_MOST_BYTES: Final = 1024

#: The name of the service in a desktop's credential store.
_SERVICE: Final = "counterfoil"


class PassphraseError(ConfigurationError):
    """Raised when a passphrase or a PIN is missing, cannot be read, or is wrong."""


class Secret:
    """A passphrase or a PIN of this process; safe to use from several threads.

    Parameters
    ----------
    name : str
        Its name, from which those of its sources follow: ``passphrase`` is read from the descriptor in
        ``COUNTERFOIL_PASSPHRASE_FD``, from the credential ``counterfoil-passphrase``, and so on.
    what : str
        What it is, for a prompt.
    """

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what
        self.variable = f"COUNTERFOIL_{name.upper().replace('-', '_')}_FD"
        self._descriptor: int | None = None
        self._value: str | None = None
        self._lock = threading.RLock()

    def use(self, value: str) -> None:
        """Use a secret that the program has; it replaces one that was read before."""
        with self._lock:
            self._value = self._checked(value, "the program")

    def use_descriptor(self, descriptor: int) -> None:
        """Read the secret from a file descriptor when it is needed: all of it, without the last line end."""
        with self._lock:
            self._descriptor, self._value = descriptor, None

    def forget(self) -> None:
        """Forget the secret; the next use looks for it again."""
        with self._lock:
            self._value = self._descriptor = None

    def read(self) -> str:
        """Return the secret.

        Raises
        ------
        PassphraseError
            When no source has it, or a source cannot be read.
        """
        with self._lock:
            if self._value is None:
                self._value = self._found() or self._asked(twice=False)
            return self._value

    def choose(self) -> str:
        """Return the secret for something new: a person types it twice, as nothing can check it."""
        with self._lock:
            if self._value is None:
                self._value = self._found() or self._asked(twice=True)
            return self._value

    def known(self) -> str | None:
        """Return the secret if this process has it or holds a descriptor for it; None otherwise."""
        with self._lock:
            if self._value is None and self._descriptor_given() is not None:
                self._value = self._found()
            return self._value

    def _found(self) -> str | None:
        descriptor = self._descriptor_given()
        if descriptor is not None:
            return self._checked(self._from_descriptor(descriptor), f"file descriptor {descriptor}")
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        credential = Path(folder, f"counterfoil-{self.name}") if folder else None
        if credential is not None and credential.is_file():
            return self._checked(_text(credential.read_bytes(), self.what), str(credential))
        kept = _from_keyring(self.name)
        return None if kept is None else self._checked(kept, "the credential store")

    def _descriptor_given(self) -> int | None:
        if self._descriptor is not None:
            return self._descriptor
        given = os.environ.get(self.variable)
        if not given:
            return None
        if not (given.isascii() and given.isdigit() and len(given) < 10):
            raise PassphraseError(
                "the environment variable does not name a file descriptor",
                where=self.variable,
                next_step=f"Set it to the number of an open file descriptor that gives the {self.what}; "
                "never to the secret itself.",
            )
        return int(given)

    def _from_descriptor(self, descriptor: int) -> str:
        read = b""
        try:
            while len(read) <= _MOST_BYTES and (part := os.read(descriptor, _MOST_BYTES + 1)):
                read += part
            os.close(descriptor)
        except OSError as error:
            raise PassphraseError(
                f"the {self.what} cannot be read: {error.strerror}",
                where=f"file descriptor {descriptor}",
                next_step="Open the descriptor for the command, as in `counterfoil ... 3< FILE`.",
            ) from error
        return _text(read, self.what)

    def _asked(self, *, twice: bool) -> str:
        if sys.stdin is None or not sys.stdin.isatty():
            raise PassphraseError(
                f"the {self.what} is needed, and there is no terminal to ask for it",
                next_step=f"Give a file descriptor with --{self.name}-fd or {self.variable}, or the systemd "
                f"credential counterfoil-{self.name}.",
            )
        value = self._checked(getpass.getpass(f"{self.what[:1].upper()}{self.what[1:]}: "), "the terminal")
        if twice and getpass.getpass("The same again: ") != value:
            raise PassphraseError("you typed two different texts", next_step="Run the command again.")
        return value

    def _checked(self, value: str, source: str) -> str:
        if not value or "\0" in value or len(value.encode()) > _MOST_BYTES:
            raise PassphraseError(
                f"the {self.what} is empty, too long or no text",
                where=source,
                next_step=f"Give 1 to {_MOST_BYTES} bytes of text.",
            )
        return value


def _text(data: bytes, what: str) -> str:
    """Return the text of a secret without its last line end."""
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise PassphraseError(f"the {what} is no text", next_step="Give it in UTF-8.") from None


def _from_keyring(name: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        kept: str | None = keyring.get_password(_SERVICE, name)
    except (KeyringError, RuntimeError):  # there is no store on this machine, or it is locked
        return None
    return kept


#: The passphrase of the key files that this process opens.
PASSPHRASE: Final = Secret("passphrase", "passphrase of the key file")
#: The passphrase that replaces it.
NEW_PASSPHRASE: Final = Secret("new-passphrase", "new passphrase of the key file")
#: The PIN of the token.
PIN: Final = Secret("pin", "PIN of the token")


def without_descriptors() -> dict[str, str]:
    """Return the environment for a process that opens no keys: without the names of descriptors."""
    named = {secret.variable for secret in (PASSPHRASE, NEW_PASSPHRASE, PIN)}
    return {name: value for name, value in os.environ.items() if name not in named}


def known_secrets() -> tuple[str | None, str | None]:
    """Return the passphrase and the PIN, as far as this process has them, for a worker process."""
    return PASSPHRASE.known(), PIN.known()


def use_secrets(passphrase: str | None, pin: str | None) -> None:
    """Use the secrets of the process that started this one."""
    for secret, value in ((PASSPHRASE, passphrase), (PIN, pin)):
        if value is not None:
            secret.use(value)


@contextmanager
def handed_on() -> Iterator[tuple[list[int], dict[str, str]]]:
    """Give the passphrase and the PIN, as far as this process has them, to a process that is started.

    Yields
    ------
    (list of int, dict of str to str)
        The file descriptors and the whole environment that the new process inherits.
    """
    environment, readers = without_descriptors(), []
    try:
        for secret in (PASSPHRASE, PIN):
            value = secret.known()
            if value is not None:
                reader, writer = os.pipe()
                readers.append(reader)
                os.write(writer, value.encode())  # a pipe holds it until the other process reads
                os.close(writer)
                environment[secret.variable] = str(reader)
        yield readers, environment
    finally:
        for reader in readers:
            with contextlib.suppress(OSError):
                os.close(reader)

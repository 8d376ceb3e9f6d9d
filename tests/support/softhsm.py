"""A token in software, SoftHSM 2, for tests of keys on tokens; the tests skip where it is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

from ledger.keystore.passphrase import PIN

__all__ = ["SECRET_PIN", "Token", "needs_softhsm", "new_token", "token"]

SECRET_PIN = "4-digits-are-too-few"

_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)

_numbers = count(1)


def missing() -> str | None:
    """Return why tests with a token cannot run; None if they can."""
    if shutil.which("softhsm2-util") is None or library() is None:
        return "SoftHSM is not installed: apt-get install softhsm2"
    if find_spec("pkcs11") is None:
        return "the package python-pkcs11 is not installed"
    return None


def library() -> str | None:
    """Return the path of SoftHSM's PKCS#11 library."""
    return next((path for path in _LIBRARIES if Path(path).exists()), None)


needs_softhsm = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@dataclass
class Token:
    """A token: its label, its folder, and names for new keys on it."""

    label: str
    folder: Path

    def uri(self, name: str | None = None) -> str:
        """Return the URI of a key; by default one that does not exist yet."""
        return f"pkcs11:token={self.label};object={name or f'key-{next(_numbers)}'}?module-path={library()}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which another process finds the token."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}


def new_token(folder: Path, label: str = "counterfoil") -> Token:
    """Make a token in a folder; only a process that is started with its `environment` sees it."""
    made = Token(label, folder)
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    subprocess.run(
        [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            label,
            "--pin",
            SECRET_PIN,
            "--so-pin",
            "so" * 4,
        ],
        env=os.environ | made.environment,
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture(scope="session")
def token() -> Iterator[Token]:
    """The token of this test process; its library reads the settings once, when the first test uses it."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory() as folder:
        made = new_token(Path(folder) / "softhsm")
        os.environ.update(made.environment)
        PIN.use(SECRET_PIN)
        yield made
        PIN.forget()

"""Passphrases for tests: a key file opens quickly, and no test leaves a passphrase to the next one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.keystore import sealing
from ledger.keystore.passphrase import NEW_PASSPHRASE, PASSPHRASE

__all__ = ["PHRASE", "passphrase"]

PHRASE = "correct horse battery staple"


@pytest.fixture
def passphrase(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The passphrase of this test's key files, which are written with little work of scrypt."""
    monkeypatch.setattr(sealing, "WORK", 16)
    PASSPHRASE.use(PHRASE)
    yield PHRASE
    PASSPHRASE.forget()
    NEW_PASSPHRASE.forget()

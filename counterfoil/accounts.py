"""Accounts that are not a bank's own: those of the founder and of officers; a file each."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ledger import documents
from ledger.documents import Document, Hash
from ledger.signing import new_key
from ledger.storage import write_atomically

__all__ = ["AccountDocument", "ensure_account", "load_account"]

_FORMAT: Final = "counterfoil/account/1"


class AccountDocument(Document, tag_field="format", tag=_FORMAT):
    """The private key of an account in JSON."""

    private_key: Hash


def ensure_account(path: Path) -> bytes:
    """Return the private key in a file; make the file, readable by its owner only, if it does not exist."""
    if not path.exists():
        write_atomically(path, documents.write(AccountDocument(private_key=new_key().hex())), mode=0o600)
    return load_account(path, who="this account")


def load_account(path: Path, *, who: str) -> bytes:
    """Return the private key in a file, 32 bytes.

    Parameters
    ----------
    path : Path
    who : str
        Whose account it is, for an error.

    Raises
    ------
    ConfigurationError
        When the file is missing or damaged.
    """
    document = documents.load(
        path,
        AccountDocument,
        what="account file",
        missing=f"the key of {who} is not on this machine",
        missing_step=f"Run this command where the key of {who} is, or check --home.",
    )
    return bytes.fromhex(document.private_key)

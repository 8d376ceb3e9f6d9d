"""An auditor's own reader keys: with them it opens the rows that were posted after their registration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ledger import documents
from ledger.documents import Count, Document, Hash
from ledger.envelope import generate_keypair, key_id, public_key
from ledger.storage import write_atomically

__all__ = ["FORMAT", "ReaderKeys"]

FORMAT: Final = "counterfoil/reader-keys/1"


class KeysDocument(Document, tag_field="format", tag=FORMAT):
    """A file of reader keys in JSON."""

    readers: dict[Count, Hash]


@dataclass(frozen=True, slots=True, repr=False)
class ReaderKeys:
    """The private keys of one reader.

    Parameters
    ----------
    readers : dict of epoch to bytes
        HPKE private keys, by the month in which they were made (years * 12 + month).
    """

    readers: dict[int, bytes]

    @classmethod
    def generate(cls, epoch: int) -> Self:
        """Generate one key; the operator must register its public part before rows are sealed to it."""
        private, _ = generate_keypair()
        return cls({epoch: private})

    def public(self) -> dict[int, tuple[bytes, bytes]]:
        """Return (key identifier, HPKE public key) by epoch, as the operator registers them."""
        publics = {epoch: public_key(private) for epoch, private in self.readers.items()}
        return {epoch: (key_id(public), public) for epoch, public in publics.items()}

    def save(self, path: Path) -> None:
        """Write the keys, readable by their owner only; replaces an existing file atomically."""
        document = KeysDocument(readers={epoch: key.hex() for epoch, key in sorted(self.readers.items())})
        write_atomically(path, documents.write(document), mode=0o600)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the keys.

        Raises
        ------
        ConfigurationError
            When the file is missing or damaged.
        """
        document = documents.load(
            path,
            KeysDocument,
            what="file of reader keys",
            missing="there is no file of reader keys",
            missing_step="Check the path that is given with --reader-keys.",
            next_step="Restore it from a backup: only these keys open what was sealed to them.",
        )
        return cls({epoch: bytes.fromhex(key) for epoch, key in document.readers.items()})

"""The trust file: an auditor gets it once, out of band, and verifies everything against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ledger import documents
from ledger.deployment import Deployment, DeploymentDocument
from ledger.documents import Address, Document
from ledger.errors import ConfigurationError
from ledger.log import decode_verifier_key, encode_verifier_key
from ledger.storage import PUBLISHED, write_atomically

__all__ = ["FORMAT", "Trust"]

FORMAT: Final = "counterfoil/trust/1"

_ANEW: Final = "Get it again from the consortium, out of band, and do not edit it."


class TrustDocument(Document, tag_field="format", tag=FORMAT):
    """A trust file in JSON."""

    deployment: DeploymentDocument
    checkpoint_keys: list[str]
    members: dict[Address, str]


@dataclass(frozen=True, slots=True)
class Trust:
    """The pinned facts: the consortium's contracts, the keys that sign its checkpoints, and its members.

    Parameters
    ----------
    deployment : Deployment
    checkpoint_keys : mapping of key name to Ed25519 public key
    members : mapping of address (hex, lower case) to agent identifier
        Identifies the bank that posted a batch; a batch of any other account is refused.
    """

    deployment: Deployment
    checkpoint_keys: Mapping[str, bytes]
    members: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the trust file; others may read it."""
        document = TrustDocument(
            deployment=self.deployment.to_document(),
            checkpoint_keys=[encode_verifier_key(n, k) for n, k in sorted(self.checkpoint_keys.items())],
            members=dict(sorted(self.members.items())),
        )
        write_atomically(path, documents.write(document), mode=PUBLISHED)

    @classmethod
    def load(cls, path: Path) -> Trust:
        """Read a trust file.

        Raises
        ------
        ConfigurationError
            When it is missing or malformed.
        """
        document = documents.load(
            path,
            TrustDocument,
            what="trust file",
            missing="there is no trust file",
            missing_step="Get it from the consortium, out of band, and give its path with --trust.",
            next_step=_ANEW,
        )
        try:
            keys = [decode_verifier_key(text) for text in document.checkpoint_keys]
        except ConfigurationError as error:
            raise ConfigurationError(
                f"the trust file is malformed: a checkpoint key is {error.what}",
                where=str(path),
                next_step=_ANEW,
            ) from error
        if not keys or len(dict(keys)) != len(keys):
            raise ConfigurationError(
                "the trust file is malformed: it has no checkpoint key, or two of the same name",
                where=str(path),
                next_step=_ANEW,
            )
        return cls(
            Deployment.from_document(document.deployment, where=str(path)), dict(keys), document.members
        )

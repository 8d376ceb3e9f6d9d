"""The trust file: what an auditor pins once, out of band, and checks everything against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ledger import canonical
from ledger.deployment import Deployment
from ledger.errors import ConfigurationError, CounterfoilError
from ledger.log import decode_verifier_key, encode_verifier_key
from ledger.storage import PUBLISHED, write_atomically

__all__ = ["FORMAT", "Trust"]

FORMAT: Final = "counterfoil/trust/1"

_ANEW: Final = "Get it anew from the consortium, out of band, and use it exactly as it was issued."


@dataclass(frozen=True, slots=True)
class Trust:
    """Pinned: the consortium's place, the keys that sign its checkpoints, and its members.

    Parameters
    ----------
    deployment : Deployment
    checkpoint_keys : mapping of key name to Ed25519 public key
    members : mapping of address (hex, lower case) to agent identifier
        Tells who posted; a batch of any other account is refused.
    """

    deployment: Deployment
    checkpoint_keys: Mapping[str, bytes]
    members: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the trust file; others may read it."""
        value = {
            "format": FORMAT,
            "deployment": self.deployment.to_json(),
            "checkpoint_keys": [encode_verifier_key(n, k) for n, k in sorted(self.checkpoint_keys.items())],
            "members": dict(sorted(self.members.items())),
        }
        write_atomically(path, canonical.dumps(value), mode=PUBLISHED)

    @classmethod
    def load(cls, path: Path) -> Trust:
        """Read a trust file.

        Raises
        ------
        ConfigurationError
            When it is missing or malformed.
        """
        try:
            value: Any = canonical.loads(path.read_bytes(), what="trust file")
            if value["format"] != FORMAT:
                raise ConfigurationError(
                    "this is not a trust file of a known format", where=str(path), next_step=_ANEW
                )
            members, keys = value["members"], [decode_verifier_key(k) for k in value["checkpoint_keys"]]
            if not isinstance(members, dict) or not keys or len(dict(keys)) != len(keys):
                raise ValueError("it pins no members, or no checkpoint key, or two of one name")
            return cls(
                deployment=Deployment.from_json(value["deployment"], where=str(path)),
                checkpoint_keys=dict(keys),
                members=members,
            )
        except FileNotFoundError as error:
            raise ConfigurationError(
                "there is no trust file",
                where=str(path),
                next_step="Get it from the consortium out of band, and name it with --trust.",
            ) from error
        except ConfigurationError:
            raise
        except (CounterfoilError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"the trust file is malformed: {error}", where=str(path), next_step=_ANEW
            ) from error

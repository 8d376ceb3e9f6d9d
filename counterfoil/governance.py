"""Keys of the operator and of the officers, for a consortium that lives on one machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from ledger import canonical
from ledger.errors import ConfigurationError, InputError, VerificationError
from ledger.home import Home
from ledger.storage import write_atomically

__all__ = ["OFFICERS", "Governance", "address_of"]

_FORMAT: Final = "counterfoil/governance/1"

#: Officers of a consortium that lives on one machine: an author, and two who approve.
OFFICERS: Final = 3


@dataclass(frozen=True, slots=True, repr=False)
class Governance:
    """Keys of the operator and of the officers, for a consortium that lives on one machine.

    In production each stands with its holder; here they make a demonstration and a test consortium possible.
    """

    operator: bytes
    officers: tuple[bytes, ...]

    @classmethod
    def generate(cls) -> Self:
        """Make fresh keys: one operator, three officers (an author and two who approve)."""
        from eth_account import Account

        return cls(bytes(Account.create().key), tuple(bytes(Account.create().key) for _ in range(OFFICERS)))

    def save(self, home: Home) -> None:
        """Write the keys, readable by their owner only."""
        value = {
            "format": _FORMAT,
            "operator": self.operator.hex(),
            "officers": [key.hex() for key in self.officers],
        }
        write_atomically(home.governance, canonical.dumps(value), mode=0o600)

    @classmethod
    def load(cls, home: Home) -> Self:
        """Read the keys.

        Raises
        ------
        ConfigurationError
            When they are not kept here.
        """
        try:
            value: Any = canonical.loads(home.governance.read_bytes(), what="governance file")
            return cls(bytes.fromhex(value["operator"]), tuple(bytes.fromhex(k) for k in value["officers"]))
        except FileNotFoundError as error:
            raise ConfigurationError(
                "the operator's keys are not on this machine",
                where=str(home.governance),
                next_step="Ask the operator to do this.",
            ) from error
        except (VerificationError, KeyError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"the governance file is damaged: {error}", where=str(home.governance)
            ) from error

    def officer(self, number: int) -> bytes:
        """Return the key of an officer, counted from 1.

        Raises
        ------
        InputError
            When there is no such officer.
        """
        if not 1 <= number <= len(self.officers):
            raise InputError(
                f"there is no officer {number} on this machine",
                next_step=f"Name one of the officers 1 to {len(self.officers)}.",
            )
        return self.officers[number - 1]


def address_of(key: bytes) -> str:
    """Return the Ethereum address of an account's private key."""
    from eth_account import Account

    return str(Account.from_key(key).address)

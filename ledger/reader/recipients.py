"""To whom the desk seals its flags: the members and the readers on the chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ledger.envelope import usable
from ledger.signing import AccountKey, address_of

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["Recipients"]


@dataclass(frozen=True, slots=True)
class Recipients:
    """The desk's address, the members' keys, and the readers' keys.

    Parameters
    ----------
    author : bytes
        Address of the desk's account, 20 bytes.
    members : mapping of member code to HPKE public key
        The members that were admitted and not revoked.
    readers : tuple of bytes
        HPKE public keys of the current readers.
    """

    author: bytes
    members: Mapping[int, bytes]
    readers: tuple[bytes, ...]

    @classmethod
    def of(cls, gateway: Gateway, key: AccountKey, note: Callable[[str], None] | None = None) -> Self:
        """Read the recipients from the chain.

        Parameters
        ----------
        gateway : Gateway
        key : bytes
            The key of the desk's account.
        note : callable, optional
            Called with a sentence for each reader whose key cannot be used.
        """
        readers = []
        for reader in gateway.readers():
            if usable(reader.hpke_key):
                readers.append(reader.hpke_key)
            elif note is not None:
                note(
                    f"The reader with the key {reader.key_id.hex()[:12]} is left out: its key on the chain "
                    "cannot be used. Ask the operator to remove it."
                )
        members = {m.code: m.hpke_key for m in gateway.members() if m.status != "revoked"}
        return cls(bytes.fromhex(address_of(key).removeprefix("0x")), members, tuple(readers))

"""A bank's request for admission: its account and public keys, with its own signature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger import documents
from ledger.documents import Address, Document, Hash, Hex
from ledger.signing import checksummed
from ledger.storage import PUBLISHED, write_atomically

if TYPE_CHECKING:
    from ledger.deployment import Deployment
    from ledger.member.keys import MemberKeys

__all__ = ["AdmissionRequest", "read_request", "request_of", "write_request"]

_FORMAT: Final = "counterfoil/admission/1"


class AdmissionRequest(Document, tag_field="format", tag=_FORMAT):
    """A request for admission in JSON; the contract checks the signature (EIP-712)."""

    agent: str
    account: Address
    x25519_key: Hash
    hpke_key: Hash
    witness_key: Hash
    signature: Hex

    @property
    def arguments(self) -> tuple[str, str, bytes, bytes, bytes, bytes]:
        """The arguments of the contract's function `admitMember`."""
        keys = (bytes.fromhex(key) for key in (self.x25519_key, self.hpke_key, self.witness_key))
        x25519, hpke, witness = keys
        account = checksummed(bytes.fromhex(self.account.removeprefix("0x")))
        return account, self.agent, x25519, hpke, witness, bytes.fromhex(self.signature)


def request_of(keys: MemberKeys, deployment: Deployment) -> AdmissionRequest:
    """Return the request of a bank for one consortium, signed with its account."""
    return AdmissionRequest(
        agent=keys.agent,
        account=keys.address[2:].lower(),
        x25519_key=keys.x25519_public.hex(),
        hpke_key=keys.hpke_public.hex(),
        witness_key=keys.witness_public.hex(),
        signature=keys.sign_admission(deployment.domain("Consortium")).hex(),
    )


def write_request(path: Path, request: AdmissionRequest) -> None:
    """Write a request; others may read it."""
    write_atomically(path, documents.write(request), mode=PUBLISHED)


def read_request(path: Path) -> AdmissionRequest:
    """Read a request.

    Raises
    ------
    ConfigurationError
        When the file is missing or malformed.
    """
    return documents.load(
        path,
        AdmissionRequest,
        what="request for admission",
        missing="there is no such request for admission",
        missing_step="Let the bank run `counterfoil member init`, and take the file that it names.",
    )

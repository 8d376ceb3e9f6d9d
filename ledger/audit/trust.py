"""The trust file: an auditor gets it once, out of band, and verifies everything against it.

It pins the consortium (chain, first block, contracts), the policy by which a checkpoint is accepted (the keys
of the two logs, the witnesses, and how many of them must have cosigned), every account that was ever a
member, with the signature by which the bank itself joined, and the public keys of the pseudonym key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Self

from msgspec import Meta

from ledger import documents
from ledger.deployment import Deployment, DeploymentDocument
from ledger.documents import Address, Count, Document, Hash, Hex
from ledger.encoding.evaluation import EpochKey
from ledger.errors import ConfigurationError, CounterfoilError, VerificationError
from ledger.log.policy import Policy
from ledger.storage import PUBLISHED, write_atomically
from ledger.typed_data import ADMISSION, KEY_CHANGE, recover_typed

__all__ = ["FORMAT", "Trust", "TrustedMember"]

FORMAT: Final = "counterfoil/trust/3"

_ANEW: Final = "Get it again from the consortium, out of band, and do not edit it."


class MemberDocument(Document):
    """An account of a member in JSON."""

    code: Annotated[int, Meta(ge=1, le=65_535)]
    agent: str
    account: Address
    x25519_key: Hash
    hpke_key: Hash
    witness_key: Hash
    signature: Hex
    previous: Address | None
    new_signature: Hex | None
    nonce: Count


class EpochDocument(Document):
    """The public keys of an epoch of the pseudonym key in JSON."""

    number: Count
    generation: Count
    public_key: Hash
    share_commitments: list[Hash]


class TrustDocument(Document, tag_field="format", tag=FORMAT):
    """A trust file in JSON."""

    deployment: DeploymentDocument
    policy: str
    members: list[MemberDocument]
    epochs: list[EpochDocument]


@dataclass(frozen=True, slots=True)
class TrustedMember:
    """An account from which a bank posts or has posted, and the signatures that bind it to the bank.

    Parameters
    ----------
    code : int
        The bank's code in the consortium.
    agent : str
        The bank's identifier.
    account : bytes
        Address, 20 bytes.
    x25519_key, hpke_key, witness_key : bytes
        Public keys that the account signed, 32 bytes each.
    signature : bytes
        The account's signature over the admission; after a change of keys, the signature of the account
        before the change.
    previous : bytes or None
        The account before the change; None for an admission.
    new_signature : bytes or None
        This account's signature over the change; None for an admission.
    nonce : int
        How many times the bank had changed its keys before the change; 0 for an admission.
    """

    code: int
    agent: str
    account: bytes
    x25519_key: bytes
    hpke_key: bytes
    witness_key: bytes
    signature: bytes
    previous: bytes | None = None
    new_signature: bytes | None = None
    nonce: int = 0

    def check(self, deployment: Deployment) -> None:
        """Check that the bank itself signed.

        Raises
        ------
        VerificationError
            When a signature is missing, or is not that of the account.
        """
        domain = deployment.domain("Consortium")
        keys = {"x25519Key": self.x25519_key, "hpkeKey": self.hpke_key, "witnessKey": self.witness_key}
        if self.previous is None:
            if self.nonce:
                raise VerificationError(f"the admission of {self.agent} has a nonce")
            admission = {"account": self.account, "agent": self.agent, **keys}
            self._signed_by(self.account, recover_typed(domain, ADMISSION, admission, self.signature))
            return
        values: dict[str, object] = {"account": self.previous, "newAccount": self.account, **keys}
        values["nonce"] = self.nonce
        self._signed_by(self.previous, recover_typed(domain, KEY_CHANGE, values, self.signature))
        self._signed_by(self.account, recover_typed(domain, KEY_CHANGE, values, self.new_signature or b""))

    def _signed_by(self, expected: bytes, got: bytes) -> None:
        if expected != got:
            raise VerificationError(
                f"the keys of {self.agent} are not signed by its own account", expected=expected, got=got
            )


@dataclass(frozen=True)
class Trust:
    """The pinned facts that everything is verified against.

    Parameters
    ----------
    deployment : Deployment
    policy : Policy
        The keys of the ledger log and of the verdict log, the witnesses, and the quorum.
    members : sequence of TrustedMember
        Every account that was ever a member; a batch of any other account is refused.
    epochs : sequence of EpochKey
        The public keys of the pseudonym key, one for each epoch and generation.
    """

    deployment: Deployment
    policy: Policy
    members: Sequence[TrustedMember] = ()
    epochs: Sequence[EpochKey] = ()

    @cached_property
    def accounts(self) -> Mapping[bytes, TrustedMember]:
        """The members by address."""
        return {member.account: member for member in self.members}

    @cached_property
    def agents(self) -> Mapping[int, str]:
        """The banks' identifiers by code."""
        return {member.code: member.agent for member in self.members}

    @cached_property
    def keys(self) -> Mapping[tuple[int, int], EpochKey]:
        """The public keys of the pseudonym key by epoch and generation."""
        return {(key.number, key.generation): key for key in self.epochs}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the trust file, hex; a report names it, so that a reader knows what was pinned."""
        return sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the trust file's bytes."""
        ordered = sorted(self.members, key=lambda m: (m.code, m.previous is not None, m.account))
        epochs = sorted(self.epochs, key=lambda e: (e.number, e.generation))
        document = TrustDocument(
            deployment=self.deployment.to_document(),
            policy=self.policy.text,
            members=[_member_document(member) for member in ordered],
            epochs=[
                EpochDocument(
                    number=epoch.number,
                    generation=epoch.generation,
                    public_key=epoch.public_key.hex(),
                    share_commitments=[share.hex() for share in epoch.share_commitments],
                )
                for epoch in epochs
            ],
        )
        return documents.write(document)

    def save(self, path: Path) -> None:
        """Write the trust file; others may read it."""
        write_atomically(path, self.to_bytes(), mode=PUBLISHED)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a trust file.

        Raises
        ------
        ConfigurationError
            When it is missing or malformed, or a bank did not sign its own entry.
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
            trust = cls(
                Deployment.from_document(document.deployment, where=str(path)),
                Policy.parse(document.policy),
                tuple(_member(entry) for entry in document.members),
                tuple(
                    EpochKey(
                        number=entry.number,
                        generation=entry.generation,
                        public_key=bytes.fromhex(entry.public_key),
                        share_commitments=tuple(map(bytes.fromhex, entry.share_commitments)),
                    )
                    for entry in document.epochs
                ),
            )
            trust.check()
        except CounterfoilError as error:
            raise ConfigurationError(
                f"the trust file is malformed: {error.what}", where=str(path), next_step=_ANEW
            ) from error
        return trust

    def check(self) -> None:
        """Check that the policy names both logs, and that each bank signed its own entry.

        Raises
        ------
        VerificationError
            With the entry that is wrong.
        """
        for origin in (self.deployment.ledger_origin, self.deployment.verdict_origin):
            if origin not in self.policy.logs:
                raise VerificationError(f"its policy has no key for the log {origin}")
        if len(self.accounts) != len(self.members):
            raise VerificationError("it lists an account twice")
        pairs = {(member.code, member.agent) for member in self.members}
        if not len(pairs) == len(self.agents) == len(set(self.agents.values())):
            raise VerificationError("two banks have the same code or the same identifier")
        for member in self.members:
            member.check(self.deployment)
        if sum(member.previous is None for member in self.members) != len(pairs):
            raise VerificationError("a bank was admitted with two accounts, or with none")
        self._check_replacements()
        self._check_keys()

    def _check_keys(self) -> None:
        """Check that each generation of a key is there once, and that all generations have the same key."""
        if len(self.keys) != len(self.epochs):
            raise VerificationError("it lists a generation of a pseudonym key twice")
        if len({(key.number, key.public_key) for key in self.epochs}) != len({k.number for k in self.epochs}):
            raise VerificationError("two generations of one epoch have different pseudonym keys")

    def _check_replacements(self) -> None:
        """Check that each account leads back to the one with which its bank was admitted."""
        replaced = [member.previous for member in self.members if member.previous is not None]
        if len(set(replaced)) != len(replaced):
            raise VerificationError("an account is replaced by two accounts")
        for member in self.members:
            before, steps = member, 0
            while before.previous is not None:
                found, steps = self.accounts.get(before.previous), steps + 1
                if found is None or found.code != member.code or steps > len(self.members):
                    raise VerificationError(
                        f"an account of {member.agent} replaces an account of no such bank"
                    )
                before = found


def _member_document(member: TrustedMember) -> MemberDocument:
    return MemberDocument(
        code=member.code,
        agent=member.agent,
        account=member.account.hex(),
        x25519_key=member.x25519_key.hex(),
        hpke_key=member.hpke_key.hex(),
        witness_key=member.witness_key.hex(),
        signature=member.signature.hex(),
        previous=None if member.previous is None else member.previous.hex(),
        new_signature=None if member.new_signature is None else member.new_signature.hex(),
        nonce=member.nonce,
    )


def _member(document: MemberDocument) -> TrustedMember:
    return TrustedMember(
        code=document.code,
        agent=document.agent,
        account=bytes.fromhex(document.account),
        x25519_key=bytes.fromhex(document.x25519_key),
        hpke_key=bytes.fromhex(document.hpke_key),
        witness_key=bytes.fromhex(document.witness_key),
        signature=bytes.fromhex(document.signature),
        previous=None if document.previous is None else bytes.fromhex(document.previous),
        new_signature=None if document.new_signature is None else bytes.fromhex(document.new_signature),
        nonce=document.nonce,
    )

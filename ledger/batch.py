"""The batch header: 162 bytes that the contract assembles, so that no header can claim a wrong position.

Layout, big-endian, no padding: version (1), suite (1), chain id (8), contract (20), member (20),
sequence (8), previous batch hash (32), epoch (4), policy hash (32), row count (4), rows root (32).
Its SHA-256 is the batch hash, which the member's next batch contains as its previous batch hash. The author
signs the header as typed data (EIP-712), so that whoever has header and signature knows who posted.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

from ledger import canonical, documents
from ledger.documents import Address, Count, Document, Hash
from ledger.errors import VerificationError
from ledger.signing import AccountKey
from ledger.typed_data import BATCH_HEADER, Domain, recover_typed, sign_typed

__all__ = [
    "GENESIS_HASH",
    "HEADER_SIZE",
    "MAX_PAYLOAD",
    "ROWS_PER_BATCH",
    "AuthorError",
    "BatchHeader",
    "HeaderDocument",
]

_LAYOUT: Final = struct.Struct(">BBQ20s20sQ32sI32sI32s")

#: Bytes of a packed header.
HEADER_SIZE: Final = _LAYOUT.size

VERSION: Final = 2
#: Suite 1: SHA-256 trees, AES-256-GCM, HPKE over X25519, VOPRF over ristretto255.
SUITE: Final = 1

#: Previous hash of a member's first batch.
GENESIS_HASH: Final = bytes(32)

#: Rows per transaction; 800 rows of 144 bytes and their envelope stay below `MAX_PAYLOAD`.
ROWS_PER_BATCH: Final = 800

#: Largest sealed payload; some networks limit a transaction to 128 KiB.
MAX_PAYLOAD: Final = 120 * 1024


class AuthorError(VerificationError):
    """Raised when a batch is not signed by the account that its header names."""


class HeaderDocument(Document):
    """A batch header in JSON."""

    version: Literal[2]
    suite: Literal[1]
    chain_id: Count
    contract: Address
    member: Address
    sequence: Count
    previous_hash: Hash
    epoch: Count
    policy_hash: Hash
    row_count: Count
    rows_root: Hash


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """The header of one batch.

    Parameters
    ----------
    chain_id : int
    contract, member : bytes
        Addresses, 20 bytes.
    sequence : int
        Counts a member's batches from 0.
    previous_hash : bytes
        Hash of the member's previous batch, `GENESIS_HASH` for the first.
    epoch : int
        Epoch of the pseudonym key.
    policy_hash : bytes
        SHA-256 of the policy document.
    row_count : int
    rows_root : bytes
        RFC 6962 root over the packed rows.
    """

    chain_id: int
    contract: bytes
    member: bytes
    sequence: int
    previous_hash: bytes
    epoch: int
    policy_hash: bytes
    row_count: int
    rows_root: bytes

    def __post_init__(self) -> None:
        sizes = {"contract": 20, "member": 20, "previous_hash": 32, "policy_hash": 32, "rows_root": 32}
        for name, size in sizes.items():
            if len(getattr(self, name)) != size:
                raise ValueError(f"{name} takes {size} bytes, not {len(getattr(self, name))}")

    def pack(self) -> bytes:
        """Return the 162 bytes that are hashed, and that are the context of the envelope."""
        return _LAYOUT.pack(
            VERSION,
            SUITE,
            self.chain_id,
            self.contract,
            self.member,
            self.sequence,
            self.previous_hash,
            self.epoch,
            self.policy_hash,
            self.row_count,
            self.rows_root,
        )

    @classmethod
    def unpack(cls, data: bytes) -> BatchHeader:
        """Read a packed header.

        Raises
        ------
        VerificationError
            When it has another size, version or suite.
        """
        if len(data) != HEADER_SIZE:
            raise VerificationError(f"a batch header has {HEADER_SIZE} bytes, not {len(data)}")
        version, suite, *fields = _LAYOUT.unpack(data)
        if (version, suite) != (VERSION, SUITE):
            raise VerificationError(
                f"the batch header has version {version} and suite {suite}, "
                f"this version reads {VERSION} and {SUITE}"
            )
        return cls(*fields)

    @property
    def hash(self) -> bytes:
        """SHA-256 of the packed header."""
        return sha256(self.pack()).digest()

    def sign(self, genesis_hash: bytes, key: AccountKey) -> bytes:
        """Return the author's signature, 65 bytes; `genesis_hash` is the hash of the chain's first block."""
        return sign_typed(self._domain(genesis_hash), BATCH_HEADER, self._signed_values(), key)

    def check_author(self, signature: bytes, genesis_hash: bytes) -> None:
        """Check that the account in the header signed it.

        Raises
        ------
        AuthorError
            When the signature is not canonical, or of another account, another consortium or another chain.
        """
        try:
            signer = recover_typed(self._domain(genesis_hash), BATCH_HEADER, self._signed_values(), signature)
        except VerificationError as error:
            raise AuthorError(f"the author's signature is not valid: {error.what}") from error
        if signer != self.member:
            raise AuthorError(
                "the batch is not signed by the account that posted it", expected=self.member, got=signer
            )

    def _domain(self, genesis_hash: bytes) -> Domain:
        return Domain(self.chain_id, self.contract, genesis_hash)

    def _signed_values(self) -> dict[str, int | bytes]:
        return {
            "version": VERSION,
            "suite": SUITE,
            "member": self.member,
            "sequence": self.sequence,
            "previousHash": self.previous_hash,
            "epoch": self.epoch,
            "policyHash": self.policy_hash,
            "rowCount": self.row_count,
            "rowsRoot": self.rows_root,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the header as JSON values, byte strings in lower-case hex."""
        return {
            "version": VERSION,
            "suite": SUITE,
            "chain_id": self.chain_id,
            "contract": self.contract.hex(),
            "member": self.member.hex(),
            "sequence": self.sequence,
            "previous_hash": self.previous_hash.hex(),
            "epoch": self.epoch,
            "policy_hash": self.policy_hash.hex(),
            "row_count": self.row_count,
            "rows_root": self.rows_root.hex(),
        }

    def to_bytes(self) -> bytes:
        """Return the header as canonical JSON."""
        return canonical.dumps(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes) -> BatchHeader:
        """Read a header from canonical JSON.

        Raises
        ------
        VerificationError
            When a field is missing or unknown, or has the wrong type or size.
        """
        return cls.from_document(documents.read(data, HeaderDocument, what="batch header"))

    @classmethod
    def from_document(cls, document: HeaderDocument) -> BatchHeader:
        """Return the header in a document; raises the same errors as `from_bytes`."""
        header = cls(
            chain_id=document.chain_id,
            contract=bytes.fromhex(document.contract),
            member=bytes.fromhex(document.member),
            sequence=document.sequence,
            previous_hash=bytes.fromhex(document.previous_hash),
            epoch=document.epoch,
            policy_hash=bytes.fromhex(document.policy_hash),
            row_count=document.row_count,
            rows_root=bytes.fromhex(document.rows_root),
        )
        try:
            header.pack()
        except struct.error as error:
            raise VerificationError("a number of the batch header is out of range") from error
        return header

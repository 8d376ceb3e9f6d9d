"""Signatures of typed data (EIP-712), bound to one consortium on one chain.

An account signs a structure of named fields. The *domain* is part of what is signed: the chain id, the
contract for which the signature is made, and, as salt, the hash of the chain's first block. So a signature
cannot be used again in another consortium, or on another chain with the same chain id.

Structures
----------
`BATCH_HEADER` (contract `BatchLedger`) : the author of a batch signs its header.
`ADMISSION` (contract `Consortium`) : a bank signs its account, its agent and its public keys.
`KEY_CHANGE` (contract `Consortium`) : a bank replaces its account or its keys.
`DISCLOSURE` (contract `BatchLedger`) : a bank signs what it discloses, to whom, and why.
`OPENED_DRAW` (contract `EvaluationLog`) : a bank signs what it opens of the elements that an auditor drew.

References
----------
.. [1] EIP-712, Typed structured data hashing and signing.
.. [2] EIP-2, which allows only the lower of the two values of s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.signing import SIGNATURE_SIZE, AccountKey, keccak256, recover_account, sign_digest

__all__ = [
    "ADMISSION",
    "BATCH_HEADER",
    "DISCLOSURE",
    "KEY_CHANGE",
    "OPENED_DRAW",
    "Domain",
    "TypedData",
    "recover_typed",
    "sign_typed",
    "typed_digest",
]

#: Half the order of secp256k1; the s value of an accepted signature is not above it.
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

_NAME: Final = "Counterfoil"
_VERSION: Final = "2"


@dataclass(frozen=True, slots=True)
class TypedData:
    """A structure of EIP-712: its name, and the type and name of each field."""

    name: str
    fields: tuple[tuple[str, str], ...]

    @property
    def encoded_type(self) -> str:
        """The text of the type, whose hash begins the structure's hash."""
        return f"{self.name}({','.join(f'{kind} {name}' for kind, name in self.fields)})"


_DOMAIN: Final = TypedData(
    "EIP712Domain",
    (
        ("string", "name"),
        ("string", "version"),
        ("uint256", "chainId"),
        ("address", "verifyingContract"),
        ("bytes32", "salt"),
    ),
)

#: What the author of a batch signs; chain and contract are in the domain.
BATCH_HEADER: Final = TypedData(
    "BatchHeader",
    (
        ("uint8", "version"),
        ("uint8", "suite"),
        ("address", "member"),
        ("uint64", "sequence"),
        ("bytes32", "previousHash"),
        ("uint32", "epoch"),
        ("bytes32", "policyHash"),
        ("uint32", "rowCount"),
        ("bytes32", "rowsRoot"),
    ),
)

#: What a bank signs when it joins, with the account from which it will post.
ADMISSION: Final = TypedData(
    "Admission",
    (
        ("address", "account"),
        ("string", "agent"),
        ("bytes32", "x25519Key"),
        ("bytes32", "hpkeKey"),
        ("bytes32", "witnessKey"),
    ),
)

#: What a bank signs when it replaces keys, with the account before and with the account after the change; the
#: nonce is the number of its changes before, so a signature works once.
KEY_CHANGE: Final = TypedData(
    "KeyChange",
    (
        ("address", "account"),
        ("address", "newAccount"),
        ("bytes32", "x25519Key"),
        ("bytes32", "hpkeKey"),
        ("bytes32", "witnessKey"),
        ("uint64", "nonce"),
    ),
)

#: What a bank signs when it discloses a record; `document` is the SHA-256 of the unsigned disclosure.
DISCLOSURE: Final = TypedData(
    "Disclosure", (("string", "purpose"), ("string", "recipient"), ("bytes32", "document"))
)

#: What a bank signs when it opens a draw; `document` is the SHA-256 of the unsigned file.
OPENED_DRAW: Final = TypedData(
    "OpenedDraw", (("bytes32", "draw"), ("string", "recipient"), ("bytes32", "document"))
)


@dataclass(frozen=True, slots=True)
class Domain:
    """The domain of a signature.

    Parameters
    ----------
    chain_id : int
    contract : bytes
        Address of the contract for which the signature is made, 20 bytes.
    genesis_hash : bytes
        Hash of the chain's first block, 32 bytes.
    """

    chain_id: int
    contract: bytes
    genesis_hash: bytes

    @property
    def separator(self) -> bytes:
        """The 32 bytes that bind a signature to the domain."""
        return _separator(self)


def typed_digest(domain: Domain, kind: TypedData, values: Mapping[str, Any]) -> bytes:
    """Return the 32 bytes that are signed.

    Parameters
    ----------
    domain : Domain
    kind : TypedData
    values : mapping of field name to value
        Addresses and ``bytes32`` as bytes, numbers as int, strings as str.
    """
    return keccak256(b"\x19\x01" + domain.separator + _struct_hash(kind, values))


def sign_typed(domain: Domain, kind: TypedData, values: Mapping[str, Any], key: AccountKey) -> bytes:
    """Sign a structure; return r, s (the lower value) and v (27 or 28), 65 bytes."""
    return sign_digest(typed_digest(domain, kind, values), key)


def recover_typed(domain: Domain, kind: TypedData, values: Mapping[str, Any], signature: bytes) -> bytes:
    """Return the address, 20 bytes, of the account that signed a structure.

    Every signature recovers to some address; the caller must compare it with the expected address.

    Raises
    ------
    VerificationError
        When the signature is not in its one canonical form (65 bytes, s not above half the order, v 27 or
        28), or is not a signature.
    """
    if (
        len(signature) != SIGNATURE_SIZE
        or signature[64] not in (27, 28)
        or int.from_bytes(signature[32:64], "big") > _HALF_ORDER
    ):
        raise VerificationError("the signature is not in its canonical form (EIP-2: low s, v 27 or 28)")
    return recover_account(typed_digest(domain, kind, values), signature)


@lru_cache(16)
def _separator(domain: Domain) -> bytes:
    values = {
        "name": _NAME,
        "version": _VERSION,
        "chainId": domain.chain_id,
        "verifyingContract": domain.contract,
        "salt": domain.genesis_hash,
    }
    return _struct_hash(_DOMAIN, values)


def _struct_hash(kind: TypedData, values: Mapping[str, Any]) -> bytes:
    words = b"".join(_word(solidity_type, values[name]) for solidity_type, name in kind.fields)
    return keccak256(_type_hash(kind) + words)


@lru_cache(16)
def _type_hash(kind: TypedData) -> bytes:
    return keccak256(kind.encoded_type.encode())


@lru_cache(64)
def _text_hash(text: str) -> bytes:
    return keccak256(text.encode())


def _word(solidity_type: str, value: Any) -> bytes:
    if solidity_type == "string":
        return _text_hash(value)
    if solidity_type == "bytes32":
        if len(value) != 32:
            raise ValueError(f"a bytes32 has 32 bytes, not {len(value)}")
        return bytes(value)
    if solidity_type == "address":
        if len(value) != 20:
            raise ValueError(f"an address has 20 bytes, not {len(value)}")
        return bytes(12) + bytes(value)
    bits = int(solidity_type.removeprefix("uint"))
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{value} is not a {solidity_type}")
    return int(value).to_bytes(32, "big")

"""Data classes for what is on the chain: members, readers, epochs, batches, rule sets, case entries."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.batch import BatchHeader

__all__ = [
    "CaseEntry",
    "Epoch",
    "Member",
    "MemberAccount",
    "PostedBatch",
    "Reader",
    "RuleSetDocument",
    "RuleSetStep",
    "SignedTransaction",
]


@dataclass(frozen=True, slots=True)
class Member:
    """A member as it is registered on the chain."""

    code: int
    account: str
    agent: str
    status: str
    x25519_key: bytes
    hpke_key: bytes
    witness_key: bytes = b""


@dataclass(frozen=True, slots=True)
class MemberAccount:
    """An account that is or was a member's, with the signatures by which the bank chose it and its keys.

    Parameters
    ----------
    code : int
    agent : str
    account : bytes
        Address, 20 bytes.
    x25519_key, hpke_key, witness_key : bytes
        Those of the admission, or of the change by which the bank took this account.
    signature : bytes
        By `account` over the admission, or by `previous` over the change of keys.
    previous : bytes or None
        The account that signed the change; None for an admission.
    new_signature : bytes or None
        By `account` over the change; None for an admission.
    since : int
        The block from which on the keys of this account are in force.
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
    since: int = 0


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader to whom rows are sealed; `epoch` is a month (years * 12 + month)."""

    key_id: bytes
    hpke_key: bytes
    epoch: int
    label: str


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch of the pseudonym key, with the public key that verifies every evaluation."""

    number: int
    starts_at: int
    public_key: bytes
    share_commitments: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class PostedBatch:
    """A batch on the chain: its header with its author's signature, its position, and the sealed rows."""

    header: BatchHeader
    signature: bytes
    batch_hash: bytes
    log_index: int
    block: int
    block_hash: bytes
    transaction: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class RuleSetStep:
    """One step in the life cycle of a rule set, as the chain recorded it."""

    hash: bytes
    what: str
    actor: str
    block: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class RuleSetDocument:
    """A rule set on the chain, with its status and history.

    Parameters
    ----------
    hash, document : bytes
    author : str
    version : int or None
        The version number that it got on activation.
    status : str
        drafted, proposed, active, superseded or withdrawn.
    previous : bytes or None
        Hash of the rule set that it was edited from.
    steps : tuple of RuleSetStep
        Its history, oldest first.
    """

    hash: bytes
    document: bytes
    author: str
    version: int | None
    status: str = "proposed"
    previous: bytes | None = None
    steps: tuple[RuleSetStep, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseEntry:
    """One entry of the case log."""

    index: int
    kind: int
    case_id: bytes
    author: str
    content_hash: bytes
    head: bytes
    block: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A signed transaction; it is stored before it is sent."""

    raw: bytes
    hash: bytes
    nonce: int

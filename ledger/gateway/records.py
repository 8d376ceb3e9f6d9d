"""Data classes for what is on the chain: members, readers, epochs, batches, rule sets, case entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.batch import BatchHeader

__all__ = [
    "Call",
    "CaseEntry",
    "Ceremony",
    "Epoch",
    "EvaluationRequest",
    "Founding",
    "Limits",
    "Member",
    "MemberAccount",
    "PostedBatch",
    "Proposal",
    "Reader",
    "RuleSetDocument",
    "RuleSetStep",
    "Rules",
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
    nonce : int
        The nonce of the change; 0 for an admission.
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
    nonce: int = 0
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
    """An epoch of the pseudonym key.

    Parameters
    ----------
    number : int
    starts_at : int
        Unix time in seconds.
    public_key : bytes
        The key that verifies every evaluation.
    generation : int
        The generation of the shares in force; it grows when the holders share the key anew.
    share_commitments : tuple of bytes
        The public key of each holder's share, in the order of the holders.
    """

    number: int
    starts_at: int
    public_key: bytes
    generation: int = 0
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
    rule_keys : tuple of bytes
        The hash of what each rule decides, as its author gave them; see `compliance.ruleset.RuleSet.keys`.
    """

    hash: bytes
    document: bytes
    author: str
    version: int | None
    status: str = "proposed"
    previous: bytes | None = None
    steps: tuple[RuleSetStep, ...] = ()
    rule_keys: tuple[bytes, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Rules:
    """How the members decide.

    Parameters
    ----------
    quorum : int
        Approvals that a proposal needs, in percent of the active members, rounded up: 51 to 100.
    pause_quorum : int
        Approvals that a pause needs, in percent: 1 to 100.
    delay : int
        Seconds between the quorum and the moment from which a proposal can be executed.
    lifetime : int
        Seconds after which a proposal that was not executed is void.
    """

    quorum: int = 67
    pause_quorum: int = 34
    delay: int = 86_400
    lifetime: int = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Limits:
    """What one member may do in a day (UTC).

    Parameters
    ----------
    evaluations : int
        Evaluations of the pseudonym key; each new account needs one.
    case_entries, case_bytes : int
        Entries of the case log by a member and its officers, or by an auditor, and their bytes.
    """

    evaluations: int = 200_000
    case_entries: int = 1_000
    case_bytes: int = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the consortium is to make: the contract, the function, and its arguments by name.

    `contract` is empty if the target is not a contract of the consortium, and `function` if it is not known.
    """

    contract: str
    function: str
    arguments: tuple[tuple[str, Any], ...]
    target: str
    data: bytes

    @property
    def pair(self) -> tuple[str, bytes]:
        """The call as the contract takes it."""
        return self.target, self.data


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal and where it stands.

    Parameters
    ----------
    number : int
    title : str
    proposer : int
        Code of the member that made it.
    calls : tuple of Call
    calls_hash : bytes
        What an approval names.
    status : str
        open, passed (the delay runs or is over), executed, cancelled or expired.
    approvals : tuple of int
        Codes of the members that approve.
    needed : int
        How many approvals of active members are needed now.
    expires_at : int
        Unix time in seconds.
    executable_at : int
        Unix time from which it can be executed; 0 without a quorum.
    block : int
        The block in which it was made.
    """

    number: int
    title: str
    proposer: int
    calls: tuple[Call, ...]
    calls_hash: bytes
    status: str
    approvals: tuple[int, ...]
    needed: int
    expires_at: int
    executable_at: int
    block: int


@dataclass(frozen=True, slots=True)
class Founding:
    """The founding of a consortium.

    Parameters
    ----------
    founder : str
        The account that prepares it.
    founded : bool
    digest : bytes
        What the founding members confirm.
    steps : tuple of Call
        Everything that the founder did.
    confirmed : tuple of int
        Codes of the members that confirmed the digest.
    """

    founder: str
    founded: bool
    digest: bytes
    steps: tuple[Call, ...]
    confirmed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A key ceremony, with everything that its holders have published.

    Parameters
    ----------
    number, epoch, generation, threshold : int
    accounts : tuple of str
        The account of each holder of the new shares, in the order of their indices from 1.
    encryption_keys : tuple of bytes
        The key that a holder's shares are encrypted to.
    dealers : tuple of int
        Indices of the dealers: among these holders for a new key, among those of the generation before for a
        key that is shared anew.
    status : str
        running, completed, failed or replaced.
    commitments, contributions : mapping of dealer to bytes
    confirmed : tuple of int
        Indices of the holders that confirmed the result.
    result : bytes
        The hash of the result that they confirmed; empty before.
    complaint : tuple of (int, int, bytes) or None
        Holder, dealer and evidence.
    block : int
        The block in which it was started.
    """

    number: int
    epoch: int
    generation: int
    threshold: int
    accounts: tuple[str, ...]
    encryption_keys: tuple[bytes, ...]
    dealers: tuple[int, ...]
    status: str
    commitments: Mapping[int, bytes]
    contributions: Mapping[int, bytes]
    confirmed: tuple[int, ...]
    result: bytes
    complaint: tuple[int, int, bytes] | None
    block: int


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What a member asks the holders of the pseudonym key to evaluate.

    Parameters
    ----------
    number, member, epoch, count : int
        The request's number, the member's code, the epoch of the key, and how many elements.
    root : bytes
        RFC 6962 root over the blinded elements.
    linked_epoch : int or None
        The other epoch, for a request that links two epochs.
    block : int
    """

    number: int
    member: int
    epoch: int
    count: int
    root: bytes
    linked_epoch: int | None
    block: int

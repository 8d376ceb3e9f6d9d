"""A contract's refusal in words: what it means for a person, and what to do about it."""

from __future__ import annotations

from typing import Any, Final

from eth_abi.exceptions import DecodingError
from web3 import Web3
from web3.exceptions import ContractCustomError, ContractLogicError

from contracts.artifacts import load
from ledger.deployment import CONTRACTS
from ledger.errors import TransactionRejectedError
from ledger.gateway.connection import OTHER_NODE
from ledger.transport import quoted

__all__ = ["refusal"]

#: What a contract's refusal means for a person, and what to do about it.
_REFUSALS: Final = {
    "ConsortiumNotMember": ("this account is not a member", "Ask the operator to admit it."),
    "ConsortiumMemberSuspended": ("this member is suspended", "Ask the operator why; nothing is lost."),
    "ConsortiumMemberRevoked": ("this member was revoked", "It can no longer post; its vault is unchanged."),
    "BatchLedgerPaused": ("the consortium is paused", "Run the same command again once it is resumed."),
    "EnforcedPause": ("the consortium is paused", "Run the same command again once it is resumed."),
    "BatchLedgerUnexpectedSequence": (
        "the chain expects another batch of this member",
        "Another copy of this vault may be posting; use one vault per member.",
    ),
    "BatchLedgerUnexpectedPreviousHash": (
        "this batch does not follow the member's last one on the chain",
        "Another copy of this vault may be posting; use one vault per member.",
    ),
    "BatchLedgerUnknownEpoch": ("the pseudonym key's epoch is not open", "Ask the operator to open it."),
    "BatchLedgerUnknownPolicy": (
        "the encoding policy is not on this chain",
        "Check --home and --chain: the vault may belong to another consortium.",
    ),
    "RuleBookNotOfficer": ("this account is not an officer", "Ask the operator to grant the role."),
    "RuleBookAuthorCannotApprove": (
        "who wrote a rule set, or a draft it comes from, cannot approve it",
        "Let two other officers approve it.",
    ),
    "RuleBookAlreadyApproved": ("this officer has approved already", "Another officer must approve."),
    "RuleBookNotProposed": ("the rule set is not open for that", "See `counterfoil rules history`."),
    "RuleBookNotActive": ("the rule set is not in force", "See `counterfoil rules history`."),
    "RuleBookNotAuthor": ("only its author can do that", "Ask the author, or draft an edit of it."),
    "RuleBookAlreadyProposed": (
        "the same rule set, to the byte, was drafted before",
        "See `counterfoil rules history`; what was withdrawn needs a document that says so.",
    ),
    "AccessControlUnauthorizedAccount": (
        "this account lacks the role for that",
        "Ask the operator to grant it.",
    ),
}


def refusal(web3: Web3, error: ContractLogicError, where: str) -> TransactionRejectedError:
    """Return the error that says what a contract refused, and why."""
    name, args = "", ()
    data = error.data if isinstance(error.data, str) else None
    if data is not None or isinstance(error, ContractCustomError):
        try:
            name, args = _decode(web3, data or str(error.message))
        except (ValueError, DecodingError):
            name, args = "", ()  # a reason that is none; the refusal stands
    if name in _REFUSALS:
        what, next_step = _REFUSALS[name]
        shown = f" ({', '.join(_shown(a) for a in args)})" if args else ""
        return TransactionRejectedError(what + shown, where=f"{where}: {name}", next_step=next_step)
    return TransactionRejectedError(
        f"the contract refused: {name or quoted(error.message)}", where=where, next_step=OTHER_NODE
    )


def _decode(web3: Web3, data: str) -> tuple[str, tuple[Any, ...]]:
    raw = bytes.fromhex(data.removeprefix("0x")) if data.startswith("0x") else b""
    for artifact in (load(name) for name in CONTRACTS):
        for entry in artifact.abi:
            if entry.get("type") != "error":
                continue
            types = [item["type"] for item in entry.get("inputs", [])]
            selector = Web3.keccak(text=f"{entry['name']}({','.join(types)})")[:4]
            if raw[:4] == bytes(selector):
                return str(entry["name"]), tuple(web3.codec.decode(types, raw[4:]))
    return "", ()


def _shown(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)

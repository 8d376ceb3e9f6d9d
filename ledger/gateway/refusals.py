"""Messages for a contract's errors: what was refused, and what to do next."""

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

#: Message and next step for each error of the contracts.
_REFUSALS: Final = {
    "ConsortiumNotMember": ("this account is not a member", "Ask the operator to admit it."),
    "ConsortiumMemberSuspended": (
        "this member is suspended",
        "Ask the operator to reinstate it; no data is lost.",
    ),
    "ConsortiumAccountReplaced": (
        "this member posts from another account now",
        "Use the keys of the new account; those of the old one are kept to read what was sealed to them.",
    ),
    "ConsortiumNotSignedBy": (
        "the bank's own account did not sign its admission or its change of keys",
        "Ask the bank to sign with the account from which it will post.",
    ),
    "ConsortiumAccountAlreadyAdmitted": (
        "the account is or was a member",
        "Use a new account: each one is admitted once.",
    ),
    "ConsortiumKeyChangeRepeated": (
        "the bank made this very change of keys before",
        "Use new keys; keys that were given up do not come back.",
    ),
    "BatchLedgerNotSignedBy": (
        "the author's signature of the batch is not that of the account that sends it",
        "Check that the key file is complete and of this consortium.",
    ),
    "ConsortiumMemberRevoked": ("this member was revoked", "It can no longer post; its vault is unchanged."),
    "BatchLedgerPaused": ("the consortium is paused", "Run the same command again once it is resumed."),
    "EnforcedPause": ("the consortium is paused", "Run the same command again once it is resumed."),
    "BatchLedgerUnexpectedSequence": (
        "the chain expects another batch of this member",
        "Another copy of this vault may be posting; use only one vault per member.",
    ),
    "BatchLedgerUnexpectedPreviousHash": (
        "this batch does not follow the member's last batch on the chain",
        "Another copy of this vault may be posting; use only one vault per member.",
    ),
    "BatchLedgerUnknownEpoch": ("the pseudonym key's epoch is not open", "Ask the operator to open it."),
    "BatchLedgerUnknownPolicy": (
        "the encoding policy is not on this chain",
        "Check --home and --chain: the vault may belong to another consortium.",
    ),
    "RuleBookNotOfficer": ("this account is not an officer", "Ask the operator to grant the role."),
    "RuleBookAuthorCannotApprove": (
        "the author of a rule set, or of a draft it comes from, cannot approve it",
        "Ask two other officers to approve it.",
    ),
    "RuleBookAlreadyApproved": ("this officer has already approved", "Ask another officer to approve."),
    "RuleBookNotProposed": (
        "the status of the rule set does not allow this step",
        "Run `counterfoil rules history` to see its status.",
    ),
    "RuleBookNotActive": (
        "the rule set is not in force",
        "Run `counterfoil rules history` to see which one is.",
    ),
    "RuleBookNotAuthor": (
        "only the author of the rule set can do this",
        "Ask the author, or draft an edit of the rule set.",
    ),
    "RuleBookAlreadyProposed": (
        "an identical rule set, byte for byte, was drafted before",
        "Run `counterfoil rules history`; to draft a withdrawn rule set again, change its document.",
    ),
    "AccessControlUnauthorizedAccount": (
        "this account does not have the necessary role",
        "Ask the operator to grant the role.",
    ),
}


def refusal(web3: Web3, error: ContractLogicError, where: str) -> TransactionRejectedError:
    """Return the error that explains a contract's refusal."""
    name, args = "", ()
    data = error.data if isinstance(error.data, str) else None
    if data is not None or isinstance(error, ContractCustomError):
        try:
            name, args = _decode(web3, data or str(error.message))
        except (ValueError, DecodingError):
            name, args = "", ()  # the reason cannot be decoded; the refusal is reported without it
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

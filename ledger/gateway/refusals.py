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
    "ConsortiumNotMember": (
        "this account is not a member",
        "A member proposes its admission: `counterfoil consortium admit`.",
    ),
    "ConsortiumMemberSuspended": (
        "this member is suspended",
        "A member proposes to reinstate it; no data is lost.",
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
    "GovernanceNotApproved": (
        "only the members together can do this",
        "Propose it: `counterfoil consortium --help` lists the proposals.",
    ),
    "GovernanceNotFounded": (
        "the consortium is not founded yet",
        "Each founding member runs `counterfoil consortium confirm`.",
    ),
    "GovernanceAlreadyFounded": (
        "the consortium is founded, and the founder has no part in it any more",
        "Propose the change: `counterfoil consortium --help` lists the proposals.",
    ),
    "GovernanceNotFounder": ("only the founder can do this", "Ask the founder."),
    "GovernanceOtherDigest": (
        "the founder did something else meanwhile",
        "Run `counterfoil consortium confirm` again, and read what changed.",
    ),
    "GovernanceUnknownProposal": (
        "there is no such proposal",
        "Run `counterfoil consortium proposals`, which lists all proposals.",
    ),
    "GovernanceProposalClosed": ("the proposal was executed or cancelled", "Make a new proposal."),
    "GovernanceProposalExpired": ("the proposal is too old", "Make a new proposal."),
    "GovernanceAlreadyApproved": ("this member approves already", "Ask another member to approve."),
    "GovernanceNotApprovedBy": ("this member does not approve", "There is nothing to take back."),
    "GovernanceNotProposer": (
        "only the member that made the proposal can cancel it",
        "Take back your own approval: `counterfoil consortium approve --withdraw`.",
    ),
    "GovernanceQuorumMissing": (
        "too few members approve",
        "Ask other members to approve: `counterfoil consortium approve`.",
    ),
    "GovernanceDelayNotOver": (
        "the delay of the proposal has not passed",
        "Run `counterfoil consortium execute` after it has; `consortium proposals` shows the time.",
    ),
    "GovernanceInvalidRules": (
        "a quorum or a time is out of its range",
        "Use a quorum of 51 to 100 percent, 1 to 100 for a pause, and a lifetime above the delay.",
    ),
    "ConsortiumNotForAccount": (
        "only the member itself, or an approved proposal, can do this",
        "Propose it: `counterfoil consortium --help` lists the proposals.",
    ),
    "ConsortiumOfficerAlreadyAppointed": ("the account is an officer already", "Use another account."),
    "ConsortiumNotOfficer": (
        "the account is not an officer",
        "Run `counterfoil consortium status`, which lists the officers.",
    ),
    "ConsortiumAgentAlreadyAdmitted": (
        "the bank's identifier belongs to a member, perhaps a revoked one",
        "An identifier is used once.",
    ),
    "PseudonymKeysNoKey": (
        "the epoch has no key yet",
        "Start a ceremony: `counterfoil consortium epoch`; its holders run `keyholder serve`.",
    ),
    "PseudonymKeysNoPart": (
        "the account has no part in this round of the ceremony",
        "Run `counterfoil consortium status`, which names the holders of each ceremony.",
    ),
    "PseudonymKeysInvalidHolder": (
        "an account or an encryption key of a holder is missing, named twice, or was used before",
        "Take each holder's present encryption key: its own `counterfoil keyholder init` prints it.",
    ),
    "PseudonymKeysNotRunning": (
        "the ceremony has ended",
        "Run `counterfoil consortium status`; a member may propose another ceremony.",
    ),
    "EvaluationLogTooEarly": (
        "the member joined lately and may not ask for pseudonyms yet",
        "Run the same command again after this Unix time.",
    ),
    "EvaluationLogQuotaExceeded": (
        "the member's evaluations of the pseudonym key are used up for today",
        "Run the same command again tomorrow; to load history, a member proposes a grant: "
        "`counterfoil consortium grant`.",
    ),
    "CaseLogQuotaExceeded": (
        "the member has appended as much to the case log today as the consortium allows",
        "Run the same command again tomorrow.",
    ),
    "RuleBookSameMember": (
        "an officer of the same member has approved",
        "An officer of another member must approve too.",
    ),
    "RuleBookOtherRules": (
        "the keys of the rules are not those that were given with the document",
        "Do not approve it; ask its author.",
    ),
    "BatchLedgerNotSignedBy": (
        "the author's signature of the batch is not that of the account that sends it",
        "Check that the key file is complete and of this consortium.",
    ),
    "ConsortiumMemberRevoked": ("this member was revoked", "It can no longer post; its vault is unchanged."),
    **dict.fromkeys(
        ("BatchLedgerPaused", "CaseLogPaused", "EnforcedPause", "EvaluationLogPaused", "RuleBookPaused"),
        ("the consortium is paused", "Run the same command again once it is resumed."),
    ),
    "ExpectedPause": ("the consortium is not paused", "There is nothing to do."),
    **dict.fromkeys(
        ("CaseLogNotFounded", "RuleBookNotFounded"),
        ("the consortium is not founded yet", "Each founding member runs `counterfoil consortium confirm`."),
    ),
    **dict.fromkeys(
        ("EvaluationLogNotApproved", "PseudonymKeysNotApproved"),
        (
            "only the members together can do this",
            "Propose it: `counterfoil consortium --help` lists the proposals.",
        ),
    ),
    "ConsortiumLastMember": (
        "it is the last active member: without it nobody could decide",
        "Admit or reinstate another member first.",
    ),
    "ConsortiumMemberNotSuspended": ("this member is not suspended", "There is nothing to do."),
    "ConsortiumPolicyAlreadyPublished": ("this policy was published before", "There is nothing to do."),
    "ConsortiumReaderAlreadyAdded": ("this reader was added before", "Give the key of another reader."),
    "ConsortiumUnknownReader": (
        "there is no such reader",
        "Run `counterfoil consortium status`, which lists the readers.",
    ),
    "CaseLogUnauthorized": (
        "this account may not append to the case log",
        "Only active members, their officers and the desk may: `counterfoil consortium status` lists them.",
    ),
    "EvaluationLogNotHolder": (
        "this account is no holder of the key",
        "Run this command where a key holder of this epoch is.",
    ),
    "EvaluationLogUnknownEpoch": (
        "the pseudonym key's epoch is not open",
        "A member proposes to open it: `counterfoil consortium epoch`.",
    ),
    "EvaluationLogUnknownLink": (
        "there is no such request that links two epochs",
        "Check the number of the request.",
    ),
    "EvaluationLogRepeated": ("it was done before", "There is nothing to do."),
    "PseudonymKeysRepeated": ("the holder has sent this message before", "There is nothing to do."),
    "PseudonymKeysEpochNotLater": (
        "the epoch's number is not higher than that of the last one",
        "Take the next number: `counterfoil consortium status` lists the epochs.",
    ),
    "PseudonymKeysEpochStartNotLater": (
        "the epoch does not start after the last one",
        "Give a later start: `counterfoil consortium status` lists the epochs.",
    ),
    "BatchLedgerUnexpectedSequence": (
        "the chain expects another batch of this member",
        "Another copy of this vault may be posting; use only one vault per member.",
    ),
    "BatchLedgerUnexpectedPreviousHash": (
        "this batch does not follow the member's last batch on the chain",
        "Another copy of this vault may be posting; use only one vault per member.",
    ),
    "BatchLedgerUnknownEpoch": (
        "the pseudonym key's epoch is not open",
        "A member proposes to open it: `counterfoil consortium epoch`.",
    ),
    "BatchLedgerUnknownPolicy": (
        "the encoding policy is not on this chain",
        "Check --home and --chain: the vault may belong to another consortium.",
    ),
    "RuleBookNotOfficer": (
        "this account is not an officer of an active member",
        "A member proposes to appoint it: `counterfoil consortium role`.",
    ),
    "RuleBookAuthorCannotApprove": (
        "the author of a rule set, of a draft it comes from, or of one of its rules, cannot approve it",
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
        "A member proposes to grant it: `counterfoil consortium role`.",
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
    if name:
        given = "Check the values that were given; no honest command of this version is refused like this."
        return TransactionRejectedError(f"the contract refused: {name}", where=where, next_step=given)
    return TransactionRejectedError(
        f"the contract refused: {quoted(error.message)}", where=where, next_step=OTHER_NODE
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

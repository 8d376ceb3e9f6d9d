"""What a verified proof states, check by check, and whose word each check rests on.

The command line, the HTTP API and the working paper show the same statements. A check never says more than
what was verified: a value that the row does not prove is named as the bank's word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from ledger.audit.bundle import BundleError, VerifiedBundle, VerifiedRow
from ledger.audit.confirmation import Half, Payment, intervals
from ledger.audit.fields import Basis
from ledger.audit.trust import Trust
from ledger.audit.verify import Verified
from ledger.encoding.policy import Policy
from ledger.errors import VerificationError
from ledger.flag import RowRef
from ledger.log import OpenedCheckpoint
from ledger.log.policy import Policy as LogPolicy
from ledger.money import ALPHA, EXPONENT
from ledger.schema import NOT_A_MEMBER, Side

__all__ = [
    "BASIS",
    "Check",
    "Outcome",
    "acceptance_rests_on",
    "checks",
    "cosigners",
    "described",
    "disclosed_to",
    "failures",
    "moment",
    "not_proven",
    "posting_rests_on",
    "quorum",
]

#: A proof that `checks` and `not_proven` take.
Result = Verified | OpenedCheckpoint | VerifiedBundle

#: What a disclosed value rests on, in words.
BASIS: Final[Mapping[Basis, str]] = {
    Basis.ROW: "row",
    Basis.INTERVAL: "row (interval)",
    Basis.RECORD: "bank's word (record)",
}

_NO_WITNESS: Final = "no witness is required"


class Outcome(StrEnum):
    """The result of a check."""

    PROVEN = "proven"
    INTERVAL = "proven as an interval"
    WORD = "bank's word"
    NOT_PROVEN = "not proven"
    FAILED = "does not verify"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, what was checked, the result, and what it rests on.

    Parameters
    ----------
    item : str
        The file's part, such as "ALFADEFF, batch 0, row 3".
    name : str
        What was checked, such as "posting".
    outcome : Outcome
    detail : str
        What was found.
    rests_on : str
        Whose signature or word the result rests on.
    """

    item: str
    name: str
    outcome: Outcome
    detail: str
    rests_on: str = ""


def moment(seconds: int) -> str:
    """Return a time as text in UTC; a time that no calendar has is shown as its number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"Unix time {seconds}"


def quorum(policy: LogPolicy) -> str:
    """Return how many witnesses the trust file requires, such as "2 of 3 witnesses"."""
    if policy.quorum == "none":
        return _NO_WITNESS
    if policy.quorum in policy.witnesses:
        return f"the witness {policy.quorum}"
    group = policy.groups[policy.quorum]
    if all(member in policy.witnesses for member in group.members):
        return f"{group.threshold} of {len(group.members)} witnesses"
    return f"the quorum {group.name}"


def cosigners(opened: OpenedCheckpoint) -> str:
    """Return who cosigned a checkpoint, with the time of each cosignature."""
    return ", ".join(f"{name} ({moment(at)})" for name, at in opened.cosigned_by) or "nobody"


def posting_rests_on(policy: LogPolicy) -> str:
    """Return what it rests on that a bank posted a row."""
    needed = quorum(policy)
    if needed == _NO_WITNESS:
        return f"the author's signature; the place in the log: the desk's key alone ({needed})"
    return f"the author's signature and {needed}"


def acceptance_rests_on(policy: LogPolicy) -> str:
    """Return what it rests on that the desk accepted a batch."""
    needed = quorum(policy)
    tail = needed if needed == _NO_WITNESS else f"append-only by {needed}"
    return f"the desk's word, which whoever has a reader key can check; {tail}"


def disclosed_to(proven: Verified) -> str:
    """Return for whom and for what a disclosure was made, and who signed it."""
    return f"for {proven.recipient}, purpose: {proven.purpose}; signed by {proven.agent}"


def checks(result: Result, trust: Trust) -> list[Check]:
    """Return every check that the verification of a proof made, in the order of the file."""
    if isinstance(result, OpenedCheckpoint):
        return [_checkpoint("checkpoint", result, trust)]
    if isinstance(result, Verified):
        item = _item(result)
        found = [*_receipt(item, result, trust), *_fields(item, result)]
        return [
            *found,
            _checkpoint("ledger log", result.ledger, trust),
            _checkpoint("verdict log", result.verdicts, trust),
        ]
    return list(_bundle(result, trust))


def failures(error: VerificationError) -> list[Check]:
    """Return what does not verify, as checks; the text of an error never has a person's data."""
    if isinstance(error, BundleError):
        return [
            Check(problem.where, "verification", Outcome.FAILED, str(problem.error))
            for problem in error.problems
        ]
    return [Check(error.where or "file", "verification", Outcome.FAILED, error.what)]


def not_proven(result: Result, trust: Trust) -> list[str]:
    """Return sentences about what a proof does not prove."""
    if isinstance(result, VerifiedBundle):
        return list(result.not_proven)
    found = []
    if trust.policy.quorum == "none":
        found.append(
            "No witness is required by the trust file: that nobody was shown another history rests on the "
            "desk's word."
        )
    if isinstance(result, OpenedCheckpoint):
        return [*found, "A checkpoint says nothing about any single entry of its log."]
    if result.purpose is None:
        found.append("The exact fields of the transaction: a receipt opens none.")
    word = [field.name for field in result.fields if field.basis is Basis.RECORD]
    near = [field.name for field in result.fields if field.basis is Basis.INTERVAL]
    if word:
        found.append(f"{result.agent}'s word alone: {', '.join(word)}.")
    if near:
        found.append(f"The exact value of {', '.join(near)}: the row proves the interval that contains it.")
    return [*found, "That the other bank confirms the payment: one proof shows one bank's half."]


def _item(proven: Verified) -> str:
    return _place(proven.agent, proven.receipt.header.sequence, proven.receipt.index)


def _place(agent: str, sequence: int, index: int) -> str:
    return f"{agent}, batch {sequence}, row {index}"


def _receipt(item: str, proven: Verified, trust: Trust) -> Iterator[Check]:
    receipt = proven.receipt
    yield Check(
        item,
        "posting",
        Outcome.PROVEN,
        f"posted by {proven.agent} (account 0x{receipt.header.member.hex()}) in block {receipt.block} at "
        f"{moment(receipt.block_time)}; batch {receipt.header.hash.hex()}",
        posting_rests_on(trust.policy),
    )
    yield Check(
        item,
        "acceptance",
        Outcome.PROVEN,
        f"accepted by the desk, at {proven.verdicts.checkpoint.size} verdicts",
        acceptance_rests_on(trust.policy),
    )


def _fields(item: str, proven: Verified) -> Iterator[Check]:
    if proven.purpose is None:
        return
    yield Check(item, "disclosure", Outcome.PROVEN, disclosed_to(proven), f"the signature of {proven.agent}")
    outcomes = {
        Basis.ROW: Outcome.PROVEN,
        Basis.INTERVAL: Outcome.INTERVAL,
        Basis.RECORD: Outcome.WORD,
    }
    for field in proven.fields:
        value = "no value" if field.value is None else field.value
        yield Check(item, f"field {field.name}", outcomes[field.basis], value, BASIS[field.basis])


def _checkpoint(item: str, opened: OpenedCheckpoint, trust: Trust) -> Check:
    head = opened.checkpoint
    return Check(
        item,
        "checkpoint",
        Outcome.PROVEN,
        f"{head.origin}: {head.size} entries, root {head.root.hex()}; cosigned by {cosigners(opened)}",
        f"the desk's key; required: {quorum(trust.policy)}",
    )


def _bundle(found: VerifiedBundle, trust: Trust) -> Iterator[Check]:
    if found.flag is not None:
        shown, anchor = found.flag.shown, found.flag.anchor
        yield Check(
            f"flag {found.flag.flag_id.hex()}",
            "anchoring",
            Outcome.PROVEN,
            f"{shown['title']}, severity {shown['severity']}, certainty {shown['certainty']}: "
            f"{shown['explanation']} Raised by {shown['source']['kind']} {shown['source']['id']} "
            f"{shown['source']['version']}; on the case log in block {anchor.block} at "
            f"{moment(anchor.block_time)} by 0x{anchor.author.hex()}",
            f"the contract, which takes flags from the desk only, and {quorum(trust.policy)}",
        )
    for row in found.rows:
        yield from _row(row, found.policies, trust)
    for payment in found.payments:
        yield _confirmation(payment, trust)
    for number, held in enumerate(found.decisions):
        yield Check(
            f"decision {number + 1}",
            "anchoring",
            Outcome.PROVEN,
            f"{held.decision.verdict}: {held.decision.reason or 'no reason given'}; decided by "
            f"0x{held.anchor.author.hex()}, on the case log in block {held.anchor.block} at "
            f"{moment(held.anchor.block_time)}",
            f"the contract, which takes decisions from officers only, and {quorum(trust.policy)}",
        )
    yield _checkpoint("ledger log", found.ledger, trust)
    yield _checkpoint("verdict log", found.verdicts, trust)


def _row(row: VerifiedRow, policies: Mapping[bytes, Policy], trust: Trust) -> Iterator[Check]:
    agent = trust.agents.get(row.ref.member, f"member {row.ref.member}")
    item = _place(agent, row.ref.sequence, row.ref.index)
    if row.proven is None:
        yield Check(item, "posting", Outcome.NOT_PROVEN, "the bundle has no receipt for this row")
        return
    yield from _receipt(item, row.proven, trust)
    policy = policies.get(row.proven.receipt.header.policy_hash)
    yield Check(
        item,
        "content",
        Outcome.PROVEN,
        described(row.proven.row, policy, trust),
        f"the word of {agent}, fixed when the row was posted",
    )
    for disclosed in row.disclosures:
        yield from _fields(item, disclosed)


def described(row: Mapping[str, Any], policy: Policy | None, trust: Trust) -> str:
    """Return in words what a posted row says of a payment; without its policy, no amount and no time."""

    def bank(code: int) -> str:
        return "a bank outside" if code == NOT_A_MEMBER else trust.agents.get(code, f"member {code}")

    side = Side(int(row["side"])).name.lower().replace("_", " ")
    currency = ALPHA.get(int(row["currency"]), f"currency {int(row['currency'])}")
    told = (
        f"{side} half: from {bank(int(row['debtor_agent']))} account {bytes(row['debtor_account']).hex()} to "
        f"{bank(int(row['creditor_agent']))} account {bytes(row['creditor_account']).hex()}, {currency}"
    )
    if policy is None:
        return told
    try:
        found = intervals(row, policy)
    except VerificationError:
        return told
    low, high = (_amount(value, currency) for value in (found.amount_low, found.amount_high))
    return f"{told} {low} to {high}, from {moment(found.time_low)} until {moment(found.time_high)}"


def _amount(minor: int, currency: str) -> str:
    digits = EXPONENT.get(currency, 0)
    whole, rest = divmod(minor, 10**digits)
    return f"{whole:,}.{rest:0{digits}d}" if digits else f"{whole:,}"


def _confirmation(payment: Payment, trust: Trust) -> Check:
    def place(half: Half) -> str:
        ref: RowRef = half.key
        return _place(trust.agents.get(ref.member, str(ref.member)), ref.sequence, ref.index)

    item = " and ".join(map(place, payment.halves))
    if payment.confirmed and payment.credit is not None and payment.debit is not None:
        detail = f"confirmed by {payment.debit.agent} and {payment.credit.agent}: {', '.join(payment.agree)}"
        return Check(item, "counterparty", Outcome.PROVEN, detail, "the signatures of both banks")
    if payment.differ:
        detail = f"the two banks differ in: {', '.join(payment.differ)}"
    elif payment.unknown:
        detail = f"not compared: {', '.join(payment.unknown)}"
    elif payment.inside:
        detail = "a payment inside one bank: there is no other half"
    elif payment.outside:
        detail = "the other bank is not a member: there is no other half"
    else:
        detail = "the other bank's half is not in this bundle"
    return Check(item, "counterparty", Outcome.NOT_PROVEN, detail, f"the word of {payment.halves[0].agent}")

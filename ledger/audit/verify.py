"""Offline verification of a receipt or a disclosure against a trust file; any failure raises an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.audit.trust import Trust
from ledger.commitment import merkle
from ledger.commitment.record import verify_field
from ledger.encoding.consistency import check_consistent
from ledger.encoding.policy import Policy
from ledger.errors import VerificationError
from ledger.log import Checkpoint, open_checkpoint
from ledger.receipt import DISCLOSURE_FORMAT, Disclosure, Receipt
from ledger.schema import FIELDS, ROW_SIZE, Side, unpack_row

__all__ = ["Verified", "verify", "verify_disclosure", "verify_receipt"]


@dataclass(frozen=True, slots=True)
class Verified:
    """The proven facts: which bank posted the row, its place in the log, and the opened fields.

    Parameters
    ----------
    agent : str
        The bank that posted it.
    receipt : Receipt
    checkpoint : Checkpoint
        The signed checkpoint of the log that contains the row.
    row : mapping of column name to value
        The posted row, as `ledger.schema.unpack_row` returns it.
    fields : mapping of field name to value
        Opened fields; empty for a receipt.
    purpose : str or None
        The purpose of a disclosure.
    """

    agent: str
    receipt: Receipt
    checkpoint: Checkpoint
    row: Mapping[str, Any]
    fields: Mapping[str, str | None] = field(default_factory=dict)
    purpose: str | None = None


def verify(data: bytes, trust: Trust) -> Verified:
    """Verify the bytes of a receipt or of a disclosure.

    Raises
    ------
    VerificationError
        When any part is not valid; it names the part, the expected value and the found value.
    """
    if f'"format":"{DISCLOSURE_FORMAT}"'.encode() in data[: 1 << 20] and b'"signature":' in data:
        return verify_disclosure(data, trust)
    return verify_receipt(data, trust)


def verify_receipt(data: bytes, trust: Trust) -> Verified:
    """Verify a receipt's bytes.

    Raises
    ------
    VerificationError
        As for `verify`.
    """
    return _verify(Receipt.from_bytes(data), trust)


def verify_disclosure(data: bytes, trust: Trust) -> Verified:
    """Verify a disclosure: receipt, signature, each opened field, and that the row agrees with them.

    Raises
    ------
    VerificationError
        As for `verify`.
    """
    disclosure = Disclosure.from_bytes(data)
    proven = _verify(disclosure.receipt, trust)
    header = disclosure.receipt.header
    if disclosure.signer() != header.member:
        raise VerificationError(
            "the disclosure is not signed by the bank that posted the row",
            expected=header.member,
            got=disclosure.signer(),
        )
    policy = Policy.from_document(disclosure.policy.encode())
    if policy.hash != header.policy_hash:
        raise VerificationError(
            "the disclosure's policy is not the policy of the batch",
            expected=header.policy_hash,
            got=policy.hash,
        )
    record_root = proven.row["record_root"]
    fields: dict[str, str | None] = {}
    for opened in disclosure.fields:
        if opened.name in fields:
            raise VerificationError(f"the disclosure opens the field {opened.name!r} twice")
        verify_field(opened, record_root, names=FIELDS)
        fields[opened.name] = opened.value
    check_consistent(fields, proven.row, policy)
    for name, sides in (
        ("debtor_agent", (Side.DEBIT, Side.ON_US)),
        ("creditor_agent", (Side.CREDIT, Side.ON_US)),
    ):
        if name in fields and proven.row["side"] in sides:
            _equal(f"{name}: it is not the bank that posted the row", proven.agent, fields[name])
    return Verified(
        proven.agent, disclosure.receipt, proven.checkpoint, proven.row, fields, disclosure.purpose
    )


def _verify(receipt: Receipt, trust: Trust) -> Verified:
    deployment, header = trust.deployment, receipt.header
    checkpoint = open_checkpoint(receipt.checkpoint, trust.checkpoint_keys)
    _equal("log origin", deployment.origin, checkpoint.origin)
    _equal("chain id", deployment.chain_id, header.chain_id)
    _equal("contract", deployment.address("BatchLedger"), header.contract)
    agent = trust.members.get(header.member.hex())
    if agent is None:
        raise VerificationError(
            f"0x{header.member.hex()} posted the batch, but is not a member in the trust file",
            next_step="If the member is new, get a newer trust file from the consortium.",
        )
    _equal("row size", ROW_SIZE, len(receipt.row))
    merkle.verify_inclusion(
        merkle.leaf_hash(receipt.row), receipt.index, header.row_count, receipt.rows_path, header.rows_root
    )
    merkle.verify_inclusion(
        merkle.leaf_hash(header.hash), receipt.log_index, checkpoint.size, receipt.log_path, checkpoint.root
    )
    return Verified(agent, receipt, checkpoint, unpack_row(receipt.row))


def _equal(what: str, expected: object, got: object) -> None:
    if expected != got:
        raise VerificationError(f"wrong {what}", expected=expected, got=got)

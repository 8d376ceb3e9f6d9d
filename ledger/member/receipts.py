"""Make receipts and disclosures from the vault, the published log and its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ledger.commitment import merkle
from ledger.commitment.record import open_fields
from ledger.errors import InputError, VerificationError
from ledger.log import open_checkpoint
from ledger.member.keys import MemberKeys
from ledger.member.vault import HeldRecord, Vault
from ledger.receipt import Disclosure, Receipt
from ledger.schema import FIELDS, ROW_SIZE

__all__ = ["disclose", "make_receipt"]


def make_receipt(
    vault: Vault, record: HeldRecord, *, log: bytes, checkpoint: str, checkpoint_keys: Mapping[str, bytes]
) -> Receipt:
    """Make the receipt which proves that the log contains a record's row.

    Parameters
    ----------
    vault : Vault
    record : HeldRecord
    log : bytes
        The published batch hashes, 32 bytes each, in log order.
    checkpoint : str
        A signed checkpoint.
    checkpoint_keys : mapping of key name to Ed25519 public key

    Raises
    ------
    InputError
        When the record is not posted yet, or the checkpoint does not cover its batch yet.
    VerificationError
        When the log does not match the checkpoint.
    """
    if record.batch is None or record.row_index is None:
        raise InputError(
            "the record is not posted yet",
            where=str(record.values[FIELDS.index("transaction_id")]),
            next_step="Run `counterfoil member post`; a row is posted after its time bucket has ended.",
        )
    header, rows, log_index = vault.batches.posted(record.batch)
    note = open_checkpoint(checkpoint, checkpoint_keys)
    size = note.size
    if log_index is None or log_index >= size:
        raise InputError(
            "no signed checkpoint covers the record's batch yet",
            where=f"batch {record.batch}",
            next_step="Ask the desk to run `counterfoil desk sync`, then try again.",
        )
    leaves = [merkle.leaf_hash(rows[i : i + ROW_SIZE]) for i in range(0, len(rows), ROW_SIZE)]
    entries = [merkle.leaf_hash(log[i : i + 32]) for i in range(0, size * 32, 32)]
    if merkle.root(entries) != note.root:
        raise VerificationError(
            "the published log does not match its checkpoint",
            expected=note.root,
            got=merkle.root(entries),
            next_step="Ask the desk to run `counterfoil fsck`.",
        )
    start = record.row_index * ROW_SIZE
    return Receipt(
        row=rows[start : start + ROW_SIZE],
        index=record.row_index,
        rows_path=tuple(merkle.inclusion_path(leaves, record.row_index)),
        header=header,
        log_index=log_index,
        log_path=tuple(merkle.inclusion_path(entries, log_index)),
        checkpoint=checkpoint,
    )


def disclose(
    vault: Vault,
    keys: MemberKeys,
    record: HeldRecord,
    receipt: Receipt,
    *,
    policy: bytes,
    names: Sequence[str],
    purpose: str,
) -> Disclosure:
    """Make a disclosure: open the chosen fields of a record for a stated purpose.

    Raises
    ------
    InputError
        When a field does not exist, or no purpose is stated.
    """
    unknown = [name for name in names if name not in FIELDS]
    if unknown:
        raise InputError(
            f"there is no field {', '.join(unknown)}", next_step=f"Choose from: {', '.join(FIELDS)}."
        )
    if not purpose.strip():
        raise InputError("the disclosure has no purpose", next_step="Give a purpose with --purpose.")
    fields = list(zip(FIELDS, record.values, strict=True))
    seed = vault.seed(record.values[FIELDS.index("transaction_id")] or "")
    opened = tuple(open_fields(fields, seed, list(dict.fromkeys(names))))
    return Disclosure(receipt, policy.decode(), opened, purpose.strip()).sign(keys.account)

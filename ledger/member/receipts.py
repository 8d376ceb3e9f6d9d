"""Make receipts and disclosures from the vault and the two published logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol

from ledger.batch import BatchHeader
from ledger.commitment import merkle
from ledger.commitment.record import open_fields
from ledger.disclosure import MAX_TEXT, DisclosedField, Disclosure, PseudonymOpening, TokenOpening
from ledger.encoding.evaluation import Evaluation
from ledger.encoding.token import open_token, own_key, pair_key, token_opening
from ledger.entries import batch_entry
from ledger.errors import InputError, VerificationError
from ledger.log import Checkpoint
from ledger.log.proof import Proof
from ledger.member.keys import MemberKeys
from ledger.member.vault import HeldRecord, Vault
from ledger.receipt import Receipt
from ledger.schema import FIELDS, ROW_SIZE, Side, unpack_row
from ledger.typed_data import Domain
from ledger.verdicts import Reason, accepted_entry, rejected_entry

__all__ = ["PublishedLog", "Standing", "State", "disclose", "make_receipts", "standings"]

_TRANSACTION_ID: Final = FIELDS.index("transaction_id")
_PSEUDONYMS: Final = ("debtor_account", "creditor_account", "party_id", "on_behalf_of")


class PublishedLog(Protocol):
    """A log as the desk publishes it, whose checkpoint was verified."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint that meets the policy."""

    @property
    def note(self) -> str:
        """The checkpoint's signed note."""

    def leaf_hashes(self) -> Sequence[bytes]:
        """Return the leaf hashes of the tree of the checkpoint, 32 bytes each."""


class _Tree:
    """A published log, with what receipts need of it: the index of an entry, and inclusion proofs."""

    def __init__(self, log: PublishedLog) -> None:
        self._log = log
        self._leaves = log.leaf_hashes()
        if merkle.root(self._leaves) != log.checkpoint.root:
            raise VerificationError(
                "a published log does not match its checkpoint",
                where=log.checkpoint.origin,
                next_step="Ask the desk to run `counterfoil fsck`, and tell the other members.",
            )
        self._index = {leaf: index for index, leaf in enumerate(self._leaves)}

    def find(self, entry: bytes) -> int | None:
        """Return the index of an entry; None if the log does not contain it."""
        return self._index.get(merkle.leaf_hash(entry))

    def prove(self, indices: Iterable[int]) -> dict[int, str]:
        """Return the proofs of inclusion of entries by their index, as C2SP tlog-proof."""
        wanted = sorted(set(indices))
        paths = merkle.inclusion_paths(self._leaves, wanted)
        return {
            index: Proof(index, tuple(path), self._log.note).to_text()
            for index, path in zip(wanted, paths, strict=True)
        }


def make_receipts(
    vault: Vault, records: Sequence[HeldRecord], *, ledger: PublishedLog, verdicts: PublishedLog
) -> list[Receipt]:
    """Make the receipts which prove that the rows of records are posted and accepted.

    Parameters
    ----------
    vault : Vault
    records : sequence of HeldRecord
    ledger, verdicts : PublishedLog
        The ledger log and the verdict log.

    Returns
    -------
    list of Receipt
        In the order of the records.

    Raises
    ------
    InputError
        When a record is not posted yet, a checkpoint does not cover its batch yet, or the desk kept its batch
        apart.
    VerificationError
        When a log does not match its checkpoint.
    """
    posted, judged = _Tree(ledger), _Tree(verdicts)
    made: dict[int, _BatchProof] = {}
    for record in records:
        if record.batch is None or record.row_index is None:
            raise InputError(
                "the record is not posted yet",
                next_step="Run `counterfoil member post`; a row is posted after its time bucket has ended.",
            )
        if record.batch not in made:
            made[record.batch] = _BatchProof(vault, record.batch, posted, judged)
    in_ledger = posted.prove(batch.ledger_index for batch in made.values())
    in_verdicts = judged.prove(batch.verdict_index for batch in made.values())
    for batch in made.values():
        batch.ledger_proof = in_ledger[batch.ledger_index]
        batch.verdict_proof = in_verdicts[batch.verdict_index]
    return [made[record.batch or 0].receipt(record.row_index or 0) for record in records]


class _BatchProof:
    """What all receipts of one batch share."""

    def __init__(self, vault: Vault, sequence: int, posted: _Tree, judged: _Tree) -> None:
        batch = self._batch = vault.batches.posted(sequence)
        self._leaves = [
            merkle.leaf_hash(batch.rows[i : i + ROW_SIZE]) for i in range(0, len(batch.rows), ROW_SIZE)
        ]
        self._paths: list[list[bytes]] | None = None
        self.ledger_proof = self.verdict_proof = ""
        found = None
        if batch.block is not None and batch.block_time is not None:
            entry = batch_entry(batch.header, batch.signature, batch.block, batch.block_time)
            found = _judged(batch.header, entry, posted, judged)
        if isinstance(found, Reason):
            raise InputError(
                f"the desk kept this batch apart, so none of its rows counts: {found.text}",
                where=f"batch {sequence}",
                next_step="Ask the desk for the row and the column, and correct the software.",
            )
        if found is None:
            raise _not_covered(sequence)
        self.ledger_index, self.verdict_index = found

    def receipt(self, row_index: int) -> Receipt:
        """Return the receipt of one row."""
        batch = self._batch
        if self._paths is None:
            self._paths = merkle.inclusion_paths(self._leaves, range(len(self._leaves)))
        start = row_index * ROW_SIZE
        return Receipt(
            row=batch.rows[start : start + ROW_SIZE],
            index=row_index,
            rows_path=tuple(self._paths[row_index]),
            header=batch.header,
            signature=batch.signature,
            block=batch.block or 0,
            block_time=batch.block_time or 0,
            ledger_proof=self.ledger_proof,
            verdict_proof=self.verdict_proof,
        )


def _judged(
    header: BatchHeader, entry: bytes, posted: _Tree, judged: _Tree
) -> tuple[int, int] | Reason | None:
    """Return an accepted batch's indices in the two logs, why it was kept apart, or None: not there yet."""
    index = posted.find(entry)
    if index is None:
        return None
    verdict = judged.find(accepted_entry(index, header.hash))
    if verdict is not None:
        return index, verdict
    rejected = (r for r in Reason if judged.find(rejected_entry(index, header.hash, r)) is not None)
    return next(rejected, None)


class State(Enum):
    """Whether the two published logs prove a batch already, or prove that the desk kept it apart."""

    PROVEN = auto()
    WAITING = auto()
    APART = auto()


class Standing(NamedTuple):
    """The epoch of a posted batch, its block, and its state."""

    epoch: int
    block: int
    state: State


def standings(vault: Vault, *, ledger: PublishedLog, verdicts: PublishedLog) -> dict[int, Standing]:
    """Return how every batch of a vault stands that is confirmed on the chain, by its number.

    Raises
    ------
    VerificationError
        When a log does not match its checkpoint.
    """
    posted, judged = _Tree(ledger), _Tree(verdicts)
    found = {}
    for header, signature, block, block_time in vault.batches.headers():
        at = _judged(header, batch_entry(header, signature, block, block_time), posted, judged)
        state = State.APART if isinstance(at, Reason) else State.WAITING if at is None else State.PROVEN
        found[header.sequence] = Standing(header.epoch, block, state)
    return found


def _not_covered(sequence: int) -> InputError:
    return InputError(
        "no checkpoint with enough cosignatures covers the record's batch yet",
        where=f"batch {sequence}",
        next_step="Ask the desk to run `counterfoil desk sync`, then try again.",
    )


def disclose(
    vault: Vault,
    keys: MemberKeys,
    record: HeldRecord,
    receipt: Receipt,
    *,
    domain: Domain,
    policy: bytes,
    x25519_keys: Mapping[str, bytes],
    names: Sequence[str],
    purpose: str,
    recipient: str,
) -> Disclosure:
    """Make a disclosure: open the chosen fields of a record, for one recipient and one purpose.

    Each field gets the proof that the row has the same value, where the vault holds what the proof needs.
    Opening an account re-identifies its pseudonym, for the whole epoch, to whoever holds rows.

    Parameters
    ----------
    vault : Vault
    keys : MemberKeys
    record : HeldRecord
    receipt : Receipt
    domain : Domain
        Of the contract `BatchLedger`.
    policy : bytes
        The policy document of the record's batch.
    x25519_keys : mapping of agent to public key
        The keys of the members, from the chain.
    names : sequence of str
        Names of fields (`ledger.schema.FIELDS`).
    purpose, recipient : str
        Why, and for whom.

    Raises
    ------
    InputError
        When a field does not exist, or no purpose or recipient is given.
    """
    unknown = [name for name in names if name not in FIELDS]
    if unknown:
        raise InputError(
            f"there is no field {', '.join(unknown)}", next_step=f"Choose from: {', '.join(FIELDS)}."
        )
    for what, text in (("purpose", purpose), ("recipient", recipient)):
        if not text.strip():
            raise InputError(f"the disclosure has no {what}", next_step=f"Give a {what} with --{what}.")
        if len(text.strip()) > MAX_TEXT:
            raise InputError(f"the {what} is too long", next_step=f"Use at most {MAX_TEXT} characters.")
    seed = vault.seed(record.values[_TRANSACTION_ID] or "")
    opened = open_fields(list(zip(FIELDS, record.values, strict=True)), seed, list(dict.fromkeys(names)))
    evaluations: list[Evaluation] = []
    fields = []
    for field in opened:
        proof: PseudonymOpening | TokenOpening | None = None
        if field.value is not None and field.name in _PSEUDONYMS:
            proof = _pseudonym(vault, receipt.header.epoch, field.value, evaluations)
        elif field.value is not None and field.name == "uetr":
            proof = _token(keys, record, receipt, x25519_keys)
        fields.append(DisclosedField(field, proof))
    unsigned = Disclosure(
        receipt, policy.decode(), tuple(fields), tuple(evaluations), purpose.strip(), recipient.strip()
    )
    return unsigned.sign(domain, keys.account)


def _pseudonym(
    vault: Vault, epoch: int, identifier: str, evaluations: list[Evaluation]
) -> PseudonymOpening | None:
    """Return the opening of an identifier's pseudonym; its evaluation is added if it is not there yet."""
    held = vault.pseudonym_proof(epoch, identifier)
    if held is None:
        return None
    evaluation, element, blind = held
    if evaluation not in evaluations:
        evaluations.append(evaluation)
    return PseudonymOpening(evaluations.index(evaluation), element, blind)


def _token(
    keys: MemberKeys, record: HeldRecord, receipt: Receipt, x25519_keys: Mapping[str, bytes]
) -> TokenOpening | None:
    """Return the opening of the row's match token; None if it was made with keys that were replaced since."""
    values = dict(zip(FIELDS, record.values, strict=True))
    other = {Side.DEBIT: values["creditor_agent"], Side.CREDIT: values["debtor_agent"]}
    public = x25519_keys.get(other.get(Side(record.side)) or "")
    epoch, uetr = receipt.header.epoch, values["uetr"] or ""
    key = own_key(keys.x25519, epoch) if public is None else pair_key(keys.x25519, public, epoch)
    fallback = (
        values["debtor_account"] or "",
        values["creditor_account"] or "",
        values["currency"] or "",
        record.amount_minor,
    )
    opening = token_opening(key, uetr, fallback)
    made = open_token(opening, uetr) == bytes(unpack_row(receipt.row)["match_token"])
    return TokenOpening(opening) if made else None

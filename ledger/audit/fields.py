"""What is proven of each disclosed field: that the row says the same, or only that the bank once said it.

Every field of a disclosure is a leaf of the record root that was posted with the row. So the bank cannot
change it afterwards; but whether it is what the bank posted *for everyone to match and to scan* is another
question, which is answered here field by field:

- `ROW`: the row has exactly this value, in its column, its pseudonym or its match token.
- `INTERVAL`: the row has the band or the time bucket that contains this value; the exact value is the
  bank's word.
- `RECORD`: the row does not show this field, or no proof was given; it is the bank's word alone, although
  given when the row was posted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ledger.audit.trust import Trust
from ledger.disclosure import DisclosedField, PseudonymOpening, TokenOpening
from ledger.encoding.consistency import COMPARED, INTERVALS, InconsistentRecordError, check_consistent
from ledger.encoding.evaluation import Evaluation, check_pseudonym
from ledger.encoding.policy import Policy
from ledger.encoding.token import open_token
from ledger.errors import VerificationError
from ledger.schema import NOT_A_MEMBER, Side, TokenKind

__all__ = ["Basis", "ProvenField", "prove_fields"]


class Basis(StrEnum):
    """What a disclosed value rests on."""

    ROW = "row"
    INTERVAL = "interval"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class ProvenField:
    """A disclosed field, and what its value rests on."""

    name: str
    value: str | None
    basis: Basis


#: The columns with a pseudonym, by the field that it stands for.
_PSEUDONYMS: Final = {
    "debtor_account": "debtor_account",
    "creditor_account": "creditor_account",
    "party_id": "party",
    "on_behalf_of": "on_behalf_of",
}
_OWN_SIDES: Final = {"debtor_agent": (Side.DEBIT, Side.ON_US), "creditor_agent": (Side.CREDIT, Side.ON_US)}


def prove_fields(
    fields: Sequence[DisclosedField],
    evaluations: Sequence[Evaluation],
    row: Mapping[str, Any],
    policy: Policy,
    *,
    agent: str,
    epoch: int,
    trust: Trust,
) -> tuple[ProvenField, ...]:
    """Compare each field with the row; `ledger.commitment.record.verify_field` was called before.

    Parameters
    ----------
    fields : sequence of DisclosedField
    evaluations : sequence of Evaluation
    row : mapping of column name to value
        As `ledger.schema.unpack_row` returns it.
    policy : Policy
        The policy of the row's batch.
    agent : str
        The bank that posted the row.
    epoch : int
        The epoch of the row's batch.
    trust : Trust

    Raises
    ------
    VerificationError
        When a field contradicts the row, or a proof is not valid.
    """
    values = {field.opened.name: field.opened.value for field in fields}
    check_consistent(values, row, policy)
    _require_used(fields, evaluations)
    return tuple(
        ProvenField(
            field.opened.name,
            field.opened.value,
            _basis(field, evaluations, row, agent=agent, epoch=epoch, trust=trust),
        )
        for field in fields
    )


def _basis(
    field: DisclosedField,
    evaluations: Sequence[Evaluation],
    row: Mapping[str, Any],
    *,
    agent: str,
    epoch: int,
    trust: Trust,
) -> Basis:
    name, value, proof = field.opened.name, field.opened.value, field.proof
    if name in _PSEUDONYMS:
        return _pseudonym(field, evaluations, bytes(row[_PSEUDONYMS[name]]), epoch=epoch, trust=trust)
    if name == "uetr":
        return _token(value, proof, row)
    if proof is not None:
        raise VerificationError(f"the field {name} has a proof that no such field can have")
    if name in _OWN_SIDES:
        return _agent(name, value, row, agent=agent, trust=trust)
    if name in INTERVALS:
        return Basis.INTERVAL
    return Basis.ROW if name in COMPARED and value is not None else Basis.RECORD


def _pseudonym(
    field: DisclosedField,
    evaluations: Sequence[Evaluation],
    pseudonym: bytes,
    *,
    epoch: int,
    trust: Trust,
) -> Basis:
    name, value, proof = field.opened.name, field.opened.value, field.proof
    if value is None:
        if any(pseudonym) or proof is not None:
            raise InconsistentRecordError(f"the opened record has no {name}, but the row or a proof has one")
        return Basis.ROW
    if proof is None:
        return Basis.RECORD
    if not isinstance(proof, PseudonymOpening):
        raise VerificationError(f"the proof of the field {name} is not the opening of a pseudonym")
    if proof.evaluation >= len(evaluations):
        raise VerificationError(f"the proof of the field {name} names an evaluation that is missing")
    evaluation = evaluations[proof.evaluation]
    if evaluation.epoch != epoch:
        raise VerificationError(
            f"the proof of the field {name} is of another epoch than the row",
            expected=epoch,
        )
    check_pseudonym(value, pseudonym, evaluation, proof.element, proof.blind, trust.keys)
    return Basis.ROW


def _token(value: str | None, proof: object, row: Mapping[str, Any]) -> Basis:
    kind = int(row["token_kind"])
    if (value is None and kind == TokenKind.UETR) or (value is not None and kind == TokenKind.TUPLE):
        raise InconsistentRecordError("the row's match token and the opened record disagree about a UETR")
    if proof is None:
        return Basis.RECORD
    if not isinstance(proof, TokenOpening) or value is None:
        raise VerificationError("the proof of the field uetr is not the opening of a match token")
    if open_token(proof.t, value) != bytes(row["match_token"]):
        raise InconsistentRecordError("the row's match token was not made from the opened UETR")
    return Basis.ROW


def _agent(name: str, value: str | None, row: Mapping[str, Any], *, agent: str, trust: Trust) -> Basis:
    code = int(row[name])
    if row["side"] not in set(Side):
        raise VerificationError("the row's side is none of debit, credit and both")
    if Side(int(row["side"])) in _OWN_SIDES[name]:
        expected: str | None = agent
    elif code == NOT_A_MEMBER:
        return Basis.RECORD
    else:
        expected = trust.agents.get(code)
        if expected is None:
            raise VerificationError(
                f"the row's {name} has the code {code}, which the trust file does not list",
                next_step="If that bank is new, get a newer trust file from the consortium.",
            )
    if value != expected:
        raise InconsistentRecordError(f"the opened {name} is not the bank in the row", expected=expected)
    return Basis.ROW


def _require_used(fields: Sequence[DisclosedField], evaluations: Sequence[Evaluation]) -> None:
    """Refuse evaluations that no field refers to: nobody would check them."""
    used = {field.proof.evaluation for field in fields if isinstance(field.proof, PseudonymOpening)}
    if not set(range(len(evaluations))) <= used:
        raise VerificationError("the disclosure has an evaluation that none of its fields refers to")

"""What an attacker needs: a bank that commits to other values than its row says, and documents signed anew.

Everything here uses real keys of a consortium in memory (`tests.support.evidence`); an attacker has the keys
of its own role only, and each test says whose they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from ledger import canonical
from ledger.commitment import merkle
from ledger.commitment.record import open_fields, record_root
from ledger.disclosure import DisclosedField, Disclosure, PseudonymOpening, TokenOpening
from ledger.encoding.evaluation import Evaluation
from ledger.encoding.rows import ROW, rows_from_bytes
from ledger.encoding.token import pair_key, token_opening
from ledger.entries import batch_entry
from ledger.receipt import Receipt
from ledger.schema import FIELDS
from ledger.typed_data import DISCLOSURE, Domain, sign_typed
from ledger.verdicts import accepted_entry
from tests.support.evidence import EPOCH, POLICY, Consortium, Payment, Posted

__all__ = [
    "ALFA",
    "BRAVO",
    "FULL",
    "Full",
    "disclose",
    "high_s",
    "merge",
    "post_lying",
    "sign_json",
    "signed_json",
]

ALFA, BRAVO = "ALFADEFF", "BRAVFRPP"
ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_IDENTIFIERS: Final = ("debtor_account", "creditor_account", "party_id", "on_behalf_of")

#: What the bank holds in each field of a full record, beside the payment's own values.
FULL: Final[Mapping[str, str | None]] = {
    "business_date": "2026-03-02",
    "party_id": "person:xx-tin:1234",
    "party_type": "person",
    "on_behalf_of": "lei:529900T8BM49AURSDO55",
    "debtor_country": "DE",
    "creditor_country": "FR",
    "cash_in": "false",
    "cash_out": "false",
    "own_account": "false",
    "occasional": "false",
    "exempt": "true",
}


@dataclass(frozen=True)
class Full(Payment):
    """A payment with a value in each field; `changed` has values in another form or place."""

    changed: Mapping[str, str | None] = field(default_factory=dict)

    def values(self, bank: str) -> dict[str, str | None]:
        """Return the exact fields that a bank holds."""
        return super().values(bank) | FULL | self.changed


def post_lying(
    consortium: Consortium,
    payment: Payment,
    lies: Mapping[str, str | None],
    *,
    bank: str = ALFA,
    columns: Mapping[str, Any] | None = None,
) -> Posted:
    """Post a row of a payment whose record commits to `lies` instead of the payment's values.

    Parameters
    ----------
    consortium : Consortium
    payment : Payment
        What the row says.
    lies : mapping of field name to value
        What the record says.
    bank : str
    columns : mapping of column name to value, optional
        Columns of the row that the bank sets itself; the desk's checks are not run here.
    """
    told = payment.values(bank)
    names = [value for values in (told, lies) for name in _IDENTIFIERS if (value := values.get(name))]
    consortium.pseudonym(names)
    posted = consortium.post(bank, [payment])
    consortium.ledger_entries.pop()
    consortium.verdict_entries.pop()
    consortium.batches.pop()
    values = told | lies
    rows = rows_from_bytes(posted.rows).copy()
    rows["record_root"] = record_root([(name, values[name]) for name in FIELDS], posted.seeds[0])
    for name, value in (columns or {}).items():
        rows[name] = value
    packed = rows.tobytes()
    header = replace(posted.header, rows_root=merkle.root([merkle.leaf_hash(packed)]))
    signature = header.sign(consortium.deployment.genesis, consortium.keys[bank].account)
    index = len(consortium.ledger_entries)
    consortium.ledger_entries.append(batch_entry(header, signature, posted.block, posted.block_time))
    consortium.verdict_entries.append(accepted_entry(index, header.hash))
    made = replace(
        posted, header=header, signature=signature, rows=packed, values=[values], ledger_index=index
    )
    consortium.batches.append(made)
    assert len(packed) == ROW.itemsize
    return made


def disclose(
    consortium: Consortium,
    posted: Posted,
    index: int = 0,
    names: Sequence[str] = FIELDS,
    *,
    proofs: bool = True,
    receipt: Receipt | None = None,
    signer: str | None = None,
    change: Callable[[Disclosure], Disclosure] = lambda unsigned: unsigned,
) -> Disclosure:
    """Return a disclosure with every proof that the bank can make for the values of its record."""
    values = posted.values[index]
    evaluations: list[Evaluation] = []
    fields = []
    for one in open_fields([(name, values[name]) for name in FIELDS], posted.seeds[index], list(names)):
        proof: PseudonymOpening | TokenOpening | None = None
        if proofs and one.name in _IDENTIFIERS and one.value in consortium._pseudonyms:
            evaluation, element, blind, _ = consortium._pseudonyms[one.value]
            if evaluation not in evaluations:
                evaluations.append(evaluation)
            proof = PseudonymOpening(evaluations.index(evaluation), element, blind)
        elif proofs and one.name == "uetr" and one.value is not None:
            proof = TokenOpening(_opening(consortium, posted, one.value))
        fields.append(DisclosedField(one, proof))
    receipt = receipt or consortium.receipt(posted, index)
    policy = POLICY.document.decode()
    unsigned = Disclosure(receipt, policy, tuple(fields), tuple(evaluations), "request 7", "FIU")
    key = consortium.keys[signer or posted.bank].account
    return change(unsigned).sign(consortium.deployment.domain("BatchLedger"), key)


def _opening(consortium: Consortium, posted: Posted, uetr: str) -> bytes:
    other = BRAVO if posted.bank == ALFA else ALFA
    key = pair_key(consortium.keys[posted.bank].x25519, consortium.keys[other].x25519_public, EPOCH)
    return token_opening(key, uetr, ("", "", "", 0))


def signed_json(consortium: Consortium, value: dict[str, Any], *, bank: str = ALFA) -> bytes:
    """Return a disclosure's JSON with the signature of a bank over whatever the JSON says."""
    return sign_json(value, consortium.deployment.domain("BatchLedger"), consortium.keys[bank].account)


def sign_json(value: dict[str, Any], domain: Domain, key: bytes) -> bytes:
    """Return a disclosure's JSON with the signature of an account over whatever the JSON says."""
    document = sha256(canonical.dumps(value | {"signature": ""})).digest()
    said = {"purpose": value["purpose"], "recipient": value["recipient"], "document": document}
    return canonical.dumps(value | {"signature": sign_typed(domain, DISCLOSURE, said, key).hex()})


def high_s(signature: bytes) -> bytes:
    """Return the other signature of the same key over the same digest: n - s in place of s."""
    s = int.from_bytes(signature[32:64], "big")
    return signature[:32] + (ORDER - s).to_bytes(32, "big") + bytes([55 - signature[64]])


def merge(value: Any, path: Sequence[str | int], new: Any) -> Any:
    """Return JSON with another value at a path."""
    if not path:
        return new
    step, *rest = path
    if isinstance(value, dict):
        return value | {step: merge(value[step], rest, new)}
    return [merge(one, rest, new) if number == step else one for number, one in enumerate(value)]

"""Attacks on disclosures: a bank that posts one thing and shows another, and disclosures used elsewhere.

The attacker of each test is named in its docstring, with what it would have gained. Every proof goes through
both programs: `ledger.audit.verify`, and the program of docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ledger import canonical
from ledger.audit.trust import Trust
from ledger.audit.verify import verify
from ledger.disclosure import Disclosure, PseudonymOpening, TokenOpening
from ledger.encoding.consistency import InconsistentRecordError
from ledger.errors import VerificationError
from ledger.schema import FIELDS, Side
from tests.support.attacks import ALFA, BRAVO, FULL, Full, disclose, high_s, post_lying, signed_json
from tests.support.checker import check_program, stated_by_program, stated_by_verify
from tests.support.evidence import Consortium

PROGRAM = check_program()

#: For each field a value that the row does not say.
LIES: Mapping[str, str | None] = {
    "uetr": "99999999-0000-4000-8000-000000000000",
    "transaction_id": "ALFADEFF-999",
    "timestamp": "2026-03-05T09:01:00Z",
    "business_date": "2026-03-03",
    "debtor_agent": "CHARUS33",
    "debtor_account": "acct:ALFADEFF:31",
    "creditor_agent": "CHARUS33",
    "creditor_account": "acct:BRAVFRPP:29",
    "party_id": "person:xx-tin:9999",
    "party_type": "business",
    "on_behalf_of": None,
    "amount": "9000000.00",
    "currency": "USD",
    "channel": "cash",
    "debtor_country": "FR",
    "creditor_country": "DE",
    "purpose": "GIFT",
    "cash_in": "true",
    "cash_out": "true",
    "own_account": "true",
    "occasional": "true",
    "exempt": "false",
}
#: Fields that no column shows: what the bank committed to is its word, and is named so.
WORD_ONLY = {"transaction_id", "purpose"}
#: Fields whose value the row shows only through a proof, which a liar leaves out.
PROVEN_BY_OPENING = {"uetr", "debtor_account", "creditor_account", "party_id"}


def refused(data: bytes, trust: Trust, match: str | None = None) -> None:
    """Both programs refuse."""
    with pytest.raises(VerificationError, match=match):
        verify(data, trust)
    with pytest.raises(PROGRAM.RefusedError):
        PROGRAM.check(data, PROGRAM.read_trust(trust.to_bytes()))


def bases(data: bytes, trust: Trust) -> dict[str, str]:
    """Both programs state the same; return each field's basis."""
    stated = stated_by_verify(verify(data, trust))
    assert stated == stated_by_program(PROGRAM.check(data, PROGRAM.read_trust(trust.to_bytes())))
    return {name: basis for name, _, basis in stated.facts[-1]}


@pytest.fixture(scope="module")
def town() -> Consortium:
    """A consortium with honest rows of two banks; its witnesses cosign."""
    made = Consortium()
    made.pseudonym([FULL["party_id"] or "", FULL["on_behalf_of"] or ""])
    made.post(ALFA, [Full(n) for n in range(1, 6)])
    made.post(BRAVO, [Full(n) for n in range(1, 6)])
    return made


@pytest.fixture
def lying() -> Consortium:
    """A consortium of a test's own, for a bank that lies."""
    return Consortium(required=0)


def test_an_honest_bank_is_believed(town: Consortium) -> None:
    told = bases(disclose(town, town.batches[0]).to_bytes(), town.trust)
    assert {name for name, basis in told.items() if basis == "record"} == WORD_ONLY
    assert {name for name, basis in told.items() if basis == "interval"} == {"timestamp", "amount"}


# a member that posts one row and commits to another record


@pytest.mark.parametrize("proofs", [True, False], ids=["with every proof", "without proofs"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_the_row_contradicts(lying: Consortium, name: str, proofs: bool) -> None:
    """A member lets everyone match and scan one payment, and shows the supervisor another.

    It would have gained a signed proof of "exact fields, as posted then" for a payment that never was: with
    another account, another bank, another amount.
    """
    assert set(LIES) == set(FIELDS)
    posted = post_lying(lying, Full(1), {name: LIES[name]})
    data = disclose(lying, posted, names=[name], proofs=proofs).to_bytes()
    if name in WORD_ONLY or (name in PROVEN_BY_OPENING and not proofs):
        assert bases(data, lying.trust) == {name: "record"}
    else:
        refused(data, lying.trust)


@pytest.mark.parametrize("name", sorted(set(FIELDS) - WORD_ONLY))
def test_no_field_becomes_proven_by_leaving_the_others_out(lying: Consortium, name: str) -> None:
    """A member disclosed only the field that it lied about, so that nothing beside it could contradict."""
    posted = post_lying(lying, Full(1), LIES)
    for chosen in ([name], [name, "purpose"]):
        for proofs in (True, False):
            data = disclose(lying, posted, names=chosen, proofs=proofs).to_bytes()
            try:
                told = bases(data, lying.trust)
            except VerificationError:
                refused(data, lying.trust)
            else:
                assert told[name] == "record"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("business_date", "20260302"), ("business_date", "2026-W10-1"), ("timestamp", "2026-03-02T09:01:00"),
        ("timestamp", "2026-03-02T10:01:00+01:00"), ("timestamp", "2026-03-02 09:01:00Z"),
        ("amount", "09500.00"), ("amount", "9500.0_"), ("amount", "9500.00 "), ("amount", "9500"),
        ("amount", "+9500.00"), ("amount", "９500.00"), ("channel", "WIRE"), ("channel", "wıre"),
        ("channel", "unknown"), ("party_type", "PERSON"), ("party_type", ""), ("debtor_country", "de"),
        ("currency", "eur"), ("cash_in", "maybe"), ("cash_in", "False"), ("cash_in", ""), ("exempt", "1"),
        ("debtor_agent", "alfadeff"), ("debtor_account", "acct:ALFADEFF:1 "), ("uetr", ""),
        ("uetr", "00000001-0000-4000-8000-00000000000A"), ("party_id", ""),
    ],
)  # fmt: skip
def test_a_value_has_one_spelling(lying: Consortium, name: str, value: str) -> None:
    """A member commits to a spelling that two programs read differently: each reader sees what it likes."""
    posted = post_lying(lying, Full(1), {name: value})
    data = disclose(lying, posted, names=[name], proofs=False).to_bytes()
    if name in PROVEN_BY_OPENING:
        assert bases(data, lying.trust) == {name: "record"}
    else:
        refused(data, lying.trust)


@pytest.mark.parametrize(
    "name",
    [
        "timestamp",
        "amount",
        "currency",
        "debtor_agent",
        "creditor_agent",
        "debtor_account",
        "creditor_account",
    ],
)
def test_a_field_that_each_row_has_is_not_absent(lying: Consortium, name: str) -> None:
    """A member commits to "no amount", so that its row's amount is never shown and yet "proven"."""
    posted = post_lying(lying, Full(1), {name: None})
    refused(disclose(lying, posted, names=[name]).to_bytes(), lying.trust, f"has no {name}|is not the bank")


def test_a_party_that_the_row_does_not_have(lying: Consortium) -> None:
    """A member names a customer for a row without one: a third person would have been accused."""
    posted = post_lying(lying, Full(1, changed={"party_id": None}), {"party_id": "person:xx-tin:1234"})
    for proofs in (True, False):
        data = disclose(lying, posted, names=["party_id"], proofs=proofs).to_bytes()
        refused(data, lying.trust, "party_id has a value only in")


def test_a_uetr_for_a_row_without_one(lying: Consortium) -> None:
    """A member claims that its row was another bank's payment, by that payment's UETR."""
    posted = post_lying(lying, Full(1, uetr=False), {"uetr": LIES["uetr"]})
    for proofs in (True, False):
        data = disclose(lying, posted, names=["uetr"], proofs=proofs).to_bytes()
        refused(data, lying.trust, "disagree about a UETR")


def test_a_row_whose_columns_are_not_in_their_lists(lying: Consortium) -> None:
    """A member with the desk's help posts a row without a side, to crash whoever verifies it."""
    for columns in ({"side": 0}, {"side": 9}, {"currency": 1}, {"token_kind": 77}, {"channel": 200}):
        posted = post_lying(lying, Full(1), {}, columns=columns)
        (column,) = columns
        name = {"side": "debtor_agent", "token_kind": "uetr", "currency": "amount"}.get(column, column)
        data = disclose(lying, posted, names=[name]).to_bytes()
        if name == "uetr":
            assert bases(data, lying.trust) == {"uetr": "row"}  # its token is that of the UETR all the same
        else:
            refused(data, lying.trust)


def test_a_row_on_the_other_banks_side(lying: Consortium) -> None:
    """A member posts the other bank's half and discloses that it is its own."""
    posted = post_lying(lying, Full(1), {}, columns={"side": Side.CREDIT})
    refused(disclose(lying, posted, names=["creditor_agent"]).to_bytes(), lying.trust, "not the bank")


# proofs that belong elsewhere


def opened(disclosure: Disclosure, name: str, proof: Any) -> Disclosure:
    """Replace one field's proof."""
    fields = [replace(f, proof=proof) if f.opened.name == name else f for f in disclosure.fields]
    return replace(disclosure, fields=tuple(fields))


def test_the_proof_of_another_account(town: Consortium) -> None:
    """A member proves the pseudonym of one account and writes another account beside it."""
    honest = disclose(town, town.batches[0], names=["debtor_account", "creditor_account"])
    first, second = (field.proof for field in honest.fields)
    for proof in (second, replace(first, blind=second.blind), replace(first, element=second.element)):
        made = opened(honest, "debtor_account", proof)
        data = disclose(town, town.batches[0], change=lambda _, made=made: made).to_bytes()
        refused(data, town.trust)


def test_an_evaluation_of_the_banks_own_key(town: Consortium) -> None:
    """A member evaluates an account with a key that it made itself, and so chooses the pseudonym."""
    from tests.support.pseudonyms import proven

    def change(made: Disclosure) -> Disclosure:
        value = made.fields[0].opened.value or ""
        (batch,) = proven([value], epoch=1, secret=bytes([3]) + bytes(31))
        evaluations = (batch.evaluation, *made.evaluations[1:])
        return opened(
            replace(made, evaluations=evaluations),
            "debtor_account",
            PseudonymOpening(0, 0, batch.pseudonyms[0].blind),
        )

    refused(disclose(town, town.batches[0], names=["debtor_account"], change=change).to_bytes(), town.trust)


def test_the_opening_of_another_token(town: Consortium) -> None:
    """A member opens the token of another payment, and claims that the counterparty confirmed this one."""
    other = disclose(town, town.batches[0], 1, ["uetr"]).fields[0]
    mine = disclose(town, town.batches[0], 0, ["uetr"])
    assert isinstance(other.proof, TokenOpening)
    for changed in (opened(mine, "uetr", other.proof), replace(mine, fields=(other,))):
        data = disclose(town, town.batches[0], change=lambda _, changed=changed: changed).to_bytes()
        refused(data, town.trust)


@pytest.mark.parametrize("name", ["amount", "currency", "purpose", "debtor_agent", "exempt"])
def test_a_proof_on_a_field_that_can_have_none(town: Consortium, name: str) -> None:
    """A member decorates its word with a proof of something else, so that it looks proven."""
    proof = disclose(town, town.batches[0], names=["debtor_account"]).fields[0].proof
    for decoration in (proof, TokenOpening(bytes(32))):
        data = disclose(
            town, town.batches[0], names=["debtor_account", name],
            change=lambda made, decoration=decoration: opened(made, name, decoration),
        ).to_bytes()  # fmt: skip
        refused(data, town.trust, "no such field can have")


def test_an_evaluation_that_nothing_uses(town: Consortium) -> None:
    """A member hides evaluations of other accounts in a disclosure, where nobody checks them."""
    unused = disclose(town, town.batches[0], names=["debtor_account"]).evaluations
    data = disclose(
        town, town.batches[0], names=["amount"], change=lambda made: replace(made, evaluations=unused)
    ).to_bytes()
    refused(data, town.trust, "none of its fields refers to")


# the same disclosure for something else


@pytest.mark.parametrize(
    "change", [{"purpose": "another"}, {"recipient": "a newspaper"}, {"purpose": "request  7"}]
)
def test_another_purpose_or_recipient(town: Consortium, change: dict[str, str]) -> None:
    """Whoever got a disclosure passes it on as if the bank had made it for them."""
    honest = disclose(town, town.batches[0])
    refused(replace(honest, **change).to_bytes(), town.trust, "not signed by the bank")


def test_a_disclosure_for_one_recipient_is_shown_to_another(town: Consortium) -> None:
    """The recipient forwards the file as it is: the file says for whom it was made."""
    data = disclose(town, town.batches[0]).to_bytes()
    assert verify(data, town.trust, recipient="FIU").recipient == "FIU"
    assert verify(data, town.trust).recipient == "FIU"
    with pytest.raises(VerificationError, match="made for another recipient"):
        verify(data, town.trust, recipient="The supervisor")
    receipt = town.receipt(town.batches[0], 0).to_bytes()
    with pytest.raises(VerificationError, match="names no recipient"):
        verify(receipt, town.trust, recipient="FIU")


def test_the_signature_of_another_member(town: Consortium) -> None:
    """A member discloses a row of a bank that did not agree, and breaks secrecy in that bank's name."""
    refused(disclose(town, town.batches[0], signer=BRAVO).to_bytes(), town.trust, "not signed by the bank")


def test_the_twin_of_a_signature(town: Consortium) -> None:
    """Anyone makes a second file of the same disclosure (n - s), so that its hash is no longer its name."""
    honest = disclose(town, town.batches[0])
    for signature in (high_s(honest.signature), honest.signature[:64] + bytes([honest.signature[64] - 27])):
        refused(replace(honest, signature=signature).to_bytes(), town.trust, "canonical form")


@pytest.mark.parametrize("place", ["genesis", "chain", "contract"])
def test_a_signature_of_another_consortium(town: Consortium, place: str) -> None:
    """A bank in two consortia disclosed in one; whoever got it uses the signature in the other."""
    domain = town.deployment.domain("BatchLedger")
    other = {
        "genesis": replace(domain, genesis_hash=b"\x08" * 32),
        "chain": replace(domain, chain_id=1),
        "contract": replace(domain, contract=bytes(20)),
    }[place]
    made = disclose(town, town.batches[0]).sign(other, town.keys[ALFA].account)
    refused(made.to_bytes(), town.trust, "not signed by the bank")


def test_the_fields_of_another_row(town: Consortium) -> None:
    """A member attaches the fields of one payment to the receipt of another."""
    other = disclose(town, town.batches[0], 1)
    data = disclose(town, town.batches[0], change=lambda made: replace(made, fields=other.fields)).to_bytes()
    refused(data, town.trust, "does not match the record root")


def test_a_receipt_of_another_banks_row(town: Consortium) -> None:
    """A member puts another bank's receipt into its own disclosure."""
    foreign = town.receipt(town.batches[1], 0)
    refused(disclose(town, town.batches[0], receipt=foreign).to_bytes(), town.trust, "not signed by the bank")


def test_a_policy_of_the_banks_own(town: Consortium) -> None:
    """A member encodes its amount with a policy with wide bands, and shows this policy."""
    other = canonical.dumps(canonical.loads(disclose(town, town.batches[0]).policy.encode()) | {"grid": [1]})
    data = disclose(
        town, town.batches[0], change=lambda made: replace(made, policy=other.decode())
    ).to_bytes()
    refused(data, town.trust, "not the policy of the batch")


# the form of the list of fields


def test_one_field_twice(town: Consortium) -> None:
    """A member opens a field twice, and each reader takes another of the two."""
    data = disclose(
        town, town.batches[0], names=["amount"],
        change=lambda made: replace(made, fields=(*made.fields, *made.fields)),
    ).to_bytes()  # fmt: skip
    refused(data, town.trust, "opens the field amount twice")


@pytest.mark.parametrize(
    "change",
    [
        {"value": None},
        {"name": "purpose"},
        {"name": "colour"},
        {"index": 3},
        {"salt": bytes(16)},
        {"path": ()},
    ],
)
def test_a_closed_field_is_not_absent_and_has_its_own_name(town: Consortium, change: dict[str, Any]) -> None:
    """A member says that a field was empty, or is another one, or that the record has more fields."""

    def changed(made: Disclosure) -> Disclosure:
        (field,) = made.fields
        return replace(made, fields=(replace(field, opened=replace(field.opened, **change)),))

    data = disclose(town, town.batches[0], names=["amount"], change=changed).to_bytes()
    refused(data, town.trust, "match the record root|wrong leaf|no field of this name")


def test_json_that_is_signed_is_still_strict(town: Consortium) -> None:
    """A member signs JSON with `true` for 1, or with a field that only some readers know."""
    value = canonical.loads(disclose(town, town.batches[0]).to_bytes())
    evaluation = value["evaluations"][0]
    for wrong in (
        value | {"comment": "x"},
        value | {"fields": [value["fields"][0] | {"index": False}]},
        value | {"evaluations": [evaluation | {"epoch": True}, *value["evaluations"][1:]]},
        value | {"evaluations": [evaluation | {"epoch": "1"}, *value["evaluations"][1:]]},
        value | {"purpose": " "},
        value | {"recipient": "x" * 501},
    ):
        refused(signed_json(town, wrong), town.trust)
    assert bases(signed_json(town, value), town.trust)


def test_the_error_of_a_contradiction_names_the_field_and_no_value(lying: Consortium) -> None:
    """Whoever reads the desk's log would learn the disclosed values from its errors."""
    posted = post_lying(lying, Full(1), {"amount": "9000000.00"})
    with pytest.raises(InconsistentRecordError, match="amount") as caught:
        verify(disclose(lying, posted, names=["amount"]).to_bytes(), lying.trust)
    assert "9000000" not in str(caught.value)

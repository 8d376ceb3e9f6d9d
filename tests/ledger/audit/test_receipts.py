"""Receipts and disclosures as a member makes them and an auditor reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.audit.fields import Basis
from ledger.audit.trust import Trust
from ledger.audit.verify import verify
from ledger.batch import BatchHeader
from ledger.disclosure import Disclosure
from ledger.encoding.consistency import InconsistentRecordError
from ledger.errors import InputError, VerificationError
from ledger.log.published import published_log
from ledger.member.receipts import disclose, make_receipts
from ledger.receipt import Receipt
from ledger.schema import FIELDS
from tests.support.consortium import ChainProcess, Poster, SmallConsortium, founded

BANK = "BRAVFRPP"

#: What each field of an honest record rests on, when all fields are opened.
BASES = dict.fromkeys(FIELDS, Basis.ROW) | {
    "transaction_id": Basis.RECORD,
    "purpose": Basis.RECORD,
    "timestamp": Basis.INTERVAL,
    "amount": Basis.INTERVAL,
}


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_can_be_opened_alone(consortium: SmallConsortium, name: str) -> None:
    record = consortium.record(BANK, 2)
    proven = verify(consortium.disclosure(BANK, [name], 2).to_bytes(), consortium.trust)
    (field,) = proven.fields
    assert (field.name, field.value) == (name, record.values[FIELDS.index(name)])
    assert field.basis == BASES[name]
    assert (proven.purpose, proven.recipient) == ("supervisory request 7", "The supervisor")


def test_every_row_of_every_bank_verifies_with_all_its_fields(consortium: SmallConsortium) -> None:
    trust = consortium.trust
    for bank in consortium.banks:
        with consortium.vault(bank) as vault:
            places = vault.connection.execute("SELECT row_index FROM record WHERE batch = 0").fetchall()
        for (index,) in places[::6]:
            proven = verify(consortium.disclosure(bank, FIELDS, index).to_bytes(), trust)
            assert tuple(field.value for field in proven.fields) == consortium.record(bank, index).values
            told = {field.name: field.basis for field in proven.fields}
            outside = {
                name: Basis.RECORD
                for name in ("debtor_agent", "creditor_agent")
                if proven.row[name] == 0  # a bank that is not a member has no code
            }
            assert told == BASES | outside


def test_a_receipt_opens_nothing(consortium: SmallConsortium) -> None:
    data = consortium.receipt(BANK).to_bytes()
    proven = verify(data, consortium.trust)
    assert (proven.fields, proven.purpose, proven.recipient) == ((), None, None)
    for value in consortium.record(BANK).values:
        if value and len(value) > 6:
            assert value.encode() not in data


def test_a_closed_field_does_not_show(consortium: SmallConsortium) -> None:
    record = consortium.record(BANK)
    data = consortium.disclosure(BANK, ["currency"]).to_bytes()
    for name in ("transaction_id", "debtor_account", "party_id", "amount", "uetr"):
        assert str(record.values[FIELDS.index(name)]).encode() not in data


def test_both_read_back_as_themselves(consortium: SmallConsortium) -> None:
    receipt, disclosure = consortium.receipt(BANK), consortium.disclosure(BANK, FIELDS)
    assert Receipt.from_bytes(receipt.to_bytes()) == receipt
    assert Disclosure.from_bytes(disclosure.to_bytes()) == disclosure
    assert BatchHeader.from_bytes(receipt.header.to_bytes()) == receipt.header
    for data, kind in ((receipt.to_bytes(), Disclosure), (disclosure.to_bytes(), Receipt)):
        with pytest.raises(VerificationError):
            kind.from_bytes(data)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"5", b"\xff", b"x" * (2 << 20), b"[" * 10_000])
def test_what_is_neither_is_a_verification_error(consortium: SmallConsortium, data: bytes) -> None:
    with pytest.raises(VerificationError):
        verify(data, consortium.trust)


def test_unknown_fields_and_an_unstated_purpose_are_refused(consortium: SmallConsortium) -> None:
    with pytest.raises(InputError, match="no field colour"):
        consortium.disclosure(BANK, ["amount", "colour"])
    with pytest.raises(InputError, match="has no recipient"):
        consortium.disclosure(BANK, recipient=" ")
    receipt, record = consortium.receipt(BANK), consortium.record(BANK)
    for purpose, told in (("  ", "has no purpose"), ("x" * 501, "too long")):
        with consortium.vault(BANK) as vault, pytest.raises(InputError, match=told):
            disclose(
                vault,
                consortium.keys[BANK],
                record,
                receipt,
                domain=consortium.gateway.deployment.domain("BatchLedger"),
                policy=consortium.policy.document,
                x25519_keys={},
                names=["amount"],
                purpose=purpose,
                recipient="The supervisor",
            )


@pytest.fixture(scope="module")
def bank(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Poster:
    made = Poster(founded(chain, tmp_path_factory.mktemp("receipts"), banks=[BANK]), BANK)
    made.fill(5, start=datetime.now(UTC) - timedelta(days=1))
    return made


def receipt_of(bank: Poster, key: str) -> Receipt:
    consortium = bank.consortium
    trust, public = consortium.trust, consortium.home.desk.public
    origins = {"ledger": trust.deployment.ledger_origin, "verdicts": trust.deployment.verdict_origin}
    logs = {name: published_log(public, name, trust.policy, origin) for name, origin in origins.items()}
    with bank.vault() as vault:
        record = vault.find(key)
        assert record is not None
        (made,) = make_receipts(vault, [record], **logs)
    return made


def test_a_record_gets_its_receipt_when_it_is_posted_and_covered(bank: Poster) -> None:
    key = f"{BANK[:4]}-000001"
    bank.consortium.sync()
    with pytest.raises(InputError, match="not posted yet") as caught:
        receipt_of(bank, key)
    assert "member post" in str(caught.value.next_step)
    bank.seal()
    with pytest.raises(InputError, match="no checkpoint with enough cosignatures covers"):
        receipt_of(bank, key)
    bank.post()
    with pytest.raises(InputError, match="no checkpoint with enough cosignatures covers") as caught:
        receipt_of(bank, key)
    assert "desk sync" in str(caught.value.next_step)
    bank.consortium.sync()
    trust = Trust.load(bank.consortium.home.trust)
    data = receipt_of(bank, key).to_bytes()
    before = verify(data, trust)
    assert before.agent == BANK
    bank.fill(5, start=datetime.now(UTC) - timedelta(hours=20), first=50)
    bank.seal()
    bank.post()
    bank.consortium.sync()
    assert verify(data, trust) == before, "an old receipt stays good"
    after = verify(receipt_of(bank, key).to_bytes(), trust)
    assert after.ledger.checkpoint.size > before.ledger.checkpoint.size
    assert (before.verdicts.checkpoint.size, after.verdicts.checkpoint.size) == (1, 2)


@pytest.mark.parametrize("log", ["ledger", "verdicts"])
@pytest.mark.parametrize("damage", ["changed", "cut", "missing"])
def test_a_log_that_is_not_the_signed_one_gives_no_receipt(bank: Poster, damage: str, log: str) -> None:
    (tile, *_) = sorted((bank.consortium.home.desk.public / log / "tile" / "0").rglob("*"), reverse=True)
    data = tile.read_bytes()
    try:
        if damage == "missing":
            tile.unlink()
        else:
            tile.write_bytes(data[:-32] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(VerificationError):
            receipt_of(bank, f"{BANK[:4]}-000001")
    finally:
        tile.write_bytes(data)
    assert receipt_of(bank, f"{BANK[:4]}-000001")


def test_a_bank_that_committed_to_another_record_than_it_posted_is_found(
    chain: ChainProcess, tmp_path: Path
) -> None:
    """The vault's record is changed before sealing commits to it; the row says what was encoded."""
    liar = Poster(founded(chain, tmp_path / "liar", banks=[BANK]), BANK)
    liar.fill(1, start=datetime.now(UTC) - timedelta(days=1))
    with liar.vault() as vault:
        vault.connection.execute("UPDATE record SET amount = '9000000.00'")
    liar.seal()
    liar.post()
    liar.consortium.sync()
    verify(liar.consortium.receipt(BANK).to_bytes(), liar.consortium.trust)
    with pytest.raises(InconsistentRecordError, match="the opened field amount and the posted row disagree"):
        verify(liar.consortium.disclosure(BANK, ["amount"]).to_bytes(), liar.consortium.trust)

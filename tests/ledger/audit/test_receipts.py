"""Receipts and disclosures as a member makes them and an auditor reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.audit.trust import Trust
from ledger.audit.verify import verify
from ledger.batch import BatchHeader
from ledger.encoding.consistency import InconsistentRecordError
from ledger.errors import InputError, VerificationError
from ledger.member.receipts import disclose, make_receipt
from ledger.receipt import Disclosure, Receipt
from ledger.schema import FIELDS
from tests.support.consortium import ChainProcess, Poster, SmallConsortium, founded

BANK = "BRAVFRPP"


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_can_be_opened_alone(consortium: SmallConsortium, name: str) -> None:
    record = consortium.record(BANK, 2)
    proven = verify(consortium.disclosure(BANK, [name], 2).to_bytes(), consortium.trust)
    assert dict(proven.fields) == {name: record.values[FIELDS.index(name)]}
    assert proven.purpose == "supervisory request 7"


def test_every_row_of_every_bank_verifies_with_all_its_fields(consortium: SmallConsortium) -> None:
    trust = consortium.trust
    for bank in consortium.banks:
        with consortium.vault(bank) as vault:
            places = vault.connection.execute("SELECT row_index FROM record WHERE batch = 0").fetchall()
        for (index,) in places[::6]:
            proven = verify(consortium.disclosure(bank, FIELDS, index).to_bytes(), trust)
            assert tuple(proven.fields[name] for name in FIELDS) == consortium.record(bank, index).values


def test_a_receipt_opens_nothing(consortium: SmallConsortium) -> None:
    data = consortium.receipt(BANK).to_bytes()
    proven = verify(data, consortium.trust)
    assert (dict(proven.fields), proven.purpose) == ({}, None)
    for value in consortium.record(BANK).values:
        if value and len(value) > 6:
            assert value.encode() not in data


def test_a_closed_field_does_not_show(consortium: SmallConsortium) -> None:
    record = consortium.record(BANK)
    data = consortium.disclosure(BANK, ["currency"]).to_bytes()
    for name in ("transaction_id", "debtor_account", "party_id", "amount", "uetr"):
        assert str(record.values[FIELDS.index(name)]).encode() not in data


def test_both_read_back_as_themselves(consortium: SmallConsortium) -> None:
    receipt, disclosure = consortium.receipt(BANK), consortium.disclosure(BANK)
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
    receipt, record = consortium.receipt(BANK), consortium.record(BANK)
    with consortium.vault(BANK) as vault, pytest.raises(InputError, match="has no purpose"):
        disclose(
            vault,
            consortium.keys[BANK],
            record,
            receipt,
            policy=consortium.policy.document,
            names=["amount"],
            purpose="  ",
        )


@pytest.fixture(scope="module")
def bank(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Poster:
    made = Poster(founded(chain, tmp_path_factory.mktemp("receipts"), banks=[BANK]), BANK)
    made.fill(5, start=datetime.now(UTC) - timedelta(days=1))
    return made


def receipt_of(bank: Poster, key: str) -> Receipt:
    place = bank.consortium.home.desk
    with bank.vault() as vault:
        record = vault.find(key)
        assert record is not None
        return make_receipt(
            vault,
            record,
            log=place.log.read_bytes(),
            checkpoint=place.checkpoint.read_text("utf-8"),
            checkpoint_keys=bank.consortium.checkpoint_keys,
        )


def test_a_record_gets_its_receipt_when_it_is_posted_and_covered(bank: Poster) -> None:
    key = f"{BANK[:4]}-000001"
    bank.consortium.sync()
    with pytest.raises(InputError, match="not posted yet") as caught:
        receipt_of(bank, key)
    assert "member post" in str(caught.value.next_step)
    bank.seal()
    with pytest.raises(InputError, match="no signed checkpoint covers"):
        receipt_of(bank, key)
    bank.post()
    with pytest.raises(InputError, match="no signed checkpoint covers") as caught:
        receipt_of(bank, key)
    assert "desk sync" in str(caught.value.next_step)
    bank.consortium.sync()
    trust = Trust.load(bank.consortium.home.trust)
    data = receipt_of(bank, key).to_bytes()
    assert verify(data, trust).agent == BANK
    bank.fill(5, start=datetime.now(UTC) - timedelta(hours=20), first=50)
    bank.seal()
    bank.post()
    bank.consortium.sync()
    assert verify(data, trust).checkpoint.size == 1, "an old receipt stays good"
    assert verify(receipt_of(bank, key).to_bytes(), trust).checkpoint.size == 2


@pytest.mark.parametrize("damage", ["changed", "cut"])
def test_a_log_that_is_not_the_signed_one_gives_no_receipt(bank: Poster, damage: str) -> None:
    place = bank.consortium.home.desk
    key = f"{BANK[:4]}-000001"
    log = place.log.read_bytes()
    log = log[:-32] if damage == "cut" else log[:-1] + bytes([log[-1] ^ 1])
    with bank.vault() as vault:
        record = vault.find(key)
        assert record is not None
        with pytest.raises(VerificationError, match="does not match its checkpoint"):
            make_receipt(
                vault,
                record,
                log=log,
                checkpoint=place.checkpoint.read_text("utf-8"),
                checkpoint_keys=bank.consortium.checkpoint_keys,
            )


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


def test_a_bank_that_names_another_as_its_own_side_is_found(chain: ChainProcess, tmp_path: Path) -> None:
    liar = Poster(founded(chain, tmp_path / "liar", banks=[BANK]), BANK)
    liar.fill(1, start=datetime.now(UTC) - timedelta(days=1))
    liar.seal()
    liar.post()
    liar.consortium.sync()
    honest = liar.consortium.disclosure(BANK, ["debtor_agent"])
    assert verify(honest.to_bytes(), liar.consortium.trust).fields == {"debtor_agent": BANK}
    trust = liar.consortium.trust
    renamed = Trust(trust.deployment, trust.checkpoint_keys, dict.fromkeys(trust.members, "SOMEBODY"))
    with pytest.raises(VerificationError, match="debtor_agent"):
        verify(honest.to_bytes(), renamed)

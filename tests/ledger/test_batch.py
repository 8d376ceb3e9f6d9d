"""The batch header: its bytes, and that only the account it names can have signed it, in this consortium."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from ledger.batch import HEADER_SIZE, AuthorError, BatchHeader
from ledger.errors import VerificationError
from ledger.signing import address_of, new_key

GENESIS = b"g" * 32
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def header(key: bytes) -> BatchHeader:
    member = bytes.fromhex(address_of(key)[2:])
    return BatchHeader(20_261, b"\x11" * 20, member, 3, b"\x33" * 32, 1, b"\x44" * 32, 7, b"\x55" * 32)


def test_the_author_is_checked_with_the_header_the_signature_and_the_first_block() -> None:
    key = new_key()
    header(key).check_author(header(key).sign(GENESIS, key), GENESIS)


def test_a_wallet_signs_the_same_header() -> None:
    """What eth_account makes of the same structure is our signature, byte for byte."""
    key = new_key()
    made = header(key)
    fields = "version:uint8 suite:uint8 member:address sequence:uint64 previousHash:bytes32 epoch:uint32"
    fields += " policyHash:bytes32 rowCount:uint32 rowsRoot:bytes32"
    types = [{"name": name, "type": kind} for name, kind in (field.split(":") for field in fields.split())]
    values = (2, 1, "0x" + made.member.hex(), 3, made.previous_hash, 1, made.policy_hash, 7, made.rows_root)
    message = {entry["name"]: value for entry, value in zip(types, values, strict=True)}
    domain = {
        "name": "Counterfoil",
        "version": "2",
        "chainId": 20_261,
        "verifyingContract": "0x" + made.contract.hex(),
        "salt": GENESIS,
    }
    signable = encode_typed_data(domain, {"BatchHeader": types}, message)
    assert bytes(Account.sign_message(signable, key).signature) == made.sign(GENESIS, key)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"contract": b"\x12" * 20},
        {"member": b"\x22" * 20},
        {"sequence": 4},
        {"previous_hash": b"\x34" * 32},
        {"epoch": 2},
        {"policy_hash": b"\x45" * 32},
        {"row_count": 8},
        {"rows_root": b"\x56" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_signature_of_one_header_is_worth_nothing_for_another(change: dict[str, int | bytes]) -> None:
    key = new_key()
    signature = header(key).sign(GENESIS, key)
    with pytest.raises(AuthorError, match="not signed by the account that posted it"):
        replace(header(key), **change).check_author(signature, GENESIS)  # type: ignore[arg-type]


def test_a_header_signed_by_another_bank_or_for_another_chain_is_refused() -> None:
    key = new_key()
    made = header(key)
    with pytest.raises(AuthorError, match="not signed by the account"):
        made.check_author(made.sign(GENESIS, new_key()), GENESIS)
    with pytest.raises(AuthorError, match="not signed by the account"):
        made.check_author(made.sign(b"G" * 32, key), GENESIS)


def test_a_signature_has_one_form() -> None:
    key = new_key()
    made = header(key)
    good = made.sign(GENESIS, key)
    high = (ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    forms = [good[:32] + high + bytes([55 - good[64]]), good[:64] + bytes([good[64] - 27]), good[:64], b""]
    for form in [*forms, good + b"\0", bytes(65)]:
        with pytest.raises(AuthorError, match="signature is not valid"):
            made.check_author(form, GENESIS)


@given(
    numbers=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)),
    count=st.integers(0, 2**32 - 1),
)
def test_a_packed_header_is_read_again(numbers: tuple[int, int, int], count: int) -> None:
    chain, sequence, epoch = numbers
    made = BatchHeader(
        chain, os.urandom(20), os.urandom(20), sequence, bytes(32), epoch, bytes(32), count, os.urandom(32)
    )
    assert len(made.pack()) == HEADER_SIZE == 162
    assert BatchHeader.unpack(made.pack()) == made


def test_a_packed_header_of_another_size_version_or_suite_is_refused() -> None:
    packed = header(new_key()).pack()
    for data in (b"", packed[:-1], packed + b"\0"):
        with pytest.raises(VerificationError, match=f"162 bytes, not {len(data)}"):
            BatchHeader.unpack(data)
    for data in (b"\1" + packed[1:], packed[:1] + b"\2" + packed[2:]):
        with pytest.raises(VerificationError, match="this version reads 2 and 1"):
            BatchHeader.unpack(data)

"""Typed data: digests and signatures as eth_account makes them, one form of each signature, one domain."""

from __future__ import annotations

import os
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.signing import address_of, new_key
from ledger.typed_data import (
    ADMISSION,
    BATCH_HEADER,
    DISCLOSURE,
    KEY_CHANGE,
    OPENED_DRAW,
    Domain,
    TypedData,
    recover_typed,
    sign_typed,
)

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

_VALUES = {
    "string": st.text(st.characters(exclude_categories=("Cs",)), max_size=60),
    "bytes32": st.binary(min_size=32, max_size=32),
    "address": st.binary(min_size=20, max_size=20),
    "uint8": st.integers(0, 2**8 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
}


def _drawn(kind: TypedData) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: _VALUES[solidity] for solidity, name in kind.fields})


def _signable(domain: Domain, kind: TypedData, values: dict[str, Any]) -> Any:
    told = {
        "name": "Counterfoil",
        "version": "2",
        "chainId": domain.chain_id,
        "verifyingContract": "0x" + domain.contract.hex(),
        "salt": domain.genesis_hash,
    }
    types = {kind.name: [{"name": name, "type": solidity} for solidity, name in kind.fields]}
    addresses = {name for solidity, name in kind.fields if solidity == "address"}
    message = {name: "0x" + v.hex() if name in addresses else v for name, v in values.items()}
    return encode_typed_data(told, types, message)


@pytest.mark.parametrize(
    "kind", [BATCH_HEADER, ADMISSION, KEY_CHANGE, DISCLOSURE, OPENED_DRAW], ids=lambda kind: kind.name
)
@given(data=st.data())
def test_foreign_software_makes_the_same_signature(kind: TypedData, data: st.DataObject) -> None:
    domain = Domain(data.draw(st.integers(1, 2**62)), os.urandom(20), os.urandom(32))
    values, key = data.draw(_drawn(kind)), new_key()
    signature = sign_typed(domain, kind, values, key)
    signable = _signable(domain, kind, values)
    assert Account.sign_message(signable, key).signature == signature
    assert Account.recover_message(signable, signature=signature) == address_of(key)
    assert "0x" + recover_typed(domain, kind, values, signature).hex() == address_of(key).lower()


def _signed() -> tuple[Domain, dict[str, Any], bytes, bytes]:
    domain, key = Domain(1, bytes(20), bytes(32)), new_key()
    values = {"purpose": "audit", "recipient": "Revisor", "document": bytes(32)}
    return domain, values, sign_typed(domain, DISCLOSURE, values, key), bytes.fromhex(address_of(key)[2:])


def test_the_second_form_of_a_signature_is_refused() -> None:
    domain, values, signature, _ = _signed()
    high = _ORDER - int.from_bytes(signature[32:64], "big")
    other = signature[:32] + high.to_bytes(32, "big") + bytes([55 - signature[64]])
    with pytest.raises(VerificationError, match="canonical form"):
        recover_typed(domain, DISCLOSURE, values, other)


@pytest.mark.parametrize("v", [0, 1, 26, 29, 37, 255])
def test_only_two_values_of_v_are_read(v: int) -> None:
    domain, values, signature, _ = _signed()
    with pytest.raises(VerificationError, match="canonical form"):
        recover_typed(domain, DISCLOSURE, values, signature[:64] + bytes([v]))


@pytest.mark.parametrize(
    "other",
    [Domain(2, bytes(20), bytes(32)), Domain(1, b"\1" * 20, bytes(32)), Domain(1, bytes(20), b"\1" * 32)],
    ids=["chain", "contract", "genesis"],
)
def test_a_signature_is_of_no_other_consortium_or_chain(other: Domain) -> None:
    _, values, signature, signer = _signed()
    assert recover_typed(other, DISCLOSURE, values, signature) != signer

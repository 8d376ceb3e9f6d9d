"""A member's keys: what they sign of an admission or a change, and how the file is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import ConfigurationError
from ledger.member.keys import MemberKeys
from ledger.typed_data import ADMISSION, KEY_CHANGE, Domain, recover_typed

DOMAIN = Domain(20_261, b"\x11" * 20, b"\x22" * 32)


def address(keys: MemberKeys) -> bytes:
    return bytes.fromhex(keys.address[2:])


def public(keys: MemberKeys) -> dict[str, bytes]:
    return {
        "x25519Key": keys.x25519_public,
        "hpkeKey": keys.hpke_public,
        "witnessKey": keys.witness_public,
    }


def test_keys_are_written_and_read_again(tmp_path: Path) -> None:
    keys = MemberKeys.generate("ALFADEFF")
    keys.save(tmp_path / "keys.json")
    assert MemberKeys.load(tmp_path / "keys.json") == keys
    secrets = {keys.account, keys.x25519, keys.hpke, keys.witness}
    assert len(secrets) == 4
    with pytest.raises(ConfigurationError, match="never overwritten"):
        keys.save(tmp_path / "keys.json")


def test_a_key_file_of_the_format_before_is_refused_with_what_to_do(tmp_path: Path) -> None:
    old = '{"account":"%s","agent":"ALFADEFF","format":"counterfoil/member-keys/1","hpke":"%s","x25519":"%s"}'
    (tmp_path / "keys.json").write_text(old % ("01" * 32, "02" * 32, "03" * 32))
    with pytest.raises(ConfigurationError, match="counterfoil/member-keys/1") as caught:
        MemberKeys.load(tmp_path / "keys.json")
    assert caught.value.next_step
    assert "01" * 32 not in str(caught.value), "no secret is told"


def test_the_witness_key_is_an_ed25519_key() -> None:
    keys = MemberKeys.generate("ALFADEFF")
    signature = Ed25519PrivateKey.from_private_bytes(keys.witness).sign(b"checkpoint")
    Ed25519PublicKey.from_public_bytes(keys.witness_public).verify(signature, b"checkpoint")


def test_an_admission_is_signed_by_the_bank_over_all_its_public_keys() -> None:
    keys = MemberKeys.generate("ALFADEFF")
    values = {"account": address(keys), "agent": "ALFADEFF", **public(keys)}
    signature = keys.sign_admission(DOMAIN)
    assert recover_typed(DOMAIN, ADMISSION, values, signature) == address(keys)
    for name in public(keys):
        other = values | {name: b"\1" * 32}
        assert recover_typed(DOMAIN, ADMISSION, other, signature) != address(keys)
    assert recover_typed(DOMAIN, ADMISSION, values | {"agent": "BRAVFRPP"}, signature) != address(keys)


def test_a_change_is_signed_by_the_account_before_and_the_one_after() -> None:
    old, new = MemberKeys.generate("ALFADEFF"), MemberKeys.generate("ALFADEFF")
    values = {"account": address(old), "newAccount": address(new), **public(new), "nonce": 3}
    for signer in (old, new):
        signature = new.sign_key_change(DOMAIN, address(old), signer.account, nonce=3)
        assert recover_typed(DOMAIN, KEY_CHANGE, values, signature) == address(signer)

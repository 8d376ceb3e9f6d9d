"""Attacks on the trust file: an operator, or whoever passes the file on, invents a bank or puts in a key.

The file is pinned, and its fingerprint is compared over another channel. These tests show what fails even for
a reader who did not compare it: a bank's own signature stands in each entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ledger import canonical
from ledger.audit.trust import Trust, TrustedMember
from ledger.audit.verify import verify
from ledger.errors import ConfigurationError, VerificationError
from ledger.signing import new_key
from ledger.typed_data import ADMISSION, KEY_CHANGE, Domain, sign_typed
from tests.support.attacks import ALFA, BRAVO, Full, high_s
from tests.support.checker import check_program
from tests.support.evidence import Consortium, account

PROGRAM = check_program()
KEYS = {"x25519_key": b"\x01" * 32, "hpke_key": b"\x02" * 32, "witness_key": b"\x03" * 32}
SIGNED = {"x25519Key": b"\x01" * 32, "hpkeKey": b"\x02" * 32, "witnessKey": b"\x03" * 32}


@pytest.fixture(scope="module")
def town() -> Consortium:
    """Three banks; the first has posted."""
    made = Consortium()
    made.post(ALFA, [Full(1, changed={"party_id": None, "on_behalf_of": None})])
    return made


@pytest.fixture
def domain(town: Consortium) -> Domain:
    """Where admissions are signed."""
    return town.deployment.domain("Consortium")


def refused(trust: Trust, folder: Path, match: str | None = None) -> None:
    """Both programs refuse the file."""
    trust.save(folder / "trust.json")
    with pytest.raises(ConfigurationError, match=match):
        Trust.load(folder / "trust.json")
    with pytest.raises(PROGRAM.RefusedError):
        PROGRAM.read_trust((folder / "trust.json").read_bytes())


def accepted(trust: Trust, folder: Path) -> Trust:
    """Both programs take the file."""
    trust.save(folder / "trust.json")
    PROGRAM.read_trust((folder / "trust.json").read_bytes())
    return Trust.load(folder / "trust.json")


def with_members(trust: Trust, *more: TrustedMember) -> Trust:
    return replace(trust, members=(*trust.members, *more))


def admission(domain: Domain, key: bytes, agent: str, code: int, *, by: bytes | None = None) -> TrustedMember:
    """Make an entry of an account, signed by the account or by another key."""
    signed = {"account": account(key), "agent": agent, **SIGNED}
    return TrustedMember(
        code, agent, account(key), **KEYS, signature=sign_typed(domain, ADMISSION, signed, by or key)
    )


def change(
    domain: Domain,
    old: bytes,
    new: bytes,
    agent: str,
    code: int,
    *,
    signers: Sequence[bytes] | None = None,
    nonce: int = 0,
) -> TrustedMember:
    """Make the entry of an account that replaces another, signed by both or by others."""
    signed = {"account": account(old), "newAccount": account(new), **SIGNED, "nonce": nonce}
    first, second = (sign_typed(domain, KEY_CHANGE, signed, key) for key in signers or (old, new))
    return TrustedMember(
        code,
        agent,
        account(new),
        **KEYS,
        signature=first,
        previous=account(old),
        new_signature=second,
        nonce=nonce,
    )


def test_an_honest_change_of_account_is_taken(town: Consortium, domain: Domain, tmp_path: Path) -> None:
    """What the old account posted stays the bank's, and the new account posts and discloses in its name."""
    new, newer = new_key(), new_key()
    old = town.keys[ALFA].account
    entries = change(domain, old, new, ALFA, 1), change(domain, new, newer, ALFA, 1)
    trust = accepted(with_members(town.trust, *entries), tmp_path)
    assert verify(town.receipt(town.batches[0], 0).to_bytes(), trust).agent == ALFA
    signed = town.disclosure(town.batches[0], 0, ["amount"]).sign(
        town.deployment.domain("BatchLedger"), newer
    )
    assert verify(signed.to_bytes(), trust).agent == ALFA
    with pytest.raises(VerificationError):
        verify(signed.to_bytes(), town.trust)


# an invented bank


def test_a_bank_that_did_not_sign(town: Consortium, domain: Domain, tmp_path: Path) -> None:
    """The operator lists an account as a bank that never joined; its receipts would have been that bank's."""
    operator, bank = new_key(), new_key()
    refused(
        with_members(town.trust, admission(domain, bank, "DELTGB2L", 4, by=operator)), tmp_path, "own account"
    )
    copied = replace(town.trust.members[0], code=4, agent="DELTGB2L", account=account(bank))
    refused(with_members(town.trust, copied), tmp_path, "own account")


def test_an_admission_to_another_consortium(town: Consortium, domain: Domain, tmp_path: Path) -> None:
    """The operator of two consortia lists a bank that joined only the other one."""
    key = new_key()
    for other in (
        replace(domain, genesis_hash=b"\x08" * 32),
        replace(domain, chain_id=1),
        town.deployment.domain("BatchLedger"),
    ):
        refused(with_members(town.trust, admission(other, key, "DELTGB2L", 4)), tmp_path, "own account")


@pytest.mark.parametrize("name", ["x25519_key", "hpke_key", "witness_key", "agent"])
def test_a_key_or_a_name_that_the_bank_did_not_sign(town: Consortium, tmp_path: Path, name: str) -> None:
    """The operator puts its own key in a bank's place: it would have read or cosigned in the bank's name."""
    first, *others = town.trust.members
    wrong = "ALFADEF9" if name == "agent" else b"\x07" * 32
    refused(replace(town.trust, members=(replace(first, **{name: wrong}), *others)), tmp_path, "own account")


def test_swapped_keys(town: Consortium, tmp_path: Path) -> None:
    """The operator swaps two banks' entries, so that each answers for the other's rows."""
    first, second, third = town.trust.members
    for swapped in (
        (replace(first, account=second.account), replace(second, account=first.account)),
        (replace(first, signature=second.signature), replace(second, signature=first.signature)),
        (replace(first, agent=second.agent), replace(second, agent=first.agent)),
        (replace(first, x25519_key=first.hpke_key, hpke_key=first.x25519_key), second),
    ):
        refused(replace(town.trust, members=(*swapped, third)), tmp_path, "own account")


def test_two_banks_with_one_code_or_one_name(town: Consortium, domain: Domain, tmp_path: Path) -> None:
    """A code in a row is a bank: with two banks of one code, each could be said to be in the row."""
    key = new_key()
    refused(with_members(town.trust, admission(domain, key, "DELTGB2L", 1)), tmp_path, "same code")
    refused(with_members(town.trust, admission(domain, key, ALFA, 4)), tmp_path, "same code")
    refused(with_members(town.trust, admission(domain, key, ALFA, 1)), tmp_path, "two accounts")
    refused(with_members(town.trust, town.trust.members[0]), tmp_path, "twice")


@pytest.mark.parametrize("code", [0, 65_536, 2**40])
def test_a_code_that_no_row_can_have(town: Consortium, domain: Domain, tmp_path: Path, code: int) -> None:
    """Code 0 stands for every bank outside: with a bank of that code, all of them would have been it."""
    refused(with_members(town.trust, admission(domain, new_key(), "DELTGB2L", code)), tmp_path, "malformed")


# a change of keys


@dataclass
class Parties:
    """The keys of an attack on a change of account."""

    old: bytes
    new: bytes
    operator: bytes


@pytest.fixture
def parties(town: Consortium) -> Parties:
    return Parties(town.keys[ALFA].account, new_key(), new_key())


def test_a_change_without_the_old_accounts_signature(
    town: Consortium, domain: Domain, parties: Parties, tmp_path: Path
) -> None:
    """The operator replaces a bank's account by its own, and posts and discloses in the bank's name."""
    operator = parties.operator
    for signers in ((operator, operator), (operator, parties.old), (parties.new, parties.new)):
        entry = change(domain, parties.old, operator, ALFA, 1, signers=signers)
        refused(with_members(town.trust, entry), tmp_path, "own account")


def test_a_change_without_the_new_accounts_signature(
    town: Consortium, domain: Domain, parties: Parties, tmp_path: Path
) -> None:
    """A bank names another's account as its new one: it would have answered for that account's rows."""
    entry = change(domain, parties.old, parties.new, ALFA, 1, signers=(parties.old, parties.old))
    refused(with_members(town.trust, entry), tmp_path, "own account")
    refused(with_members(town.trust, replace(entry, new_signature=None)), tmp_path)
    refused(
        with_members(town.trust, replace(entry, new_signature=high_s(entry.signature))), tmp_path, "canonical"
    )


def test_a_change_that_leads_to_no_admission(
    town: Consortium, domain: Domain, parties: Parties, tmp_path: Path
) -> None:
    """The operator makes two accounts that replace each other, and lists them under a bank's code and name.

    Both signatures of both entries are good: they are the operator's own.
    """
    one, other = parties.new, parties.operator
    circle = change(domain, other, one, ALFA, 1), change(domain, one, other, ALFA, 1)
    refused(with_members(town.trust, *circle), tmp_path, "no such bank")
    refused(with_members(town.trust, change(domain, one, other, ALFA, 1)), tmp_path, "no such bank")
    refused(with_members(town.trust, change(domain, one, one, ALFA, 1)), tmp_path, "no such bank")


def test_a_change_of_another_banks_account(
    town: Consortium, domain: Domain, parties: Parties, tmp_path: Path
) -> None:
    """A bank lists its own new account as one of another bank: it would have posted in that bank's name."""
    entry = change(domain, parties.old, parties.new, BRAVO, 2)
    refused(with_members(town.trust, entry), tmp_path, "no such bank")


def test_a_change_that_was_signed_for_another_time(
    town: Consortium, domain: Domain, parties: Parties, tmp_path: Path
) -> None:
    """The number of a change is signed: an old change is not passed off as a later one.

    The contract takes each number once; a file with another number would have told of a change that never
    was. An admission has no number.
    """
    entry = change(domain, parties.old, parties.new, ALFA, 1, nonce=3)
    accepted(with_members(town.trust, entry), tmp_path)
    refused(with_members(town.trust, replace(entry, nonce=4)), tmp_path, "own account")
    first, *others = town.trust.members
    refused(replace(town.trust, members=(replace(first, nonce=1), *others)), tmp_path, "has a nonce")


def test_an_account_that_is_replaced_twice(
    town: Consortium, domain: Domain, parties: Parties, tmp_path: Path
) -> None:
    """Whoever stole an old key replaces the account once more, beside the bank's own change."""
    own = change(domain, parties.old, parties.new, ALFA, 1)
    stolen = change(domain, parties.old, parties.operator, ALFA, 1)
    refused(with_members(town.trust, own, stolen), tmp_path, "replaced by two")


# the form of the file


def test_a_policy_without_one_of_the_logs(town: Consortium, tmp_path: Path) -> None:
    """A file for another consortium's logs: this one's desk key would have been asked for later."""
    other = Consortium(genesis=b"\x0a" * 32, keys=town.keys)
    refused(replace(town.trust, policy=other.policy), tmp_path, "has no key for the log")


def test_version_1_and_other_forms(town: Consortium, tmp_path: Path) -> None:
    """An old trust file, which lists names without signatures, is passed off as a new one."""
    value = canonical.loads(town.trust.to_bytes())
    first = value["members"][0]
    for wrong in (
        value | {"format": "counterfoil/trust/1"},
        value | {"members": {first["account"]: ALFA}},
        value | {"members": [first | {"code": True}, *value["members"][1:]]},
        value | {"members": [first | {"code": "1"}, *value["members"][1:]]},
        value | {"members": [first | {"note": "x"}, *value["members"][1:]]},
        value | {"epochs": [value["epochs"][0] | {"number": True}]},
        {name: held for name, held in value.items() if name != "epochs"},
    ):
        (tmp_path / "trust.json").write_bytes(canonical.dumps(wrong))
        with pytest.raises(ConfigurationError):
            Trust.load(tmp_path / "trust.json")
        with pytest.raises(PROGRAM.RefusedError):
            PROGRAM.read_trust(canonical.dumps(wrong))

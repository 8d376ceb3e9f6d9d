"""A pseudonym key whose shares were refreshed: old and new evaluations stay provable, and nothing mixes.

Every proof goes through both programs: `ledger.audit.verify`, and the program of docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.audit.trust import Trust
from ledger.audit.verify import verify
from ledger.disclosure import Disclosure
from ledger.encoding import oprf
from ledger.encoding.evaluation import EpochKey, Evaluation
from ledger.errors import ConfigurationError, VerificationError
from tests.support.attacks import ALFA, Full, disclose
from tests.support.checker import check_program, stated_by_program, stated_by_verify
from tests.support.evidence import EPOCH, Consortium
from tests.support.pseudonyms import SECRET, ThresholdGroup

PROGRAM = check_program()
#: The single holder split its key among five, of whom three are needed; later they refreshed their shares.
GROUPS = {generation: ThresholdGroup(3, 5, generation=generation, secret=SECRET) for generation in (1, 2)}
Change = Callable[[Evaluation], Evaluation]


@pytest.fixture(scope="module")
def town() -> Consortium:
    """A bank that has posted, with the single holder's pseudonyms."""
    made = Consortium()
    made.post(ALFA, [Full(1, changed={"party_id": None, "on_behalf_of": None})])
    return made


@pytest.fixture(scope="module")
def trust(town: Consortium) -> Trust:
    """The trust file of today, which lists every generation of the key."""
    return replace(town.trust, epochs=(*town.trust.epochs, *(group.key for group in GROUPS.values())))


def disclosed(town: Consortium, change: Change) -> bytes:
    """A disclosure of an account whose evaluation is exchanged; the bank signs it."""

    def exchanged(unsigned: Disclosure) -> Disclosure:
        return replace(unsigned, evaluations=tuple(map(change, unsigned.evaluations)))

    return disclose(town, town.batches[0], names=["debtor_account"], change=exchanged).to_bytes()


def by(generation: int, indices: Sequence[int]) -> Change:
    """What holders of a generation make of the same blinded elements."""
    return lambda evaluation: GROUPS[generation].evaluate(evaluation.blinded, indices)


def refused(data: bytes, trust: Trust, match: str) -> None:
    with pytest.raises(VerificationError, match=match):
        verify(data, trust)
    with pytest.raises(PROGRAM.RefusedError):
        PROGRAM.check(data, PROGRAM.read_trust(trust.to_bytes()))


@pytest.mark.parametrize(
    "change",
    [
        lambda evaluation: evaluation,
        by(1, (1, 2, 3)),
        by(1, (2, 4, 5)),
        by(2, (1, 3, 5)),
        by(2, (1, 2, 3, 4)),
    ],
    ids=["the single holder", "1, 2, 3", "2, 4, 5", "refreshed 1, 3, 5", "more than needed"],
)
def test_every_generation_proves_the_same_pseudonym(town: Consortium, trust: Trust, change: Change) -> None:
    data = disclosed(town, change)
    stated = stated_by_verify(verify(data, trust))
    assert stated == stated_by_program(PROGRAM.check(data, PROGRAM.read_trust(trust.to_bytes())))
    assert [(name, basis) for name, _, basis in stated.facts[-1]] == [("debtor_account", "row")]


def test_a_trust_file_from_before_the_refresh_does_not_know_the_new_holders(town: Consortium) -> None:
    refused(disclosed(town, by(2, (1, 2, 3))), town.trust, "generation 2 is not known")


def test_holders_of_two_generations_do_not_mix(town: Consortium, trust: Trust) -> None:
    """Two holders of the old generation that did not erase their shares, with one of the new generation."""

    def mixed(evaluation: Evaluation) -> Evaluation:
        old, new = (by(number, (1, 2, 3))(evaluation) for number in (1, 2))
        return replace(new, shares=(*old.shares[:2], new.shares[2]))

    refused(disclosed(town, mixed), trust, "private key of this public key")
    old = by(1, (1, 2, 3))
    refused(
        disclosed(town, lambda one: replace(old(one), generation=2)), trust, "private key of this public key"
    )


def test_two_of_three_holders_prove_nothing(town: Consortium, trust: Trust) -> None:
    refused(disclosed(town, by(1, (2, 5))), trust, "do not make the key")


@pytest.mark.parametrize("kind", ["twice", "another key"])
def test_a_trust_file_with_contradicting_keys_is_refused(trust: Trust, tmp_path: Path, kind: str) -> None:
    """The operator adds a generation with a key of its own, under which it can prove any pseudonym."""
    added = {
        "twice": EpochKey(EPOCH, 1, oprf.public_key(SECRET), GROUPS[2].key.share_commitments),
        "another key": EpochKey(EPOCH, 3, oprf.public_key(oprf.generate_key())),
    }[kind]
    bad = replace(trust, epochs=(*trust.epochs, added))
    bad.save(tmp_path / "trust.json")
    with pytest.raises(ConfigurationError, match="twice" if kind == "twice" else "different pseudonym keys"):
        Trust.load(tmp_path / "trust.json")
    with pytest.raises(PROGRAM.RefusedError):
        PROGRAM.read_trust((tmp_path / "trust.json").read_bytes())


def test_a_trust_file_may_list_the_keys_of_several_epochs(trust: Trust, tmp_path: Path) -> None:
    more = replace(trust, epochs=(*trust.epochs, EpochKey(2, 0, oprf.public_key(oprf.generate_key()))))
    more.save(tmp_path / "trust.json")
    assert set(Trust.load(tmp_path / "trust.json").keys) == {(1, 0), (1, 1), (1, 2), (2, 0)}
    assert len(PROGRAM.read_trust((tmp_path / "trust.json").read_bytes())["epochs"]) == 4

"""Attacks on the pseudonym key: by its holders, in a ceremony or later, and by members that guess.

Holders, banks and the chain are real; each test says whose keys the attacker has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from counterfoil import KeyHolder
from counterfoil.council import decide
from counterfoil.founding import fund_here
from counterfoil.holders import InProcessHolder
from ledger import transcripts
from ledger.encoding import oprf, ristretto, sharing
from ledger.encoding.answers import Answer
from ledger.encoding.ceremony import Ceremony, CeremonyError, make_contribution
from ledger.encoding.evaluation import EpochKey
from ledger.encoding.oprf import ProofError
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.encoding.threshold import Holder, Problem, ThresholdEvaluator
from ledger.errors import KeyHolderError, TransactionRejectedError, VerificationError
from ledger.evaluation_request import Chunk, chunks, request_root
from ledger.gateway import Limits, Proposal
from ledger.holder.evaluating import NotAnchoredError
from ledger.holder.keys import HolderKeys
from ledger.holder.shares import held_shares, load_share
from ledger.member.keys import MemberKeys
from ledger.transcripts import audit_ceremony
from tests.support.consortium import EPOCH, ChainProcess, SmallConsortium, founded
from tests.support.holders import Party, dealing, parties, run, start_ceremony

ALFA, BRAV, MALL = "ALFADEFF", "BRAVFRPP", "MALLDEFF"
HOLDERS, THRESHOLD = 5, 3
VICTIM = "acct:BRAVFRPP:1001"


@pytest.fixture(scope="module")
def town(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """Three banks, of which MALL guesses; five holders, of whom three must answer."""
    return founded(
        chain, tmp_path_factory.mktemp("town"), banks=[ALFA, BRAV, MALL], holders=HOLDERS,
        threshold=THRESHOLD, limits=Limits(evaluations=40),
    )  # fmt: skip


def holder(town: SmallConsortium, number: int) -> KeyHolder:
    return town.holder(number)


def shares(town: SmallConsortium, numbers: Sequence[int]) -> dict[int, bytes]:
    """Return what some holders have on disk, by index."""
    found = {}
    for number in numbers:
        folder = holder(town, number).folder
        share = load_share(folder, *held_shares(folder)[-1])
        found[share.index] = share.secret
    return found


def key_of(town: SmallConsortium) -> EpochKey:
    return next(key for key in town.gateway.epoch_keys() if key.number == EPOCH)


def anchored(town: SmallConsortium, bank: str, names: Sequence[str]) -> tuple[Chunk, list[oprf.Blinded]]:
    blinded = [oprf.blind(name.encode()) for name in names]
    elements = [item.element for item in blinded]
    key, root = town.keys[bank], request_root(elements)
    town.gateway.transact(key.account, "EvaluationLog", "request", EPOCH, len(elements), root)
    number = town.gateway.evaluation_number(town.gateway.member(key.address).code, root)
    (part,) = chunks(number, elements)
    return part, blinded


Change = Callable[[Answer, Chunk], Answer]


class Cheating:
    """A holder with its real share that changes what it answers."""

    def __init__(self, honest: InProcessHolder, change: Change) -> None:
        self._honest, self._change = honest, change

    def public_key(self, epoch: int, generation: int) -> bytes:
        return self._honest.public_key(epoch, generation)

    def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
        return self._change(self._honest.evaluate(epoch, generation, chunk), chunk)


def pseudonyms(
    town: SmallConsortium, bank: str, names: Sequence[str], cheats: dict[int, Change]
) -> tuple[list[bytes], list[Problem]]:
    """Return the pseudonyms that a bank gets, and which holders it names."""
    key, told = key_of(town), []
    holders: dict[int, Holder] = {}
    for number in range(1, HOLDERS + 1):
        honest = InProcessHolder(holder(town, number).holder(), town.keys[bank].address)
        index = honest.index(EPOCH, key.generation)
        assert index is not None
        holders[index] = Cheating(honest, cheats[index]) if index in cheats else honest
    pseudonymiser = Pseudonymiser(ThresholdEvaluator(key, holders, note=told.append))
    work = anchored(town, bank, names)
    try:
        made = [b for _, batches in pseudonymiser.evaluate([work]) for b in batches]
    finally:
        pseudonymiser.close()
    return [pseudonym.value for batch in made for pseudonym in batch.pseudonyms], told


def prf(town: SmallConsortium, name: str) -> bytes:
    """Return the pseudonym that the key gives; three shares are needed for it."""
    known = shares(town, range(1, THRESHOLD + 1))
    secret = sharing.combined_scalars(sharing.weights(tuple(known)), [*known.values()])
    return oprf.prf(secret, name.encode())[:16]


# holders that collude


def test_two_colluding_holders_cannot_test_a_guess(town: SmallConsortium) -> None:
    """They have two of three shares, their commitments, and the victim's pseudonym; a third one ends it."""
    wanted, key = prf(town, VICTIM), key_of(town)
    for pair in combinations(range(1, HOLDERS + 1), 2):
        known = shares(town, pair)
        tries = [sharing.combined_scalars(sharing.weights(tuple(known)), [*known.values()])]
        for third in {*range(1, HOLDERS + 1)} - {*known}:
            indices = tuple(sorted((*known, third)))
            guess = {**known, third: oprf.generate_key()}
            tries.append(sharing.combined_scalars(sharing.weights(indices), [guess[i] for i in indices]))
        for secret in (*tries, *known.values()):
            assert oprf.public_key(secret) != key.public_key
            assert oprf.prf(secret, VICTIM.encode())[:16] != wanted
    three = shares(town, (1, 3, 5))
    secret = sharing.combined_scalars(sharing.weights(tuple(three)), [*three.values()])
    assert oprf.public_key(secret) == key.public_key  # the limit: three of them are the key


def test_a_share_of_before_is_worth_nothing_beside_shares_of_after(
    chain: ChainProcess, tmp_path: Path
) -> None:
    """A thief takes one share today and one after the key was shared anew: two of two, and no key."""
    made = founded(chain, tmp_path / "home", banks=[ALFA], holders=2, threshold=2)
    before, key = shares(made, (1, 2)), key_of(made)
    made.share_anew(holders=2, threshold=2)
    after = shares(made, (1, 2))
    for stolen in ({1: before[1], 2: after[2]}, {1: after[1], 2: before[2]}):
        secret = sharing.combined_scalars(sharing.weights((1, 2)), [stolen[1], stolen[2]])
        assert oprf.public_key(secret) != key.public_key
    for number in (1, 2):
        made.holder(number).take_part()
        for path in made.holder(number).folder.iterdir():
            assert before[number].hex() not in path.read_text("latin-1"), "an old share is still there"


# holders that answer wrongly


def wrong_element(answer: Answer, chunk: Chunk) -> Answer:
    other = ristretto.multiply(oprf.generate_key(), answer.elements[0])
    return answer._replace(elements=[other, *answer.elements[1:]])


def another_key(_: Answer, chunk: Chunk) -> Answer:
    elements, proof = oprf.evaluate(oprf.generate_key(), chunk.elements)
    return Answer(elements, [proof])


def unevaluated(answer: Answer, chunk: Chunk) -> Answer:
    """The blinded elements themselves: the pseudonym of a key that is 1."""
    return answer._replace(elements=[*chunk.elements])


@pytest.mark.parametrize("cheat", [wrong_element, another_key, unevaluated], ids=lambda f: f.__name__)
def test_a_holder_that_answers_wrongly_is_named_and_another_one_asked(
    town: SmallConsortium, cheat: Change
) -> None:
    names = [VICTIM, "acct:ALFADEFF:2"]
    values, told = pseudonyms(town, ALFA, names, {2: cheat})
    assert values == [prf(town, name) for name in names]
    assert [problem.index for problem in told] == [2]
    assert isinstance(told[0].error, VerificationError)


def test_an_answer_to_another_request_is_refused(town: SmallConsortium) -> None:
    """A holder replays what it answered before, with its valid proof."""
    earlier, _ = anchored(town, BRAV, [VICTIM])
    old = InProcessHolder(holder(town, 1).holder(), town.keys[BRAV].address).evaluate(EPOCH, 0, earlier)
    values, told = pseudonyms(town, BRAV, [VICTIM], {1: lambda _answer, _chunk: old})
    assert values == [prf(town, VICTIM)]
    assert [(problem.index, type(problem.error)) for problem in told] == [(1, ProofError)]


def test_the_share_of_another_holder_is_not_an_answer(town: SmallConsortium) -> None:
    """Holder 2 passes on what holder 3 would say: then two answers would come from one share."""
    (third,) = shares(town, (3,)).values()

    def copied(_: Answer, chunk: Chunk) -> Answer:
        elements, proof = oprf.evaluate(third, chunk.elements)
        return Answer(elements, [proof])

    values, told = pseudonyms(town, ALFA, [VICTIM], {2: copied})
    assert values == [prf(town, VICTIM)]
    assert [problem.index for problem in told] == [2]


def test_with_more_cheats_than_spare_holders_there_is_no_pseudonym_rather_than_a_wrong_one(
    town: SmallConsortium,
) -> None:
    with pytest.raises(KeyHolderError, match="2 of 5 key holders answered"):
        pseudonyms(town, ALFA, [VICTIM], dict.fromkeys((1, 2, 3), wrong_element))


# holders that bias a ceremony


@pytest.fixture
def three(town: SmallConsortium, tmp_path: Path) -> list[Party]:
    return parties(town, tmp_path / "holders", 3)


def test_a_dealer_cannot_choose_its_contribution_when_it_has_seen_the_others(
    town: SmallConsortium, three: list[Party]
) -> None:
    number = start_ceremony(town, 50, three, 2)
    for party in (*three, *three[:2]):
        party.step()
    record = town.gateway.ceremony(number)
    assert [*record.contributions] == [1, 2]
    ceremony = described(town, number)
    better = make_contribution(ceremony, 3)
    with pytest.raises(TransactionRejectedError, match="OtherContribution"):
        three[2].send("deal", number, better)
    with pytest.raises(TransactionRejectedError, match="Repeated"):
        three[2].send("commit", number, bytes(31) + b"\x01")
    assert run(number, three).status == "completed"


def described(town: SmallConsortium, number: int) -> Ceremony:
    return transcripts.described(
        town.gateway.deployment, town.gateway.ceremony(number), town.gateway.epoch_keys()
    )


@pytest.mark.parametrize("attack", ["rogue key", "copy of another"])
def test_a_dealer_cannot_make_its_contribution_from_those_of_others(
    town: SmallConsortium, three: list[Party], attack: str
) -> None:
    """It knows the others' contributions before it commits: they told it, or it broke into them.

    With the rogue key c - a - b the key of the ceremony would be c, which the attacker knows.
    """
    number = start_ceremony(town, {"rogue key": 51, "copy of another": 52}[attack], three, 2)
    told: list[bytes] = []

    def listening(_ceremony: Ceremony, _dealer: int, data: bytes) -> bytes:
        told.append(data)
        return data

    for party in three[:2]:
        dealing(party, listening)()

    def rogue(_ceremony: Ceremony, dealer: int, data: bytes) -> bytes:
        assert dealer == 3
        if attack == "copy of another":
            return told[0]
        secret = oprf.generate_key()
        constant = ristretto.multiply_base(secret)
        for other in told:
            minus = ristretto.subtract_scalars(bytes(32), b"\x01" + bytes(31))
            constant = ristretto.add(constant, ristretto.multiply(minus, other[36:68]))
        return data[:36] + constant + data[68:]

    dealing(three[2], rogue)()
    record = run(number, three)
    assert record.status == "failed"
    with pytest.raises(CeremonyError) as caught:
        audit_ceremony(town.gateway, number)
    assert (caught.value.party.role.name, caught.value.party.index) == ("DEALER", 3)
    assert not [key for key in town.gateway.epoch_keys() if key.number in (51, 52)]


class Lying(Ceremony):
    """The same ceremony, for a dealer that claims to have another old share."""

    secret = oprf.derive_key_pair(bytes(32), b"another share")[0]

    def old_commitment(self, dealer: int) -> bytes | None:
        return ristretto.multiply_base(self.secret)


def test_a_dealer_that_shares_another_secret_anew_is_named_and_the_key_stays(
    town: SmallConsortium, three: list[Party]
) -> None:
    number = start_ceremony(town, 53, three, 2)
    run(number, three)
    (before,) = [key for key in town.gateway.epoch_keys() if key.number == 53]
    number = start_ceremony(town, 53, three, 2, dealers=[1, 2])

    def other(ceremony: Ceremony, dealer: int, _data: bytes) -> bytes:
        lying = Lying(*(getattr(ceremony, field.name) for field in fields(ceremony)))
        assert lying.id == ceremony.id
        return make_contribution(lying, dealer, old_share=Lying.secret)

    dealing(three[0], other)()
    assert run(number, three).status == "failed"
    with pytest.raises(CeremonyError, match="shares another secret than its old share") as caught:
        audit_ceremony(town.gateway, number)
    assert caught.value.party.index == 1
    assert [key for key in town.gateway.epoch_keys() if key.number == 53] == [before]
    honest = three[1:]
    again = start_ceremony(town, 53, honest, 2, dealers=[2, 3])
    assert run(again, honest).status == "completed"
    assert audit_ceremony(town.gateway, again).public_key == before.public_key


# members that guess


def test_a_member_gets_no_evaluation_of_what_it_did_not_anchor(town: SmallConsortium) -> None:
    """It has an anchored request, and tries to smuggle a guess into it, at each holder."""
    part, _ = anchored(town, MALL, ["acct:MALLDEFF:1", "acct:MALLDEFF:2"])
    guess = oprf.blind(VICTIM.encode()).element
    own = town.keys[MALL].address
    for number in range(1, HOLDERS + 1):
        asked = holder(town, number).holder()
        for smuggled in (
            replace(part, elements=(part.elements[0], guess)),
            replace(part, elements=(*part.elements, guess)),
            replace(part, elements=(guess,), path=part.elements[:1]),
            replace(part, start=512, elements=(guess,)),
        ):
            with pytest.raises(VerificationError):
                asked.evaluate(own, smuggled)
        for unasked in (0, part.request + 1_000):
            with pytest.raises(NotAnchoredError):
                asked.evaluate(own, Chunk(unasked, 0, (guess,), ()))


def test_a_member_that_guesses_spends_its_quota_and_is_named_on_the_chain(town: SmallConsortium) -> None:
    gateway, own = town.gateway, town.keys[MALL]
    code = gateway.member(own.address).code
    left = sum(gateway.evaluations_left(code))
    before = sum(request.count for request in gateway.evaluation_requests() if request.member == code)
    guesses = [f"acct:BRAVFRPP:{1000 + number}" for number in range(left)]
    values, _ = pseudonyms(town, MALL, guesses, {})
    assert values[1] == prf(town, VICTIM)  # it has found the victim; what it costs:
    requests = [request for request in gateway.evaluation_requests() if request.member == code]
    assert sum(request.count for request in requests) == before + len(guesses) == 40
    with pytest.raises(TransactionRejectedError, match="used up for today"):
        anchored(town, MALL, ["acct:BRAVFRPP:9999"])
    for other in (ALFA, BRAV):  # and it cannot spend what others have left
        part, _ = anchored(town, other, [VICTIM])
        for number in range(1, HOLDERS + 1):
            with pytest.raises(NotAnchoredError):
                holder(town, number).holder().evaluate(own.address, part)


def test_who_is_no_member_cannot_anchor(town: SmallConsortium) -> None:
    """Neither a holder, which has funds and an account, nor a stranger."""
    root = request_root([oprf.blind(VICTIM.encode()).element])
    account = HolderKeys.load(holder(town, 1).folder / "keys.json").account
    with pytest.raises(TransactionRejectedError, match="ConsortiumNotMember"):
        town.gateway.transact(account, "EvaluationLog", "request", EPOCH, 1, root)


def test_a_second_member_of_the_same_bank_needs_the_others_and_waits(
    chain: ChainProcess, tmp_path: Path
) -> None:
    """MALL wants a puppet, to guess with a second quota. It cannot admit it alone, and nobody can at once."""
    made = founded(chain, tmp_path / "home", banks=[ALFA, BRAV, MALL])
    gateway, own = made.gateway, made.keys[MALL]
    puppet = MemberKeys.generate("PUPPDEFF")
    fund_here(made.home, made.url, [puppet.address])
    public = (puppet.x25519_public, puppet.hpke_public, puppet.witness_public)
    signature = puppet.sign_admission(gateway.deployment.domain("Consortium"))
    admission = gateway.call("Consortium", "admitMember", puppet.address, puppet.agent, *public, signature)
    proposal = proposed(made, own, admission)
    with pytest.raises(TransactionRejectedError, match="too few members approve"):
        gateway.transact(own.account, "Consortium", "execute", proposal.number, [admission.pair])
    with pytest.raises(TransactionRejectedError, match="AlreadyApproved"):
        gateway.transact(own.account, "Consortium", "approve", proposal.number, proposal.calls_hash)
    slow = gateway.call("Consortium", "setRules", (67, 34, 86_400, 30 * 86_400))
    assert decide(made.home, gateway, "The others are careless", [slow, admission]).done
    root = request_root([oprf.blind(VICTIM.encode()).element])
    with pytest.raises(TransactionRejectedError, match="joined lately"):
        gateway.transact(puppet.account, "EvaluationLog", "request", EPOCH, 1, root)
    with pytest.raises(NotAnchoredError):
        made.holder(1).holder().evaluate(puppet.address, Chunk(1, 0, (root,), ()))
    assert gateway.evaluation_requests() == []


def proposed(made: SmallConsortium, keys: MemberKeys, call: Any) -> Proposal:
    """Let one member alone propose a call."""
    block = made.gateway.transact(keys.account, "Consortium", "propose", [call.pair], "A new member")
    return made.gateway.proposal(made.gateway.proposed_in(block, keys.address))

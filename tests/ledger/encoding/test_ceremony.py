"""Key ceremonies: the key is right, an auditor recomputes it, and whoever cheats is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding import oprf, ristretto, sharing
from ledger.encoding.ceremony import (
    BadShareError,
    Ceremony,
    CeremonyError,
    Message,
    Party,
    Role,
    Round,
    audit,
    commitment_of,
    contribution_size,
    encryption_key_pair,
    judge_complaint,
    make_contribution,
    read_contribution,
    receive,
    result,
)
from ledger.encoding.evaluation import EpochKey
from ledger.encoding.ristretto import ORDER
from ledger.errors import InputError, VerificationError
from tests.support.ceremonies import Held, generate, reshare

DEALER, RECEIVER = Role.DEALER, Role.RECEIVER
IDENTITY = bytes(32)


@pytest.fixture(scope="module")
def made() -> Held:
    """A key of three holders, of whom two are needed."""
    return generate(2, 3)


def secret_of(held: Held, indices: tuple[int, ...]) -> bytes:
    return sharing.combined_scalars(sharing.weights(indices), [held.shares[index] for index in indices])


@pytest.fixture(scope="module")
def anew(made: Held) -> Held:
    """The same key for four other holders, of whom three are needed; the dealers are the old 1 and 3."""
    return reshare(made.key, made.shares, (1, 3), 3, 4)


# what is right


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_a_key_survives_any_sequence_of_ceremonies(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 4), "n")
    threshold = data.draw(st.integers(1, count), "t")
    held = generate(threshold, count)
    secret = secret_of(held, tuple(range(1, threshold + 1)))
    assert ristretto.multiply_base(secret) == held.key.public_key
    for _ in range(2):
        dealers = data.draw(st.permutations(range(1, count + 1)), "dealers")
        taking = data.draw(st.integers(threshold, count), "number of dealers")
        count, before = data.draw(st.integers(1, 4), "new n"), held
        threshold = data.draw(st.integers(1, count), "new t")
        held = reshare(before.key, before.shares, sorted(dealers[:taking]), threshold, count)
        assert audit(held.ceremony, held.messages()) == held.key
        assert held.key.public_key == before.key.public_key
        chosen = data.draw(st.permutations(range(1, count + 1)), "chosen")[:threshold]
        assert secret_of(held, tuple(chosen)) == secret
        assert sharing.threshold_of(held.key.public_key, held.key.share_commitments) == threshold


def test_an_auditor_recomputes_the_key_from_what_was_published(made: Held, anew: Held) -> None:
    for held in (made, anew):
        key = audit(held.ceremony, held.messages())
        assert key == held.key
        assert key.share_commitments == tuple(
            ristretto.multiply_base(held.shares[index]) for index in held.ceremony.receivers
        )
    assert anew.key == replace(made.key, generation=1, share_commitments=anew.key.share_commitments)


def test_a_single_holder_can_split_its_key() -> None:
    """So that a consortium that began with one holder keeps its pseudonyms."""
    secret, public = oprf.derive_key_pair(bytes(32), b"one holder")
    held = reshare(EpochKey(4, 0, public), {1: secret}, (1,), 3, 5)
    assert held.key.public_key == public
    assert secret_of(held, (1, 3, 5)) == secret_of(held, (2, 3, 4)) == secret


def test_old_and_new_shares_do_not_mix(made: Held) -> None:
    fresh = reshare(made.key, made.shares, (1, 2), 2, 3)
    secret = secret_of(made, (1, 2))
    assert secret_of(fresh, (1, 2)) == secret
    mixed = [made.shares[1], fresh.shares[2]]
    assert sharing.combined_scalars(sharing.weights((1, 2)), mixed) != secret
    public = (made.key.share_commitments[0], *fresh.key.share_commitments[1:])
    with pytest.raises(VerificationError):
        sharing.threshold_of(made.key.public_key, public)


def test_a_holder_that_was_killed_goes_on_from_its_contribution(made: Held) -> None:
    """It needs the stored bytes and its encryption secret, and nothing of the polynomial."""
    again = receive(made.ceremony, dict(made.contributions), 2, made.encryption[2])
    assert again == made.shares[2]
    assert all(len(data) == contribution_size(made.ceremony) for data in made.contributions.values())


def test_the_identifier_binds_everything(made: Held, anew: Held) -> None:
    key = encryption_key_pair()[1]
    others = [
        replace(made.ceremony, **{name: value})
        for name, value in {
            "chain_id": 2, "contract": b"\x02" * 20, "epoch": 2, "generation": 1, "attempt": 1,
            "threshold": 3,
            "holders": (*made.ceremony.holders[:2], key),
        }.items()
    ]  # fmt: skip
    assert anew.ceremony.old is not None
    swapped = replace(anew.ceremony.old, share_commitments=made.key.share_commitments)
    others += [
        made.ceremony,
        anew.ceremony,
        replace(anew.ceremony, dealers=(1, 2)),
        replace(anew.ceremony, dealers=(1, 2, 3)),
        replace(anew.ceremony, generation=2),
        replace(anew.ceremony, old=generate(2, 3).key),
    ]
    assert swapped == anew.ceremony.old
    assert len({ceremony.id for ceremony in others}) == len(others)


# descriptions that make no sense


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 0},
        {"threshold": 4},
        {"chain_id": 2**64},
        {"epoch": -1},
        {"generation": 2**16},
        {"contract": b"\x01" * 19},
        {"holders": ()},
        {"dealers": (1, 2)},
        {"dealers": (1, 2, 2)},
    ],
)
def test_a_description_that_makes_no_sense_is_refused(made: Held, change: dict[str, Any]) -> None:
    with pytest.raises(VerificationError):
        replace(made.ceremony, **change)


def test_bad_encryption_keys_are_refused(made: Held) -> None:
    first, second, third = made.ceremony.holders
    for bad in (IDENTITY, b"\xff" * 32, third[:31], second):
        with pytest.raises(VerificationError, match="encryption key"):
            replace(made.ceremony, holders=(first, second, bad))


@pytest.mark.parametrize("dealers", [(), (1,), (0, 1), (1, 1), (3, 1), (1, 4), (1, 2, 3, 4)])
def test_dealers_of_a_reshare_are_enough_different_holders_in_order(
    anew: Held, dealers: tuple[int, ...]
) -> None:
    with pytest.raises(VerificationError):
        replace(anew.ceremony, dealers=dealers)


def test_a_key_is_not_shared_anew_in_another_epoch_or_as_an_older_generation(anew: Held) -> None:
    for change in ({"epoch": 2}, {"generation": 0}):
        with pytest.raises(VerificationError, match="same epoch, as a later generation"):
            replace(anew.ceremony, **change)


# attacks of a dealer


def guilty(held: Held, party: Party, match: str, messages: list[Message] | None = None) -> None:
    with pytest.raises(CeremonyError, match=match) as caught:
        audit(held.ceremony, held.messages() if messages is None else messages)
    assert caught.value.party == party


def test_a_contribution_chosen_after_the_others_breaks_its_commitment(made: Held) -> None:
    """The last dealer picks its polynomial so that the key is one that it knows."""
    own = make_contribution(made.ceremony, 3)
    cheat = made.with_contribution(3, own)
    guilty(cheat, Party(DEALER, 3), "another contribution", [*made.commits(), *cheat.deals()])


def test_a_dealer_that_does_not_deal_is_named(made: Held) -> None:
    guilty(made, Party(DEALER, 2), "sent nothing in the round deal", [*made.commits(), made.deals()[0]])
    guilty(made, Party(DEALER, 3), "sent nothing in the round commit", made.commits()[:2])


def rogue(ceremony: Ceremony, dealer: int, constant: bytes, proof_of: bytes | None = None) -> bytes:
    """A contribution to a sharing among holders whose constant commitment nobody knows the logarithm of."""
    honest = make_contribution(ceremony, dealer)
    head, rest = honest[:36], honest[36:]
    proof = honest[36 + 32 * ceremony.threshold :][:64] if proof_of is None else proof_of
    return head + constant + rest[32 : 32 * ceremony.threshold] + proof + rest[32 * ceremony.threshold + 64 :]


def test_a_rogue_key_needs_a_proof_that_nobody_can_make(made: Held) -> None:
    """The last dealer takes the others' commitments away, so that the sum is a key of its own."""
    minus = (ORDER - 1).to_bytes(32, "little")
    others = [ristretto.multiply(minus, made.contributions[dealer][36:68]) for dealer in (1, 2)]
    wanted = ristretto.multiply_base(ristretto.random_scalar())
    constant = ristretto.add(wanted, ristretto.add(*others))
    place = 36 + 32 * 2
    for proof in (None, made.contributions[1][place : place + 64]):
        cheat = made.with_contribution(3, rogue(made.ceremony, 3, constant, proof))
        guilty(cheat, Party(DEALER, 3), "does not prove that it knows the constant term")


def test_a_dealer_cannot_repeat_the_contribution_of_another(made: Held) -> None:
    copied = made.with_contribution(3, made.contributions[1])
    guilty(copied, Party(DEALER, 3), "no contribution of it")
    renamed = bytearray(made.contributions[1])
    renamed[33] = 3
    guilty(made.with_contribution(3, bytes(renamed)), Party(DEALER, 3), "does not prove")


def test_a_dealer_cannot_repeat_an_ephemeral_key_to_have_it_opened(made: Held) -> None:
    """With garbage under another's ephemeral key, an honest complaint would open that other's share."""
    at = 36 + 32 * 2 + 64
    own = make_contribution(made.ceremony, 3)
    stolen = own[:at] + made.contributions[1][at : at + 96] + own[at + 96 :]
    with pytest.raises(CeremonyError, match="knows the ephemeral key") as caught:
        receive(made.ceremony, {**made.contributions, 3: stolen}, 1, made.encryption[1])
    assert not isinstance(caught.value, BadShareError)


def test_a_contribution_to_another_ceremony_is_refused(made: Held) -> None:
    other = replace(made.ceremony, attempt=1)
    replayed = made.with_contribution(2, make_contribution(other, 2))
    guilty(replayed, Party(DEALER, 2), "no contribution of it to this ceremony")


def test_a_dealer_shares_its_old_share_and_nothing_else(made: Held, anew: Held) -> None:
    free = replace(anew.ceremony, old=EpochKey(1, 0, *_one_polynomial(made, 3)))
    other_share = ristretto.random_scalar()
    with pytest.raises(InputError, match="old share is not that"):
        make_contribution(anew.ceremony, 1, old_share=other_share)
    with pytest.raises(InputError, match="with what it has"):
        make_contribution(anew.ceremony, 1)
    with pytest.raises(InputError, match="with what it has"):
        make_contribution(made.ceremony, 1, old_share=other_share)
    with pytest.raises(InputError, match="with what it has"):
        make_contribution(anew.ceremony, 2, old_share=made.shares[2])
    assert free.id != anew.ceremony.id


def _one_polynomial(made: Held, count: int) -> tuple[bytes, tuple[bytes, ...]]:
    coefficients = sharing.polynomial(2)
    committed = sharing.commitments(coefficients)
    return committed[0], tuple(sharing.share_commitment(committed, index) for index in range(1, count + 1))


def test_a_dealer_that_shares_another_secret_is_named(made: Held, anew: Held) -> None:
    """It proves knowledge of a secret, for this ceremony, but the secret is not its old share."""
    assert made.key.generation == 0
    pretended, scalars = ristretto.random_scalar(), ristretto.random_scalar
    lied = replace(
        made.key,
        share_commitments=(ristretto.multiply_base(pretended), *made.key.share_commitments[1:]),
    )
    cheat = object.__new__(Ceremony)  # the cheat's own view, which its contribution is made for
    for name in Ceremony.__slots__:
        object.__setattr__(cheat, name, getattr(anew.ceremony, name))
    object.__setattr__(cheat, "old", lied)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ceremony, "id", anew.ceremony.id)
        data = make_contribution(cheat, 1, old_share=pretended, scalars=scalars)
    guilty(anew.with_contribution(1, data), Party(DEALER, 1), "another secret than its old share")


# complaints


def spoilt(held: Held, dealer: int, receiver: int, change: Callable[[bytes], bytes] | None = None) -> Held:
    """The ceremony in which a dealer encrypted garbage, or the share of somebody else, for a receiver."""
    data = held.contributions[dealer]
    at = len(data) - 48 * (len(held.ceremony.holders) - receiver + 1)
    sealed = data[at : at + 48]
    other = change(sealed) if change else bytes([sealed[0] ^ 1]) + sealed[1:]
    return held.with_contribution(dealer, data[:at] + other + data[at + 48 :])


def complaint_of(held: Held, receiver: int) -> tuple[Party, bytes]:
    with pytest.raises(BadShareError) as caught:
        receive(held.ceremony, held.contributions, receiver, held.encryption[receiver])
    return caught.value.party, caught.value.complaint


@pytest.mark.parametrize("kind", ["made", "anew"])
def test_a_wrong_share_is_judged_against_the_dealer(kind: str, request: pytest.FixtureRequest) -> None:
    held: Held = request.getfixturevalue(kind)
    bad = spoilt(held, 3, 2)
    party, complaint = complaint_of(bad, 2)
    assert party == Party(DEALER, 3)
    assert receive(bad.ceremony, bad.contributions, 1, bad.encryption[1])  # others have no reason to complain
    verdict = judge_complaint(bad.ceremony, bad.contributions, complaint, 2)
    assert verdict.guilty == Party(DEALER, 3)
    assert "wrong share" in verdict.reason
    messages = [*bad.commits(), *bad.deals(), Message(Round.COMPLAIN, 2, complaint)]
    guilty(bad, Party(DEALER, 3), "wrong share", messages)


def test_a_correct_encryption_of_a_wrong_scalar_is_judged_against_the_dealer() -> None:
    """The dealer does everything right, but for a polynomial other than the committed one."""
    held = generate(2, 2)
    for wrong in (ristretto.random_scalar(), bytes(32), ORDER.to_bytes(32, "little")):
        data = _with_own_share(held.ceremony, 1, wrong)
        bad = held.with_contribution(1, data)
        party, complaint = complaint_of(bad, 2)
        assert party == Party(DEALER, 1)
        assert judge_complaint(bad.ceremony, bad.contributions, complaint, 2).guilty == Party(DEALER, 1)


def _with_own_share(ceremony: Ceremony, dealer: int, wrong: bytes) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "share", lambda coefficients, index: wrong)
        return make_contribution(ceremony, dealer)


def test_a_false_complaint_is_judged_against_the_complainer(made: Held) -> None:
    """It reveals the true point, which decrypts a correct share."""
    ephemeral = read_contribution(made.ceremony, 1, made.contributions[1]).ephemeral
    (shared,), proof = oprf.evaluate(made.encryption[2], [ephemeral])
    complaint = bytes([1]) + made.ceremony.id + bytes([1, 2]) + shared + proof
    verdict = judge_complaint(made.ceremony, made.contributions, complaint, 2)
    assert verdict == (Party(RECEIVER, 2), "complained about a correct share of dealer 1")
    messages = [*made.commits(), *made.deals(), Message(Round.COMPLAIN, 2, complaint)]
    guilty(made, Party(RECEIVER, 2), "correct share", messages)


FORGED: dict[str, Callable[[bytes], bytes]] = {
    "another point": lambda c: c[:35] + ristretto.multiply_base(ristretto.random_scalar()) + c[67:],
    "the identity": lambda c: c[:35] + IDENTITY + c[67:],
    "no point": lambda c: c[:35] + b"\xff" * 32 + c[67:],
    "another proof": lambda c: c[:67] + oprf.evaluate(ristretto.random_scalar(), [c[35:67]])[1],
    "a proof of zeros": lambda c: c[:67] + bytes(64),
    "another version": lambda c: b"\x02" + c[1:],
    "another ceremony": lambda c: c[:1] + bytes(32) + c[33:],
    "no such dealer": lambda c: c[:33] + b"\x09" + c[34:],
    "another dealer": lambda c: c[:33] + b"\x01" + c[34:],
    "another receiver": lambda c: c[:34] + b"\x01" + c[35:],
    "a byte more": lambda c: c + b"\x00",
    "a byte less": lambda c: c[:-1],
    "nothing": lambda c: b"",
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_complaint_that_proves_nothing_is_judged_against_the_complainer(made: Held, kind: str) -> None:
    """Even if the dealer has dealt garbage: what counts is what was proven."""
    bad = spoilt(made, 3, 2)
    _, complaint = complaint_of(bad, 2)
    verdict = judge_complaint(bad.ceremony, bad.contributions, FORGED[kind](complaint), 2)
    assert verdict.guilty == Party(RECEIVER, 2)


def test_a_complaint_of_another_receiver_is_not_repeated(made: Held) -> None:
    bad = spoilt(made, 3, 2)
    _, complaint = complaint_of(bad, 2)
    assert judge_complaint(bad.ceremony, bad.contributions, complaint, 1).guilty == Party(RECEIVER, 1)


def test_a_complaint_about_a_contribution_that_is_publicly_wrong_is_the_dealers_fault(made: Held) -> None:
    complaint = bytes([1]) + made.ceremony.id + bytes([1, 2]) + bytes(96)
    broken = {**made.contributions, 1: made.contributions[1][:-1]}
    assert judge_complaint(made.ceremony, broken, complaint, 2).guilty == Party(DEALER, 1)


def test_a_complaint_opens_that_one_share_and_no_other(made: Held) -> None:
    """The point of one dealer and one receiver decrypts no share of another dealer or receiver."""
    bad = spoilt(made, 3, 2)
    shared = complaint_of(bad, 2)[1][35:67]
    from ledger.encoding.ceremony.contribution import open_share

    for dealer in (1, 2, 3):
        read = read_contribution(bad.ceremony, dealer, bad.contributions[dealer])
        for receiver in (1, 2, 3):
            with pytest.raises(VerificationError):
                open_share(bad.ceremony, read, receiver, shared)


# rounds


def test_messages_out_of_order_or_twice_are_named(made: Held) -> None:
    commits, deals, confirms = made.commits(), made.deals(), made.confirms()
    for messages, party, match in (
        ([*commits[:2], deals[0]], Party(DEALER, 1), "did not wait"),
        ([*commits, *deals[:2], confirms[0]], Party(RECEIVER, 1), "did not wait"),
        ([*commits[:2], commits[0]], Party(DEALER, 1), "second message"),
        ([*commits, *deals, deals[1]], Party(DEALER, 2), "second message"),
        ([*commits, *deals, *confirms, confirms[2]], Party(RECEIVER, 3), "second message"),
        ([*commits, *deals, confirms[0], Message(Round.COMPLAIN, 1, b"")], Party(RECEIVER, 1), "second"),
        ([Message(Round.COMMIT, 4, bytes(32))], Party(DEALER, 4), "takes no part"),
        ([Message(Round.COMMIT, 1, bytes(31))], Party(DEALER, 1), "not a hash"),
        ([*commits, *deals, Message(Round.CONFIRM, 0, bytes(32))], Party(RECEIVER, 0), "takes no part"),
        ([*commits, *deals, *confirms[:2]], Party(RECEIVER, 3), "has not confirmed"),
        (
            [*commits, *deals, *confirms[:2], Message(Round.CONFIRM, 3, bytes(32))],
            Party(RECEIVER, 3),
            "another",
        ),
        ([*commits, *deals, Message(Round.COMPLAIN, 1, b"?")], Party(RECEIVER, 1), "no complaint"),
        ([], Party(DEALER, 1), "sent nothing"),
    ):
        guilty(made, party, match, messages)


def test_the_order_within_a_round_does_not_matter(made: Held) -> None:
    messages = [*made.commits()[::-1], *made.deals()[::-1], *made.confirms()[::-1]]
    assert audit(made.ceremony, messages) == made.key


def test_a_receiver_uses_its_own_encryption_secret(made: Held) -> None:
    """A wrong secret is an error of its own, and never a complaint about others."""
    for index, secret in ((1, made.encryption[2]), (1, ristretto.random_scalar()), (4, made.encryption[1])):
        with pytest.raises(InputError):
            receive(made.ceremony, made.contributions, index, secret)


def test_a_missing_contribution_is_named(made: Held) -> None:
    with pytest.raises(CeremonyError, match="no contribution") as caught:
        result(made.ceremony, {1: made.contributions[1], 2: made.contributions[2]})
    assert caught.value.party == Party(DEALER, 3)


# bytes


def test_no_byte_of_a_contribution_can_be_changed_unseen(made: Held) -> None:
    """Even without the commitment to its hash: each byte of the public part is checked by somebody."""

    def use(data: bytes) -> None:
        changed = {**made.contributions, 2: data}
        result(made.ceremony, changed)
        receive(made.ceremony, changed, 1, made.encryption[1])

    data = made.contributions[2]
    public = len(data) - 48 * 3
    for place in range(public):
        mutated = bytearray(data)
        mutated[place] ^= 1 << (place % 8)
        with pytest.raises(CeremonyError) as caught:
            use(bytes(mutated))
        assert caught.value.party == Party(DEALER, 2)


@pytest.mark.parametrize(
    "change", [lambda d: d + b"\0", lambda d: d[:-1], lambda d: b"", lambda d: b"\2" + d[1:]]
)
def test_a_contribution_has_one_size_and_one_version(made: Held, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(CeremonyError, match="bytes that are no contribution"):
        read_contribution(made.ceremony, 2, change(made.contributions[2]))


def test_proofs_have_one_spelling(made: Held) -> None:
    """A scalar above the order stands for the same number, and is refused."""
    data = made.contributions[1]
    for at in (100, 132, 196, 228):
        raised = int.from_bytes(data[at : at + 32], "little") + ORDER
        with pytest.raises(CeremonyError, match="not valid"):
            read_contribution(made.ceremony, 1, data[:at] + raised.to_bytes(32, "little") + data[at + 32 :])
    for at in (36, 68, 164):
        with pytest.raises(CeremonyError, match="identity"):
            read_contribution(made.ceremony, 1, data[:at] + IDENTITY + data[at + 32 :])


def test_a_commitment_hides_and_binds(made: Held) -> None:
    assert {commitment_of(make_contribution(made.ceremony, 1)) for _ in range(3)}.isdisjoint(
        {commitment_of(data) for data in made.contributions.values()}
    )

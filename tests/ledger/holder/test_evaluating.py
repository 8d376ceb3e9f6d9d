"""A holder's evaluations: only what is anchored, only for the member that anchored it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.encoding import oprf
from ledger.encoding.evaluation import PROOF_BATCH
from ledger.encoding.ristretto import ElementError
from ledger.errors import (
    ConfigurationError,
    CounterfoilError,
    QuotaExceededError,
    TransactionRejectedError,
    VerificationError,
)
from ledger.evaluation_request import CHUNK, Chunk, chunks, request_root
from ledger.holder.evaluating import MOST_ANSWERS, NotAnchoredError, ShareHolder
from ledger.holder.shares import UnknownShareError
from tests.support.consortium import EPOCH, ChainProcess, SmallConsortium, founded

ALFA, BRAV = "ALFADEFF", "BRAVFRPP"
NOON = 1_750_000_000


@pytest.fixture(scope="module")
def consortium(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    made = founded(chain, tmp_path_factory.mktemp("evaluating"), banks=[ALFA, BRAV], holders=2, threshold=2)
    made.open_epoch(2, datetime.now(UTC))
    return made


@pytest.fixture
def holder(consortium: SmallConsortium) -> ShareHolder:
    return consortium.holder(1).holder()


def blinded(count: int) -> list[bytes]:
    return [oprf.blind(b"%d" % number).element for number in range(count)]


def anchored(
    consortium: SmallConsortium, elements: Sequence[bytes], bank: str = ALFA, *, link: int | None = None
) -> list[Chunk]:
    """Anchor a request of a bank; return its chunks."""
    gateway, key = consortium.gateway, consortium.keys[bank].account
    root = request_root(elements)
    if link is None:
        gateway.transact(key, "EvaluationLog", "request", EPOCH, len(elements), root)
    else:
        gateway.transact(
            key, "EvaluationLog", "requestLink", EPOCH, link, len(elements), root, "an order of the court"
        )
    number = gateway.evaluation_number(1 + [ALFA, BRAV].index(bank), root)
    return chunks(number, elements)


def account(consortium: SmallConsortium, bank: str = ALFA) -> str:
    return consortium.keys[bank].address


def test_what_a_member_anchored_is_evaluated_with_proofs(
    consortium: SmallConsortium, holder: ShareHolder
) -> None:
    elements = blinded(CHUNK + PROOF_BATCH + 3)
    parts = anchored(consortium, elements)
    (share,) = [share for share in holder.shares() if share.epoch == EPOCH]
    for part, proofs in zip(parts, (CHUNK // PROOF_BATCH, 2), strict=True):
        answer = holder.evaluate(account(consortium), part)
        assert (answer.generation, answer.index) == (0, share.index)
        assert len(answer.answer.proofs) == proofs
        for number, proof in enumerate(answer.answer.proofs):
            few = slice(number * PROOF_BATCH, (number + 1) * PROOF_BATCH)
            oprf.verify_proof(share.public, part.elements[few], answer.answer.elements[few], proof)
    assert share.public == consortium.gateway.epochs()[0].share_commitments[share.index - 1]


def test_what_nobody_anchored_is_refused(consortium: SmallConsortium, holder: ShareHolder) -> None:
    elements = blinded(3)
    for number in (0, 10**6, 2**64 - 1):
        (part,) = chunks(number, elements)
        with pytest.raises(NotAnchoredError, match=f"no request {number} of this member"):
            holder.evaluate(account(consortium), part)


def test_what_another_member_anchored_is_refused(consortium: SmallConsortium, holder: ShareHolder) -> None:
    """Also after the holder has answered its owner."""
    (part,) = anchored(consortium, blinded(3), BRAV)
    for _ in range(2):
        with pytest.raises(NotAnchoredError, match="no request"):
            holder.evaluate(account(consortium, ALFA), part)
        holder.evaluate(account(consortium, BRAV).lower(), part)


def test_other_elements_another_start_and_another_path_are_refused(
    consortium: SmallConsortium, holder: ShareHolder
) -> None:
    elements = blinded(CHUNK + 2)
    first, second = anchored(consortium, elements)
    (strange,) = blinded(1)
    for wrong in (
        replace(second, elements=(second.elements[0], strange)),
        replace(second, elements=second.elements[:1]),
        replace(second, elements=(*second.elements, strange)),
        replace(second, elements=()),
        replace(second, start=0),
        replace(second, start=CHUNK + 1),
        replace(second, path=()),
        replace(second, path=(strange,)),
        replace(first, path=second.path),
        replace(second, elements=first.elements),
    ):
        with pytest.raises(VerificationError):
            holder.evaluate(account(consortium), wrong)
    holder.evaluate(account(consortium), second)


def test_anchored_bytes_that_are_no_elements_are_refused(
    consortium: SmallConsortium, holder: ShareHolder
) -> None:
    """The chain cannot tell: the identity would say nothing, and another encoding could probe the share."""
    (good,) = blinded(1)
    for number, bad in enumerate((bytes(32), b"\xff" * 32, bytes([1]) + bytes(31))):
        (part,) = anchored(consortium, [good, bad, bytes([number]) * 32])
        with pytest.raises(ElementError, match="blinded element 1"):
            holder.evaluate(account(consortium), part)


def test_only_an_active_member_is_answered(chain: ChainProcess, tmp_path: Path) -> None:
    made = founded(chain, tmp_path / "home", banks=[ALFA, BRAV])
    (part,) = anchored(made, blinded(2), BRAV)
    holder = made.holder(1).holder()
    holder.evaluate(account(made, BRAV), part)
    made.gateway.transact(made.keys[BRAV].account, "Consortium", "suspendMember", account(made, BRAV))
    with pytest.raises(NotAnchoredError, match="not an active member"):
        holder.evaluate(account(made, BRAV), part)
    with pytest.raises(NotAnchoredError, match="not an active member"):
        holder.evaluate("0x" + "12" * 20, part)
    made.operate("reinstateMember", account(made, BRAV))
    holder.evaluate(account(made, BRAV), part)


def test_a_link_needs_the_approval_of_each_holder_that_answers(consortium: SmallConsortium) -> None:
    (part,) = anchored(consortium, blinded(2), link=2)
    one, two = (consortium.holder(number) for number in (1, 2))
    with pytest.raises(NotAnchoredError, match=r"has not approved that request \d+ links epochs 2 and 1"):
        one.holder().evaluate(account(consortium), part)
    one.approve_link(part.request)
    one.holder().evaluate(account(consortium), part)
    with pytest.raises(NotAnchoredError, match="has not approved"):
        two.holder().evaluate(account(consortium), part)
    with pytest.raises(TransactionRejectedError, match="Repeated"):
        one.approve_link(part.request)
    (plain,) = anchored(consortium, blinded(2))
    with pytest.raises(TransactionRejectedError, match="UnknownLink"):
        one.approve_link(plain.request)


def test_a_member_cannot_approve_its_own_link(consortium: SmallConsortium) -> None:
    (part,) = anchored(consortium, blinded(2), link=2)
    with pytest.raises(TransactionRejectedError, match="NotHolder"):
        consortium.gateway.transact(
            consortium.keys[ALFA].account, "EvaluationLog", "approveLink", part.request
        )


# how often


def test_a_repeated_request_has_the_same_answer_and_spends_nothing(
    consortium: SmallConsortium, holder: ShareHolder
) -> None:
    (part,) = anchored(consortium, blinded(3))
    left = consortium.gateway.evaluations_left(1)
    first = holder.evaluate(account(consortium), part)
    again = consortium.holder(1).holder()  # it was restarted
    assert again.evaluate(account(consortium), part).answer.elements == first.answer.elements
    assert consortium.gateway.evaluations_left(1) == left


def test_who_asks_too_often_waits_until_tomorrow_for_that_chunk_alone(consortium: SmallConsortium) -> None:
    now = [float(NOON)]
    keyholder = consortium.holder(1)

    def opened() -> ShareHolder:
        return ShareHolder(keyholder.folder, keyholder.gateway, clock=lambda: now[0])

    (part,), (other,) = (anchored(consortium, blinded(1)) for _ in range(2))
    for _ in range(MOST_ANSWERS):
        opened().evaluate(account(consortium), part)
    with pytest.raises(QuotaExceededError, match=f"were evaluated {MOST_ANSWERS} times today"):
        opened().evaluate(account(consortium), part)
    opened().evaluate(account(consortium), other)
    now[0] += 86_400
    opened().evaluate(account(consortium), part)


def test_a_refused_request_is_not_counted(consortium: SmallConsortium) -> None:
    """Otherwise anybody could use up the answers of a chunk with wrong elements."""
    (part,) = anchored(consortium, blinded(2))
    holder = consortium.holder(1).holder()
    for _ in range(MOST_ANSWERS + 1):
        with pytest.raises(VerificationError):
            holder.evaluate(account(consortium), replace(part, elements=part.elements[::-1]))
        with pytest.raises(NotAnchoredError):
            holder.evaluate(account(consortium, BRAV), part)
    holder.evaluate(account(consortium), part)


def test_racing_requests_are_answered_as_often_as_one_after_the_other(consortium: SmallConsortium) -> None:
    """Eight holders on one folder, as so many workers would be."""
    (part,) = anchored(consortium, blinded(1))
    keyholder = consortium.holder(1)
    answered: list[int] = []
    refused: list[int] = []

    def ask() -> None:
        holder = keyholder.holder()
        for _ in range(10):
            try:
                holder.evaluate(account(consortium), part)
                answered.append(1)
            except QuotaExceededError:
                refused.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(answered), len(refused)) == (MOST_ANSWERS, 80 - MOST_ANSWERS)


# its shares


def test_a_holder_follows_when_the_key_is_shared_anew(chain: ChainProcess, tmp_path: Path) -> None:
    """Also one that runs all the time; who has no new share says so."""
    made = founded(chain, tmp_path / "home", banks=[ALFA], holders=3, threshold=2)
    holders = [made.holder(number).holder() for number in (1, 2, 3)]
    (part,) = anchored(made, blinded(2))
    before = [holder.evaluate(account(made), part) for holder in holders]
    made.share_anew(holders=2, threshold=2, dealers=[2, 3])
    for party in (1, 2, 3):
        made.holder(party).take_part()
    key = made.gateway.epoch_keys()[-1]
    for index, holder in enumerate(holders[:2], start=1):
        answer = holder.evaluate(account(made), part)
        assert (answer.generation, answer.index) == (1, index)
        assert answer.answer.elements != before[index - 1].answer.elements
        oprf.verify_proof(
            key.holders[index - 1], part.elements, answer.answer.elements, answer.answer.proofs[0]
        )
    with pytest.raises(UnknownShareError, match="no share of epoch 1, generation 1"):
        holders[2].evaluate(account(made), part)


def test_a_damaged_share_is_the_holders_own_fault(chain: ChainProcess, tmp_path: Path) -> None:
    made = founded(chain, tmp_path / "home", banks=[ALFA])
    (part,) = anchored(made, blinded(2))
    keyholder = made.holder(1)
    path = keyholder.folder / f"share-{EPOCH}-0.json"
    path.write_bytes(path.read_bytes().replace(b'"epoch":"1"', b'"epoch":"5"'))
    with pytest.raises(ConfigurationError, match="file of another share"):
        keyholder.holder().evaluate(account(made), part)
    path.unlink()
    with pytest.raises(UnknownShareError):
        keyholder.holder().evaluate(account(made), part)


def test_a_folder_without_a_holder_is_refused_at_once(consortium: SmallConsortium, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no key holder in this folder"):
        ShareHolder(tmp_path, lambda: consortium.gateway)


def test_the_count_of_answers_may_be_lost_but_not_be_something_else(
    consortium: SmallConsortium, tmp_path: Path
) -> None:
    keyholder = consortium.holder(2)
    book = keyholder.folder / "answered.sqlite"
    (part,) = anchored(consortium, blinded(1))
    keyholder.holder().evaluate(account(consortium), part)
    for path in keyholder.folder.glob("answered.sqlite*"):
        path.unlink()
    book.write_bytes(b"not a database" * 100)
    with pytest.raises(CounterfoilError, match="the count of answers"):
        keyholder.holder()
    book.unlink()
    keyholder.holder().evaluate(account(consortium), part)

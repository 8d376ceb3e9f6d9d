"""The audit of evaluations on a real consortium: an auditor draws, members open, the auditor verifies.

Three of five holders answer in the first epoch. Each test has a bank of its own, so they do not disturb each
other; the desk's rounds are common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from counterfoil import Auditor, KeyHolder, Member
from counterfoil.founding import write_trust
from ledger.audit.draws import DrawReport, Outcome
from ledger.draw import Draw
from ledger.encoding.evaluation import EpochKey
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.encoding.rows import RowEncoder
from ledger.encoding.threshold import ThresholdEvaluator
from ledger.errors import InputError, KeyHolderError, VerificationError
from ledger.evaluation_request import chunks
from ledger.member.outbox import Outbox
from ledger.member.requesting import Requester
from ledger.member.sending import require_active
from ledger.opened_draw import OpenedDraw, OpenedElement, Reason, UnexplainedElement
from tests.support.consortium import ChainProcess, SmallConsortium, founded, pseudonymiser_of
from tests.support.rows import OUTSIDER, row, write_csv

HONEST, PROBER, SLOW, UNLUCKY, LINKER, DOUBLE, LOST = (
    "HONEDEFF", "PROBFRPP", "SLOWUS33", "UNLUGB2L", "LINKDEFF", "DOUBFRPP", "LOSTUS33"
)  # fmt: skip
BANKS = (HONEST, PROBER, SLOW, UNLUCKY, LINKER, DOUBLE, LOST)
NOW = datetime.now(UTC)
CHANGE = (NOW - timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
BEFORE, AFTER = CHANGE - timedelta(days=2), CHANGE + timedelta(hours=2)
SUPERVISOR = "The supervisor"


@pytest.fixture(scope="module")
def made(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """Seven banks; three of five holders in the first epoch, one in the second."""
    root = tmp_path_factory.mktemp("draws")
    starts = datetime(2020, 1, 1, tzinfo=UTC)
    consortium = founded(chain, root, banks=BANKS, starts=starts, holders=5, threshold=3)
    consortium.open_epoch(2, CHANGE)
    write_trust(consortium.home, consortium.gateway)
    return consortium


def take_in(made: SmallConsortium, bank: str, start: datetime, count: int, *, first: int = 0) -> None:
    rows = [
        row(n, start + timedelta(minutes=n - first), bank, OUTSIDER, bank=bank)
        for n in range(first, first + count)
    ]
    made.take_in(bank, write_csv(made.home.root / f"{bank}-{first}.csv", rows))


def pseudonymiser(made: SmallConsortium, bank: str, epoch: int) -> Pseudonymiser:
    known = next(known for known in made.gateway.epochs() if known.number == epoch)
    return pseudonymiser_of(made.home, made.gateway, made.keys[bank], known)


def post(made: SmallConsortium, bank: str, *, outbox: type[Outbox] = Outbox) -> None:
    with made.vault(bank) as vault:
        box = outbox(vault, made.keys[bank], made.gateway)
        for epoch in box.epochs():
            box.pseudonymise(pseudonymiser(made, bank, epoch.number), epoch.number)
        box.seal(closed_before=NOW, rows_per_batch=5)
        box.post()


def ask(made: SmallConsortium, bank: str, epoch: int, identifiers: Sequence[str]) -> None:
    """Have identifiers evaluated, whether the bank has rows of them or not: so a prober guesses."""
    answers = iter([list(identifiers)] * 2)  # the first time they are counted
    with made.vault(bank) as vault:
        member = require_active(made.gateway.member(made.keys[bank].address))
        requester = Requester(vault, made.keys[bank], made.gateway, member)
        assert requester.pseudonymise(pseudonymiser(made, bank, epoch), epoch, lambda: next(answers, []))


def auditor(made: SmallConsortium) -> Auditor:
    return Auditor(made.home, chain=made.url)


def opened(made: SmallConsortium, bank: str, draw: Draw) -> OpenedDraw:
    return Member(bank, made.home, chain=made.url).open_draw(draw, recipient=SUPERVISOR)


def verified(
    made: SmallConsortium, draw: Draw, answer: OpenedDraw, *, grace_days: int | None = None
) -> DrawReport:
    return auditor(made).check_opened(answer.to_bytes(), draw, recipient=SUPERVISOR, grace_days=grace_days)


def test_every_element_of_an_honest_bank_is_explained_in_two_epochs(made: SmallConsortium) -> None:
    take_in(made, HONEST, BEFORE, 12)
    take_in(made, HONEST, AFTER, 6, first=30)
    post(made, HONEST)
    made.sync()
    draw = auditor(made).draw(HONEST, count=1_000)
    answer = opened(made, HONEST, draw)
    report = verified(made, draw, answer)
    report.raise_if_unexplained()
    assert report.requests == 2
    assert len(report.elements) == report.total == report.count(Outcome.EXPLAINED) > 50
    assert report.most_guesses() == 0
    _a_row_of_the_other_epoch_is_refused(made, draw, answer)
    shares = {len(e.shares) for d in answer.disclosures for e in d.evaluations if e.epoch == 1}
    assert shares == {3}
    assert len(answer.disclosures) == 18  # each row has an account or a party that no other row has
    few = auditor(made).draw(HONEST, count=5)
    report = verified(made, few, opened(made, HONEST, few))
    assert report.most_guesses() == pytest.approx(1 - 0.05 ** (1 / 5))
    only_first = auditor(made).draw(
        HONEST, count=1_000, until_block=made.gateway.evaluation_requests()[0].block
    )
    assert {place.request for place in only_first.places} == {1}


def _a_row_of_the_other_epoch_is_refused(made: SmallConsortium, draw: Draw, answer: OpenedDraw) -> None:
    """The bank shows, for an account that has rows in both epochs, the row of the other one."""
    epoch_of = {r.number: r.epoch for r in made.gateway.evaluation_requests()}
    values = {
        (index, disclosed.opened.name): disclosed.opened.value
        for index, disclosure in enumerate(answer.disclosures)
        for disclosed in disclosure.fields
    }
    explained = [e for e in answer.elements if isinstance(e, OpenedElement)]
    first, other = next(
        (one, two)
        for one in explained
        for two in explained
        if values[one.disclosure, one.field] == values[two.disclosure, two.field]
        and epoch_of[one.place.request] < epoch_of[two.place.request]
    )
    elements = [
        replace(e, disclosure=other.disclosure, field=other.field) if e is first else e
        for e in answer.elements
    ]
    lie = replace(answer, elements=elements).sign(
        made.gateway.deployment.domain("EvaluationLog"), made.keys[HONEST].account
    )
    with pytest.raises(VerificationError, match="of another epoch than the request"):
        verified(made, draw, lie)


def test_a_guess_is_found_and_a_row_posted_after_the_draw_does_not_explain_it(made: SmallConsortium) -> None:
    take_in(made, PROBER, BEFORE, 5)
    post(made, PROBER)
    guesses = [f"acct:{HONEST}:{1000 + n}" for n in range(6)]
    ask(made, PROBER, 1, guesses)
    made.sync()
    draw = auditor(made).draw(PROBER, count=1_000)
    answer = opened(made, PROBER, draw)
    assert answer.unexplained() == {Reason.UNKNOWN: 6}
    report = verified(made, draw, answer)
    assert report.count(Outcome.UNEXPLAINED) == 6
    with pytest.raises(VerificationError, match=f"{PROBER} cannot explain 6 of") as refused:
        report.raise_if_unexplained()
    assert not any(guess in str(refused.value) for guess in guesses)

    # It says that the rows wait: they must not wait longer than the days of grace.
    elements = [
        UnexplainedElement(e.place, Reason.WAITING) if isinstance(e, UnexplainedElement) else e
        for e in answer.elements
    ]
    lie = OpenedDraw(answer.draw, PROBER, SUPERVISOR, elements, answer.disclosures).sign(
        made.gateway.deployment.domain("EvaluationLog"), made.keys[PROBER].account
    )
    assert verified(made, draw, lie).count(Outcome.WAITING) == 6
    assert verified(made, draw, lie, grace_days=0).count(Outcome.UNEXPLAINED) == 6

    # It posts a false row for a guess that was drawn: the row is its own, and it is late.
    false = row(90, BEFORE, PROBER, HONEST, bank=PROBER, creditor_account=guesses[0])
    made.take_in(PROBER, write_csv(made.home.root / "false.csv", [false]))
    post(made, PROBER)
    made.sync()
    answer = opened(made, PROBER, draw)
    report = verified(made, draw, answer)
    assert (report.count(Outcome.LATE), report.count(Outcome.UNEXPLAINED), report.open) == (1, 5, 6)
    report = verified(made, draw, answer, grace_days=0)
    assert report.count(Outcome.UNEXPLAINED) == 6
    # A row that was posted before the draw explains the guess: that is its price.
    again = auditor(made).draw(PROBER, count=1_000)
    assert verified(made, again, opened(made, PROBER, again)).count(Outcome.UNEXPLAINED) == 5


def test_elements_wait_until_their_rows_are_evaluated_posted_and_in_a_checkpoint(
    made: SmallConsortium,
) -> None:
    take_in(made, SLOW, BEFORE, 4)
    with made.vault(SLOW) as vault:
        box = Outbox(vault, made.keys[SLOW], made.gateway)
        epoch = made.gateway.epochs()[0]
        key = EpochKey(epoch.number, epoch.generation, epoch.public_key, epoch.share_commitments)
        with pytest.raises(KeyHolderError):  # anchored, and no holder answers
            box.pseudonymise(Pseudonymiser(ThresholdEvaluator(key, {n: Silent() for n in (1, 2, 3)})), 1)
    made.sync()
    draw = auditor(made).draw(SLOW, count=1_000)

    def outcomes(draw: Draw) -> set[Outcome]:
        return {element.outcome for element in verified(made, draw, opened(made, SLOW, draw)).elements}

    assert outcomes(draw) == {Outcome.WAITING}
    post(made, SLOW)
    assert outcomes(draw) == {Outcome.WAITING}  # posted, and in no checkpoint
    made.sync()
    report = verified(made, draw, opened(made, SLOW, draw))
    assert report.count(Outcome.LATE) == report.total
    assert report.most_guesses() == 1  # late elements prove nothing
    report.raise_if_unexplained()
    assert outcomes(auditor(made).draw(SLOW, count=1_000)) == {Outcome.EXPLAINED}


class Silent:
    """A holder that does not answer."""

    def evaluate(self, *_: object) -> None:
        raise KeyHolderError("the holder does not answer")

    def public_key(self, *_: object) -> bytes:
        raise KeyHolderError("the holder does not answer")


class WrongOutbox(Outbox):
    """An outbox with a mistake: its rows have a side that does not exist."""

    def _pack(self, encoder: RowEncoder, ids: Sequence[int]) -> npt.NDArray[np.void]:
        rows = super()._pack(encoder, ids)
        rows["side"] = 9
        return rows


def test_rows_that_the_desk_kept_apart_explain_nothing(made: SmallConsortium) -> None:
    take_in(made, UNLUCKY, BEFORE, 3)
    post(made, UNLUCKY, outbox=WrongOutbox)
    made.sync()
    draw = auditor(made).draw(UNLUCKY, count=1_000)
    answer = opened(made, UNLUCKY, draw)
    assert answer.unexplained() == {Reason.APART: len(draw.places)}
    with pytest.raises(VerificationError, match="the desk kept the batch of its row apart"):
        verified(made, draw, answer).raise_if_unexplained()


def test_a_link_of_two_epochs_is_explained_by_rows_of_the_linked_epoch(made: SmallConsortium) -> None:
    take_in(made, LINKER, BEFORE, 4)
    take_in(made, LINKER, AFTER, 1, first=40)
    post(made, LINKER)
    old = [f"acct:{LINKER}:{1000 + n}" for n in range(4)]
    guess = f"acct:{HONEST}:1001"
    with made.vault(LINKER) as vault:
        maker = pseudonymiser(made, LINKER, 2)
        blinded = maker.blind([*old, guess])
        request = vault.requests.add(2, blinded)
        made.gateway.transact(
            made.keys[LINKER].account,
            "EvaluationLog",
            "requestLink",
            2,
            1,
            request.count,
            request.root,
            "old",
        )
        number = made.gateway.evaluation_requests()[-1].number
        request = vault.requests.anchored(request, number)
        KeyHolder(made.home.keyholder("1"), chain=made.url).approve_link(number)
        parts = chunks(number, [item.element for item in blinded])
        answers = maker.evaluate([(part, blinded) for part in parts])
        vault.store_pseudonyms([(part.request, part.start, batches) for part, batches in answers])
        vault.requests.remove(request)
    made.sync()
    draw = auditor(made).draw(LINKER, count=1_000)
    answer = opened(made, LINKER, draw)
    report = verified(made, draw, answer)
    linked = [element for element in report.elements if element.place.request == number]
    assert sorted(element.outcome for element in linked) == ["explained"] * 4 + ["unexplained"]
    shown = {e.place: e for e in answer.elements if isinstance(e, OpenedElement)}
    for element in linked:
        if element.outcome is Outcome.EXPLAINED:
            explained = shown[element.place]
            assert explained.blind is not None
            assert answer.disclosures[explained.disclosure].receipt.header.epoch == 1


def test_identifiers_that_were_asked_for_twice_are_explained_by_the_same_row(made: SmallConsortium) -> None:
    take_in(made, DOUBLE, BEFORE, 3)
    post(made, DOUBLE)
    ask(made, DOUBLE, 1, [f"acct:{DOUBLE}:{1000 + n}" for n in range(3)])
    made.sync()
    draw = auditor(made).draw(DOUBLE, count=1_000)
    answer = opened(made, DOUBLE, draw)
    report = verified(made, draw, answer)
    assert report.count(Outcome.EXPLAINED) == report.total == len(draw.places)
    assert len(answer.disclosures) == 3
    assert sum(isinstance(e, OpenedElement) and e.blind is not None for e in answer.elements) == 3


def test_a_bank_that_lost_its_vault_says_so_for_every_element(made: SmallConsortium) -> None:
    take_in(made, LOST, BEFORE, 2)
    post(made, LOST)
    made.sync()
    draw = auditor(made).draw(LOST, count=4)
    for path in made.home.member(LOST).root.glob("vault.sqlite*"):
        path.unlink()
    answer = opened(made, LOST, draw)
    assert answer.unexplained() == {Reason.UNKNOWN: 4}
    assert not answer.disclosures
    with pytest.raises(VerificationError, match="the member names no row"):
        verified(made, draw, answer).raise_if_unexplained()


def test_what_cannot_be_drawn_is_refused(made: SmallConsortium) -> None:
    with pytest.raises(InputError, match="lists no member NOBODYXX"):
        auditor(made).draw("NOBODYXX")
    with pytest.raises(InputError, match="there is no block"):
        auditor(made).draw(HONEST, until_block=made.gateway.height() + 1)
    with pytest.raises(InputError, match="anchored no elements up to block 1"):
        auditor(made).draw(HONEST, until_block=1)
    with pytest.raises(InputError, match="there is no such file"):
        auditor(made).check_opened(b"{}", Path("nowhere.json"))

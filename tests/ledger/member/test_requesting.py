"""Requests of a member: killed anywhere, nothing is anchored twice, no element is in two requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from counterfoil.council import decide
from counterfoil.founding import fund_here
from counterfoil.holders import InProcessHolder
from ledger.encoding.answers import Answer
from ledger.encoding.evaluation import EpochKey
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.encoding.threshold import Holder, ThresholdEvaluator
from ledger.errors import KeyHolderError, TransactionRejectedError
from ledger.evaluation_request import CHUNK, Chunk
from ledger.gateway import EvaluationRequest, Limits
from ledger.member import requesting
from ledger.member.keys import MemberKeys
from ledger.member.requesting import Requester
from ledger.member.vault import Vault
from tests.support.consortium import EPOCH, ChainProcess, SmallConsortium, founded
from tests.support.holders import check_evaluated_once
from tests.support.rows import OUTSIDER, row, write_csv

NOW = datetime.now(UTC)
BANKS = [f"ASKS{number:04d}" for number in range(8)]


class DeadError(BaseException):
    """The process was killed here."""


class Dying:
    """A gateway that is killed before or after it sends a request."""

    def __init__(self, gateway: Any, moment: str) -> None:
        self._gateway, self._moment = gateway, moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def transact(self, *arguments: Any) -> int:
        if self._moment == "before it is sent":
            raise DeadError
        block: int = self._gateway.transact(*arguments)
        if self._moment == "after it is mined":
            raise DeadError
        return block


class Bank:
    """A member that asks for the pseudonyms of as many identifiers as a test wants."""

    def __init__(self, consortium: SmallConsortium, agent: str) -> None:
        self.consortium, self.agent = consortium, agent
        self.keys = consortium.keys[agent]
        self.names: list[str] = []

    def add(self, number: int) -> None:
        """Need so many identifiers more."""
        first = len(self.names)
        self.names += [f"acct:{self.agent}:{place:05d}" for place in range(first, first + number)]

    def vault(self) -> Vault:
        return self.consortium.vault(self.agent)

    def holders(self, wrap: Callable[[Holder], Holder] = lambda holder: holder) -> Pseudonymiser:
        key = self.consortium.gateway.epoch_keys()[-1]
        found = {}
        for place in self.consortium.home.keyholders():
            holder = InProcessHolder(self.consortium.holder(int(place.root.name)).holder(), self.keys.address)
            index = holder.index(EPOCH, key.generation)
            if index is not None:
                found[index] = wrap(holder)
        return Pseudonymiser(
            ThresholdEvaluator(EpochKey(EPOCH, key.generation, key.public_key, key.holders), found)
        )

    def ask(self, *, gateway: Any = None, wrap: Callable[[Holder], Holder] = lambda holder: holder) -> int:
        """Run the whole of it, as one command."""
        member = self.consortium.gateway.member(self.keys.address)
        asking = self.holders(wrap)
        with self.vault() as vault:
            requester = Requester(vault, self.keys, gateway or self.consortium.gateway, member)
            try:
                return requester.pseudonymise(asking, EPOCH, lambda: self.missing(vault))
            finally:
                asking.close()

    def missing(self, vault: Vault) -> list[str]:
        known = vault.pseudonyms(EPOCH)
        return [name for name in self.names if name not in known]

    def requests(self) -> list[EvaluationRequest]:
        """Return what it asked for on the chain."""
        code = self.consortium.gateway.member(self.keys.address).code
        return [one for one in self.consortium.gateway.evaluation_requests() if one.member == code]

    def check(self) -> None:
        check_evaluated_once(self.consortium, self.agent, len(self.names))


@pytest.fixture(scope="module")
def consortium(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    return founded(
        chain, tmp_path_factory.mktemp("requesting"), banks=BANKS, holders=2, threshold=2,
        limits=Limits(evaluations=3_000),
    )  # fmt: skip


@pytest.fixture(scope="module")
def agents() -> Iterator[str]:
    return iter(BANKS)


@pytest.fixture
def bank(consortium: SmallConsortium, agents: Iterator[str]) -> Bank:
    """A bank that has asked for nothing."""
    return Bank(consortium, next(agents))


@pytest.fixture
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requesting, "REQUEST_SIZE", CHUNK + 10)


@contextmanager
def dies() -> Iterator[None]:
    with pytest.raises(DeadError):
        yield


class Few:
    """A holder whose caller is killed when it has answered for so many chunks."""

    def __init__(self, holder: Holder, chunks: Iterator[int], most: int) -> None:
        self._holder, self._chunks, self._most = holder, chunks, most

    def public_key(self, epoch: int, generation: int) -> bytes:
        return self._holder.public_key(epoch, generation)

    def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
        if next(self._chunks) >= self._most:
            raise DeadError
        return self._holder.evaluate(epoch, generation, chunk)


def test_a_bank_killed_at_each_point_of_a_request_asks_once(
    bank: Bank, small_requests: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requesting, "_STORED_TOGETHER", 1)
    bank.add(CHUNK + 10)
    # stored, and not sent
    with dies():
        bank.ask(gateway=Dying(bank.consortium.gateway, "before it is sent"))
    assert bank.requests() == []
    with bank.vault() as vault:
        (stored,) = vault.requests.open(EPOCH)
    # sent and mined, and its number is not in the vault
    with dies():
        bank.ask(gateway=Dying(bank.consortium.gateway, "after it is mined"))
    (request,) = bank.requests()
    assert (request.root, request.count) == (stored.root, CHUNK + 10)
    with bank.vault() as vault:
        assert vault.requests.open(EPOCH) == [stored]
    # one chunk of two is stored
    answered = count()
    with dies():
        bank.ask(wrap=lambda holder: Few(holder, answered, 2))
    with bank.vault() as vault:
        assert len(bank.missing(vault)) == 10
    assert bank.ask() == 10
    assert bank.requests() == [request]
    bank.check()
    # all is stored, and the request is not removed
    bank.add(3)
    with bank.vault() as vault:
        monkeypatch.setattr(type(vault.requests), "remove", _dead)
    with dies():
        bank.ask()
    monkeypatch.undo()
    assert bank.ask() == 0
    bank.check()
    assert len(bank.requests()) == 2


def _dead(*_: object) -> None:
    raise DeadError


def test_a_large_need_is_several_requests_and_nothing_is_in_two(bank: Bank, small_requests: None) -> None:
    bank.add(2 * (CHUNK + 10) + 5)
    told: list[tuple[str, int, int]] = []
    member = bank.consortium.gateway.member(bank.keys.address)
    asking = bank.holders()
    with bank.vault() as vault:
        requester = Requester(vault, bank.keys, bank.consortium.gateway, member)
        done = requester.pseudonymise(
            asking, EPOCH, lambda: bank.missing(vault), progress=lambda *told_now: told.append(told_now)
        )
    asking.close()
    assert done == len(bank.names)
    assert told[-1] == ("pseudonyms", done, done)
    assert [request.count for request in bank.requests()] == [CHUNK + 10, CHUNK + 10, 5]
    bank.check()
    assert bank.ask() == 0
    assert len(bank.requests()) == 3


def test_an_unsent_request_of_a_killed_bank_goes_before_new_needs(bank: Bank) -> None:
    bank.add(4)
    with dies():
        bank.ask(gateway=Dying(bank.consortium.gateway, "before it is sent"))
    bank.add(3)
    assert bank.ask() == 7
    assert [request.count for request in bank.requests()] == [4, 3]
    bank.check()


def test_what_the_quota_leaves_is_asked_for_and_then_the_error_says_what_to_do(bank: Bank) -> None:
    bank.add(3_010)
    with pytest.raises(TransactionRejectedError, match="used up for today") as caught:
        bank.ask()
    assert "tomorrow" in str(caught.value.next_step)
    with bank.vault() as vault:
        assert len(bank.missing(vault)) == 10
    code = bank.consortium.gateway.member(bank.keys.address).code
    assert bank.consortium.gateway.evaluations_left(code) == (0, 0)
    for granted in (4, 6):  # the members grant it more; less than is stored as a request already
        bank.consortium.operate("grant", code, granted, contract="EvaluationLog")
        if granted == 4:
            with pytest.raises(TransactionRejectedError, match="used up for today"):
                bank.ask()
    assert bank.ask() == 6
    assert [request.count for request in bank.requests()] == [3_000, 4, 6]
    bank.check()


def test_a_stored_request_that_the_quota_no_longer_allows_is_made_smaller(
    chain: ChainProcess, tmp_path: Path
) -> None:
    made = founded(chain, tmp_path / "home", banks=["ALFADEFF"], limits=Limits(evaluations=20))
    bank = Bank(made, "ALFADEFF")
    bank.add(20)
    with dies():
        bank.ask(gateway=Dying(made.gateway, "before it is sent"))
    made.operate("setLimits", (8, 1000, 2**20))
    with pytest.raises(TransactionRejectedError, match="used up for today"):
        bank.ask()
    assert [request.count for request in bank.requests()] == [8]
    made.operate("setLimits", (100, 1000, 2**20))
    assert bank.ask() == 12
    bank.check()


def test_a_member_that_joined_lately_waits(chain: ChainProcess, tmp_path: Path) -> None:
    """Otherwise a bank could have a second member admitted, and guess with its quota at once."""
    made = founded(chain, tmp_path / "home", banks=["ALFADEFF"])
    late, later = MemberKeys.generate("LATEDEFF"), MemberKeys.generate("LAT2DEFF")
    gateway = made.gateway
    fund_here(made.home, made.url, [late.address, later.address])
    domain = gateway.deployment.domain("Consortium")

    def admission(keys: MemberKeys) -> Any:
        public = (keys.x25519_public, keys.hpke_public, keys.witness_public)
        return gateway.call(
            "Consortium", "admitMember", keys.address, keys.agent, *public, keys.sign_admission(domain)
        )

    slow = gateway.call("Consortium", "setRules", (67, 34, 86_400, 30 * 86_400))
    assert decide(made.home, gateway, "at once", [admission(later), slow, admission(late)]).done
    for keys in (late, later):
        keys.save(made.home.member(keys.agent).keys)
        made.keys[keys.agent] = keys
    bank = Bank(made, late.agent)
    bank.add(5)
    with pytest.raises(TransactionRejectedError, match="joined lately") as caught:
        bank.ask()
    assert "EvaluationLogTooEarly" in str(caught.value.where)
    assert bank.requests() == []
    other = Bank(made, later.agent)  # its delay was none
    other.add(5)
    assert other.ask() == 5
    other.check()


def test_a_key_that_is_shared_anew_between_two_runs_gives_the_same_pseudonyms(
    chain: ChainProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of one request may be answered by two generations of holders."""
    monkeypatch.setattr(requesting, "_STORED_TOGETHER", 1)
    made = founded(chain, tmp_path / "home", banks=["ALFADEFF", "BRAVFRPP"], holders=2, threshold=2)
    bank, other = Bank(made, "ALFADEFF"), Bank(made, "BRAVFRPP")
    bank.add(2 * CHUNK)
    answered = count()
    with dies():
        bank.ask(wrap=lambda holder: Few(holder, answered, 2))
    made.share_anew(holders=3, threshold=2)
    for number in (1, 2, 3):
        made.holder(number).take_part()
    assert bank.ask() == CHUNK
    bank.check()
    assert len(bank.requests()) == 1
    with bank.vault() as vault:
        generations = vault.connection.execute("SELECT DISTINCT generation FROM evaluation").fetchall()
    assert sorted(generations) == [(0,), (1,)]
    other.names = [*bank.names[:3], *bank.names[-3:]]
    assert other.ask() == 6
    with bank.vault() as mine, other.vault() as theirs:
        known = mine.pseudonyms(EPOCH)
        assert dict(theirs.pseudonyms(EPOCH)) == {name: known[name] for name in other.names}


def test_a_holder_that_has_the_old_share_only_is_not_asked_in_vain_for_ever(
    chain: ChainProcess, tmp_path: Path
) -> None:
    """A run that began before the key was shared anew says so, and the next one goes on."""
    made = founded(chain, tmp_path / "home", banks=["ALFADEFF"], holders=2, threshold=1)
    bank = Bank(made, "ALFADEFF")
    bank.add(5)
    asking = bank.holders()
    made.share_anew(holders=2, threshold=1)
    for number in (1, 2):
        made.holder(number).take_part()
    with bank.vault() as vault:
        requester = Requester(vault, bank.keys, made.gateway, made.gateway.member(bank.keys.address))
        with pytest.raises(KeyHolderError, match="no share of epoch 1, generation 0"):
            requester.pseudonymise(asking, EPOCH, lambda: bank.missing(vault))
    asking.close()
    assert bank.ask() == 5
    bank.check()
    assert len(bank.requests()) == 1


def test_posting_asks_for_each_identifier_of_a_bank_once(consortium: SmallConsortium, bank: Bank) -> None:
    """Also those of rows that came later, in another file."""
    rows = [
        row(n, NOW - timedelta(days=2, minutes=n), bank.agent, OUTSIDER, bank=bank.agent) for n in range(9)
    ]
    for part in (rows[:5], rows[:9]):
        path = write_csv(consortium.home.root / f"{bank.agent}-{len(part)}.csv", part)
        consortium.take_in(bank.agent, path, now=NOW)
        consortium.seal(bank.agent, now=NOW)
        consortium.post(bank.agent)
    check_evaluated_once(consortium, bank.agent, 27)
    assert [request.count for request in bank.requests()] == [15, 12]

"""The ceremonies of the pseudonym key: their rounds, who has a part in each, and the epochs."""

from __future__ import annotations

import hashlib

import pytest

KEY, OTHER_KEY = b"p" * 32, b"q" * 32
RUNNING, COMPLETED, FAILED, REPLACED = 1, 2, 3, 4
ZERO = "0x" + "00" * 20


def contribution(account, text="dealt"):
    return f"{text} by {account}".encode()


class Ceremony:
    """A ceremony that has started, and its rounds."""

    def __init__(self, world, epoch, holders, threshold=2, dealers=()):
        self.world, self.holders = world, holders
        world.govern(world.ceremony(epoch, holders, threshold, dealers))
        self.functions = world.pseudonyms.functions
        self.number = self.functions.ceremonyCount().call()

    def commit(self, account):
        digest = hashlib.sha256(contribution(account)).digest()
        return self.functions.commit(self.number, digest)

    def deal(self, account):
        return self.functions.deal(self.number, contribution(account))

    def confirm(self, key=KEY, shares=None):
        commitments = [b"s" * 32] * len(self.holders) if shares is None else shares
        return self.functions.confirm(self.number, key, commitments)

    def complain(self, dealer=1, evidence=b"evidence"):
        return self.functions.complain(self.number, dealer, evidence)

    def all_do(self, step, accounts=None):
        for account in self.holders if accounts is None else accounts:
            self.world.do(step(account), account)

    def to_the_third_round(self, dealers=None):
        self.all_do(self.commit, dealers)
        self.all_do(self.deal, dealers)

    def complete(self, dealers=None, key=KEY):
        self.to_the_third_round(dealers)
        self.all_do(lambda _: self.confirm(key))

    def status(self):
        return self.functions.ceremonyAt(self.number).call()[3]


@pytest.fixture
def ceremony(staffed):
    """A ceremony of three holders, of whom two must answer, for epoch 2."""
    return Ceremony(staffed, 2, staffed.holders[:3])


def test_three_rounds_make_a_key_and_a_proposal_opens_its_epoch(staffed, ceremony):
    functions, holders = staffed.pseudonyms.functions, staffed.holders[:3]
    ceremony.complete()
    assert ceremony.status() == COMPLETED
    assert functions.keyOf(2).call() == [KEY, 0, ceremony.number]
    assert [functions.isHolder(2, account).call() for account in staffed.holders] == [True] * 3 + [False] * 2
    assert not functions.isEpoch(2).call()
    staffed.govern(functions.openEpoch(2, 1_800_000_000))
    assert functions.isEpoch(2).call()
    assert functions.currentEpoch().call() == 2
    events = {
        name: [e for e in staffed.events(staffed.pseudonyms, name) if e.get("number", 2) == ceremony.number]
        for name in ("CeremonyStarted", "CeremonyCommitted", "CeremonyDealt", "CeremonyConfirmed")
    }
    (started,) = events["CeremonyStarted"]
    assert (started["generation"], started["threshold"], started["dealers"]) == (0, 2, [1, 2, 3])
    assert [h["account"] for h in started["holders"]] == holders
    assert [e["dealer"] for e in events["CeremonyCommitted"]] == [1, 2, 3]
    assert [e["contribution"] for e in events["CeremonyDealt"]] == [contribution(a) for a in holders]
    assert [e["holder"] for e in events["CeremonyConfirmed"]] == [1, 2, 3]
    completed = staffed.events(staffed.pseudonyms, "CeremonyCompleted")[-1]
    assert (completed["publicKey"], completed["shareCommitments"]) == (KEY, [b"s" * 32] * 3)
    assert staffed.events(staffed.pseudonyms, "EpochOpened")[-1] == {
        "epoch": 2,
        "startsAt": 1_800_000_000,
        "ceremony": ceremony.number,
        "publicKey": KEY,
    }


def test_each_round_waits_for_the_one_before(staffed, ceremony):
    first, second, third = staffed.holders[:3]
    early = ("PseudonymKeysTooEarly", ceremony.number)
    staffed.do(ceremony.commit(first), first)
    staffed.do(ceremony.commit(second), second)
    staffed.refuses(ceremony.deal(first), first, *early)
    staffed.do(ceremony.commit(third), third)
    staffed.do(ceremony.deal(first), first)
    staffed.do(ceremony.deal(third), third)
    staffed.refuses(ceremony.confirm(), first, *early)
    staffed.refuses(ceremony.complain(), first, *early)
    staffed.do(ceremony.deal(second), second)
    staffed.do(ceremony.confirm(), third)
    assert ceremony.status() == RUNNING


def test_nobody_does_a_round_twice_or_has_a_part_without_a_share(staffed, ceremony):
    first = staffed.holders[0]
    outsiders = (staffed.holders[3], staffed.banks[0], staffed.founder, staffed.stranger)
    for outsider in outsiders:
        staffed.refuses(ceremony.commit(outsider), outsider, "PseudonymKeysNoPart", outsider)
        staffed.refuses(ceremony.deal(outsider), outsider, "PseudonymKeysNoPart", outsider)
        staffed.refuses(ceremony.confirm(), outsider, "PseudonymKeysNoPart", outsider)
        staffed.refuses(ceremony.complain(), outsider, "PseudonymKeysNoPart", outsider)
    ceremony.all_do(ceremony.commit)
    staffed.refuses(ceremony.commit(first), first, "PseudonymKeysRepeated", first)
    ceremony.all_do(ceremony.deal)
    staffed.refuses(ceremony.deal(first), first, "PseudonymKeysRepeated", first)
    staffed.do(ceremony.confirm(), first)
    staffed.refuses(ceremony.confirm(), first, "PseudonymKeysRepeated", first)
    staffed.refuses(ceremony.functions.commit(9, b"c" * 32), first, "PseudonymKeysNotRunning", 9)


def test_a_dealer_deals_what_it_committed_to(staffed, ceremony):
    """Who waits for the others and then chooses its part could choose the key."""
    first = staffed.holders[0]
    empty = ceremony.functions.commit(ceremony.number, bytes(32))
    staffed.refuses(empty, first, "PseudonymKeysInvalidCeremony")
    ceremony.all_do(ceremony.commit)
    chosen = contribution(first, "chosen later")
    committed = hashlib.sha256(contribution(first)).digest()
    call = ceremony.functions.deal(ceremony.number, chosen)
    wrong = ("PseudonymKeysOtherContribution", committed, hashlib.sha256(chosen).digest())
    staffed.refuses(call, first, *wrong)
    copied = ceremony.functions.deal(ceremony.number, contribution(staffed.holders[1]))
    other = hashlib.sha256(contribution(staffed.holders[1])).digest()
    staffed.refuses(copied, first, "PseudonymKeysOtherContribution", committed, other)
    longest = ceremony.functions.MAX_CONTRIBUTION().call()
    long = ceremony.functions.deal(ceremony.number, bytes(longest + 1))
    staffed.refuses(long, first, "PseudonymKeysTooLong", longest + 1, longest)


def test_all_holders_confirm_the_same_result(staffed, ceremony):
    first, second, third = staffed.holders[:3]
    ceremony.to_the_third_round()
    for bad in (ceremony.confirm(bytes(32)), ceremony.confirm(shares=[b"s" * 32] * 2)):
        staffed.refuses(bad, first, "PseudonymKeysInvalidCeremony")
    staffed.do(ceremony.confirm(), first)
    expected = ceremony.functions.ceremonyAt(ceremony.number).call()[7]
    for other in (ceremony.confirm(OTHER_KEY), ceremony.confirm(shares=[b"t" * 32] * 3)):
        assert staffed.error(other, second)[0] == "PseudonymKeysOtherResult"
        assert staffed.error(other, second)[1][0] == expected
        assert staffed.send(other, second).error is not None
    staffed.do(ceremony.confirm(), second)
    assert staffed.pseudonyms.functions.keyOf(2).call() == [bytes(32), 0, 0]
    staffed.do(ceremony.confirm(), third)
    assert staffed.pseudonyms.functions.keyOf(2).call()[0] == KEY


def test_a_complaint_ends_the_ceremony_and_another_can_start(staffed, ceremony):
    first, second = staffed.holders[:2]
    ceremony.to_the_third_round()
    staffed.do(ceremony.confirm(), first)
    limit = ceremony.functions.MAX_EVIDENCE().call()
    long = ceremony.complain(evidence=bytes(limit + 1))
    staffed.refuses(long, second, "PseudonymKeysTooLong", limit + 1, limit)
    staffed.do(ceremony.complain(dealer=3, evidence=b"the share does not fit"), second)
    assert staffed.events(staffed.pseudonyms, "CeremonyFailed") == [
        {"number": ceremony.number, "holder": 2, "dealer": 3, "evidence": b"the share does not fit"}
    ]
    assert ceremony.status() == FAILED
    for call in (ceremony.confirm(), ceremony.complain(), ceremony.commit(second), ceremony.deal(second)):
        staffed.refuses(call, second, "PseudonymKeysNotRunning", ceremony.number)
    assert staffed.pseudonyms.functions.keyOf(2).call()[0] == bytes(32)
    again = Ceremony(staffed, 2, staffed.holders[:2])
    again.complete()
    assert (ceremony.status(), again.status()) == (FAILED, COMPLETED)
    staffed.refuses(again.complain(), first, "PseudonymKeysNotRunning", again.number)


def test_a_ceremony_that_stands_still_is_replaced(staffed, ceremony):
    """A holder does not answer; the members start again without it, and the old rounds count for nothing."""
    first, second = staffed.holders[:2]
    ceremony.to_the_third_round()
    staffed.do(ceremony.confirm(), first)
    other = Ceremony(staffed, 2, [first, second])
    assert (ceremony.status(), other.status()) == (REPLACED, RUNNING)
    staffed.refuses(ceremony.confirm(), second, "PseudonymKeysNotRunning", ceremony.number)
    staffed.refuses(other.confirm(), second, "PseudonymKeysTooEarly", other.number)
    elsewhere = Ceremony(staffed, 3, [first, second])  # another epoch replaces nothing
    assert other.status() == RUNNING
    other.complete()
    elsewhere.complete(key=OTHER_KEY)
    assert staffed.pseudonyms.functions.keyOf(2).call()[0] == KEY
    assert staffed.pseudonyms.functions.keyOf(3).call()[0] == OTHER_KEY


# ---------------------------------------------------------------- sharing the key anew


@pytest.fixture
def shared(staffed, ceremony):
    """Epoch 2 with a key that three holders share."""
    ceremony.complete()
    return staffed


def test_present_holders_deal_to_new_ones_and_the_key_stays(shared):
    functions = shared.pseudonyms.functions
    first, second, third, fourth, fifth = shared.holders
    anew = Ceremony(shared, 2, [third, fourth, fifth], threshold=3, dealers=[1, 3])
    for account in (second, fourth, fifth):  # a holder that does not deal, and new ones
        shared.refuses(anew.commit(account), account, "PseudonymKeysNoPart", account)
    anew.to_the_third_round([first, third])
    shared.refuses(anew.confirm(), first, "PseudonymKeysNoPart", first)
    changed = anew.confirm(OTHER_KEY)
    shared.refuses(changed, fourth, "PseudonymKeysKeyChanged", KEY, OTHER_KEY)
    assert functions.isHolder(2, second).call()
    anew.all_do(lambda _: anew.confirm())
    assert functions.keyOf(2).call() == [KEY, 1, anew.number]
    assert [functions.isHolder(2, account).call() for account in shared.holders] == [False] * 2 + [True] * 3
    again = Ceremony(shared, 2, [first], threshold=1, dealers=[1, 2, 3])
    again.to_the_third_round([third, fourth, fifth])
    shared.do(again.confirm(), first)
    assert functions.keyOf(2).call() == [KEY, 2, again.number]


def test_a_failed_sharing_leaves_the_old_shares_in_force(shared):
    functions, before = shared.pseudonyms.functions, shared.pseudonyms.functions.keyOf(2).call()
    anew = Ceremony(shared, 2, shared.holders[2:5], dealers=[1, 2])
    anew.to_the_third_round(shared.holders[:2])
    shared.do(anew.complain(dealer=1), shared.holders[4])
    assert functions.keyOf(2).call() == before
    assert functions.isHolder(2, shared.holders[0]).call()
    assert not functions.isHolder(2, shared.holders[4]).call()


@pytest.mark.parametrize("dealers", [[], [1], [1, 1], [2, 1], [0, 1], [1, 4], [1, 2, 3, 4]], ids=str)
def test_too_few_or_unknown_dealers_cannot_share_anew(shared, dealers):
    call = shared.ceremony(2, shared.holders[:3], 2, dealers)
    shared.govern_refuses(call, "PseudonymKeysInvalidCeremony")


# ---------------------------------------------------------------- how it starts


def test_a_ceremony_has_holders_and_a_threshold_that_they_can_reach(staffed):
    functions, holders = staffed.pseudonyms.functions, staffed.holders
    for call in (
        staffed.ceremony(2, [], 0),
        staffed.ceremony(2, [], 1),
        staffed.ceremony(2, holders[:3], 0),
        staffed.ceremony(2, holders[:3], 4),
        staffed.ceremony(2, holders[:3], 2, [1, 2, 3]),  # nobody has a share that could deal
    ):
        staffed.govern_refuses(call, "PseudonymKeysInvalidCeremony")
    named = [(account, hashlib.sha256(account.encode()).digest()) for account in holders[:2]]
    for bad in (
        (ZERO, b"k" * 32),
        (holders[2], bytes(32)),
        named[0],
        (holders[2], named[0][1]),
        (named[0][0], b"k" * 32),
    ):
        call = functions.startCeremony(2, 2, [*named, bad], [])
        staffed.govern_refuses(call, "PseudonymKeysInvalidHolder", bad[0])


def test_the_most_holders_fit_into_a_proposal(staffed):
    functions = staffed.pseudonyms.functions
    most = functions.MAX_HOLDERS().call()
    accounts = [staffed.web3.to_checksum_address(i.to_bytes(20, "big")) for i in range(1, most + 2)]
    staffed.govern_refuses(staffed.ceremony(2, accounts, most), "PseudonymKeysInvalidCeremony")
    receipt = staffed.govern(staffed.ceremony(2, accounts[:most], most))
    assert receipt.gas_used < 2**23
    assert staffed.events(staffed.pseudonyms, "CeremonyStarted")[-1]["dealers"] == list(range(1, most + 1))


@pytest.mark.parametrize("role", ["founder", "banks", "holders", "stranger"])
def test_no_account_starts_a_ceremony_or_opens_an_epoch_by_itself(shared, role):
    who = getattr(shared, role)
    sender = who[0] if isinstance(who, list) else who
    for call in (
        shared.ceremony(3, [sender], 1),
        shared.ceremony(2, [sender], 1, [1, 2]),
        shared.pseudonyms.functions.openEpoch(2, 0),
    ):
        shared.refuses(call, sender, "PseudonymKeysNotApproved", sender)


# ---------------------------------------------------------------- epochs


def test_epochs_only_move_forward_and_need_a_key(world):
    functions = world.pseudonyms.functions
    assert functions.currentEpoch().call() == 0
    assert not functions.isEpoch(0).call()
    for epoch in (2, 3, 5):
        world.make_key(epoch, world.holders[:1])
    world.govern(functions.openEpoch(2, 1_700_000_000))
    world.govern_refuses(functions.openEpoch(2, 1_800_000_000), "PseudonymKeysEpochNotLater", 2, 2)
    world.govern_refuses(functions.openEpoch(4, 1_800_000_000), "PseudonymKeysNoKey", 4)
    earlier = functions.openEpoch(3, 1_699_999_999)
    world.govern_refuses(earlier, "PseudonymKeysEpochStartNotLater", 1_700_000_000, 1_699_999_999)
    world.govern(functions.openEpoch(5, 1_700_000_000))
    world.govern_refuses(functions.openEpoch(3, 1_800_000_000), "PseudonymKeysEpochNotLater", 5, 3)
    assert functions.currentEpoch().call() == 5
    assert [epoch for epoch in range(7) if functions.isEpoch(epoch).call()] == [2, 5]


def test_epoch_zero_may_be_the_first(world):
    world.open_epoch(0)
    assert world.pseudonyms.functions.isEpoch(0).call()
    again = world.pseudonyms.functions.openEpoch(0, 0)
    world.govern_refuses(again, "PseudonymKeysEpochNotLater", 0, 0)


def test_a_ceremony_goes_on_in_a_pause(staffed, ceremony):
    """A pause stops what members record; holders may go on, to replace a holder in an emergency."""
    staffed.govern(staffed.consortium.functions.pause())
    ceremony.complete()
    assert ceremony.status() == COMPLETED
    assert staffed.pseudonyms.functions.consortium().call() == staffed.consortium.address

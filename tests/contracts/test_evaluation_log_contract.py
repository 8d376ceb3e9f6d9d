"""The evaluation log: who asks for how many evaluations, and what stands there for the audit."""

from __future__ import annotations

import hashlib

import pytest

from tests.contracts.world import DELAY, LIMITS

PER_DAY = LIMITS[0]


def root(number):
    return number.to_bytes(32, "big")


def request(world, count, number=1, epoch=1):
    return world.evaluations.functions.request(epoch, count, root(number))


@pytest.fixture
def today(staffed):
    """A consortium at the beginning of a day."""
    staffed.next_day()
    return staffed


def test_a_request_stands_there_for_the_holders_and_the_audit(today):
    functions, (bank, other) = today.evaluations.functions, today.banks[:2]
    today.do(request(today, 10, 7), bank)
    today.do(request(today, 1, 7), other)
    assert functions.requestCount().call() == 2
    assert functions.requestAt(1).call() == (1, 1, 10, False, 0, root(7))
    assert functions.requestAt(3).call() == (0, 0, 0, False, 0, bytes(32))
    assert (functions.numberOf(1, root(7)).call(), functions.numberOf(2, root(7)).call()) == (1, 2)
    assert functions.numberOf(3, root(7)).call() == 0
    assert today.events(today.evaluations, "EvaluationRequested") == [
        {"number": 1, "member": 1, "epoch": 1, "count": 10, "root": root(7)},
        {"number": 2, "member": 2, "epoch": 1, "count": 1, "root": root(7)},
    ]
    assert functions.consortium().call() == today.consortium.address
    assert functions.keys().call() == today.pseudonyms.address


def test_only_active_members_ask(today):
    for outsider in (today.founder, today.holders[0], today.officers[0], today.desk, today.stranger):
        today.refuses(request(today, 1), outsider, "ConsortiumNotMember", outsider)
    bank = today.banks[0]
    today.do(today.consortium.functions.suspendMember(bank), bank)
    today.refuses(request(today, 1), bank, "ConsortiumMemberSuspended", bank)


def test_a_request_that_does_not_fit_is_refused(today):
    functions, bank = today.evaluations.functions, today.banks[0]
    today.refuses(request(today, 1, epoch=2), bank, "EvaluationLogUnknownEpoch", 2)
    for bad in (request(today, 0), request(today, functions.MAX_COUNT().call() + 1), request(today, 1, 0)):
        today.refuses(bad, bank, "EvaluationLogInvalidRequest")
    today.do(request(today, 1), bank)
    today.refuses(request(today, 5), bank, "EvaluationLogRepeated", 1)  # also with another count
    assert functions.left(1).call() == [PER_DAY - 1, 0]


def test_the_same_root_is_not_asked_for_again_under_another_account_or_epoch(today):
    """Else one request would be evaluated twice, and only one of them be audited."""
    bank, new = today.banks[0], today.stranger
    today.open_epoch(2)
    today.next_day()
    today.do(request(today, 1), bank)
    today.refuses(request(today, 1, epoch=2), bank, "EvaluationLogRepeated", 1)
    today.govern(today.key_change(bank, new))
    today.refuses(request(today, 1), new, "EvaluationLogRepeated", 1)
    today.do(request(today, 1, 2), new)
    assert today.evaluations.functions.requestAt(2).call()[0] == 1


def test_a_member_asks_for_so_many_in_a_day(today):
    functions, (bank, other) = today.evaluations.functions, today.banks[:2]
    today.do(request(today, PER_DAY - 1, 1), bank)
    today.refuses(request(today, 2, 2), bank, "EvaluationLogQuotaExceeded", 1, 2)
    today.do(request(today, 1, 2), bank)
    today.refuses(request(today, 1, 3), bank, "EvaluationLogQuotaExceeded", 0, 1)
    today.do(request(today, PER_DAY, 3), other)
    assert functions.left(1).call() == functions.left(2).call() == [0, 0]
    today.next_day()
    assert functions.left(1).call() == [PER_DAY, 0]
    today.do(request(today, PER_DAY, 3), bank)


def test_what_was_not_used_does_not_add_up(today):
    today.next_day()
    today.next_day()
    wanted = ("EvaluationLogQuotaExceeded", PER_DAY, PER_DAY + 1)
    today.refuses(request(today, PER_DAY + 1), today.banks[0], *wanted)


def test_the_members_grant_more_to_load_history(today):
    functions, bank = today.evaluations.functions, today.banks[0]
    for sender in (bank, today.founder, today.holders[0], today.stranger):
        today.refuses(functions.grant(1, 10), sender, "EvaluationLogNotApproved", sender)
    today.govern(functions.grant(1, 10), functions.grant(1, 5))
    today.next_day()
    assert functions.left(1).call() == [PER_DAY, 15]
    today.do(request(today, PER_DAY - 3, 1), bank)
    today.do(request(today, 5, 2), bank)  # three of the day, two of the grant
    assert functions.left(1).call() == [0, 13]
    today.refuses(request(today, 14, 3), bank, "EvaluationLogQuotaExceeded", 13, 14)
    today.next_day()
    today.do(request(today, PER_DAY + 13, 3), bank)
    assert functions.left(1).call() == [0, 0]
    assert functions.left(2).call() == [PER_DAY, 0]
    granted = today.events(today.evaluations, "EvaluationsGranted")
    assert granted == [{"member": 1, "count": 10}, {"member": 1, "count": 5}]


def test_an_unlimited_day_and_a_grant_do_not_overflow(today):
    most = 2**64 - 1
    today.govern(
        today.consortium.functions.setLimits((most, 1, 1)), today.evaluations.functions.grant(1, most)
    )
    today.do(request(today, 2**20), today.banks[0])
    assert today.evaluations.functions.left(1).call() == [most - 2**20, most]


def test_a_lower_limit_holds_at_once(today):
    functions, bank = today.evaluations.functions, today.banks[0]
    number = today.pass_proposal([today.consortium.functions.setLimits((5, 1, 1))])
    today.next_day()
    today.do(request(today, 10), bank)
    today.do(today.execution(number, [today.consortium.functions.setLimits((5, 1, 1))]), today.desk)
    assert functions.left(1).call() == [0, 0]
    today.refuses(request(today, 1, 2), bank, "EvaluationLogQuotaExceeded", 0, 1)


def test_a_bank_that_joined_lately_waits_for_the_delay(today):
    """A sock puppet that slipped through cannot guess accounts before the others have looked at it again."""
    newcomer = today.banks[4]
    assert [today.consortium.functions.evaluatesFrom(code).call() for code in (1, 2, 3)] == [0, 0, 0]
    code = today.admit(newcomer, "LATEXXXX")
    since = today.consortium.functions.evaluatesFrom(code).call()
    assert since == today.now() + DELAY
    today.refuses(request(today, 1), newcomer, "EvaluationLogTooEarly", since)
    today.travel(since - 3)
    today.refuses(request(today, 1), newcomer, "EvaluationLogTooEarly", since)
    today.travel(since)
    today.do(request(today, 1), newcomer)


def test_a_bank_that_joined_lately_does_not_wait_less_under_a_new_account(today):
    newcomer, other = today.banks[4:6]
    today.govern(today.admission(newcomer, "LATEXXXX"))
    change = [today.key_change(newcomer, other)]
    number = today.propose(change, today.banks[0])
    for bank in today.banks[1:3]:
        today.do(today.approval(number, change), bank)
    since = today.consortium.functions.evaluatesFrom(4).call()
    today.travel(today.executable_at(number))
    today.do(today.execution(number, change), today.stranger)
    assert today.consortium.functions.evaluatesFrom(4).call() == since


def test_nothing_is_asked_for_in_a_pause(today):
    today.govern(today.consortium.functions.pause())
    today.refuses(request(today, 1), today.banks[0], "EvaluationLogPaused")
    today.govern(today.consortium.functions.unpause())
    today.do(request(today, 1), today.banks[0])


# ---------------------------------------------------------------- links between epochs


@pytest.fixture
def two_epochs(staffed):
    """Epoch 2 is open, whose key the second and the third holder share; epoch 1 belongs to the first."""
    staffed.make_key(2, staffed.holders[1:3], 2)
    staffed.govern(staffed.pseudonyms.functions.openEpoch(2, 0))
    staffed.next_day()
    return staffed


def link(world, epoch=2, linked=1, number=1):
    return world.evaluations.functions.requestLink(epoch, linked, 3, root(number), "a case that goes back")


def test_a_link_is_asked_for_in_the_open_and_each_holder_approves_it(two_epochs):
    world, functions = two_epochs, two_epochs.evaluations.functions
    before, first, second = world.holders[:3]
    world.do(link(world), world.banks[0])
    assert functions.requestAt(1).call() == (1, 2, 3, True, 1, root(1))
    assert functions.left(1).call() == [PER_DAY - 3, 0]  # it counts like any other
    assert world.events(world.evaluations, "LinkRequested") == [
        {"number": 1, "linkedEpoch": 1, "reason": "a case that goes back"}
    ]
    approval = functions.approveLink(1)
    for outsider in (before, world.banks[0], world.officers[0], world.stranger):
        world.refuses(approval, outsider, "EvaluationLogNotHolder", outsider)
    world.do(approval, first)
    world.refuses(approval, first, "EvaluationLogRepeated", 1)
    approved = [functions.isLinkApproved(1, holder).call() for holder in (before, first, second)]
    assert approved == [False, True, False]
    world.do(approval, second)
    assert world.events(world.evaluations, "LinkApproved") == [
        {"number": 1, "holder": first},
        {"number": 1, "holder": second},
    ]


def test_a_link_names_two_open_epochs(two_epochs):
    world, bank = two_epochs, two_epochs.banks[0]
    world.refuses(link(world, 2, 2), bank, "EvaluationLogUnknownEpoch", 2)
    world.refuses(link(world, 2, 3), bank, "EvaluationLogUnknownEpoch", 3)
    world.refuses(link(world, 3, 1), bank, "EvaluationLogUnknownEpoch", 3)
    world.refuses(link(world), world.stranger, "ConsortiumNotMember", world.stranger)


def test_what_is_no_link_is_not_approved(two_epochs):
    world, holder = two_epochs, two_epochs.holders[1]
    world.do(request(world, 1, 1, epoch=2), world.banks[0])
    for number in (0, 1, 2):
        call = world.evaluations.functions.approveLink(number)
        world.refuses(call, holder, "EvaluationLogUnknownLink", number)


def test_a_request_cannot_become_a_link_later(two_epochs):
    """Its root is used; the link would need holders' approvals that nobody asked for at first."""
    world, bank = two_epochs, two_epochs.banks[0]
    world.do(request(world, 3, 1, epoch=2), bank)
    world.refuses(link(world), bank, "EvaluationLogRepeated", 1)


def test_a_holder_that_gave_its_share_up_approves_no_link(two_epochs):
    world, (first, second), new = two_epochs, two_epochs.holders[1:3], two_epochs.holders[3]
    world.do(link(world), world.banks[0])
    world.govern(world.ceremony(2, [new], 1, [1, 2]))
    functions = world.pseudonyms.functions
    number = functions.ceremonyCount().call()
    for holder in (first, second):
        world.do(functions.commit(number, hashlib.sha256(b"dealt").digest()), holder)
    for holder in (first, second):
        world.do(functions.deal(number, b"dealt"), holder)
    approval = world.evaluations.functions.approveLink(1)
    world.do(approval, first)  # the old shares are in force until the new holder has confirmed
    world.refuses(approval, new, "EvaluationLogNotHolder", new)
    world.do(functions.confirm(number, b"p" * 32, [b"s" * 32]), new)
    world.refuses(approval, second, "EvaluationLogNotHolder", second)
    world.do(approval, new)

"""kill -9 of the chain, of key holders and of posting banks, then the same command: nothing lost or doubled.

Five processes hold the pseudonym key, three of them must answer; while they are killed they share it anew.
The long form is ``COUNTERFOIL_CRASH_ROUNDS=300`` (`make crash ROUNDS=300`).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil import processes
from counterfoil.ceremonies import HolderIdentity, ceremony_call, holders_here, wait_for_ceremony
from counterfoil.connection import connect
from counterfoil.council import decide
from counterfoil.endpoint import running
from ledger.encoding import oprf, sharing
from ledger.gateway import Gateway
from ledger.holder.shares import held_shares, load_share
from ledger.home import Home
from ledger.storage import open_database
from ledger.transcripts import audit_ceremony
from tests.support.consortium import EPOCH, ChainProcess, Poster, SmallConsortium, founded
from tests.support.holders import check_evaluated_once
from tests.support.rows import OUTSIDER, row, write_csv
from tests.system.drivers import KILLS, command, post_asking, start
from tests.system.test_kill import check_posted_once, finish

pytestmark = pytest.mark.crash

ROUNDS = int(os.environ.get("COUNTERFOIL_CRASH_ROUNDS", "4"))
SEED = int(os.environ.get("COUNTERFOIL_CRASH_SEED", "20260302"))

PAIR = ("ALFADEFF", "BRAVFRPP")
HOLDERS, THRESHOLD = 5, 3
#: Rows of a round, each with three new identifiers; now and then a request needs several chunks.
FEW, MANY = 4, 190
#: The key is shared anew after so many kills, again and again.
RESHARED_EVERY = 40

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=8)


class Machine:
    """A chain, five key holders and two banks, each in processes that can be killed."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        url, pid = processes.ensure_chain(self.home)
        assert pid is not None
        self.url, self.chain = url, pid
        self.holders: dict[int, Any] = {}
        self.rows: dict[str, int] = dict.fromkeys(PAIR, 0)
        self.ceremonies: list[int] = []
        chain = ChainProcess(url, self.home.chain, pid)
        self.consortium = founded(chain, root, banks=PAIR, holders=HOLDERS, threshold=THRESHOLD)
        self.keys = self.consortium.gateway.epoch_keys()

    # -- processes

    def kill_chain(self) -> None:
        os.kill(self.chain, signal.SIGKILL)
        os.waitpid(self.chain, 0)
        KILLS["chain of key holders, at random"] += 1

    def restart_chain(self) -> None:
        """Start the chain on the same port: key holders elsewhere know it by its address."""
        port = int(self.url.rpartition(":")[2])
        url, pid = processes.ensure_chain(self.home, port=port)
        assert (url, pid is None) == (self.url, False)
        assert pid is not None
        self.chain = pid
        self.consortium.gateway = connect(self.home)

    def serve(self, number: int) -> None:
        """Start a key holder, as its operator does."""
        place = self.home.keyholder(str(number)).root
        line = ("--home", str(place), "--chain", self.url, "keyholder", "serve")
        self.holders[number] = start(command, place / "log", *line)

    def kill_holder(self, number: int) -> int:
        """Kill a key holder; return 0 if it had ended, as one that finds no chain when it starts."""
        process = self.holders[number]
        process.kill()
        killed = finish(process) == -signal.SIGKILL
        KILLS["key holder, at random"] += killed
        return int(killed)

    def wait_for_holders(self, count: int) -> None:
        """Wait until so many key holders answer; start one again that ended because the chain was gone."""
        deadline = time.monotonic() + 300
        answering: set[int] = set()
        while len(answering) < count:
            for number, process in [*self.holders.items()]:
                place = self.home.keyholder(str(number))
                if process.exitcode is not None:
                    said = (place.root / "log").read_text("utf-8")
                    assert process.exitcode == 2, said
                    assert "nothing answers JSON-RPC" in said
                    self.serve(number)
                elif number not in answering and running(place.holder):
                    answering.add(number)
            assert time.monotonic() < deadline, f"only {sorted(answering)} answer"
            time.sleep(0.2)

    def stop(self) -> None:
        for process in self.holders.values():
            process.terminate()
        for process in self.holders.values():
            process.join()
        processes.stop(self.chain)

    # -- what they do

    def post(self, bank: str, more: int) -> Any:
        """Start a bank's posting of a file that has `more` rows than the last one."""
        self.rows[bank] += more
        rows = [
            row(n, START + timedelta(seconds=n), bank, OUTSIDER, bank=bank)
            | {"debtor_account": f"acct:{bank}:{n}", "creditor_account": f"acct:{OUTSIDER}:{bank}{n}"}
            | {"party_id": f"person:XX-TIN:{bank}{n}"}
            for n in range(self.rows[bank])
        ]
        return start(post_asking, self.home.root, bank, write_csv(self.home.root / f"{bank}.csv", rows))

    def share_anew(self, chance: random.Random) -> None:
        """Let the members decide that three holders share the key among all, in another order."""
        gateway, order = connect(self.home), holders_here(self.home, HOLDERS)
        chance.shuffle(order)
        dealers = sorted(chance.sample(range(1, HOLDERS + 1), THRESHOLD))
        call = ceremony_call(
            gateway, EPOCH, [HolderIdentity(*one) for one in order], threshold=THRESHOLD, dealers=dealers
        )
        assert decide(self.home, gateway, "Share the key anew", [call]).done
        self.ceremonies.append(len(gateway.ceremonies()))

    def finish_ceremony(self) -> None:
        """Wait for the newest ceremony, which nobody but a murderer has hindered."""
        self.wait_for_holders(HOLDERS)
        wait_for_ceremony(connect(self.home), self.ceremonies[-1], seconds=300)


@contextmanager
def machine_in(root: Path) -> Iterator[Machine]:
    machine = Machine(root)
    try:
        for number in range(1, HOLDERS + 1):
            machine.serve(number)
        machine.wait_for_holders(HOLDERS)
        yield machine
    finally:
        machine.stop()


def test_random_kills_of_chain_holders_and_banks_evaluate_each_identifier_once(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with machine_in(tmp_path / "home") as machine:
        assert [finish(machine.post(bank, FEW)) for bank in PAIR] == [0, 0]
        before = {bank: pseudonyms(machine.consortium, bank) for bank in PAIR}
        kills = number = 0
        while kills < ROUNDS:
            if kills >= RESHARED_EVERY * len(machine.ceremonies):
                if machine.ceremonies:
                    machine.finish_ceremony()
                machine.share_anew(chance)
            machine.wait_for_holders(THRESHOLD)
            posting = {bank: machine.post(bank, MANY if number % 12 == 1 else FEW) for bank in PAIR}
            kills += kill(machine, chance, posting)
            for process in posting.values():
                # done; or it says that the chain or the holders are gone
                assert finish(process) in (0, 2, 3, -signal.SIGKILL), process.exitcode
            number += 1
        machine.finish_ceremony()
        assert [finish(machine.post(bank, FEW)) for bank in PAIR] == [0, 0]
        for bank in PAIR:
            poster = Poster(machine.consortium, bank)
            check_posted_once(poster, {f"{bank[:4]}-{n:06d}" for n in range(machine.rows[bank])})
            check_evaluated_once(machine.consortium, bank, 3 * machine.rows[bank])
            now = pseudonyms(machine.consortium, bank)
            assert before[bank].items() <= now.items()
            check_pseudonyms(machine, now)
        check_ceremonies(machine)
        check_answers(machine)


def kill(machine: Machine, chance: random.Random, posting: dict[str, Any]) -> int:
    """Kill processes at random moments, and start again what serves; return how many were killed."""
    kills = 0
    for _ in range(chance.randint(1, 4)):
        what = chance.choice(["bank", "bank", "chain", "holder", "holders"])
        bank = chance.choice(PAIR)
        if what == "bank" and posting[bank].exitcode is not None:
            posting[bank] = machine.post(bank, FEW)
        time.sleep(chance.uniform(0.02, 0.8))
        if what == "bank":
            already = posting[bank].exitcode is not None
            posting[bank].kill()
            killed = finish(posting[bank]) == -signal.SIGKILL and not already
            KILLS["bank that asks key holders, at random"] += killed
            kills += killed
        elif what == "chain":
            machine.kill_chain()
            machine.restart_chain()
            kills += 1
        else:
            number = 1 if what == "holder" else HOLDERS - THRESHOLD + 1
            for holder in chance.sample(range(1, HOLDERS + 1), number):
                kills += machine.kill_holder(holder)
                machine.serve(holder)
    return kills


def pseudonyms(consortium: SmallConsortium, bank: str) -> dict[str, bytes]:
    with consortium.vault(bank) as vault:
        return dict(vault.pseudonyms(EPOCH))


def check_pseudonyms(machine: Machine, known: dict[str, bytes]) -> None:
    """Each pseudonym is what the one key gives, which here three shares of the last generation give."""
    (key,) = [max(connect(machine.home).epoch_keys(), key=lambda one: one.generation)]
    assert key.public_key == machine.keys[0].public_key
    shares = {}
    for place in machine.home.keyholders():
        assert held_shares(place.holder) == [(EPOCH, key.generation)], "an old share was not erased"
        share = load_share(place.holder, EPOCH, key.generation)
        assert share.public == key.holders[share.index - 1]
        shares[share.index] = share.secret
    assert len(shares) == HOLDERS
    some = tuple(sorted(shares)[-THRESHOLD:])
    secret = sharing.combined_scalars(sharing.weights(some), [shares[index] for index in some])
    assert oprf.public_key(secret) == key.public_key
    for identifier, value in known.items():
        assert oprf.prf(secret, identifier.encode())[:16] == value


def check_ceremonies(machine: Machine) -> None:
    gateway: Gateway = connect(machine.home)
    known = gateway.ceremonies()
    assert {one.status for one in known} == {"completed"}
    assert len(known) == 1 + len(machine.ceremonies)
    for one in known:
        assert audit_ceremony(gateway, one.number).public_key == machine.keys[0].public_key


def check_answers(machine: Machine) -> None:
    """No holder has answered for anything that is not on the chain."""
    requests = {request.number: request.count for request in connect(machine.home).evaluation_requests()}
    answered = 0
    for place in machine.home.keyholders():
        with closing(open_database(place.holder / "answered.sqlite", what="", remedy="")) as book:
            for number, start_at in book.execute("SELECT request, start FROM answered"):
                assert start_at < requests[number]
                answered += 1
    assert answered >= THRESHOLD * len(requests)

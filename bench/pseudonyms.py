"""``python -m bench.pseudonyms``: how fast accounts get pseudonyms, with one key holder and with 3 of 5.

A real consortium on the embedded chain has two epochs: the key of one has a single holder, that of the other
five, of whom three must answer. Each holder is a process of its own with its state folder; it checks on the
chain what the member anchored. The member verifies every proof with two worker processes; all of them share
the cores of this machine. HTTP is not measured here (`bench.latency`). In each round single holder and group
take turns, so that both meet the same machine. A figure covers blinding, anchoring, evaluating and verifying.
Told are also the rows per second that the pseudonyms in a vault serve, and the time that an auditor takes for
accounts of different evaluations.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Final

from bench.report import Results, machine
from cli.output import say, show_table
from counterfoil.ceremonies import hold_ceremony
from counterfoil.founding import admit, complete, found, open_epoch
from counterfoil.holders import InProcessHolder
from counterfoil.keyholder import KeyHolder
from counterfoil.processes import ensure_chain, stop
from ledger import canonical, documents
from ledger.encoding import evaluation
from ledger.encoding.answers import Answer
from ledger.encoding.evaluation import EpochKey, EvaluationDocument, check_pseudonym
from ledger.encoding.pseudonym import ProvenBatch, Pseudonymiser
from ledger.encoding.threshold import ThresholdEvaluator
from ledger.evaluation_request import Chunk, chunks, request_root
from ledger.gateway import Gateway, Limits
from ledger.home import Home
from ledger.member.keys import MemberKeys
from ledger.member.vault import Vault

SINGLE: Final = "single holder: new accounts"
GROUP: Final = "3 of 5 holders: new accounts"
CACHED: Final = "cached pseudonyms: rows"
#: Beside the rate by the clock: by the processor time of all these processes, and of no others.
PER_CORE: Final = ", per second of one core"
AUDITED: Final = 200


class Remote:
    """The holder of a share in another process, behind a pipe."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
        """Ask the holder."""
        self._line.send(chunk)
        answer: Answer = self._line.recv()
        return answer

    def public_key(self, epoch: int, generation: int) -> bytes:
        """Return the public key of the holder's share."""
        self._line.send((epoch, generation))
        public: bytes = self._line.recv()
        return public


def serve(home: Path, chain: str, account: str, line: Connection) -> None:
    """Serve the holder of a state folder, until the other end is closed."""
    holder = InProcessHolder(KeyHolder(home, chain=chain).holder(), account)
    with suppress(EOFError):
        while True:
            asked = line.recv()
            if isinstance(asked, Chunk):
                line.send(holder.evaluate(0, 0, asked))
            else:
                line.send(holder.public_key(*asked))


@contextmanager
def served(homes: Sequence[Home], chain: str, account: str) -> Iterator[dict[int, Remote]]:
    """Serve holders in processes of their own, with the indices from 1."""
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        found: dict[int, Remote] = {}
        for index, home in enumerate(homes, start=1):
            here, there = spawn.Pipe()
            process = spawn.Process(target=serve, args=(home.root, chain, account, there))
            process.start()
            there.close()
            stack.callback(process.join)
            stack.callback(here.close)
            found[index] = Remote(here)
        yield found


def found_here(root: Path) -> tuple[Home, Gateway, MemberKeys, int]:
    """Found a consortium of one bank, whose first epoch has one key holder, and the second one five."""
    home = Home(root)
    url, pid = ensure_chain(home)
    if pid is None:
        raise RuntimeError("a chain runs in a folder that was made just now")
    gateway = found(home, url, limits=Limits(evaluations=10**9))
    for epoch, holders, threshold in ((1, 1, 1), (2, 5, 3)):
        hold_ceremony(home, gateway, epoch, holders=holders, threshold=threshold)
        open_epoch(home, gateway, epoch)
    keys = MemberKeys.generate("ALFADEFF")
    keys.save(home.member(keys.agent).keys)
    admit(home, gateway, [keys])
    complete(home, gateway)
    return home, gateway, keys, pid


def measure_new(
    pseudonymiser: Pseudonymiser,
    anchor: Callable[[Sequence[bytes]], int],
    name: str,
    identifiers: Sequence[str],
    processes: int,
    results: Results,
) -> list[ProvenBatch]:
    """Measure the pseudonyms of accounts that nobody has asked for yet."""
    started, used = time.perf_counter(), processor_seconds()
    blinded = pseudonymiser.blind(identifiers, processes=processes)
    elements = [item.element for item in blinded]
    parts = chunks(anchor(elements), elements)
    work = [(part, blinded[part.start : part.start + len(part.elements)]) for part in parts]
    made = [batch for _, batches in pseudonymiser.evaluate(work, processes=processes) for batch in batches]
    results.add(name, len(identifiers), time.perf_counter() - started)
    results.add(f"{name}{PER_CORE}", len(identifiers), processor_seconds() - used)
    return made


def processor_seconds() -> float:
    """Return the processor time that the member, its workers and the holders have used so far."""
    ticks = 0
    for process in (os.getpid(), *(child.pid for child in multiprocessing.active_children())):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure_cached(
    folder: Path, batches: Sequence[ProvenBatch], rows: int, random: Random, results: Results
) -> None:
    """Measure rows of two accounts whose pseudonyms are in the vault."""
    with Vault(folder) as vault:
        vault.store_pseudonyms([(1, 0, batches)])
        known = [made.identifier for batch in batches for made in batch.pseudonyms]
        pairs = [(random.choice(known), random.choice(known)) for _ in range(rows)]
        pseudonyms = vault.pseudonyms(batches[0].evaluation.epoch)
        for identifier in known:
            pseudonyms[identifier]  # read once, as for the first row of an account
        started = time.perf_counter()
        for debtor, creditor in pairs:
            pseudonyms[debtor], pseudonyms[creditor]
        results.add(CACHED, rows, time.perf_counter() - started)


def measure_audit(batches: Sequence[ProvenBatch], key: EpochKey) -> tuple[float, int]:
    """Return the milliseconds to check an account whose evaluation is new, and the bytes of an evaluation."""
    evaluation._verified.cache_clear()
    keys = {(key.number, key.generation): key}
    started = time.process_time()
    for batch in batches[:AUDITED]:
        made = batch.pseudonyms[0]
        check_pseudonym(made.identifier, made.value, batch.evaluation, 0, made.blind, keys)
    taken = (time.process_time() - started) / min(AUDITED, len(batches)) * 1_000
    document = documents.plain(EvaluationDocument.of(batches[0].evaluation))
    return taken, len(canonical.dumps(document))


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.pseudonyms", description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=8_192, help="new accounts of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=500_000, help="rows with cached pseudonyms")
    parser.add_argument("--processes", type=int, default=2, help="worker processes of the member")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    given = parser.parse_args()
    results = Results()
    numbers, random = count(), Random(7)
    audits: dict[str, list[tuple[float, int]]] = {SINGLE: [], GROUP: []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="counterfoil-bench-")))
        home, gateway, member, chain = found_here(folder / "consortium")
        stack.callback(stop, chain)
        keys, pseudonymisers = {}, {}
        for name, epoch in zip((SINGLE, GROUP), gateway.epochs(), strict=True):
            key = EpochKey(epoch.number, epoch.generation, epoch.public_key, epoch.share_commitments)
            homes = home.keyholders()[: len(key.holders)]
            holders = stack.enter_context(served(homes, gateway.url, member.address))
            keys[name], pseudonymisers[name] = key, Pseudonymiser(ThresholdEvaluator(key, holders))
            stack.callback(pseudonymisers[name].close)

        def anchored(epoch: int) -> Callable[[Sequence[bytes]], int]:
            def anchor(elements: Sequence[bytes]) -> int:
                root = request_root(elements)
                gateway.transact(member.account, "EvaluationLog", "request", epoch, len(elements), root)
                return gateway.evaluation_number(1, root)

            return anchor

        for name, one in pseudonymisers.items():  # start the workers and the connections
            warm = [f"acct:BANK:W{number}" for number in range(2_048)]
            measure_new(one, anchored(keys[name].number), name, warm, given.processes, Results())
        for number in range(given.rounds):
            say(f"round {number + 1} of {given.rounds} ...")
            accounts = [f"acct:BANK:{next(numbers)}" for _ in range(given.accounts)]
            for name, one in list(pseudonymisers.items())[:: 1 if number % 2 else -1]:
                anchor = anchored(keys[name].number)
                made = measure_new(one, anchor, name, accounts, given.processes, results)
                audits[name].append(measure_audit(made, keys[name]))
                if name == GROUP:
                    measure_cached(folder / f"{number}.sqlite", made, given.rows, random, results)
    results.show(machine())
    ratios = results.ratio(SINGLE, GROUP)
    say(
        f"The group takes {statistics.median(ratios):.2f} times as long as the single holder "
        f"(rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})."
    )
    show_table(
        "An account in a disclosure, whose evaluation was not verified before",
        ["holders", "ms to verify, median", "bytes of the evaluation"],
        [
            (name.split(":")[0], f"{statistics.median(ms for ms, _ in found):.2f}", found[0][1])
            for name, found in audits.items()
        ],
    )
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), **results.to_json()}, indent=2))


if __name__ == "__main__":
    main()

"""``python -m bench.pseudonyms``: how fast accounts get pseudonyms, with one key holder and with 3 of 5.

Each holder is a process of its own, with its quota on disk, and the member verifies every proof with two
worker processes; all of them share the cores of this machine. HTTP is not measured here (`bench.latency`). In
each round the single holder and the group take turns, so that both meet the same machine. The pseudonyms of
the two are compared: they must be equal. Told are also the rows per second that the pseudonyms in a vault
serve, and the time that an auditor takes for accounts of different evaluations.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Final

from ledger.encoding.keyholder import EpochDocument, LocalKeyHolder

from bench.report import Results, machine
from cli.output import say, show_table
from ledger import canonical, documents
from ledger.encoding import evaluation, oprf, sharing
from ledger.encoding.answers import Answer
from ledger.encoding.evaluation import EpochKey, EvaluationDocument, check_pseudonym
from ledger.encoding.pseudonym import ProvenBatch, Pseudonymiser
from ledger.encoding.threshold import ThresholdEvaluator
from ledger.member.vault import Vault

EPOCH: Final = 1
SINGLE: Final = "single holder: new accounts"
GROUP: Final = "3 of 5 holders: new accounts"
CACHED: Final = "cached pseudonyms: rows"
#: Beside the rate by the clock: by the processor time of all these processes, and of no others.
PER_CORE: Final = ", per second of one core"
AUDITED: Final = 200


class Remote:
    """The holder of a share in another process, behind a pipe."""

    def __init__(self, line: Connection, public: bytes) -> None:
        self._line = line
        self._public = public

    def evaluate(self, epoch: int, generation: int, blinded: Sequence[bytes]) -> Answer:
        """Ask the holder."""
        self._line.send((epoch, blinded))
        answer: Answer = self._line.recv()
        return answer

    def public_key(self, epoch: int, generation: int) -> bytes:
        """Return the public key of the share."""
        return self._public


def serve(home: Path, secret: bytes, line: Connection) -> None:
    """Serve the holder of a secret, the key or a share of it, until the other end is closed."""
    home.mkdir()
    document = EpochDocument(epoch=EPOCH, private_key=secret.hex(), public_key=oprf.public_key(secret).hex())
    (home / f"epoch-{EPOCH}.json").write_bytes(documents.write(document))
    holder = LocalKeyHolder(home, quota=10**9)
    with suppress(EOFError):
        while True:
            line.send(holder.evaluate(*line.recv()))


@contextmanager
def served(folder: Path, secrets: Sequence[bytes]) -> Iterator[dict[int, Remote]]:
    """Serve holders in processes of their own, with the indices from 1."""
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        found: dict[int, Remote] = {}
        for index, secret in enumerate(secrets, start=1):
            here, there = spawn.Pipe()
            process = spawn.Process(target=serve, args=(folder / f"{len(secrets)}-{index}", secret, there))
            process.start()
            there.close()
            stack.callback(process.join)
            stack.callback(here.close)
            found[index] = Remote(here, oprf.public_key(secret))
        yield found


def measure_new(
    pseudonymiser: Pseudonymiser, name: str, identifiers: Sequence[str], processes: int, results: Results
) -> list[ProvenBatch]:
    """Measure the pseudonyms of accounts that nobody has asked for yet."""
    started, used = time.perf_counter(), processor_seconds()
    batches = pseudonymiser.pseudonyms(identifiers, processes=processes)
    results.add(name, len(identifiers), time.perf_counter() - started)
    results.add(f"{name}{PER_CORE}", len(identifiers), processor_seconds() - used)
    return batches


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
        vault.store_pseudonyms(batches)
        known = [made.identifier for batch in batches for made in batch.pseudonyms]
        pairs = [(random.choice(known), random.choice(known)) for _ in range(rows)]
        pseudonyms = vault.pseudonyms(EPOCH)
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
    coefficients = sharing.polynomial(3)
    shares = [sharing.share(coefficients, index) for index in range(1, 6)]
    public = oprf.public_key(coefficients[0])
    keys = {
        SINGLE: EpochKey(EPOCH, 0, public),
        GROUP: EpochKey(EPOCH, 0, public, tuple(map(oprf.public_key, shares))),
    }
    audits: dict[str, list[tuple[float, int]]] = {name: [] for name in keys}
    numbers, random = count(), Random(7)
    with (
        tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder,
        served(Path(folder), coefficients[:1]) as alone,
        served(Path(folder), shares) as group,
    ):
        pseudonymisers = {
            SINGLE: Pseudonymiser(ThresholdEvaluator(keys[SINGLE], alone)),
            GROUP: Pseudonymiser(ThresholdEvaluator(keys[GROUP], group)),
        }
        for one in pseudonymisers.values():  # start the workers and the connections
            one.pseudonyms([f"acct:BANK:W{number}" for number in range(2_048)], processes=given.processes)
        for number in range(given.rounds):
            say(f"round {number + 1} of {given.rounds} ...")
            accounts = [f"acct:BANK:{next(numbers)}" for _ in range(given.accounts)]
            made = {
                name: measure_new(one, name, accounts, given.processes, results)
                for name, one in list(pseudonymisers.items())[:: 1 if number % 2 else -1]
            }
            first, second = ([p.value for b in batches for p in b.pseudonyms] for batches in made.values())
            assert first == second, "the group and the single holder give different pseudonyms"
            for name, key in keys.items():
                audits[name].append(measure_audit(made[name], key))
            measure_cached(Path(folder) / f"{number}.sqlite", made[GROUP], given.rows, random, results)
        for one in pseudonymisers.values():
            one.close()
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

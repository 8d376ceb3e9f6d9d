"""``python -m bench.chain_length``: whether the embedded chain becomes slower when it becomes long.

One member posts to the real contracts, one transaction per block: mostly single rows, sometimes a full batch.
Measured at each length: the server's memory, the latency of a post (alternating with a chain that stays
short), the requests of a mirror, the time of a backup and of the start of a copy, and the disk space per type
of block. Payloads are random bytes, because sealed rows look random to the chain.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.report import machine
from cli.output import say, show_table
from counterfoil.ceremonies import hold_ceremony
from counterfoil.founding import admit, complete, found, open_epoch, publish_policy
from counterfoil.processes import ensure_chain, stop
from ledger.batch import BatchHeader
from ledger.gateway import Gateway
from ledger.home import Home
from ledger.member.keys import MemberKeys
from localchain import status
from localchain.backup import back_up

LENGTHS = (100, 1_000, 3_000, 10_000)

#: Bytes of one row sealed to one reader, and of 800 rows: a row has 144 bytes, the envelope about 300.
SMALL, FULL = 440, 120 * 1024

#: Number of timed posts at each length; every sixth post is a full batch.
WINDOW = 90


@dataclass
class Poster:
    """A member that posts random payloads, one transaction per block, and records the time of each post."""

    gateway: Gateway
    keys: MemberKeys
    policy: bytes
    sequence: int = 0
    head: bytes = bytes(32)
    seconds: dict[int, list[float]] = field(default_factory=lambda: {SMALL: [], FULL: []})

    def post(self, size: int) -> None:
        """Post one batch; the time runs from the signed transaction to the answer that it is in a block."""
        rows = 1 if size == SMALL else 800
        root = os.urandom(32)
        deployment = self.gateway.deployment
        header = BatchHeader(
            chain_id=deployment.chain_id,
            contract=deployment.address("BatchLedger"),
            member=bytes.fromhex(self.keys.address[2:]),
            sequence=self.sequence,
            previous_hash=self.head,
            epoch=1,
            policy_hash=self.policy,
            row_count=rows,
            rows_root=root,
        )
        stated = (self.sequence, self.head, 1, self.policy, rows, root)
        signature = header.sign(deployment.genesis, self.keys.account)
        arguments = (stated, signature, os.urandom(size))
        nonce = self.gateway.next_nonce(self.keys.address)
        signed = self.gateway.sign(self.keys.account, "BatchLedger", "post", *arguments, nonce=nonce)
        started = time.perf_counter()
        (refusal,) = self.gateway.send([signed.raw])
        self.seconds[size].append(time.perf_counter() - started)
        if refusal is not None:
            raise RuntimeError(refusal)
        self.head = header.hash
        self.sequence += 1

    def recent(self, size: int) -> list[float]:
        """Return the newest `WINDOW` times since the last call, and clear the record."""
        times = self.seconds[size][-WINDOW:]
        self.seconds[size].clear()
        return times


def resident(pid: int) -> float:
    """Return a process's resident memory in MiB."""
    out = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(out.stdout) / 1024


@contextmanager
def started_copy(folder: Path) -> Iterator[tuple[str, float]]:
    """Serve a copied chain; yield its URL and the seconds from process start to its first answer."""
    home = Home(folder)
    begun = time.perf_counter()
    url, pid = ensure_chain(home)
    seconds = time.perf_counter() - begun
    assert pid is not None
    try:
        yield url, seconds
    finally:
        stop(pid)


def timed(action: Callable[[], Any], times: int = 5) -> float:
    """Return the median milliseconds of an action."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        found.append(time.perf_counter() - started)
    return 1000 * statistics.median(found)


def measure(
    poster: Poster, control: Poster, home: Home, pid: int, scratch: Path, length: int
) -> dict[str, float]:
    """Measure at one length; posts alternate with a short chain, because other work runs on the machine."""
    gateway = poster.gateway
    poster.recent(SMALL)
    for number in range(WINDOW):
        size = FULL if number % 6 == 0 else SMALL
        poster.post(size)
        control.post(size)
    small, full = poster.recent(SMALL), poster.recent(FULL)
    control_small, control_full = control.recent(SMALL), control.recent(FULL)
    disk = status(home.chain)["disk_bytes"]
    begun = time.perf_counter()
    back_up(home.chain, scratch / f"backup-{length}")
    backup_seconds = time.perf_counter() - begun
    copy = Home(scratch / f"copy-{length}")
    copy.root.mkdir()
    (scratch / f"backup-{length}").rename(copy.chain)
    starts = []
    for _ in range(3):
        with started_copy(copy.root) as (url, seconds):
            assert Gateway(url, gateway.deployment).height() == gateway.height()
            starts.append(seconds)
    return {
        "blocks": gateway.height(),
        "memory MiB": resident(pid),
        "small post ms": 1000 * statistics.median(small),
        "small post, short chain ms": 1000 * statistics.median(control_small),
        "full post ms": 1000 * statistics.median(full),
        "full post, short chain ms": 1000 * statistics.median(control_full),
        "64 blocks of logs ms": timed(lambda: list(gateway.batches(gateway.height() - 63, gateway.height()))),
        "members ms": timed(gateway.members),
        "start s": statistics.median(starts),
        "backup s": backup_seconds,
        "disk MiB": disk / 2**20,
    }


def disk_per_block(poster: Poster, home: Home, scratch: Path, size: int, count: int) -> float:
    """Return the bytes that a block of one batch adds to a backup, which has no unused pages."""

    def stored(name: str) -> int:
        back_up(home.chain, scratch / name)
        return sum(path.stat().st_size for path in (scratch / name).glob("*.sqlite3"))

    before = stored(f"before-{size}-{poster.sequence}")
    for _ in range(count):
        poster.post(size)
    return (stored(f"after-{size}-{poster.sequence}") - before) / count


def set_up(root: Path) -> tuple[Home, Poster, int]:
    """Start a chain and create a consortium of one member on it."""
    home = Home(root)
    url, pid = ensure_chain(home)
    assert pid is not None
    gateway = found(home, url)
    hold_ceremony(home, gateway, 1)
    open_epoch(home, gateway, 1)
    keys = MemberKeys.generate("ALFADEFF")
    keys.save(home.member(keys.agent).keys)
    admit(home, gateway, [keys])
    publish_policy(home, gateway, cuts={"EUR": [1_000_001]}, rule_set=None)
    complete(home, gateway)
    return home, Poster(gateway, keys, next(iter(gateway.policies()))), pid


def main() -> None:
    """Grow a chain and print the curve."""
    parser = argparse.ArgumentParser(prog="python -m bench.chain_length", description=__doc__)
    parser.add_argument("--blocks", type=int, default=LENGTHS[-1], help="length of the longest chain")
    parser.add_argument("--full-every", type=int, default=50, help="number of posts per full batch")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    lengths = [length for length in LENGTHS if length < options.blocks] + [options.blocks]
    curve: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        scratch = Path(folder)
        home, poster, pid = set_up(scratch / "home")
        served = [pid]
        try:
            _, control, control_pid = set_up(scratch / "control")
            served.append(control_pid)
            for length in lengths:
                while (left := length - WINDOW - poster.gateway.height()) > 0:
                    for _ in range(min(50, left)):
                        poster.post(FULL if poster.sequence % options.full_every == 0 else SMALL)
                curve.append(measure(poster, control, home, pid, scratch, length))
                say(f"{length} blocks: {json.dumps({k: round(v, 2) for k, v in curve[-1].items()})}")
            disk = {
                "one row": disk_per_block(poster, home, scratch, SMALL, 200),
                "800 rows, 120 KiB": disk_per_block(poster, home, scratch, FULL, 20),
            }
        finally:
            for process in served:
                stop(process)
    rows = [[name, *(f"{point[name]:.1f}" for point in curve)] for name in curve[0] if name != "blocks"]
    show_table(machine(), ["", *(f"{int(point['blocks']):,} blocks" for point in curve)], rows)
    show_table(
        "Disk per block", ["batch", "KiB"], [(name, round(size / 1024, 1)) for name, size in disk.items()]
    )
    if options.json:
        report = {"machine": machine(), "python": sys.version, "curve": curve, "disk per block": disk}
        options.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

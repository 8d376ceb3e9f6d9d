"""What the crash tests run in processes of their own: a bank that posts, a desk that syncs and raises flags.

Each can be told to kill itself, with SIGKILL, at its n-th moment of truth: before and after a file is
flushed or renamed, before a transaction begins, before and after it is committed, before and after the chain
is sent something. So every gap between two durable steps can be hit, not only the wide ones.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import api.keyholder
import api.serving  # noqa: F401 - imported once, and not by each key holder that is started
from cli.main import main
from counterfoil.caseload import keep_and_anchor
from counterfoil.connection import Connection, connect
from counterfoil.posting import post_source
from ledger import storage
from ledger.errors import CounterfoilError
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.gateway import Gateway
from ledger.holder.taking_part import take_part
from ledger.home import Home
from ledger.member import requesting
from ledger.member.intake import open_source
from ledger.member.keys import MemberKeys
from ledger.member.outbox import Outbox
from ledger.member.quarantine import take_in
from ledger.member.vault import Vault, batches, requests, tables
from ledger.reader import anchoring, casefile, cases, desk, mirror, mirror_state, notes
from ledger.reader.anchoring import ENTRIES_PER_TRANSACTION
from ledger.reader.keys import DeskKeys
from tests.support.consortium import pseudonymiser_of

__all__ = [
    "FLAGS",
    "KILLS",
    "REQUEST_SIZE",
    "command",
    "context",
    "flags",
    "post",
    "post_asking",
    "raise_flags",
    "start",
    "sync",
    "take_part_once",
]

FLAGS = ENTRIES_PER_TRANSACTION + 4

#: Elements in one request of `post_asking`: a large file needs several requests, each of several chunks.
REQUEST_SIZE = 1200

#: How many processes of each kind were killed in this session; told at its end.
KILLS: Counter[str] = Counter()


def context() -> ForkServerContext:
    """Return a way to start processes that have everything imported already."""
    made = get_context("forkserver")
    made.set_forkserver_preload(["tests.system.drivers"])
    return made


def start(work: Callable[..., None], *arguments: Any, die_at: int | None = None) -> ForkServerProcess:
    """Start a driver in a process of its own."""
    process = context().Process(target=_run, args=(work, arguments, die_at), daemon=True)
    process.start()
    return process


def post(root: Path, bank: str, file: Path, now: datetime, rows_per_batch: int) -> None:
    """Take a file in, pseudonymise, seal and send, as `counterfoil member post` does."""
    home = Home(root)
    keys = MemberKeys.load(home.member(bank).keys)
    source = open_source(file)
    with Vault(home.member(bank).vault) as vault:
        gateway = connect(home)
        outbox = Outbox(vault, keys, gateway)
        take_in(vault, source, bank, home.member(bank).quarantine, now=now)
        for epoch in outbox.epochs():
            outbox.pseudonymise(pseudonymiser_of(home, gateway, keys, epoch), epoch.number)
        outbox.seal(closed_before=now, rows_per_batch=rows_per_batch)
        outbox.post()


def post_asking(root: Path, bank: str, file: Path) -> None:
    """Post a file as `counterfoil member post` does: the key holders that run are asked over HTTP."""
    requesting.REQUEST_SIZE = REQUEST_SIZE  # type: ignore[misc]
    requesting._STORED_TOGETHER = 1  # type: ignore[misc]
    home = Home(root)
    keys = MemberKeys.load(home.member(bank).keys)
    post_source(home, keys, Connection(home).gateway, file)


def command(log: Path, *arguments: str) -> None:
    """Run a command of `counterfoil` that ends when it is stopped; what it says goes to a file."""
    with log.open("ab") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    sys.argv = ["counterfoil", *arguments]
    main()


def take_part_once(root: Path, folder: Path, other: Path, number: int) -> None:
    """Let one key holder do its part of a whole ceremony, and another one too, who is not killed."""
    gateway = connect(Home(root))
    while gateway.ceremony(number).status == "running":
        take_part(folder, gateway)
        with _spared():
            take_part(other, gateway)


def sync(root: Path) -> None:
    """Run the desk's round as `counterfoil desk sync` does, in many small steps."""
    mirror.BLOCKS_PER_REQUEST, mirror.ROWS_PER_SEGMENT = 1, 10  # type: ignore[misc]
    home = Home(root)
    desk.sync(home.desk, connect(home), DeskKeys.load(home.desk.keys))


def raise_flags(root: Path, number: int) -> None:
    """Keep, anchor and announce flags as `counterfoil desk scan` does; more than one transaction takes."""
    home = Home(root)
    keep_and_anchor(home, connect(home), flags(number))


def flags(number: int) -> list[Flag]:
    """Make the flags of one scan; each scan finds others."""
    return [
        Flag(
            FlagSource("detector", "fan-in", "1", {"scan": number}), "fan-in", Position(1, "0x", 2, 3),
            (Entity("ab" * 16, 1),), (RowRef(1, number, row),), (0, 1), None, "certain", "low",
            "Money from many accounts.",
        )
        for row in range(FLAGS)
    ]  # fmt: skip


@contextmanager
def _spared() -> Iterator[None]:
    """Count no moments of truth, as long as the context lasts."""
    global _counting
    _counting = False
    try:
        yield
    finally:
        _counting = True


_counting = True


def _run(work: Callable[..., None], arguments: tuple[Any, ...], die_at: int | None) -> None:
    if die_at is not None:
        _arm(die_at)
    try:
        work(*arguments)
    except CounterfoilError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def _arm(die_at: int) -> None:
    moments = itertools.count()

    def tick() -> None:
        if _counting and next(moments) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            tick()
            answer = original(*args, **kwargs)
            tick()
            return answer

        setattr(owner, name, wrapped)

    def inside(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        @contextmanager
        def wrapped(self: Any) -> Iterator[Any]:
            tick()
            with original(self) as connection:
                yield connection
                tick()
            tick()

        setattr(owner, name, wrapped)

    around(os, "fsync")
    around(Path, "replace")
    around(Path, "unlink")
    around(Gateway, "send")
    inside(Vault, "writing")
    original = storage.transaction

    @contextmanager
    def transaction(connection: Any, path: Path) -> Iterator[Any]:
        tick()
        with original(connection, path):
            yield connection
            tick()
        tick()

    for module in (anchoring, casefile, cases, notes, mirror_state, batches, requests, tables):
        module.transaction = transaction  # type: ignore[attr-defined]

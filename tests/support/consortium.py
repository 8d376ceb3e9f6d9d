"""A small real consortium for tests: chain process, contracts, three banks, a desk; posted, mirrored, signed.

Take the `consortium` fixture to read from one. A test that damages something takes `consortium.copy(...)`; a
test that posts takes `founded(...)`, a consortium of its own on the same chain process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from counterfoil import KeyHolder, processes
from counterfoil.accounts import PartyAccount
from counterfoil.ceremonies import hold_ceremony
from counterfoil.council import decide
from counterfoil.founding import admit, complete, found, open_epoch, publish_policy
from counterfoil.holders import holders_in, pseudonymiser_for
from counterfoil.witnesses import load_policy
from ledger.audit.trust import Trust
from ledger.disclosure import Disclosure
from ledger.encoding.policy import Policy
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.gateway import Epoch, Gateway, Limits, PostedBatch, Rules
from ledger.home import Home
from ledger.log.published import published_log
from ledger.member.intake import open_source
from ledger.member.keys import MemberKeys
from ledger.member.outbox import Outbox, SealCounts
from ledger.member.quarantine import take_in
from ledger.member.receipts import disclose, make_receipts
from ledger.member.replacement import key_change
from ledger.member.vault import HeldRecord, IntakeCounts, Vault
from ledger.reader.desk import SyncReport, sync
from ledger.reader.keys import DeskKeys
from ledger.receipt import Receipt
from ledger.signing import AccountKey
from tests.support.rows import BANKS, OUTSIDER, Book, book, row, write_csv

__all__ = [
    "CUTS",
    "EPOCH",
    "ChainProcess",
    "Poster",
    "SmallConsortium",
    "chain_process",
    "founded",
    "pseudonymiser_of",
]

EPOCH = 1

#: "More than 10,000" cuts at 10,000.01, "10,000 or more" at 10,000.00.
CUTS = {"EUR": [1_000_000, 1_000_001], "USD": [1_000_001]}


@dataclass
class ChainProcess:
    """The embedded chain in a process of its own, and the folder it lives in."""

    url: str
    folder: Path
    pid: int


@dataclass
class SmallConsortium:
    """A consortium and everything a test needs to reach into it.

    Parameters
    ----------
    home : Home
    url : str
        JSON-RPC endpoint of its chain.
    gateway : Gateway
    keys : dict of agent to MemberKeys
    policy : Policy
    book : Book
        The rows its banks were given; empty in a consortium that posted nothing yet.
    """

    home: Home
    url: str
    gateway: Gateway
    keys: dict[str, MemberKeys]
    policy: Policy
    book: Book

    @property
    def banks(self) -> tuple[str, ...]:
        """The member banks' agent identifiers, in the order of their codes."""
        return tuple(self.keys)

    @property
    def trust(self) -> Trust:
        """The trust file an auditor pins."""
        return Trust.load(self.home.trust)

    @property
    def officers(self) -> list[AccountKey]:
        """The private keys of the three officers."""
        return [PartyAccount.load(self.home.officer(number), who="an officer").key for number in (1, 2, 3)]

    @property
    def desk_keys(self) -> DeskKeys:
        """The desk's secrets."""
        return DeskKeys.load(self.home.desk.keys)

    def vault(self, bank: str) -> Vault:
        """Open a bank's vault; close it, or use it in a with statement."""
        return Vault(self.home.member(bank).vault)

    def pseudonymiser(self, bank: str) -> Pseudonymiser:
        """Return a client of the key holder, in this process, for one bank."""
        return pseudonymiser_of(self.home, self.gateway, self.keys[bank], self.gateway.epochs()[0])

    def take_in(self, bank: str, source: Path, *, now: datetime | None = None) -> IntakeCounts:
        """Read a file into a bank's vault."""
        with self.vault(bank) as vault:
            place = self.home.member(bank).quarantine
            counts, _ = take_in(vault, open_source(source), bank, place, now=now)
        return counts

    def seal(self, bank: str, *, rows_per_batch: int = 40, now: datetime | None = None) -> SealCounts:
        """Pseudonymise and seal what waits in a bank's vault."""
        with self.vault(bank) as vault:
            outbox = Outbox(vault, self.keys[bank], self.gateway)
            outbox.pseudonymise(self.pseudonymiser(bank), EPOCH)
            return outbox.seal(closed_before=now or datetime.now(UTC), rows_per_batch=rows_per_batch)

    def post(self, bank: str) -> int:
        """Send a bank's sealed batches."""
        with self.vault(bank) as vault:
            return Outbox(vault, self.keys[bank], self.gateway).post()

    def operate(self, function: str, *args: object, contract: str = "Consortium") -> None:
        """Let the members, or before the founding the founder, decide on a change."""
        outcome = decide(self.home, self.gateway, function, [self.gateway.call(contract, function, *args)])
        assert outcome.done

    def change_keys(self, bank: str, new: MemberKeys) -> None:
        """Let the members approve that a bank replaces its keys; it uses the new ones from now on."""
        call = key_change(self.gateway, self.keys[bank], new)
        assert decide(self.home, self.gateway, "change of keys", [call]).done
        path = self.home.member(bank).keys
        path.unlink()
        new.save(path)
        self.keys[bank] = new

    def open_epoch(self, number: int, starts: datetime | None = None) -> bytes:
        """Let the holder make the key of another epoch, and open it; return its public key."""
        hold_ceremony(self.home, self.gateway, number)
        start = starts or datetime.now(UTC)
        self.operate("openEpoch", number, int(start.timestamp()), contract="PseudonymKeys")
        return self.gateway.epochs()[-1].public_key

    def holder(self, number: int = 1) -> KeyHolder:
        """Return a holder of the pseudonym key: one of those in the state folder, counted from 1."""
        return KeyHolder(self.home.keyholder(str(number)), chain=self.url)

    def share_anew(
        self, *, holders: int, threshold: int, dealers: Sequence[int] = (), epoch: int = EPOCH
    ) -> None:
        """Let the holders of this folder share the key of an epoch anew."""
        hold_ceremony(self.home, self.gateway, epoch, holders=holders, threshold=threshold, dealers=dealers)

    def sync(self) -> SyncReport:
        """Run the desk's round."""
        return sync(self.home.desk, self.gateway, self.desk_keys, policy=load_policy(self.home))

    def record(self, bank: str, index: int = 0) -> HeldRecord:
        """Return a posted record: row `index` of the bank's first batch."""
        with self.vault(bank) as vault:
            record = vault.record_at(0, index)
        assert record is not None
        return record

    def receipt(self, bank: str, index: int = 0) -> Receipt:
        """Return the receipt of a posted record."""
        trust, public = self.trust, self.home.desk.public
        origins = {"ledger": trust.deployment.ledger_origin, "verdicts": trust.deployment.verdict_origin}
        logs = {name: published_log(public, name, trust.policy, origin) for name, origin in origins.items()}
        with self.vault(bank) as vault:
            (made,) = make_receipts(vault, [self.record(bank, index)], **logs)
        return made

    def disclosure(
        self,
        bank: str,
        names: Sequence[str] = ("amount", "currency"),
        index: int = 0,
        *,
        recipient: str = "The supervisor",
    ) -> Disclosure:
        """Return a signed disclosure of some fields of a posted record."""
        receipt = self.receipt(bank, index)
        policy = self.gateway.policies()[receipt.header.policy_hash]
        with self.vault(bank) as vault:
            return disclose(
                vault,
                self.keys[bank],
                self.record(bank, index),
                receipt,
                domain=self.gateway.deployment.domain("BatchLedger"),
                policy=policy,
                x25519_keys={member.agent: member.x25519_key for member in self.gateway.members()},
                names=names,
                purpose="supervisory request 7",
                recipient=recipient,
            )

    def copy(self, folder: Path) -> SmallConsortium:
        """Return the same consortium with a state folder of its own, to be damaged; the chain is shared."""
        shutil.copytree(
            self.home.root, folder, ignore=shutil.ignore_patterns("chain", "*-shm"), symlinks=True
        )
        return SmallConsortium(Home(folder), self.url, self.gateway, self.keys, self.policy, self.book)


@dataclass
class Poster:
    """One bank of a consortium, for tests that post: its vault, its place on the chain."""

    consortium: SmallConsortium
    agent: str

    @property
    def keys(self) -> MemberKeys:
        """The bank's secrets."""
        return self.consortium.keys[self.agent]

    @property
    def gateway(self) -> Gateway:
        """The consortium's gateway."""
        return self.consortium.gateway

    def fill(self, count: int, *, start: datetime, first: int = 0) -> None:
        """Take in `count` rows, one a minute from `start` on, to a bank outside the consortium."""
        rows = [
            row(n, start + timedelta(minutes=n - first), self.agent, OUTSIDER, bank=self.agent)
            for n in range(first, first + count)
        ]
        self.consortium.take_in(
            self.agent, write_csv(self.consortium.home.root / f"{self.agent}-{first}.csv", rows)
        )

    def seal(self, *, rows_per_batch: int = 40, now: datetime | None = None) -> SealCounts:
        """Seal what waits."""
        return self.consortium.seal(self.agent, rows_per_batch=rows_per_batch, now=now)

    def post(self) -> int:
        """Send what is sealed."""
        return self.consortium.post(self.agent)

    def vault(self) -> Vault:
        """Open the vault."""
        return self.consortium.vault(self.agent)

    def raws(self) -> list[bytes]:
        """Return the signed transactions of every sealed batch."""
        with self.vault() as vault:
            return [r for (r,) in vault.connection.execute("SELECT raw FROM batch ORDER BY sequence")]

    def on_chain(self) -> list[PostedBatch]:
        """Return the bank's batches on the chain."""
        gateway, own = self.gateway, bytes.fromhex(self.keys.address[2:])
        found = gateway.batches(gateway.deployment.block, gateway.height())
        return [posted for posted in found if posted.header.member == own]

    def operate(self, function: str, *args: object) -> None:
        """Let the members of the consortium decide on a change."""
        self.consortium.operate(function, *args)


def pseudonymiser_of(home: Home, gateway: Gateway, keys: MemberKeys, epoch: Epoch) -> Pseudonymiser:
    """Return a client of the key holders of a state folder, in this process, for one bank."""
    return pseudonymiser_for(home, keys, epoch, holders_in(home, gateway.url))


@contextmanager
def chain_process(root: Path) -> Iterator[ChainProcess]:
    """Run an embedded chain in a folder."""
    home = Home(root)
    url, pid = processes.ensure_chain(home)
    assert pid is not None
    try:
        yield ChainProcess(url, home.chain, pid)
    finally:
        processes.stop(pid)


def founded(
    chain: ChainProcess,
    root: Path,
    *,
    banks: Sequence[str] = BANKS,
    starts: datetime | None = None,
    holders: int = 1,
    threshold: int = 1,
    rules: Rules | None = None,
    limits: Limits | None = None,
) -> SmallConsortium:
    """Found a consortium on a running chain: contracts, roles, key epoch, policy, members; nothing posted.

    Parameters
    ----------
    chain : ChainProcess
    root : Path
        Its state folder, not there yet or empty.
    banks : sequence of str
        Agent identifiers, in the order of their codes from 1.
    starts : datetime, optional
        Start of the first epoch; an early one lets a test open the second one in the past. By default now.
    holders, threshold : int
        How many holders share the pseudonym key, in state folders of their own, and how many must answer.
    rules, limits : optional
        How the members decide, and what one of them may do in a day.
    """
    home = Home(root)
    root.mkdir(parents=True, exist_ok=True)
    if not home.chain.exists():
        home.chain.symlink_to(chain.folder)  # the faucet that funds its accounts
    gateway = found(home, chain.url, rules=rules, limits=limits)
    hold_ceremony(home, gateway, EPOCH, holders=holders, threshold=threshold)
    open_epoch(home, gateway, EPOCH, starts=starts)
    keys = {bank: MemberKeys.generate(bank) for bank in banks}
    for bank, secret in keys.items():
        secret.save(home.member(bank).keys)
    admit(home, gateway, keys.values())
    policy = publish_policy(home, gateway, cuts=CUTS, rule_set=None)
    complete(home, gateway)
    return SmallConsortium(home, chain.url, gateway, keys, policy, Book({bank: [] for bank in banks}))


def run_everything(consortium: SmallConsortium, rows: Book, *, now: datetime | None = None) -> SyncReport:
    """Take in, seal and post every bank's rows, then run the desk's round."""
    consortium.book = rows
    for bank, path in rows.write(consortium.home.root / "files").items():
        consortium.take_in(bank, path, now=now)
        consortium.seal(bank, now=now)
        consortium.post(bank)
    return consortium.sync()


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainProcess]:
    """One chain process for the whole session."""
    with chain_process(tmp_path_factory.mktemp("chain")) as process:
        yield process


@pytest.fixture(scope="session")
def consortium(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """A consortium with about 170 rows in every matching state, mirrored and signed: read it, do not post."""
    made = founded(chain, tmp_path_factory.mktemp("consortium"))
    run_everything(made, book(datetime.now(UTC)))
    return made


@pytest.fixture(scope="module")
def fresh_consortium(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """A consortium of this test module's own, on the session's chain, with nothing posted."""
    return founded(chain, tmp_path_factory.mktemp("fresh"))

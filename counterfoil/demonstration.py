"""The demonstration: all parties of a consortium on this machine, with one method for each stage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import asdict, dataclass, field
from multiprocessing import active_children
from pathlib import Path
from typing import TYPE_CHECKING, Final

from counterfoil import caseload, founding
from counterfoil.auditor import Auditor
from counterfoil.ceremonies import start_ceremony, wait_for_ceremony
from counterfoil.connection import chain_url
from counterfoil.council import decide
from counterfoil.desk import CheckReport, Desk
from counterfoil.keyholder import KeyHolder
from counterfoil.member import Member
from counterfoil.operator import Operator
from counterfoil.posting import PostReport
from counterfoil.witness import MemberWitness
from ledger.errors import ConfigurationError, InputError
from ledger.flag import Flag, RowRef
from ledger.home import Home
from ledger.processes import Workers, deferring
from ledger.schema import Side
from ledger.storage import private_folder, write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from anomaly.score import Score
    from counterfoil.progress import Progress
    from counterfoil.scanning import ScanReport
    from ledger.reader.desk import SyncReport

__all__ = ["HOLDERS", "THRESHOLD", "Banks", "Demonstration"]

#: Number of key holders, and how many of them must answer.
HOLDERS: Final = 5
THRESHOLD: Final = 3

_HEED_SECONDS: Final = 0.2
_ASKED: Final = "demo.json"
_WITNESSES: Final = 2
_EPOCH: Final = 1
#: Evaluations that each bank is granted beyond those of a day, to load the accounts of its file.
_HISTORY: Final = 1_000_000
_DISCLOSED: Final = ("uetr", "timestamp", "amount", "currency", "debtor_account", "creditor_account")
_PURPOSE: Final = "Evidence for a flag"
_RECIPIENT: Final = "The compliance officer of the consortium"


@dataclass(frozen=True, slots=True)
class Banks:
    """The source of the banks' files: a labelled file of payments, or the simulation.

    Parameters
    ----------
    file : Path, optional
        The labelled file.
    rows : int, optional
        Read only this many rows from the start of the file.
    members : int
        Number of the file's largest banks that take part.
    transactions, seed : int
        Size and seed of the simulation.
    """

    file: Path | None = None
    rows: int | None = None
    members: int = 12
    transactions: int = 100_000
    seed: int = 7


@dataclass(slots=True)
class Demonstration:
    """A consortium on this machine, and the results of its stages so far.

    Call the stages in order. A stage that is finished does no work again.

    Parameters
    ----------
    home : Home
        A state folder for this demonstration only.
    banks : Banks
    chain : str, optional
        JSON-RPC endpoint; the embedded chain by default.
    """

    home: Home
    banks: Banks
    chain: str | None = None
    witnesses: dict[str, str] = field(default_factory=dict)
    posts: list[PostReport] = field(default_factory=list)
    mirrored: SyncReport | None = None
    scanned: ScanReport | None = None
    checked: CheckReport | None = None
    score: Score | None = None
    files: dict[str, str] = field(default_factory=dict)

    def make_files(self, note: Callable[[str], None]) -> None:
        """Write the banks' files, unless they exist.

        Raises
        ------
        InputError
            When the folder belongs to another demonstration, or the labelled file does not exist.
        """
        from anomaly.simulation import simulate, write
        from anomaly.simulation.labelled import split_labelled

        banks = self.banks
        asked = asdict(banks) | {"file": None if banks.file is None else str(banks.file.resolve())}
        if (self._source / "consortium.json").exists():
            remembered = self._source / _ASKED
            made = json.loads(remembered.read_text("utf-8")) if remembered.exists() else asked
            if made != asked:
                raise InputError(
                    "this folder holds another demonstration: "
                    + (
                        f"{made['file']}"
                        if made["file"]
                        else f"{made['transactions']:,} simulated transactions"
                    ),
                    where=str(self.home.root),
                    next_step="Give another folder with --home, or use the same options as before.",
                )
            return
        if banks.file is not None and not banks.file.is_file():
            raise InputError("there is no such file", where=str(banks.file))
        private_folder(self.home.root)  # the banks' files are plaintext
        partial = self._source.with_name("banks.partial")
        shutil.rmtree(partial, ignore_errors=True)
        if banks.file is None:
            write(simulate(transactions=banks.transactions, seed=banks.seed), partial)
        else:
            split = split_labelled(banks.file, partial, members=banks.members, rows=banks.rows)
            note(f"  {split['transactions']:,} payments belong to the {len(split['members'])} largest banks")
        (partial / _ASKED).write_text(json.dumps(asked, indent=2) + "\n", "utf-8")
        partial.rename(self._source)

    def prepare(self) -> None:
        """Deploy the contracts as the founder; the chain must run."""
        Operator(self.home, chain=self.chain).prepare()

    def start_holder(self, number: int, serve: Callable[[Home, str], Sequence[str]]) -> int | None:
        """Start a key holder with a state folder of its own, unless it runs; return its process if it is new.

        Parameters
        ----------
        number : int
            From 1 to `HOLDERS`.
        serve : callable
            Returns the module, with its arguments, that serves the key holder of a state folder with a chain.
        """
        home, chain = self.home.keyholder(str(number)), self.chain or chain_url(self.home)
        write_atomically(home.deployment, self.home.deployment.read_bytes())
        holder = KeyHolder(home, chain=chain)
        identity = holder.create()
        founding.fund_here(self.home, chain, [identity.account])
        _, pid = holder.ensure_running(serve(home, chain))
        return pid

    def make_key(self) -> None:
        """Start a key ceremony, unless the key is made, and wait until the holders have made the key."""
        gateway = Operator(self.home, chain=self.chain).gateway()
        if gateway.key_ceremony(_EPOCH):
            return
        running = [known for known in gateway.ceremonies() if known.status == "running"]
        if not running:
            places = [self.home.keyholder(str(number)) for number in range(1, HOLDERS + 1)]
            holders = [KeyHolder(place).identity() for place in places]
            start_ceremony(self.home, gateway, _EPOCH, holders, threshold=THRESHOLD)
        wait_for_ceremony(gateway, gateway.ceremonies()[-1].number)

    def found(self) -> None:
        """Admit the banks, and let all of them confirm; each may load its history."""
        operator = Operator(self.home, chain=self.chain)
        gateway = operator.gateway()
        if not gateway.is_founded():
            if not gateway.epochs():
                operator.open_epoch(_EPOCH)
            operator.admit(Member.create(agent, self.home, chain=self.chain) for agent in self._agents())
            grants = [
                gateway.call("EvaluationLog", "grant", member.code, _HISTORY)
                for member in gateway.members()
                if not gateway.evaluations_left(member.code)[1]
            ]
            decide(self.home, gateway, "Grants to load history", grants)
        operator.complete()

    @property
    def witnessing(self) -> list[str]:
        """The banks whose witnesses cosign the checkpoints: the first two."""
        return self._agents()[:_WITNESSES]

    def start_witness(self, agent: str, serve: Callable[[Home, str], Sequence[str]]) -> int | None:
        """Start the witness of a bank, unless it runs; return its process if it is new.

        Its state folder has only what a bank needs for it: the deployment, the policy, and the bank's keys.

        Parameters
        ----------
        agent : str
        serve : callable
            Returns the module, with its arguments, that serves the witness of a state folder with a chain.
        """
        home, chain = Home(self.home.root / "witnesses" / agent), self.chain or chain_url(self.home)
        for source, target in (
            (self.home.deployment, home.deployment),
            (self.home.policy, home.policy),
            (self.home.member(agent).keys, home.member(agent).keys),
        ):
            write_atomically(target, source.read_bytes())
        url, pid = MemberWitness(agent, home, chain=chain).ensure_running(serve(home, chain))
        self.witnesses[agent] = url
        return pid

    def name_witnesses(self) -> None:
        """Name the witnesses that were started in the policy; all of them must cosign."""
        operator = Operator(self.home, chain=self.chain)
        operator.name_witnesses(self.witnesses, quorum=len(self.witnesses))

    def post(self, note: Callable[[str], None], progress: Progress) -> None:
        """Post the file of every bank, two banks at a time; the key holder must run."""
        agents = self._agents()
        with deferring() as heed, Workers(2) as pool:
            waiting = {
                pool.submit(_post, self.home, agent, self._source / "members" / f"{agent}.csv", self.chain)
                for agent in agents
            }
            progress("banks", 0, len(agents))
            try:
                while waiting:
                    finished, waiting = wait(waiting, timeout=_HEED_SECONDS, return_when=FIRST_COMPLETED)
                    heed()
                    for report in [job.result() for job in finished]:
                        self.posts.append(report)
                        progress("banks", len(self.posts), len(agents))
                        note(
                            f"  {report.agent}: {report.intake.read:,} rows read, "
                            f"{report.sealed_rows:,} posted"
                        )
            except BaseException:
                # a bank may stop at any point: its vault is durable, and the next run continues
                pool.shutdown(wait=False, cancel_futures=True)
                for worker in active_children():
                    worker.terminate()
                raise

    def sync(self, progress: Progress) -> None:
        """Mirror the chain and match the rows, as the desk."""
        self.mirrored = self._desk.sync(progress=progress)

    def scan(self, progress: Progress) -> None:
        """Run the detectors and anchor their flags, as the desk."""
        self.scanned = self._desk.scan(progress=progress)

    def check(self) -> None:
        """Run the rules and anchor their findings, as the desk."""
        self.checked = self._desk.check()

    @property
    def has_truth(self) -> bool:
        """Whether the truth about planted laundering is known for the banks' files."""
        return self._truth.exists()

    def compare(self) -> None:
        """Compare the flags of the scan with the planted truth."""
        from pandas import read_parquet

        from anomaly.score import score

        _, transfers = self._desk.transfers()
        flags = [] if self.scanned is None else self.scanned.flags
        self.score = score(flags, transfers, self._placed(read_parquet(self._truth)))

    def prove(self) -> None:
        """Disclose a row of a flag's evidence, bundle the flag, verify both offline, and draw the flag."""
        flags = [] if self.scanned is None else [flag for flag in self.scanned.flags if flag.rows]
        flag = next((f for f in flags if f.severity == "high"), flags[0] if flags else None)
        place = flag.rows[0] if flag else RowRef(1, 0, 0)
        out, auditor = self.home.root / "evidence", Auditor(self.home)
        for name, proof in self._proofs(place).items():
            path = out / f"{name}.json"
            write_atomically(path, proof)
            auditor.verify(path)
            self.files[name] = str(path)
        if flag is not None:
            self.files |= self._draw(flag, out)
            self._desk.publish()  # the checkpoints must cover the flag
            bundle = self._desk.bundle(self.files["flag"], disclosures=[self.files["disclosure"]])
            path = out / "bundle.json"
            write_atomically(path, bundle.to_bytes())
            auditor.verify(path)
            self.files["bundle"] = str(path)

    @property
    def _source(self) -> Path:
        return self.home.root / "banks"

    @property
    def _truth(self) -> Path:
        return self._source / "truth.parquet"

    @property
    def _desk(self) -> Desk:
        return Desk(self.home, chain=self.chain)

    def _agents(self) -> list[str]:
        return sorted(path.stem for path in (self._source / "members").glob("*.csv"))

    def _placed(self, truth: pd.DataFrame) -> pd.DataFrame:
        """Add to the planted transactions their places on the ledger, from the banks' vaults."""
        import pandas as pd

        from ledger.member.vault import Vault

        places: dict[str, tuple[int, int, int]] = {}
        wanted = set(truth["uetr"])
        for member in self._desk.members():
            with Vault(self.home.member(member.agent).vault) as vault:
                for uetr, batch, index, side in vault.places():
                    if uetr in wanted and (uetr not in places or side != Side.CREDIT):
                        places[uetr] = (member.code, batch, index)
        columns = ["member", "sequence", "index"]
        placed = pd.DataFrame([places.get(uetr, (-1, -1, -1)) for uetr in truth["uetr"]], columns=columns)
        half = {f"{side}_{name}": placed[name].to_numpy() for side in ("debit", "credit") for name in columns}
        return pd.DataFrame(
            {"pattern_id": truth["pattern_id"].to_numpy(), "typology": truth["typology"].to_numpy(), **half}
        )

    def _proofs(self, place: RowRef) -> dict[str, bytes]:
        agent = next(member.agent for member in self._desk.members() if member.code == place.member)
        member = Member(agent, self.home, chain=self.chain)
        key = f"{place.sequence}:{place.index}"
        receipt = member.receipt(key)
        disclosure = member.disclose(key, _DISCLOSED, purpose=_PURPOSE, recipient=_RECIPIENT)
        return {"receipt": receipt.to_bytes(), "disclosure": disclosure.to_bytes()}

    def _draw(self, flag: Flag, out: Path) -> dict[str, str]:
        from ledger.reader.listing import FlagFilter
        from ledger.transfers.evidence import to_graphml, to_svg

        graph = self._desk.evidence_graph(flag)
        write_atomically(out / "flag.svg", to_svg(graph).encode())
        write_atomically(out / "flag.graphml", to_graphml(graph))
        with caseload.flag_book(self.home) as book:
            same_title = book.each(FlagFilter(title=flag.title))
            kept = next((kept for kept in same_title if kept.flag.rows == flag.rows), None)
        if kept is None:
            raise ConfigurationError("the desk does not hold a flag that it has just raised", where=str(out))
        return {"flag": kept.flag_id.hex(), "explanation": flag.explanation, "drawing": str(out / "flag.svg")}


def _post(home: Home, agent: str, file: Path, chain: str | None) -> PostReport:
    return Member(agent, home, chain=chain).post(file)

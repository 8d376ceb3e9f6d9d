"""An auditor: verifies proofs and bundles offline, and checks a consortium with its own node.

An auditor needs a trust file, and for the chain an endpoint. It needs no file and no key of the desk: what
rows say, it reads with a reader key of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.extras import needs
from ledger.errors import ConfigurationError, InputError, VerificationError
from ledger.home import Home

if TYPE_CHECKING:
    from counterfoil.progress import Progress
    from ledger.audit.bundle import VerifiedBundle
    from ledger.audit.chain_check import ChainReport
    from ledger.audit.completeness import Apart, Completeness
    from ledger.audit.draws import DrawReport
    from ledger.audit.fsck import FsckReport
    from ledger.audit.report import WorkingPaper
    from ledger.audit.trust import Trust
    from ledger.audit.verify import Verified
    from ledger.draw import Draw
    from ledger.encoding.evaluation import EpochKey
    from ledger.gateway import Gateway
    from ledger.log import OpenedCheckpoint
    from ledger.reader.mirror import Mirror

__all__ = ["Auditor", "verify"]


def verify(
    proof: bytes | Path | str, trust: Trust | Path | str, *, recipient: str | None = None
) -> Verified | VerifiedBundle | OpenedCheckpoint:
    """Verify a receipt, a disclosure, a bundle or a checkpoint, offline.

    Parameters
    ----------
    proof : bytes or path
        The proof as it was issued, or the file that holds it.
    trust : Trust or path
        The trust file that the consortium has given to the auditor.
    recipient : str, optional
        Whoever the disclosures must have been made for.

    Returns
    -------
    Verified, VerifiedBundle or OpenedCheckpoint
        What a receipt or a disclosure proves, what a bundle proves and does not prove, or the checkpoint and
        who cosigned it.

    Raises
    ------
    VerificationError
        When the proof is not valid; the error names the part, and never a person's data.
    InputError
        When the file does not exist, or it is not a proof.
    ConfigurationError
        When the trust file is missing or malformed.
    """
    from ledger.audit.trust import Trust

    where = None if isinstance(proof, bytes) else str(proof)
    data = proof if isinstance(proof, bytes) else _read(Path(proof))
    pinned = trust if isinstance(trust, Trust) else Trust.load(Path(trust))
    return _verified(data, pinned, recipient, where)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError("there is no such file", where=str(path))
    return path.read_bytes()


def _verified(
    data: bytes, trust: Trust, recipient: str | None, where: str | None
) -> Verified | VerifiedBundle | OpenedCheckpoint:
    from ledger import documents
    from ledger.audit.bundle import verify_bundle
    from ledger.audit.verify import Verifier
    from ledger.bundle import BUNDLE_FORMAT

    if data.lstrip().startswith(b"{"):
        if documents.format_of(data) == BUNDLE_FORMAT:
            return verify_bundle(data, trust, recipient=recipient)
        return Verifier(trust).verify(data, recipient=recipient)
    if b"\n\n" not in data:
        raise InputError(
            "this is neither a receipt, a disclosure, a bundle nor a checkpoint",
            where=where,
            next_step="Ask the member for its receipt, or download /v1/log/ledger/checkpoint of the desk.",
        )
    return Verifier(trust).checkpoint(data)


@needs()
class Auditor:
    """An auditor, with the trust file of the consortium.

    Parameters
    ----------
    home : Home or path
        The state folder; without the folder of a consortium, `trust` and `chain` are needed.
    trust : path, optional
        The trust file; the trust file of the state folder by default.
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    reader_keys : path, optional
        The auditor's own reader keys (`ledger.audit.keys.ReaderKeys`).
    published : path or str, optional
        The folder with the desk's published logs, or the URL of the desk; the desk's folder in the state
        folder by default, if it is there.
    """

    def __init__(
        self,
        home: Home | Path | str = DEFAULT_HOME,
        *,
        trust: Path | str | None = None,
        chain: str | None = None,
        reader_keys: Path | str | None = None,
        published: Path | str | None = None,
    ) -> None:
        self.home = as_home(home)
        self.trust_file = self.home.trust if trust is None else Path(trust)
        self._chain = chain
        self._reader_keys = None if reader_keys is None else Path(reader_keys)
        self._given = published
        self._connection = Connection(self.home, chain)

    @staticmethod
    def make_reader_keys(file: Path | str) -> bytes:
        """Make an auditor's reader key in a file, readable by its owner only; return its public part.

        The operator registers the public part (`Operator.add_reader`). The key opens what is posted after
        that.

        Raises
        ------
        ConfigurationError
            When the file exists: a key is never overwritten.
        """
        from counterfoil.founding import month
        from ledger.audit.keys import ReaderKeys

        path = Path(file)
        if path.exists():
            raise ConfigurationError(
                "the key file exists already and is never overwritten",
                where=str(path),
                next_step="Use the existing key, or name another file.",
            )
        epoch = month(datetime.now(UTC))
        keys = ReaderKeys.generate(epoch)
        keys.save(path)
        return keys.public()[epoch][1]

    def trust(self) -> Trust:
        """Return the trust file."""
        from ledger.audit.trust import Trust

        return Trust.load(self.trust_file)

    def verify(
        self, proof: bytes | Path | str, *, recipient: str | None = None
    ) -> Verified | VerifiedBundle | OpenedCheckpoint:
        """Verify a receipt, a disclosure, a bundle or a checkpoint against the trust file; see `verify`."""
        return verify(proof, self.trust_file, recipient=recipient)

    def ceremony(self, number: int) -> EpochKey:
        """Compute the key of a key ceremony from its transcript on the chain, and compare it with the chain.

        Raises
        ------
        CeremonyError
            With the holder at whose fault the ceremony failed, or which has not yet sent its message.
        VerificationError
            When the chain has another key than the transcript gives.
        """
        from ledger.transcripts import audit_ceremony

        return audit_ceremony(self._connection.gateway(), number)

    def working_paper(
        self, file: Path | str, *, date: datetime, recipient: str | None = None
    ) -> tuple[WorkingPaper, Verified | VerifiedBundle | OpenedCheckpoint | VerificationError]:
        """Verify a file, and make the working paper of it, also when it does not verify.

        Parameters
        ----------
        file : path
        date : datetime
            When the file is verified, with a time zone.
        recipient : str, optional
            As for `verify`.

        Returns
        -------
        WorkingPaper
            `to_html` and `to_csv` write it.
        Verified, VerifiedBundle, OpenedCheckpoint or VerificationError
            What `verify` returns or raises.
        """
        import counterfoil
        from ledger.audit.report import working_paper

        data, trust = _read(Path(file)), self.trust()
        result: Verified | VerifiedBundle | OpenedCheckpoint | VerificationError
        try:
            result = _verified(data, trust, recipient, str(file))
        except VerificationError as error:
            result = error
        paper = working_paper(
            result, trust, name=Path(file).name, data=data, version=counterfoil.__version__, date=date
        )
        return paper, result

    def check_chain(self, *, depth: int = 0, progress: Progress | None = None) -> ChainReport:
        """Check the consortium from the chain alone; no file and no key of the desk is needed.

        With reader keys, each batch and each entry of the case log is opened too, and the published verdicts
        are compared with those that the keys give. The result lists the differences; its
        `raise_if_different` raises VerificationError.
        """
        from dataclasses import replace

        from ledger.audit.cases import check_cases
        from ledger.audit.chain_check import check_chain
        from ledger.audit.keys import ReaderKeys
        from ledger.audit.reread import compare_verdicts

        gateway, trust, own = self._gateway(), self.trust(), self._reader_keys
        keys = [] if own is None else list(ReaderKeys.load(own).readers.values())[::-1]
        cases = check_cases(gateway, private_keys=keys)
        report = check_chain(
            gateway, trust, published=self._published(), cases=cases, depth=depth, progress=progress
        )
        if own is None:
            return report
        with self._own_mirror(gateway, progress) as mirror:
            more = compare_verdicts(mirror.verdict_entries(), self._published(), trust)
        return replace(report, differences=tuple(dict.fromkeys((*report.differences, *more))))

    def fsck(self, *, progress: Progress | None = None) -> FsckReport:
        """Read the whole chain again; compare the desk's mirror and its two published logs with it.

        The result lists the differences; its `raise_if_different` raises VerificationError. The desk's reader
        keys must be in the state folder.
        """
        from dataclasses import replace

        from ledger.audit.cases import check_cases
        from ledger.audit.chain_check import check_chain
        from ledger.audit.fsck import fsck
        from ledger.audit.reread import compare_verdicts
        from ledger.reader.book import Book
        from ledger.reader.keys import DeskKeys
        from ledger.signing import address_of

        desk, gateway, trust = self.home.desk, self._connection.gateway(), self.trust()
        keys = DeskKeys.load(desk.keys)
        readers = list(keys.readers.values())
        report = fsck(gateway, desk.mirror, readers, progress=progress)
        with Book(desk.cases) as book:
            stored = book.stored()
        cases = check_cases(gateway, private_keys=readers, book=stored, desk=address_of(keys.account))
        public = check_chain(gateway, trust, published=self._published(), cases=cases, progress=progress)
        verdicts = compare_verdicts(report.verdicts, self._published(), trust)
        found = dict.fromkeys((*report.differences, *public.differences, *verdicts))
        return replace(report, differences=tuple(found))

    def completeness(self, *, progress: Progress | None = None) -> Completeness:
        """Count rows by member and month: proven by both banks, claimed by one, and unknown to this reader.

        With reader keys, the rows are read from the chain into a temporary folder; without, the desk's mirror
        in the state folder is read.

        Raises
        ------
        ConfigurationError, InputError
            When no batch was mirrored or matched yet.
        """
        from ledger.audit.completeness import completeness
        from ledger.segment import Manifest, load

        gateway = self._gateway()
        with self._own_mirror(gateway, progress) if self._reader_keys else self._desk_mirror() as mirror:
            manifest = Manifest.read(mirror.folder)
            if manifest.transfers is None:
                raise InputError(
                    "no transfers were matched yet", next_step="Run `counterfoil desk sync` first."
                )
            transfers = load(mirror.folder, manifest.transfers)
            apart = _apart(mirror)
        accounts = {account.account: account.agent for account in gateway.accounts()}
        agents = {member.code: member.agent for member in gateway.members()}
        return completeness(transfers, agents, apart=apart, accounts=accounts)

    def draw(self, agent: str, *, count: int = 20, until_block: int | None = None) -> Draw:
        """Draw elements that a member anchored; the member shows what they are (`Member.open_draw`).

        Parameters
        ----------
        agent : str
            The member's agent identifier.
        count : int
            How many; all of them, if there are fewer.
        until_block : int, optional
            Only what was anchored up to this block; the newest block by default.

        Raises
        ------
        InputError
            When there is no such member or block, or the member anchored nothing.
        """
        from counterfoil.draws import draw

        return draw(self._gateway(), self.trust(), agent, count=count, until_block=until_block)

    def check_opened(
        self,
        opened: bytes | Path | str,
        draw: Draw | bytes | Path | str,
        *,
        recipient: str | None = None,
        grace_days: int | None = None,
    ) -> DrawReport:
        """Verify what a member opened of a draw, with the auditor's own node.

        Parameters
        ----------
        opened, draw : bytes or path
            What the member opened, and the auditor's own draw.
        recipient : str, optional
            Whoever the elements must have been opened for.
        grace_days : int, optional
            How many days a row may take from its request to the chain; 7 by default.

        Returns
        -------
        DrawReport
            Its `raise_if_unexplained` raises VerificationError.

        Raises
        ------
        VerificationError
            When any part is not valid; the error names the element, and never a person's data.
        """
        from counterfoil.draws import check, read_draw

        made = read_draw(draw)
        data = opened if isinstance(opened, bytes) else _read(Path(opened))
        return check(data, made, self._gateway(), self.trust(), recipient=recipient, grace_days=grace_days)

    def _gateway(self) -> Gateway:
        """Connect to the chain; without a consortium in the state folder, the trust file names it."""
        if self.home.deployment.exists() or self._chain is None:
            return self._connection.gateway()
        from ledger.gateway import Gateway

        return Gateway(self._chain, self.trust().deployment)

    def _published(self) -> Path | str | None:
        if self._given is not None:
            text = str(self._given)
            return text if text.startswith(("http://", "https://")) else Path(text)
        public = self.home.desk.public
        return public if public.exists() else None

    @contextmanager
    def _desk_mirror(self) -> Iterator[Mirror]:
        from ledger.reader.mirror import Mirror
        from ledger.segment import Manifest

        Manifest.read(self.home.desk.mirror)  # no mirror is an error, and none is made
        mirror = Mirror(self.home.desk.mirror)
        try:
            yield mirror
        finally:
            mirror.close()

    @contextmanager
    def _own_mirror(self, gateway: Gateway, progress: Progress | None) -> Iterator[Mirror]:
        """Read the chain with the auditor's own keys, into a folder that is removed afterwards."""
        from ledger.audit.keys import ReaderKeys
        from ledger.matching import match_segments, rules_at
        from ledger.reader.mirror import Mirror

        keys: Any = ReaderKeys.load(self._reader_keys or Path())
        with TemporaryDirectory(prefix="counterfoil-") as folder:
            mirror = Mirror(Path(folder))
            try:
                mirror.sync(gateway, keys, progress=progress)
                position = mirror.position(gateway)
                rules = rules_at(gateway, position.block)
                mirror.publish(position, match_segments(mirror.folder, mirror.segments(), rules))
                yield mirror
            finally:
                mirror.close()


def _apart(mirror: Mirror) -> list[Apart]:
    from ledger.audit.completeness import Apart
    from ledger.verdicts import Reason

    return [
        Apart(bytes.fromhex(found.member.removeprefix("0x")), found.row_count, Reason(found.reason_code).text)
        for found in mirror.rejected()
    ]

"""An auditor: verifies receipts, disclosures and checkpoints offline, and compares a desk with the chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.extras import needs
from ledger.errors import InputError
from ledger.home import Home

if TYPE_CHECKING:
    from counterfoil.progress import Progress
    from ledger.audit.completeness import MemberMonth
    from ledger.audit.fsck import FsckReport
    from ledger.audit.trust import Trust
    from ledger.audit.verify import Verified
    from ledger.log import Checkpoint

__all__ = ["Auditor", "verify"]


def verify(proof: bytes | Path | str, trust: Trust | Path | str) -> Verified | Checkpoint:
    """Verify a receipt, a disclosure or a checkpoint, offline.

    Parameters
    ----------
    proof : bytes or path
        The proof as it was issued, or the file that holds it.
    trust : Trust or path
        The trust file that the consortium has given to the auditor.

    Returns
    -------
    Verified or Checkpoint
        What a receipt or a disclosure proves; or the signed checkpoint of the log.

    Raises
    ------
    VerificationError
        When the proof is not valid; the error contains the expected and the found value.
    InputError
        When the file does not exist, or it is not a proof.
    ConfigurationError
        When the trust file is missing or malformed.
    """
    from ledger.audit.trust import Trust
    from ledger.audit.verify import verify as verify_proof
    from ledger.log import CheckpointError, open_checkpoint

    where = None if isinstance(proof, bytes) else str(proof)
    if not isinstance(proof, bytes):
        path = Path(proof)
        if not path.is_file():
            raise InputError("there is no such file", where=where)
        proof = path.read_bytes()
    pinned = trust if isinstance(trust, Trust) else Trust.load(Path(trust))
    if proof.lstrip().startswith(b"{"):
        return verify_proof(proof, pinned)
    try:
        return open_checkpoint(proof, pinned.checkpoint_keys, origin=pinned.deployment.origin)
    except CheckpointError as error:
        if b"\n\n" in proof:
            raise
        raise InputError(
            "this is neither a receipt, a disclosure nor a checkpoint",
            where=where,
            next_step="Ask the member for its receipt, or download /v1/log/checkpoint of the desk.",
        ) from error


@needs()
class Auditor:
    """An auditor, with the trust file of the consortium.

    Parameters
    ----------
    home : Home or path
        The state folder of the consortium that is audited.
    trust : path, optional
        The trust file; the trust file of the state folder by default.
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    """

    def __init__(
        self,
        home: Home | Path | str = DEFAULT_HOME,
        *,
        trust: Path | str | None = None,
        chain: str | None = None,
    ) -> None:
        self.home = as_home(home)
        self.trust_file = self.home.trust if trust is None else Path(trust)
        self._connection = Connection(self.home, chain)

    def verify(self, proof: bytes | Path | str) -> Verified | Checkpoint:
        """Verify a receipt, a disclosure or a checkpoint against the trust file; see `verify`."""
        return verify(proof, self.trust_file)

    def fsck(self, *, progress: Progress | None = None) -> FsckReport:
        """Read the whole chain again and compare the result with the desk's mirror.

        The result lists the differences; its `raise_if_different` raises VerificationError. The desk's reader
        keys must be in the state folder.
        """
        from ledger.audit.fsck import fsck
        from ledger.audit.trust import Trust
        from ledger.reader.book import Book
        from ledger.reader.keys import DeskKeys
        from ledger.signing import address_of

        desk = self.home.desk
        keys = DeskKeys.load(desk.keys)
        with Book(desk.cases) as book:
            cases = book.stored()
        return fsck(
            self._connection.gateway(),
            desk.mirror,
            keys.readers.values(),
            cases=cases,
            desk=address_of(keys.account),
            log=desk.log,
            checkpoint=desk.checkpoint,
            checkpoint_keys=dict(Trust.load(self.trust_file).checkpoint_keys),
            progress=progress,
        )

    def completeness(self) -> list[MemberMonth]:
        """Count rows by member and month: posted by both banks, only by it, or only by the other bank.

        Raises
        ------
        ConfigurationError, InputError
            When no batch was mirrored or matched yet.
        """
        from ledger.audit.completeness import completeness
        from ledger.segment import Manifest, load

        manifest = Manifest.read(self.home.desk.mirror)
        if manifest.transfers is None:
            raise InputError("no transfers were matched yet", next_step="Run `counterfoil desk sync` first.")
        agents = {member.code: member.agent for member in self._connection.members()}
        return completeness(load(self.home.desk.mirror, manifest.transfers), agents)

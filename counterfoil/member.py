"""A bank of the consortium: it posts transactions, issues proofs and reads the flags addressed to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.extras import needs
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.schema import FIELDS

if TYPE_CHECKING:
    import pandas as pd

    from counterfoil.keyholder import KeyHolder
    from counterfoil.posting import PostReport
    from counterfoil.progress import Progress
    from ledger.disclosure import Disclosure
    from ledger.draw import Draw
    from ledger.log.published import PublishedLog
    from ledger.member.keys import MemberKeys
    from ledger.member.vault import HeldRecord, Vault
    from ledger.opened_draw import OpenedDraw
    from ledger.receipt import Receipt

__all__ = ["Member", "MemberFlag", "MemberInbox", "VaultStatus", "agent_identifier"]

_AGENT: Final = re.compile(r"[A-Z0-9_.-]{1,35}", re.ASCII)


@dataclass(frozen=True, slots=True)
class VaultStatus:
    """Counts of a member's vault: records, records not yet sealed, sealed batches, posted batches."""

    records: int
    records_waiting: int
    batches_sealed: int
    batches_posted: int


@dataclass(frozen=True, slots=True)
class MemberFlag:
    """A flag or finding that is addressed to this member.

    Parameters
    ----------
    flag_id : str
        Hex.
    block : int
        The block that anchors it.
    shown : mapping or None
        The fields that the member may see (docs/formats.md, Flag); None if the flag cannot be decrypted.
    problem : str or None
        Why the flag cannot be decrypted.
    transactions : tuple of (str or None, str)
        The member's own transactions in the evidence: transaction identifier (None if it is not in this
        vault) and place, as BATCH:ROW.
    """

    flag_id: str
    block: int
    shown: dict[str, Any] | None
    problem: str | None = None
    transactions: tuple[tuple[str | None, str], ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return the flag as JSON values."""
        return {
            "flag_id": self.flag_id,
            "block": self.block,
            "problem": self.problem,
            **(self.shown or {}),
        }


@dataclass(frozen=True, slots=True)
class MemberInbox:
    """A member's flags, and whether all that the desk has sent have arrived.

    Parameters
    ----------
    flags : tuple of MemberFlag
        Oldest first.
    sent : int or None
        How many flags the desk's newest note says that it has sent to this member; None without a note.
    arrived : int
        How many of them are on the chain.
    problems : tuple of str
        A sentence for each delivery that is missing, repeated or contradicts another one, with the next step.
    """

    flags: tuple[MemberFlag, ...]
    sent: int | None
    arrived: int
    problems: tuple[str, ...] = ()


def agent_identifier(text: str) -> str:
    """Return an agent identifier in its canonical form, which is also the name of the member's folder.

    Raises
    ------
    InputError
        When the text is not an agent identifier.
    """
    agent = text.strip().upper()
    if _AGENT.fullmatch(agent) is None or set(agent) <= {"."}:
        raise InputError(
            f"{text!r} is not an agent identifier", next_step="Give the bank's BIC, such as ALFADE20."
        )
    return agent


@needs("member")
class Member:
    """A member bank, on its own machine.

    Parameters
    ----------
    agent : str
        The bank's identifier in the consortium (its BIC).
    home : Home or path
        The state folder, with the bank's keys and its vault.
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    keyholders : sequence of str or KeyHolder
        URLs of key holders, or key holders that are called in this process; by default those of this machine
        that run.
    desk : str, optional
        URL of the desk, from which receipts take the two logs; by default the desk's published files in the
        state folder.

    Raises
    ------
    InputError
        When `agent` is not an agent identifier.
    """

    def __init__(
        self,
        agent: str,
        home: Home | Path | str = DEFAULT_HOME,
        *,
        chain: str | None = None,
        keyholders: Sequence[str | KeyHolder] = (),
        desk: str | None = None,
    ) -> None:
        self.agent = agent_identifier(agent)
        self.home = as_home(home)
        self._desk = desk
        self._keyholders = tuple(keyholders)
        self._connection = Connection(self.home, chain)

    @classmethod
    def create(
        cls,
        agent: str,
        home: Home | Path | str = DEFAULT_HOME,
        *,
        chain: str | None = None,
        keyholders: Sequence[str | KeyHolder] = (),
        desk: str | None = None,
        encrypt: bool = False,
    ) -> Self:
        """Create a member's keys, if there are none, and return the member; it is not yet admitted.

        `encrypt` encrypts new keys under a passphrase (`ledger.keystore.passphrase`); the others are as for
        the class.
        """
        from ledger.keystore.passphrase import PASSPHRASE
        from ledger.member.keys import MemberKeys

        member = cls(agent, home, chain=chain, keyholders=keyholders, desk=desk)
        path = member.home.member(member.agent).keys
        if not path.exists():
            passphrase = PASSPHRASE.choose() if encrypt else None
            MemberKeys.generate(member.agent).save(path, passphrase=passphrase)
        return member

    def keys(self) -> MemberKeys:
        """Return the member's keys; the passphrase is read if the key file is encrypted.

        Raises
        ------
        ConfigurationError
            When there are no keys, or they are the keys of another bank.
        PassphraseError
            When the passphrase is missing or wrong.
        """
        from ledger.member.keys import MemberKeys

        return MemberKeys.load(self._key_file())

    def _key_file(self) -> Path:
        """Return the path of the key file, after a check that it is this bank's; no passphrase is needed."""
        from ledger.member.keys import read_member_keys

        path = self.home.member(self.agent).keys
        if not path.exists():
            raise ConfigurationError(
                "this state folder holds no keys of the member",
                where=str(path),
                next_step=f"Run `counterfoil member init {self.agent}` first, "
                "or check --home and the agent identifier.",
            )
        found = read_member_keys(path).agent
        if found != self.agent:
            raise ConfigurationError(
                f"these are the keys of {found}, not of {self.agent}",
                where=str(path),
                next_step="Restore the keys from a backup, or give the other agent identifier.",
            )
        return path

    def request_admission(self) -> Path:
        """Sign the bank's request for admission, and return the file: a member proposes it to the others.

        Raises
        ------
        ConfigurationError
            When the consortium's deployment file is not in the state folder.
        """
        from counterfoil.admission import request_of, write_request
        from ledger.deployment import Deployment

        path = self.home.member(self.agent).root / "admission.json"
        write_request(path, request_of(self.keys(), Deployment.load(self.home.deployment)))
        return path

    def post(
        self,
        source: pd.DataFrame | Path | str | None = None,
        *,
        processes: int = 1,
        progress: Progress | None = None,
    ) -> PostReport:
        """Read transactions into the vault and post every row whose time bucket has closed.

        If it was interrupted, make the same call again: no row is lost or posted twice. Invalid rows are
        written to a quarantine file with line, field and reason.

        Parameters
        ----------
        source : DataFrame or path, optional
            A DataFrame, or the path of a CSV or Parquet file, with the columns of docs/formats.md,
            Transaction. None posts the waiting rows of the vault.
        processes : int
            Number of processes that compute pseudonyms.
        progress : callable, optional

        Raises
        ------
        InputError
            When the source cannot be read or lacks a column.
        ChainError, KeyHolderError
            When the chain or the key holder does not answer, or refuses the request.
        """
        from counterfoil.posting import post_source

        return post_source(
            self.home,
            self.keys(),
            self._connection.gateway,
            Path(source) if isinstance(source, str) else source,
            keyholders=self._keyholders,
            processes=processes,
            progress=progress,
        )

    def status(self) -> VaultStatus:
        """Return the counts of the vault."""
        with self._vault() as vault:
            batches, posted = vault.batches.count()
            return VaultStatus(vault.count(), vault.count_waiting(), batches, posted)

    def receipt(self, key: str) -> Receipt:
        """Return a receipt: it proves that a record's row is posted and accepted; anyone can verify it.

        Parameters
        ----------
        key : str
            UETR, transaction identifier, or BATCH:ROW.

        Raises
        ------
        InputError
            When the record is not in the vault, is not posted yet, is not in a checkpoint yet, or stands in a
            batch that the desk kept apart.
        """
        (made,) = self.receipts([key])
        return made

    def receipts(self, keys: Sequence[str]) -> list[Receipt]:
        """Return the receipts of many records, in their order; much faster than one call for each."""
        with self._vault() as vault:
            return self._receipts(vault, [_find(vault, key) for key in keys])

    def disclose(self, key: str, fields: Sequence[str], *, purpose: str, recipient: str) -> Disclosure:
        """Disclose the exact values of chosen fields of a record, to one recipient and for one purpose.

        Parameters
        ----------
        key : str
            As for `receipt`.
        fields : sequence of str
            Names of fields (`ledger.schema.FIELDS`). Opening an account re-identifies it, for the whole
            epoch, to whoever holds rows.
        purpose, recipient : str
            Why, and for whom; both are signed with the fields.

        Raises
        ------
        InputError
            As for `receipt`; also when a field does not exist, or the purpose or the recipient is empty.
        """
        (made,) = self.disclosures([key], fields, purpose=purpose, recipient=recipient)
        return made

    def disclosures(
        self, keys: Sequence[str], fields: Sequence[str], *, purpose: str, recipient: str
    ) -> list[Disclosure]:
        """Return the disclosures of many records, in their order; see `disclose`."""
        from ledger.member.receipts import disclose

        own = self.keys()
        gateway = self._connection.gateway()
        policies = gateway.policies()
        x25519_keys = {member.agent: member.x25519_key for member in gateway.members()}
        with self._vault() as vault:
            records = [_find(vault, key) for key in keys]
            return [
                disclose(
                    vault,
                    own,
                    record,
                    receipt,
                    domain=gateway.deployment.domain("BatchLedger"),
                    policy=policies[receipt.header.policy_hash],
                    x25519_keys=x25519_keys,
                    names=fields,
                    purpose=purpose,
                    recipient=recipient,
                )
                for record, receipt in zip(records, self._receipts(vault, records), strict=True)
            ]

    def open_draw(self, draw: Draw | bytes | Path | str, *, recipient: str) -> OpenedDraw:
        """Open the elements that an auditor drew: for each the posted row that it was needed for.

        Parameters
        ----------
        draw : Draw, bytes or path
            The auditor's draw; it is computed again from its seed first.
        recipient : str
            For whom; it is signed. Opening an element re-identifies its account, for the whole epoch, to
            whoever holds rows.

        Raises
        ------
        VerificationError
            When the draw does not follow from its seed and the chain.
        InputError
            When it is a draw of another member, or no recipient is given.
        """
        from counterfoil.draws import open_for, read_draw

        own, made = self.keys(), read_draw(draw)
        with self._vault() as vault:
            return open_for(vault, own, made, self._connection.gateway(), self._logs(), recipient=recipient)

    def received(self, prefix: str = "") -> list[MemberFlag]:
        """Return the flags addressed to this member, decrypted and verified, with its own transactions.

        Parameters
        ----------
        prefix : str
            First hex digits of the flags' identifiers; all flags by default.
        """
        return list(self.inbox(prefix).flags)

    def inbox(self, prefix: str = "") -> MemberInbox:
        """Return what `received` returns, and whether every flag that the desk has sent has arrived.

        Parameters
        ----------
        prefix : str
            As for `received`; the deliveries of all flags are checked.
        """
        from ledger.member.inbox import read_inbox

        found = read_inbox(self._connection.gateway(), self.keys())
        with self._vault() as vault:
            flags = tuple(
                MemberFlag(
                    received.flag_id.hex(),
                    received.block,
                    received.shown,
                    received.problem,
                    tuple(_own(vault, (received.shown or {}).get("rows", ()))),
                )
                for received in found.flags
                if received.flag_id.hex().startswith(prefix.lower())
            )
        return MemberInbox(flags, found.sent, found.arrived, found.problems)

    def flags(self) -> pd.DataFrame:
        """Return the flags addressed to this member as a DataFrame, one row each; see `received`."""
        from counterfoil.frames import member_flags

        return member_flags(self.received())

    @contextmanager
    def _vault(self) -> Iterator[Vault]:
        from ledger.member.vault import Vault

        self._key_file()
        with Vault(self.home.member(self.agent).vault) as vault:
            yield vault

    def _receipts(self, vault: Vault, records: Sequence[HeldRecord]) -> list[Receipt]:
        from ledger.member.receipts import make_receipts

        ledger, verdicts = self._logs()
        return make_receipts(vault, records, ledger=ledger, verdicts=verdicts)

    def _logs(self) -> tuple[PublishedLog, PublishedLog]:
        """Return the ledger log and the verdict log, as the desk publishes them."""
        from ledger.audit.trust import Trust
        from ledger.log.published import published_log

        trust = Trust.load(self.home.trust)
        source = self._desk or self.home.desk.public
        return (
            published_log(source, "ledger", trust.policy, trust.deployment.ledger_origin),
            published_log(source, "verdicts", trust.policy, trust.deployment.verdict_origin),
        )


def _find(vault: Vault, key: str) -> HeldRecord:
    batch, _, index = key.partition(":")
    if index.isdigit() and batch.isdigit():
        record = vault.record_at(int(batch), int(index))
    else:
        record = vault.find(key)
    if record is None:
        raise InputError(
            f"the vault does not contain the record {key!r}",
            next_step="Give a UETR, a transaction identifier, or BATCH:INDEX.",
        )
    return record


def _own(vault: Vault, rows: Sequence[dict[str, int]]) -> Iterator[tuple[str | None, str]]:
    """Return the identifiers of the member's own transactions, with the places of their rows."""
    for row in rows:
        record = vault.record_at(row["sequence"], row["index"])
        name = record.values[FIELDS.index("transaction_id")] if record else None
        yield name, f"{row['sequence']}:{row['index']}"

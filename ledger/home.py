"""Paths of the state folder (``--home``), with one subfolder for each party."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DeskHome", "Home", "MemberHome"]


@dataclass(frozen=True, slots=True)
class MemberHome:
    """A member's folder: keys, vault, quarantined rows, and the state of its witness."""

    root: Path

    @property
    def keys(self) -> Path:
        """The key file."""
        return self.root / "keys.json"

    @property
    def vault(self) -> Path:
        """The SQLite file with records, pseudonyms and the outbox."""
        return self.root / "vault.sqlite"

    @property
    def quarantine(self) -> Path:
        """The folder of quarantined rows, with one CSV file for each intake run."""
        return self.root / "quarantine"

    @property
    def witness(self) -> Path:
        """The folder of the member's witness: what it cosigned, its copy of the ledger log, evidence."""
        return self.root / "witness"


@dataclass(frozen=True, slots=True)
class DeskHome:
    """The desk's folder: keys, mirror, flags, and published files."""

    root: Path

    @property
    def keys(self) -> Path:
        """The key file."""
        return self.root / "keys.json"

    @property
    def mirror(self) -> Path:
        """The folder of Parquet segments."""
        return self.root / "mirror"

    @property
    def cases(self) -> Path:
        """The SQLite file of flags."""
        return self.root / "cases.sqlite"

    @property
    def models(self) -> Path:
        """The folder of models trained on decisions."""
        return self.root / "models"

    @property
    def public(self) -> Path:
        """The folder of the two published logs, `ledger` and `verdicts` (C2SP tlog-tiles)."""
        return self.root / "public"


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder (``--home``)."""

    root: Path

    @property
    def deployment(self) -> Path:
        """The file that names the consortium's chain and contracts."""
        return self.root / "deployment.json"

    @property
    def trust(self) -> Path:
        """The trust file, which an auditor pins."""
        return self.root / "trust.json"

    @property
    def policy(self) -> Path:
        """The policy of the checkpoints: the two logs, the witnesses, and how many must cosign."""
        return self.root / "policy"

    @property
    def founder(self) -> Path:
        """The founder's account, on the machine where the consortium was founded."""
        return self.root / "founder.json"

    def officer(self, number: int) -> Path:
        """Return the file of an officer's account; officers of this machine are counted from 1."""
        return self.root / "officers" / f"{number}.json"

    @property
    def tokens(self) -> Path:
        """Hashed access tokens of the API."""
        return self.root / "tokens.json"

    @property
    def chain(self) -> Path:
        """The embedded chain's folder."""
        return self.root / "chain"

    @property
    def desk(self) -> DeskHome:
        """The desk's folder."""
        return DeskHome(self.root / "desk")

    @property
    def holder(self) -> Path:
        """The folder of the key holder of this state folder: its keys, its shares, its contributions."""
        return self.root / "holder"

    def keyholder(self, name: str = "1") -> Home:
        """Return the state folder of one of several key holders on this machine."""
        return Home(self.root / "keyholders" / name)

    def keyholders(self) -> list[Home]:
        """Return the state folders of the key holders on this machine, in the order of their names."""
        found = (self.root / "keyholders").glob("*/holder")
        return [Home(path.parent) for path in sorted(found, key=lambda path: _natural(path.parent.name))]

    def member(self, agent: str) -> MemberHome:
        """Return a member's folder."""
        return MemberHome(self.root / "members" / agent)


def _natural(name: str) -> tuple[int, str]:
    """Order names that are numbers by their value."""
    return (int(name), "") if name.isdecimal() else (2**63, name)

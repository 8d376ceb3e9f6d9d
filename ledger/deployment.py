"""The deployment of a consortium: its chain and the addresses of its contracts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from ledger import documents
from ledger.documents import Count, Document
from ledger.errors import ConfigurationError
from ledger.storage import write_atomically
from ledger.typed_data import Domain

__all__ = ["CONTRACTS", "FORMAT", "Deployment", "DeploymentDocument"]

FORMAT: Final = "counterfoil/deployment/2"

_ANEW: Final = "Get it again from the consortium's operator, and do not edit it."

CONTRACTS: Final = (
    "Consortium",
    "PseudonymKeys",
    "EvaluationLog",
    "BatchLedger",
    "RuleBook",
    "CaseLog",
)


class DeploymentDocument(Document, tag_field="format", tag=FORMAT):
    """A deployment in JSON."""

    chain_id: Count
    genesis_hash: Annotated[str, Meta(pattern=r"\A(0x)?[0-9a-fA-F]{64}\Z")]
    block: Count
    contracts: dict[str, Annotated[str, Meta(pattern=r"\A(0x)?[0-9a-fA-F]{40}\Z")]]


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a consortium is deployed: chain id, genesis block hash, contract addresses, first block."""

    chain_id: int
    genesis_hash: str
    block: int
    contracts: dict[str, str]

    def address(self, contract: str) -> bytes:
        """Return a contract's address as 20 bytes."""
        return bytes.fromhex(self.contracts[contract].removeprefix("0x"))

    @property
    def genesis(self) -> bytes:
        """Hash of the chain's first block, 32 bytes."""
        return bytes.fromhex(self.genesis_hash.removeprefix("0x"))

    def domain(self, contract: str) -> Domain:
        """Return the domain of the signatures that are made for a contract."""
        return Domain(self.chain_id, self.address(contract), self.genesis)

    @property
    def name(self) -> str:
        """The consortium's name: it names the chain, its first block and the contract."""
        return f"counterfoil/{self.chain_id}/{self.genesis.hex()}/{self.address('BatchLedger').hex()}"

    @property
    def ledger_origin(self) -> str:
        """Origin of the ledger log in its checkpoints."""
        return f"{self.name}/ledger"

    @property
    def verdict_origin(self) -> str:
        """Origin of the verdict log in its checkpoints."""
        return f"{self.name}/verdicts"

    def witness_name(self, agent: str) -> str:
        """Return the key name of a member's witness in the checkpoints that it cosigns."""
        return f"{self.name}/witness/{agent}"

    def to_document(self) -> DeploymentDocument:
        """Return the deployment as a document."""
        return DeploymentDocument(
            chain_id=self.chain_id,
            genesis_hash=self.genesis_hash,
            block=self.block,
            contracts=dict(self.contracts),
        )

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> Deployment:
        """Read a deployment from JSON values.

        Raises
        ------
        ConfigurationError
            When it is not a deployment of a known format.
        """
        document = documents.convert(
            value,
            DeploymentDocument,
            what="deployment file",
            error=ConfigurationError,
            where=where,
            next_step=_ANEW,
        )
        return cls.from_document(document, where=where)

    @classmethod
    def from_document(cls, document: DeploymentDocument, *, where: str) -> Deployment:
        """Return the deployment in a document; raises the same errors as `from_json`."""
        if document.contracts.keys() != set(CONTRACTS):
            raise ConfigurationError(
                f"the deployment does not list exactly the contracts {', '.join(CONTRACTS)}",
                where=where,
                next_step=_ANEW,
            )
        return cls(document.chain_id, document.genesis_hash, document.block, document.contracts)

    def save(self, path: Path) -> None:
        """Write the deployment file."""
        write_atomically(path, documents.write(self.to_document()))

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read the deployment file.

        Raises
        ------
        ConfigurationError
            When it is missing or malformed.
        """
        document = documents.load(
            path,
            DeploymentDocument,
            what="deployment file",
            missing="no consortium is set up here",
            missing_step="Run `counterfoil demo`, or give an existing state folder with --home.",
            next_step=_ANEW,
        )
        return cls.from_document(document, where=str(path))

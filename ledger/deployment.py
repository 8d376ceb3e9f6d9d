"""Which chain, and which contracts on it, make up one consortium."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger import canonical
from ledger.errors import ConfigurationError, VerificationError
from ledger.storage import write_atomically

__all__ = ["CONTRACTS", "FORMAT", "Deployment"]

FORMAT: Final = "counterfoil/deployment/1"

_ANEW: Final = "Get it anew from who founded the consortium, and use it exactly as it was issued."

CONTRACTS: Final = ("Consortium", "BatchLedger", "RuleBook", "CaseLog")


@dataclass(frozen=True, slots=True)
class Deployment:
    """The place of a consortium: chain id, genesis block hash, contract addresses, first block."""

    chain_id: int
    genesis_hash: str
    block: int
    contracts: dict[str, str]

    def address(self, contract: str) -> bytes:
        """Return a contract's address as 20 bytes."""
        return bytes.fromhex(self.contracts[contract].removeprefix("0x"))

    @property
    def origin(self) -> str:
        """The log's name in its checkpoints: it differs for every chain and contract."""
        return f"counterfoil/{self.chain_id}/{self.address('BatchLedger').hex()}"

    def to_json(self) -> dict[str, Any]:
        """Return the deployment as JSON values."""
        return {
            "format": FORMAT,
            "chain_id": self.chain_id,
            "genesis_hash": self.genesis_hash,
            "block": self.block,
            "contracts": dict(self.contracts),
        }

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> Deployment:
        """Read a deployment from JSON values.

        Raises
        ------
        ConfigurationError
            When it is not a deployment of a known format.
        """
        try:
            if value["format"] != FORMAT or sorted(value["contracts"]) != sorted(CONTRACTS):
                raise ConfigurationError(
                    "this is not a deployment file of a known format", where=where, next_step=_ANEW
                )
            for name, text in (*value["contracts"].items(), ("genesis hash", value["genesis_hash"])):
                size = 32 if name == "genesis hash" else 20
                if len(bytes.fromhex(text.removeprefix("0x"))) != size:
                    raise ValueError(f"the {name} does not have {size} bytes")
            return cls(
                chain_id=int(value["chain_id"]),
                genesis_hash=str(value["genesis_hash"]),
                block=int(value["block"]),
                contracts={name: str(address) for name, address in value["contracts"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"the deployment file is malformed: {error!r}", where=where, next_step=_ANEW
            ) from error

    def save(self, path: Path) -> None:
        """Write the deployment file."""
        write_atomically(path, canonical.dumps(self.to_json()))

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read the deployment file.

        Raises
        ------
        ConfigurationError
            When it is missing or malformed.
        """
        try:
            return cls.from_json(canonical.loads(path.read_bytes(), what="deployment file"), where=str(path))
        except FileNotFoundError as error:
            raise ConfigurationError(
                "no consortium is set up here",
                where=str(path),
                next_step="Run `counterfoil demo`, or point --home at an existing state folder.",
            ) from error
        except VerificationError as error:
            raise ConfigurationError(str(error), where=str(path), next_step=_ANEW) from error

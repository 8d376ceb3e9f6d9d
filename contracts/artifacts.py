"""Typed access to the compiled contracts in the repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["CONTRACTS", "FOLDER", "FORMAT", "Artifact", "ArtifactError", "load"]

#: In the order of deployment: the constructors of the others take the address of the first.
CONTRACTS = ("Consortium", "BatchLedger", "RuleBook", "CaseLog")

FORMAT = "counterfoil/artifact/1"
FOLDER = Path(__file__).parent / "artifacts"


class ArtifactError(Exception):
    """Raised when a compiled contract is missing or not of the expected format."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract.

    Attributes
    ----------
    name : str
        Name of the contract.
    abi : list of dict
        Application binary interface, in the form that web3 takes.
    bytecode : bytes
        Creation bytecode, without constructor arguments.
    runtime_bytecode_hash : bytes
        SHA-256 of the compiled runtime bytecode. Immutable values (the consortium's address) are zeros in it,
        so only for `Consortium` does it equal the hash of the deployed code.
    input_hash : bytes
        SHA-256 of the compiler's whole input: every source, its imports, and the settings.
    compiler : str
        Full version of the compiler.
    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime_bytecode_hash: bytes
    input_hash: bytes
    compiler: str


@cache
def load(name: str) -> Artifact:
    """Read one compiled contract.

    Parameters
    ----------
    name : str
        One of `CONTRACTS`.

    Returns
    -------
    Artifact
        The contract's ABI and bytecode.

    Raises
    ------
    ArtifactError
        If there is no such contract, or its file is damaged or has another format.
    """
    if name not in CONTRACTS:
        raise ArtifactError(f"there is no contract {name!r}; the contracts are {', '.join(CONTRACTS)}")
    path = FOLDER / f"{name}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ArtifactError(f"{path}: expected format {FORMAT}, got {document['format']}")
        return Artifact(
            name=name,
            abi=document["abi"],
            bytecode=_unhex(document["bytecode"]),
            runtime_bytecode_hash=_unhex(document["runtime_bytecode_sha256"]),
            input_hash=_unhex(document["input_sha256"]),
            compiler=document["compiler"],
        )
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ArtifactError(
            f"{path} cannot be read ({problem!r}); recompile with `python -m contracts.build`"
        ) from problem


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))

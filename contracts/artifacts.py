"""Typed access to the compiled contracts in the repository."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = ["CONTRACTS", "FOLDER", "FORMAT", "TAKES", "Artifact", "ArtifactError", "load"]

#: In the order of deployment.
CONTRACTS = ("Consortium", "PseudonymKeys", "EvaluationLog", "BatchLedger", "RuleBook", "CaseLog")

#: The contracts whose addresses a constructor takes; that of `Consortium` takes none.
TAKES = {
    "PseudonymKeys": ("Consortium",),
    "EvaluationLog": ("Consortium", "PseudonymKeys"),
    "BatchLedger": ("Consortium", "PseudonymKeys"),
    "RuleBook": ("Consortium",),
    "CaseLog": ("Consortium",),
}

FORMAT = "counterfoil/artifact/1"
FOLDER = Path(__file__).parent / "artifacts"


class ArtifactError(Exception):
    """Raised when a compiled contract is missing or not of the expected format."""


_Hex = Annotated[str, Meta(pattern=r"\A(0x)?([0-9a-f]{2})*\Z")]


class ArtifactDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A compiled contract in JSON, as `contracts.build` writes it."""

    format: Literal["counterfoil/artifact/1"]
    name: str
    abi: list[dict[str, Any]]
    bytecode: _Hex
    runtime_bytecode_sha256: _Hex
    input_sha256: _Hex
    compiler: str


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
        SHA-256 of the compiled runtime bytecode. Immutable values (the consortium's address, the hash of the
        first block) are zeros in it, and must be set to zero in deployed code before it is compared.
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
        document = msgspec.json.decode(path.read_bytes(), type=ArtifactDocument)
    except (OSError, ValueError) as problem:
        raise ArtifactError(
            f"{path} is not an artifact of the format {FORMAT} ({problem}); "
            "recompile with `python -m contracts.build`"
        ) from problem
    return Artifact(
        name=name,
        abi=document.abi,
        bytecode=_unhex(document.bytecode),
        runtime_bytecode_hash=_unhex(document.runtime_bytecode_sha256),
        input_hash=_unhex(document.input_sha256),
        compiler=document.compiler,
    )


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))

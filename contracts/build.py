"""Compiles the contracts with the npm compiler through py-solc-x: `python -m contracts.build [--check]`.

The same sources, base contracts and compiler give the same bytes, so the artifacts are kept in the
repository and anyone can recompile them. This module resolves all imports and passes the sources inside the
standard-JSON input; the compiler reads no files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from contracts.artifacts import CONTRACTS, FOLDER, FORMAT

__all__ = ["BuildError", "compile_all", "main", "standard_input"]

_HERE = Path(__file__).parent
_PREFIX = "contracts/solidity"
#: London is sufficient for the base contracts, and older permissioned networks support nothing newer.
_SETTINGS = {
    "evmVersion": "london",
    "optimizer": {"enabled": True, "runs": 200},
    "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]}},
}
_IMPORT = re.compile(r'^import\s+(?:\{[^}]*\}\s+from\s+)?"([^"]+)";', re.MULTILINE)


class BuildError(Exception):
    """Raised when the compiler is missing or refuses the sources."""


def compile_all() -> dict[str, bytes]:
    """Compile the contracts.

    Returns
    -------
    dict of str to bytes
        File name of each artifact, and its exact content.

    Raises
    ------
    BuildError
        If node or the npm packages are missing, or the compiler reports an error or a warning.
    """
    import solcx
    from solcx.exceptions import SolcError

    if shutil.which("node") is None:
        raise BuildError(
            "node is not installed; install Node.js, which is needed only to recompile the contracts"
        )
    if not (_HERE / "node_modules" / "solc").is_dir():
        raise BuildError(f"the compiler is not installed; run `npm ci` in {_HERE}")
    given = standard_input()
    wrapper = (_HERE / "solc.js").resolve()
    try:
        output = solcx.compile_standard(given, solc_binary=wrapper)
    except SolcError as problem:
        raise BuildError(str(problem)) from problem
    if output.get("errors"):
        raise BuildError("\n".join(entry["formattedMessage"] for entry in output["errors"]))
    compiler = solcx.wrapper.get_version_str_from_solc_binary(wrapper)
    input_hash = hashlib.sha256(_canonical(given)).hexdigest()
    return {
        f"{name}.json": _artifact(
            name, output["contracts"][f"{_PREFIX}/{name}.sol"][name], input_hash, compiler
        )
        for name in CONTRACTS
    }


def standard_input() -> dict[str, Any]:
    """Return the compiler's input as standard JSON: every source with its content, and the settings."""
    return {"language": "Solidity", "settings": dict(_SETTINGS), "sources": _sources()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the artifacts, or compare them with `--check`.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line without the program's name.

    Returns
    -------
    int
        Exit code: 0 done, 1 the artifacts differ, 2 they could not be compiled.
    """
    parser = argparse.ArgumentParser(prog="python -m contracts.build", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="compare with the artifacts in the repository, write nothing"
    )
    options = parser.parse_args(arguments)
    try:
        compiled = compile_all()
    except BuildError as problem:
        print(problem, file=sys.stderr)
        return 2
    differing = [name for name, content in compiled.items() if _present(name) != content]
    if options.check:
        for name in differing:
            print(f"{FOLDER / name} differs from the compiled sources", file=sys.stderr)
        return 1 if differing else 0
    FOLDER.mkdir(exist_ok=True)
    for name in differing:
        (FOLDER / name).write_bytes(compiled[name])
        print(f"wrote {FOLDER / name}")
    return 0


def _present(name: str) -> bytes | None:
    path = FOLDER / name
    return path.read_bytes() if path.exists() else None


def _artifact(name: str, contract: Mapping[str, Any], input_hash: str, compiler: str) -> bytes:
    runtime = bytes.fromhex(contract["evm"]["deployedBytecode"]["object"])
    document = {
        "format": FORMAT,
        "name": name,
        "compiler": compiler,
        "input_sha256": input_hash,
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "runtime_bytecode_sha256": hashlib.sha256(runtime).hexdigest(),
    }
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _sources() -> dict[str, dict[str, str]]:
    """Return all sources by the name that the compiler uses, including imports."""
    waiting = [f"{_PREFIX}/{name}.sol" for name in CONTRACTS]
    found: dict[str, dict[str, str]] = {}
    while waiting:
        unit = waiting.pop()
        if unit in found:
            continue
        path = _HERE / "node_modules" / unit if unit.startswith("@") else _HERE.parent / unit
        content = path.read_text(encoding="utf-8")
        found[unit] = {"content": content}
        waiting += [_resolve(unit, target) for target in _IMPORT.findall(content)]
    return found


def _resolve(unit: str, target: str) -> str:
    if not target.startswith("."):
        return target
    parts: list[str] = []
    for part in (PurePosixPath(unit).parent / target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


if __name__ == "__main__":
    sys.exit(main())

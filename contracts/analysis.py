"""Runs slither on the contracts with the npm compiler: `python -m contracts.analysis`.

Slither is not a dependency of the project. It runs offline once it is installed:
`python -m venv /tmp/slither && /tmp/slither/bin/pip install slither-analyzer msgspec`, then from the checkout
`/tmp/slither/bin/python -m contracts.analysis`. Each finding is fixed, or explained in the source.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from contracts.build import standard_input

__all__ = ["main"]

_HERE = Path(__file__).resolve().parent

#: Excluded detector: the base contracts of OpenZeppelin, pinned by `package-lock.json`, allow a range of
#: compiler versions; the contracts of this project name one version.
_EXCLUDED = {"pragma"}

_OUTPUT = ["abi", "devdoc", "userdoc", "evm.bytecode", "evm.deployedBytecode"]


def main() -> int:
    """Print every finding that is not explained in the source.

    Returns
    -------
    int
        Exit code: 0 none, 1 some, 2 slither or the compiler is missing.
    """
    try:
        from crytic_compile import CryticCompile  # type: ignore[import-not-found]
        from crytic_compile.platform.solc_standard_json import SolcStandardJson  # type: ignore[import-not-found]
        from slither import Slither  # type: ignore[import-not-found]
        from slither.detectors import all_detectors  # type: ignore[import-not-found]
        from slither.detectors.abstract_detector import AbstractDetector  # type: ignore[import-not-found]
    except ImportError:
        print(__doc__, file=sys.stderr)
        return 2
    if not (_HERE / "node_modules" / "solc").is_dir():
        print(f"the compiler is not installed; run `npm ci` in {_HERE}", file=sys.stderr)
        return 2
    given = standard_input()
    given["settings"]["outputSelection"] = {"*": {"*": _OUTPUT, "": ["ast"]}}
    with tempfile.TemporaryDirectory() as folder:
        # Slither reads the sources again, to find its comments, under the names that the compiler uses.
        (Path(folder) / "contracts").symlink_to(_HERE)
        (Path(folder) / "@openzeppelin").symlink_to(_HERE / "node_modules" / "@openzeppelin")
        os.chdir(folder)
        compiled = CryticCompile(SolcStandardJson(json.dumps(given)), solc=str(_HERE / "solc.js"))
        slither = Slither(compiled)
        kinds: list[Any] = list(vars(all_detectors).values())
        detectors = [
            found
            for found in kinds
            if inspect.isclass(found)
            and issubclass(found, AbstractDetector)
            and getattr(found, "ARGUMENT", "") not in _EXCLUDED
        ]
        for detector in detectors:
            slither.register_detector(detector)
        findings = [finding for group in slither.run_detectors() for finding in group if _is_ours(finding)]
        os.chdir(_HERE)
    for finding in findings:
        print(f"{finding['impact']}, {finding['confidence']} confidence, {finding['check']}:")
        print(finding["description"])
    print(f"{len(detectors)} detectors, {len(findings)} findings that are not explained in the sources")
    return 1 if findings else 0


def _is_ours(finding: dict[str, Any]) -> bool:
    places = [element["source_mapping"]["filename_relative"] for element in finding["elements"]]
    return any(place.startswith("contracts/solidity") for place in places)


if __name__ == "__main__":
    sys.exit(main())

"""The four contracts of the consortium, and typed access to their compiled form.

Start with `contracts.artifacts.load("BatchLedger")`, which returns ABI and bytecode and needs no compiler.

- `solidity/`: `Consortium` (members, roles, readers, epochs, policies, pause), `BatchLedger` (posting),
  `RuleBook` (rule sets approved by two officers), `CaseLog` (flags, decisions, requests, answers).
- `artifacts/`: one JSON file per contract, kept in the repository; `artifacts.py` reads them.
- `build.py`: recompiles the contracts with py-solc-x and the npm compiler
  (`python -m contracts.build [--check]`); `solc.js` connects the two, `package-lock.json` pins the versions.
- `analysis.py`: runs slither on the contracts, if it is installed.
"""

from __future__ import annotations

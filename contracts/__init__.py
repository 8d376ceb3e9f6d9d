"""The four contracts of the consortium and typed access to what they compile to.

Starting point: `contracts.artifacts.load("BatchLedger")` gives ABI and bytecode; running needs no compiler.

- `solidity/`: `Consortium` (members, roles, readers, epochs, policies, pause), `BatchLedger` (posting),
  `RuleBook` (rule sets approved by two officers), `CaseLog` (flags, decisions, requests, answers).
- `artifacts/`: one JSON file per contract, checked in; `artifacts.py` reads them.
- `build.py`: recompiles them through py-solc-x and the npm compiler (`python -m contracts.build [--check]`);
  `solc.js` is the wrapper between the two, `package-lock.json` pins compiler and base contracts.
- `analysis.py`: runs slither over them, where it is installed.
"""

from __future__ import annotations

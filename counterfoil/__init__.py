"""The Python API of Counterfoil: one class for each party of a consortium.

- `Member`      a bank: posts transactions, issues receipts and disclosures, reads its flags
- `MemberWitness`   a bank's witness: cosigns the desk's checkpoints after it checked them with its own node
- `Desk`        the reader: mirrors and matches, scans, checks rules, trains the model, shows flags
- `Officer`     decides on flags; drafts, edits, backtests and approves rule sets
- `Auditor`     verifies proofs offline, compares the desk with the chain
- `Council`     a member's part in the decisions: proposes, approves, confirms the founding
- `Operator`    prepares a consortium, founds one on one machine, runs the embedded chain
- `KeyHolder`   holds a share of the pseudonym key and evaluates blinded points
- `verify`      verifies a receipt, a disclosure or a checkpoint against a trust file
- `scan_file`, `extract_rules`   run detectors on a plain file; extract rules from a regulation text

Each party is opened from a state folder (`home`) or from URLs. A method is one use case: it returns
dataclasses or DataFrames and raises the errors of `ledger.errors`; a long-running method takes a `progress`
callable. The command line and the HTTP API call these methods and contain no logic of their own.

`verify` works with the base install. Each other name needs the packages of an extra: `counterfoil[member]`,
`counterfoil[desk]` or `counterfoil[operator]`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ledger.installation import requiring

if TYPE_CHECKING:
    from counterfoil.analysis import scan_file
    from counterfoil.auditor import Auditor, verify
    from counterfoil.council import Council
    from counterfoil.desk import Desk
    from counterfoil.keyholder import KeyHolder
    from counterfoil.member import Member
    from counterfoil.officer import Officer
    from counterfoil.operator import Operator
    from counterfoil.rules import extract_rules
    from counterfoil.witness import MemberWitness

    __version__: str

__all__ = [
    "Auditor",
    "Council",
    "Desk",
    "KeyHolder",
    "Member",
    "MemberWitness",
    "Officer",
    "Operator",
    "__version__",
    "extract_rules",
    "scan_file",
    "verify",
]

#: Module of each name; a name is imported when it is first used.
_MODULES: Final = {
    "Auditor": "auditor",
    "Council": "council",
    "Desk": "desk",
    "KeyHolder": "keyholder",
    "Member": "member",
    "MemberWitness": "witness",
    "Officer": "officer",
    "Operator": "operator",
    "extract_rules": "rules",
    "scan_file": "analysis",
    "verify": "auditor",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        return _version()
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with requiring():
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("counterfoil")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0"


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)

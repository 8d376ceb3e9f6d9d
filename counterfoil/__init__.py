"""What each party of a consortium can do, as a Python API.

- `Member`      a bank: posts transactions, hands out receipts and disclosures, reads its flags
- `Desk`        the reader: mirrors and matches, scans, checks, learns, shows flags
- `Officer`     decides on flags; drafts, edits, backtests and approves rule sets
- `Auditor`     verifies proofs offline, compares the desk with the chain
- `Operator`    founds the consortium, admits members, runs the embedded chain
- `KeyHolder`   holds the pseudonym key and evaluates blinded points
- `verify`      checks a receipt, a disclosure or a checkpoint against a trust file; needs nothing else
- `scan_file`, `extract_rules`   detectors on a plain file; rules from a regulation text

Each party is opened from a state folder (`home`) or from URLs. A method is one use case: it returns
dataclasses or DataFrames, raises the errors of `ledger.errors`, and takes a `progress` callable where it
takes long. The command line and the HTTP API call these methods and hold no logic of their own.

`verify` works with the base install. What another name needs comes with its extra: `counterfoil[member]`,
`counterfoil[desk]`, `counterfoil[operator]`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ledger.installation import requiring

if TYPE_CHECKING:
    from counterfoil.analysis import scan_file
    from counterfoil.auditor import Auditor, verify
    from counterfoil.desk import Desk
    from counterfoil.keyholder import KeyHolder
    from counterfoil.member import Member
    from counterfoil.officer import Officer
    from counterfoil.operator import Operator
    from counterfoil.rules import extract_rules

    __version__: str

__all__ = [
    "Auditor",
    "Desk",
    "KeyHolder",
    "Member",
    "Officer",
    "Operator",
    "__version__",
    "extract_rules",
    "scan_file",
    "verify",
]

#: Where each name lives; a name is imported when it is first asked for.
_MODULES: Final = {
    "Auditor": "auditor",
    "Desk": "desk",
    "KeyHolder": "keyholder",
    "Member": "member",
    "Officer": "officer",
    "Operator": "operator",
    "extract_rules": "rules",
    "scan_file": "analysis",
    "verify": "auditor",
}


def __getattr__(name: str) -> Any:
    """Import a party when it is first asked for."""
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

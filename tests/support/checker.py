"""The program of docs/formats.md that checks proofs without our code, and what the two programs state."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ledger.audit.verify import Verified
from ledger.log import OpenedCheckpoint

__all__ = ["PROGRAM", "Stated", "check_program", "stated_by_program", "stated_by_verify"]

PROGRAM: Final = Path(__file__).parents[2] / "docs" / "check.py"


def check_program() -> ModuleType:
    """Import the program from the documentation."""
    spec = spec_from_file_location("check_by_hand", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Stated:
    """What a program states about a proof.

    Parameters
    ----------
    facts : tuple
        Bank, account, place, logs, purpose and recipient, and each field with its value and its basis.
    cosigned : tuple of frozenset
        The witnesses that cosigned each checkpoint: whoever removes a cosignature that the quorum does not
        need states less, and nothing false.
    """

    facts: tuple[Any, ...]
    cosigned: tuple[frozenset[str], frozenset[str]]

    def is_no_more_than(self, other: Stated) -> bool:
        """Whether everything stated here is stated by another, too."""
        pairs = zip(self.cosigned, other.cosigned, strict=True)
        return self.facts == other.facts and all(mine <= theirs for mine, theirs in pairs)


def stated_by_verify(proven: Verified) -> Stated:
    """Return what `ledger.audit.verify` states."""
    receipt, header = proven.receipt, proven.receipt.header
    place = (proven.agent, header.member.hex(), header.sequence)
    times = (receipt.index, receipt.block, receipt.block_time)
    fields = tuple((one.name, one.value, str(one.basis)) for one in proven.fields)
    logs = tuple(_head(opened) for opened in (proven.ledger, proven.verdicts))
    facts = (*place, *times, *logs, proven.purpose, proven.recipient, fields)
    return Stated(facts, (_names(proven.ledger), _names(proven.verdicts)))


def stated_by_program(proven: dict[str, Any]) -> Stated:
    """Return what the program of the documentation states."""
    place = tuple(proven[name] for name in ("agent", "account", "sequence", "index", "block", "block_time"))
    ledger, verdicts = proven["ledger"], proven["verdicts"]
    told = proven.get("purpose"), proven.get("recipient"), tuple(proven.get("fields", ()))
    facts = (*place, ledger[:2], verdicts[:2], *told)
    return Stated(facts, (frozenset(ledger[2]), frozenset(verdicts[2])))


def _head(opened: OpenedCheckpoint) -> tuple[int, str]:
    return opened.checkpoint.size, opened.checkpoint.root.hex()


def _names(opened: OpenedCheckpoint) -> frozenset[str]:
    return frozenset(name for name, _ in opened.cosigned_by)

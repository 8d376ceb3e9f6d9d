"""Make the bundle of a flag: the flag, the receipts of its evidence, what banks disclosed, the decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.bundle import AnchoredDecision, AnchoredFlag, Bundle
from ledger.errors import InputError
from ledger.flag import RowRef

if TYPE_CHECKING:
    from counterfoil.caseload import FlagFile
    from ledger.audit.trust import Trust
    from ledger.disclosure import Disclosure
    from ledger.gateway import CaseEntry, Gateway
    from ledger.home import DeskHome
    from ledger.reader.evidence import EvidenceMaker

__all__ = ["make_bundle", "read_disclosures"]


def read_disclosures(files: Iterable[Path | str]) -> list[Disclosure]:
    """Read the disclosures that banks gave for a bundle.

    Raises
    ------
    InputError
        When a file does not exist, or the disclosures are made for different recipients.
    VerificationError
        When a file is not a disclosure.
    """
    from ledger.disclosure import Disclosure

    found = []
    for file in map(Path, files):
        if not file.is_file():
            raise InputError("there is no such file", where=str(file))
        found.append(Disclosure.from_bytes(file.read_bytes()))
        if found[-1].recipient != found[0].recipient:
            raise InputError(
                "the disclosures are made for different recipients",
                where=str(file),
                next_step="A bundle has one recipient: ask the bank for a disclosure to the same one.",
            )
    return found


def make_bundle(
    home: DeskHome, gateway: Gateway, trust: Trust, file: FlagFile, disclosures: Sequence[Disclosure]
) -> Bundle:
    """Make the bundle of a flag; see `counterfoil.Desk.bundle`."""
    from ledger.caselog import CaseKind
    from ledger.log.published import published_log
    from ledger.reader.evidence import EvidenceMaker
    from ledger.reader.keys import DeskKeys

    deployment, flag_id = trust.deployment, file.kept.flag_id
    ledger = published_log(home.public, "ledger", trust.policy, deployment.ledger_origin)
    verdicts = published_log(home.public, "verdicts", trust.policy, deployment.verdict_origin)
    readers = list(DeskKeys.load(home.keys).readers.values())[::-1]
    maker = EvidenceMaker(gateway, readers, ledger=ledger, verdicts=verdicts)
    entries = [entry for entry in gateway.case_entries() if entry.case_id == flag_id]
    kind = CaseKind.FLAG if file.flag.source.kind == "detector" else CaseKind.FINDING
    anchors = [entry for entry in entries if entry.kind == kind and entry.content_hash == flag_id]
    if not anchors:
        raise InputError(
            "the flag is not on the chain yet, so nothing proves when it was raised",
            where=flag_id.hex(),
            next_step="Run `counterfoil desk scan`, which anchors it.",
        )
    receipts = maker.receipts(_rows(home, file))
    policies = gateway.policies()
    used = dict.fromkeys(receipt.header.policy_hash for receipt in receipts.values())
    return Bundle(
        trust=trust.fingerprint,
        flag=AnchoredFlag(flag_id, file.flag.view(file.kept.seed), maker.case_proof(anchors[0])),
        receipts=list(receipts.values()),
        disclosures=disclosures,
        decisions=_decisions(file, {entry.index: entry for entry in entries}, maker),
        policies=[policies[value].decode() for value in used],
        ledger_checkpoint=ledger.note,
        verdict_checkpoint=verdicts.note,
    )


def _rows(home: DeskHome, file: FlagFile) -> list[RowRef]:
    """Return the rows of the evidence, then the other halves of its payments."""
    from ledger.transfers.mirror import load_rows

    found = dict.fromkeys(file.flag.rows)
    transfers = load_rows(home.mirror, file.flag.rows)
    for side in ("debit", "credit"):
        columns = (transfers.column(f"{side}_{part}").to_pylist() for part in ("member", "sequence", "index"))
        found |= dict.fromkeys(RowRef(*place) for place in zip(*columns, strict=True) if place[0] >= 0)
    return list(found)


def _decisions(
    file: FlagFile, entries: Mapping[int, CaseEntry], maker: EvidenceMaker
) -> list[AnchoredDecision]:
    kept = sorted(file.decisions, key=lambda held: held.entry)
    return [
        AnchoredDecision(held.decision, maker.case_proof(entries[held.entry]))
        for held in kept
        if held.entry in entries
    ]

"""The audit of evaluations on a real consortium: an auditor draws, members open, the auditor verifies."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from counterfoil import Auditor, Member
from ledger.audit.draws import Outcome
from tests.support.consortium import ChainProcess, SmallConsortium

ALFA = "ALFADEFF"


def test_everything_that_a_bank_posted_is_explained(consortium: SmallConsortium) -> None:
    auditor = Auditor(consortium.home, chain=consortium.url)
    draw = auditor.draw(ALFA, count=20)
    member = Member(ALFA, consortium.home, chain=consortium.url)
    opened = member.open_draw(draw, recipient="The supervisor")
    report = auditor.check_opened(opened.to_bytes(), draw, recipient="The supervisor")
    print(len(opened.to_bytes()), len(opened.disclosures), report)
    assert report.count(Outcome.EXPLAINED) == 20

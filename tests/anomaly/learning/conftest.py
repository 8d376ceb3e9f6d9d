"""Ten weeks of decided schemes as a table of transfers, and a model trained on them, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from anomaly.learning.labels import Judgement
from anomaly.learning.training import Training, train
from anomaly.tables import transfers_of
from ledger.flag import OFF_LEDGER, Flag
from tests.support.schemes import as_frame, payments, scheme_flags

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Decided:
    """Transfers, a flag for each scheme in them, and what officers found."""

    transfers: pa.Table
    flags: list[tuple[Flag, bool]]

    @property
    def judgements(self) -> list[Judgement]:
        return [Judgement(flag, suspicious) for flag, suspicious in self.flags]


@pytest.fixture(scope="session")
def decided() -> Decided:
    transfers = transfers_of(as_frame(payments(BEGIN))).transfers
    return Decided(transfers, scheme_flags(transfers, OFF_LEDGER))


@pytest.fixture(scope="session")
def training(decided: Decided) -> Training:
    return train(decided.transfers, decided.judgements, OFF_LEDGER)

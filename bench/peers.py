"""The peer's figures on the same splits: its own features and model, this project's ranking and intervals."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomaly.evaluation.arms import Judged, Prepared, Setting, bank_parts, join, judged, prepare
from anomaly.evaluation.banks import bank_means, bank_views
from anomaly.evaluation.figures import Figure
from anomaly.evaluation.labelled import LabelledFile
from anomaly.evaluation.measure import Run, pooled
from anomaly.evaluation.plan import Plan
from ledger.errors import ConfigurationError

__all__ = ["PEER", "Peer"]

#: Name of the peer's model in figures.
PEER = "gfp_lightgbm"

_SCRIPT = Path(__file__).with_name("peer_model.py")


@dataclass(frozen=True)
class Peer:
    """The peer: a Python with snapml and lightgbm, and its input.

    Attributes
    ----------
    python : Path
    window : int
        Seconds; window of the peer's features.
    columns : (n, columns) float
        Columns of the row that its published figures use in addition to the graph: type of transaction and
        currency as codes. The models of this project do not use the type, which the ledger does not have.
    """

    python: Path
    window: int
    columns: npt.NDArray[np.float64]

    def figures(self, file: LabelledFile, plan: Plan) -> Iterator[Figure]:
        """Yield the peer's figures, pooled and for the three arms, measured like those of this project.

        Rows, parts, embargo and the ranking of the test rows are the same. The peer looks ahead inside a
        batch, so its figures are comparable with the scoring "window_close".
        """
        setting = Setting(
            scoring="window_close", window=plan.window, features="own_row", seed=plan.first_seed
        )
        prepared = prepare(file, setting)
        result = self._judged(prepared, setting)
        run = Run("shared_ledger", setting, PEER, selected=True, draws=plan.draws)
        yield from pooled(run, prepared, result)
        banks = file.banks(plan.banks)
        parts = bank_parts(file, setting, banks, prepared.split.cuts)
        silo = {bank: self._judged(part, setting) for bank, part in parts.items()}
        yield from bank_means(
            run,
            {
                "shared_ledger": bank_views(file, result, banks, setting),
                "silo": silo,
                "shared_model": self._shared_model(parts, setting),
            },
        )

    def _shared_model(self, parts: dict[str, Prepared], setting: Setting) -> dict[str, Judged]:
        sizes = [len(part.rows) for part in parts.values()]
        scores = self.scores(join(list(parts.values())), setting, np.repeat(np.arange(len(sizes)), sizes))
        cut = np.split(scores, np.cumsum(sizes)[:-1])
        return {
            bank: judged(part, score, setting) for (bank, part), score in zip(parts.items(), cut, strict=True)
        }

    def _judged(self, prepared: Prepared, setting: Setting) -> Judged:
        return judged(prepared, self.scores(prepared, setting), setting)

    def scores(
        self, prepared: Prepared, setting: Setting, part: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float64]:
        """Return the peer's score of every row.

        Parameters
        ----------
        prepared : Prepared
            Prepared with features of the row itself only.
        setting : Setting
        part : (n,) int64, optional
            Number of the graph that each row belongs to; by default all rows are one graph.

        Raises
        ------
        ConfigurationError
            When the peer's Python fails.
        """
        file, split = prepared.file, prepared.split
        if file.label[split.train].sum() < 2 or not file.label[split.validation].any():
            return np.random.default_rng(setting.seed).random(len(file))
        with tempfile.TemporaryDirectory(prefix="counterfoil-peer-") as folder:
            rows, scores = Path(folder) / "rows.npz", Path(folder) / "scores.npy"
            np.savez(
                rows,
                part=np.zeros(len(file), np.int64) if part is None else part,
                own=np.hstack([prepared.payments.values, self.columns[prepared.rows]]),
                source=file.source,
                target=file.target,
                time=file.time,
                amount=file.transfers.column("amount_low").to_numpy() / 100.0,
                label=file.label,
                train=split.train,
                validation=split.validation,
                window=self.window,
                seed=setting.seed,
            )
            done = subprocess.run(
                [self.python, _SCRIPT, rows, scores], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise ConfigurationError(
                    f"the peer failed: {done.stderr.strip().splitlines()[-1:]}",
                    where=str(self.python),
                    next_step="Set --peer to a Python with snapml, lightgbm and numpy.",
                )
            return np.asarray(np.load(scores), dtype=np.float64)

"""What an evaluation measures: arms, encodings, scoring times, models, controls, seeds."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly.evaluation.arms import ARMS
from anomaly.evaluation.encode import BUCKET
from anomaly.models.rare import MODELS
from ledger.errors import ConfigurationError

__all__ = ["CONTROLS", "SCORINGS", "Plan"]

CONTROLS = ("no_graph", "engine", "one_stage", "shuffled", "left_out", "new_instances", "label_free")
SCORINGS = ("arrival", "window_close")


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes
    ----------
    arms, encodings, scorings, models, controls : tuple of str
        Encodings and controls are measured with the last scoring and the first model. Without arms, only
        label-free scores are measured.
    bands_per_decade : int
        Amount bands per factor of ten, if an encoding has bands.
    seeds, first_seed : int
        Number of runs, and the first seed; the others follow it.
    window : int
        Seconds; also the embargo.
    free_window : int
        Seconds; window of the label-free scores, which need no embargo and may be longer.
    banks : int
        Number of the largest banks that are measured singly.
    stages : tuple of int
        See `anomaly.evaluation.arms.Setting`.
    draws : int
        Number of bootstrap resamples.
    """

    arms: tuple[str, ...] = ARMS
    encodings: tuple[str, ...] = tuple(BUCKET)
    scorings: tuple[str, ...] = SCORINGS
    models: tuple[str, ...] = ("boosted",)
    controls: tuple[str, ...] = CONTROLS
    bands_per_decade: int = 10
    seeds: int = 1
    first_seed: int = 0
    window: int = 7 * 86_400
    free_window: int = 14 * 86_400
    banks: int = 12
    stages: tuple[int, ...] = (0, 4)
    draws: int = 200

    def checked(self) -> Plan:
        """Return the plan.

        Raises
        ------
        ConfigurationError
            When the plan names something unknown, or nothing to measure.
        """
        for what, given, known in (
            ("arm", self.arms, ARMS),
            ("encoding", self.encodings, tuple(BUCKET)),
            ("scoring", self.scorings, SCORINGS),
            ("model", self.models, tuple(MODELS)),
            ("control", self.controls, CONTROLS),
        ):
            unknown = [name for name in given if name not in known]
            if unknown:
                raise ConfigurationError(
                    f"there is no {what} {', '.join(unknown)}", next_step=f"Known: {', '.join(known)}."
                )
            if not given and what not in ("arm", "control"):
                raise ConfigurationError(f"no {what} is chosen", next_step=f"Known: {', '.join(known)}.")
        if not self.arms and "label_free" not in self.controls:
            raise ConfigurationError(
                "neither an arm nor the control label_free is chosen",
                next_step=f"Known arms: {', '.join(ARMS)}.",
            )
        return self

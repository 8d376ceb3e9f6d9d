"""What an evaluation measures: arms, encodings, moments of judgement, models, controls, seeds."""

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
        Amount bands per factor of ten, where an encoding has bands.
    seeds, first_seed : int
        Runs, with seeds `first_seed`, `first_seed` + 1, ...
    window : int
        Seconds; also the embargo.
    free_window : int
        Seconds, of the label-free scores: they need no embargo and may look further.
    banks : int
        How many of the largest banks are arms of their own.
    stages : tuple of int
        See `anomaly.evaluation.arms.Setting`.
    draws : int
        Of the bootstrap.
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
            When it asks for something that does not exist, or for nothing.
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
            raise ConfigurationError("nothing is chosen", next_step=f"Known arms: {', '.join(ARMS)}.")
        return self

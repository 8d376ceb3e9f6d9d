"""Split of a file by time into training, validation and test part, with an embargo between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ledger.errors import InputError

__all__ = ["Split", "split_by_time"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of each part; rows under the embargo are in no part.

    Attributes
    ----------
    train, validation, test : int64
    embargo : int
        Seconds.
    cuts : (int, int)
        Unix seconds at which validation and test begin.
    """

    train: Ints
    validation: Ints
    test: Ints
    embargo: int
    cuts: tuple[int, int]


def split_by_time(
    time: Ints,
    *,
    embargo: int,
    train: float = 0.6,
    validation: float = 0.2,
    cuts: tuple[int, int] | None = None,
) -> Split:
    """Split at the quantiles of time; no instant is in two parts.

    A window that looks ahead from the last training rows would see rows of the next part. Therefore the last
    `embargo` seconds of the training and of the validation part are left out. The test part stays complete.

    Parameters
    ----------
    time : (n,) int64
        Unix seconds.
    cuts : (int, int), optional
        Use these times instead of quantiles, for example to split each bank at the times of the whole file.

    Raises
    ------
    InputError
        When a part is empty.
    """
    if cuts is None:
        if not len(time):
            raise InputError("there are no rows to split", next_step="Use a file with payments.")
        ordered = np.sort(time)
        places = (int(train * len(time)), int((train + validation) * len(time)))
        cuts = (int(ordered[places[0]]), int(ordered[min(places[1], len(time) - 1)]))
    first, second = cuts
    parts = (
        np.flatnonzero(time < first - embargo),
        np.flatnonzero((time >= first) & (time < second - embargo)),
        np.flatnonzero(time >= second),
    )
    for rows, name in zip(parts, ("training", "validation", "test"), strict=True):
        if not len(rows):
            raise InputError(
                f"the {name} part is empty",
                next_step=f"The file is too short for an embargo of {embargo / 86_400:g} days. "
                "Choose a shorter window.",
            )
    return Split(*parts, embargo, cuts)

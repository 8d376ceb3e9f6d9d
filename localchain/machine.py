"""The virtual machine: py-evm with the Prague rules, whose calls end when their processor time is used up."""

from __future__ import annotations

import time

from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState

from localchain.errors import RpcError

__all__ = ["EmbeddedComputation", "EmbeddedVM", "Stopwatch"]

#: Instructions between two looks at the clock.
_INTERVAL = 256


class Stopwatch:
    """Ends a call after so much processor time of its thread; the load of the machine does not count.

    Parameters
    ----------
    seconds : float
        The time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.thread_time() + seconds
        self._left = _INTERVAL

    def tick(self) -> None:
        """Count one instruction.

        Raises
        ------
        RpcError
            When the time is over.
        """
        self._left -= 1
        if self._left <= 0:
            self._left = _INTERVAL
            if time.thread_time() > self._end:
                raise RpcError(
                    f"the call takes more than {self._seconds:g} s of processor time",
                    next_step="Ask for less in one call.",
                )


class EmbeddedComputation(PragueComputation):
    """An execution that looks at the stopwatch of its state, if there is one."""

    def consume_gas(self, amount: int, reason: str) -> None:
        """Take gas, as every instruction does."""
        self._gas_meter.consume_gas(amount, reason)
        stopwatch = self.state.stopwatch  # type: ignore[attr-defined]
        if stopwatch is not None:
            stopwatch.tick()


class EmbeddedState(PragueState):
    """A state; transactions run without a stopwatch, because their outcome must not depend on the machine."""

    computation_class = EmbeddedComputation
    stopwatch: Stopwatch | None = None


class EmbeddedVM(PragueVM):
    """The rules of every block of the embedded chain."""

    _state_class = EmbeddedState

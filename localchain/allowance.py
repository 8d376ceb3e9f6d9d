"""What each account may still use: it is spent by transactions and grows again with time.

The state is in memory: after a restart every account has its full allowance.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from localchain.budget import Budget

__all__ = ["Allowances"]

_DAY = 86_400.0

#: Accounts that are remembered; more are looked through for those that have their full allowance again.
_REMEMBERED = 10_000


class Allowances:
    """Two token buckets of gas for each account: one for seconds, one for the day.

    An account may send while both hold something. What it then uses may overdraw them: it waits the longer.

    Parameters
    ----------
    budget : Budget
        The limits.
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = (
            (float(budget.account_gas), float(budget.account_gas_per_second)),
            (float(budget.account_gas_per_day), budget.account_gas_per_day / _DAY),
        )
        self._clock = clock
        self._spent: dict[bytes, tuple[float, tuple[float, ...]]] = {}

    def wait(self, account: bytes) -> float:
        """Return the seconds until the account may send again; 0 if it may now."""
        return max(
            0.0,
            *(
                (spent - size) / rate
                for spent, (size, rate) in zip(self._now(account), self._buckets, strict=True)
            ),
        )

    def spend(self, account: bytes, gas: int) -> None:
        """Take gas from the allowance of an account."""
        spent = self._now(account)
        self._spent[account] = (self._clock(), tuple(used + gas for used in spent))
        if len(self._spent) > _REMEMBERED:
            self._spent = {known: kept for known, kept in self._spent.items() if any(self._now(known))}

    def _now(self, account: bytes) -> tuple[float, ...]:
        """Return what is spent of each bucket and has not grown again."""
        if account not in self._spent:
            return (0.0,) * len(self._buckets)
        since, spent = self._spent[account]
        passed = self._clock() - since
        return tuple(
            max(0.0, used - rate * passed) for used, (_size, rate) in zip(spent, self._buckets, strict=True)
        )

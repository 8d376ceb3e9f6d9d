"""The check of every column of every row of a batch.

A row is written by the software of one bank, and read by all readers. So each column must have a value of its
list or range, each time must be possible, and no identifier may be empty; a row never fails later than here.
The rows that are padding (`Flags.DECOY`) are checked in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ledger.batch_errors import TELL_OPERATOR, BatchError
from ledger.encoding import band_arrays
from ledger.encoding.codes import COUNTRY_NUMERIC
from ledger.encoding.policy import Policy
from ledger.encoding.rows import ROW
from ledger.errors import CounterfoilError
from ledger.money import ALPHA
from ledger.schema import (
    BUSINESS_DATE_DAYS,
    CLOCK_TOLERANCE,
    NOT_A_MEMBER,
    OLDEST_DAYS,
    ROW_VERSION,
    Channel,
    Flags,
    LagClass,
    PartyType,
    Side,
    TokenKind,
)
from ledger.verdicts import Reason

__all__ = ["Circumstances", "Intervals", "RowChecks"]

_DAY: Final = 86_400

#: The largest value of each column whose values are 0, 1, 2, ...
_LARGEST: Final = {
    "channel": max(Channel),
    "flags": sum(Flags),
    "party_type": max(PartyType),
    "lag_class": max(LagClass),
    "key_generation": 0,
}
_COUNTRIES: Final = np.array(sorted({0, *COUNTRY_NUMERIC.values()}), np.uint16)

#: The amounts and times of rows: int64 arrays of shape (n,) by name; see `ledger.tables.SEGMENT`.
Intervals = dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the rows of one batch are checked against.

    Parameters
    ----------
    code : int
        Code of the member that posted the batch.
    codes : frozenset of int
        Codes of all members that were admitted before the batch was posted.
    policy : Policy
    epoch : tuple of int
        First second of the batch's epoch of the pseudonym key, and of the next epoch.
    block_time : int
        Time of the batch's block, Unix seconds.
    """

    code: int
    codes: frozenset[int]
    policy: Policy
    epoch: tuple[int, int]
    block_time: int


@dataclass(frozen=True, slots=True)
class _Check:
    """One check: the rows that fail it, and what is expected in the column."""

    reason: Reason
    column: str
    wrong: npt.NDArray[np.bool_]
    expected: str


class RowChecks:
    """Checks the rows of one batch; the order of the checks is fixed, so that each batch has one reason.

    Parameters
    ----------
    rows : ndarray of dtype `ROW`, shape (n,)
    circumstances : Circumstances
    """

    def __init__(self, rows: npt.NDArray[np.void], circumstances: Circumstances) -> None:
        self._rows = rows
        self._where = circumstances

    def run(self) -> Intervals:
        """Check every column; return the intervals of amount and time of the rows.

        Raises
        ------
        BatchError
            With the first row that fails the first failed check.
        """
        for part in (self._columns, self._sides, self._tokens, self._times, self._identifiers):
            for check in part():
                if check.wrong.any():
                    raise self._problem(check)
        low, high = self._amounts()
        return {
            "amount_low": low,
            "amount_high": high,
            "time_low": self._start,
            "time_high": self._end,
        }

    @cached_property
    def _start(self) -> npt.NDArray[np.int64]:
        return self._rows["time_bucket"].astype(np.int64) * self._where.policy.bucket_seconds

    @cached_property
    def _end(self) -> npt.NDArray[np.int64]:
        return self._start + self._where.policy.bucket_seconds

    def _columns(self) -> Iterator[_Check]:
        rows = self._rows
        yield _Check(Reason.COLUMN, "version", rows["version"] != ROW_VERSION, str(ROW_VERSION))
        for name, largest in _LARGEST.items():
            yield _Check(Reason.COLUMN, name, rows[name] > largest, f"at most {largest}")
        known = np.array(sorted({NOT_A_MEMBER, *self._where.codes}), np.uint16)
        for name in ("debtor_agent", "creditor_agent"):
            yield _Check(Reason.COLUMN, name, ~np.isin(rows[name], known), "the code of a member, or 0")
        for name in ("debtor_country", "creditor_country"):
            yield _Check(Reason.COLUMN, name, ~np.isin(rows[name], _COUNTRIES), "a code of ISO 3166, or 0")
        yield _Check(Reason.COLUMN, "reserved", ~self._empty("reserved"), "zero")

    def _sides(self) -> Iterator[_Check]:
        """Let a bank speak only for its own side."""
        rows, code = self._rows, self._where.code
        debit, credit = rows["debtor_agent"] == code, rows["creditor_agent"] == code
        own = np.select([debit & credit, debit, credit], [Side.ON_US, Side.DEBIT, Side.CREDIT], 0)
        wrong = (own == 0) | (rows["side"] != own)
        yield _Check(Reason.SIDE, "side", wrong, f"the side of member {code}")

    def _tokens(self) -> Iterator[_Check]:
        """Require a key of two banks where there is a second member, and else the bank's own key."""
        rows, kind = self._rows, self._rows["token_kind"]
        other = np.where(rows["side"] == Side.DEBIT, rows["creditor_agent"], rows["debtor_agent"])
        alone = (rows["side"] == Side.ON_US) | (other == NOT_A_MEMBER)
        shared = np.isin(kind, (TokenKind.UETR, TokenKind.TUPLE))
        wrong = np.where(alone, kind != TokenKind.OWN, ~shared)
        expected = f"{TokenKind.UETR:d} or {TokenKind.TUPLE:d}, or {TokenKind.OWN:d} without a second member"
        yield _Check(Reason.COLUMN, "token_kind", wrong, expected)

    def _times(self) -> Iterator[_Check]:
        now, (first, following) = self._where.block_time, self._where.epoch
        bucket, start, end = "time_bucket", self._start, self._end
        late = f"a bucket that ended at most {CLOCK_TOLERANCE} seconds after its block's time, {now}"
        yield _Check(Reason.TIME, bucket, end > now + CLOCK_TOLERANCE, late)
        oldest = f"a bucket that began at most {OLDEST_DAYS} days before its block"
        yield _Check(Reason.TIME, bucket, start < now - OLDEST_DAYS * _DAY, oldest)
        yield _Check(Reason.TIME, bucket, (end <= first) | (start >= following), "a bucket of the epoch")
        booked = self._rows["business_date"].astype(np.int64) * _DAY
        margin = BUSINESS_DATE_DAYS * _DAY
        wrong = (booked + _DAY <= start - margin) | (booked >= end + margin)
        near = f"a day at most {BUSINESS_DATE_DAYS} days from the time bucket"
        yield _Check(Reason.TIME, "business_date", wrong, near)

    def _identifiers(self) -> Iterator[_Check]:
        for name in ("debtor_account", "creditor_account", "match_token", "record_root"):
            yield _Check(Reason.IDENTIFIER, name, self._empty(name), "a value")

    def _amounts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        rows, policy = self._rows, self._where.policy
        known = np.array(sorted(ALPHA), np.uint16)
        self._require(Reason.AMOUNT, "currency", ~np.isin(rows["currency"], known), "a code of ISO 4217")
        low, high = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        for numeric in np.unique(rows["currency"]).tolist():
            chosen = rows["currency"] == numeric
            try:
                bands = policy.bands(ALPHA[numeric])
            except CounterfoilError as error:
                what = f"the policy has no valid bands for the currency {numeric}: {error.what}"
                raise BatchError(Reason.POLICY, what, next_step=TELL_OPERATOR) from error
            wrong = chosen & (rows["amount_band"] >= len(bands))
            self._require(Reason.AMOUNT, "amount_band", wrong, f"at most {len(bands) - 1}")
            low[chosen], high[chosen] = band_arrays.decode(bands, rows["amount_band"][chosen])
        return low, high

    def _require(self, reason: Reason, column: str, wrong: npt.NDArray[np.bool_], expected: str) -> None:
        if wrong.any():
            raise self._problem(_Check(reason, column, wrong, expected))

    def _problem(self, check: _Check) -> BatchError:
        row = int(np.argmax(check.wrong))
        value: Any = self._rows[check.column][row]
        got: object = int(value) if ROW[check.column].kind != "V" else "other bytes"
        if check.reason is Reason.IDENTIFIER:
            got = "zero"
        what = f"row {row} has a wrong {check.column}"
        return BatchError(check.reason, what, expected=check.expected, got=got)

    def _empty(self, column: str) -> npt.NDArray[np.bool_]:
        """Return which rows have only zero bytes in a column."""
        octets = np.ascontiguousarray(self._rows[column]).view(np.uint8).reshape(-1, ROW[column].itemsize)
        return np.asarray(~octets.any(axis=1))

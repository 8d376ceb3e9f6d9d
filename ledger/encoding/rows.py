"""Encode transactions as rows: pseudonyms, bands, time buckets, codes, match tokens, record roots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ledger.commitment.record import RecordCommitter
from ledger.encoding import band_arrays
from ledger.encoding.codes import COUNTRY_NUMERIC
from ledger.encoding.policy import Policy
from ledger.encoding.token import match_token, own_key, pair_key, token_kind
from ledger.errors import InputError
from ledger.money import ALPHA, NUMERIC
from ledger.schema import (
    FIELDS,
    LAG_EDGES_SECONDS,
    NOT_A_MEMBER,
    ROW_LAYOUT,
    ROW_VERSION,
    Channel,
    Flags,
    LagClass,
    PartyType,
    Side,
    TokenKind,
)

__all__ = ["ROW", "EncodingInput", "RowEncoder", "decode_intervals", "lag_class", "rows_from_bytes"]

_NUMBERS: Final = {1: "u1", 2: "<u2", 4: "<u4"}

#: The encoded row, `ledger.schema.ROW_LAYOUT`, as a NumPy structured type.
ROW: Final = np.dtype([(name, _NUMBERS.get(size, f"V{size}")) for name, size in ROW_LAYOUT])

_AT: Final = {name: slot for slot, name in enumerate(FIELDS)}
_DAY: Final = 86_400
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_NO_PSEUDONYM: Final = bytes(16)
#: The field that each flag states; no field states that a row is padding.
_FLAGS: Final = tuple(
    (_AT[flag.name.lower()], int(flag)) for flag in Flags if flag.name and flag is not Flags.DECOY
)


@dataclass(frozen=True, slots=True)
class EncodingInput:
    """One record to encode.

    Parameters
    ----------
    values : tuple of str or None
        The exact fields in the order of `FIELDS`.
    side, time_us, amount_minor : int
    last_incoming_us : int or None
        Last incoming payment of the debtor account before this record, if it is at the posting bank.
    seed : bytes
        The 32 secret bytes that salt the record's leaves.
    """

    values: tuple[str | None, ...]
    side: int
    time_us: int
    amount_minor: int
    last_incoming_us: int | None
    seed: bytes


def lag_class(seconds: float | None) -> LagClass:
    """Return the class of the time since the last incoming payment (None: no incoming payment)."""
    if seconds is None:
        return LagClass.NONE
    for edge, name in zip(LAG_EDGES_SECONDS, (1, 2, 3, 4), strict=True):
        if seconds < edge:
            return LagClass(name)
    return LagClass.MORE


@dataclass
class RowEncoder:
    """Encodes records of one member with one policy and one epoch.

    Parameters
    ----------
    agent : str
        The member's own agent identifier.
    codes : mapping of agent identifier to member code
    policy : Policy
    epoch : int
    pseudonyms : mapping of identifier to 16 bytes
    x25519_private : bytes
        The member's key for match tokens.
    x25519_keys : mapping of agent identifier to public key
        The other members' keys, from the chain.
    """

    agent: str
    codes: Mapping[str, int]
    policy: Policy
    epoch: int
    pseudonyms: Mapping[str, bytes]
    x25519_private: bytes
    x25519_keys: Mapping[str, bytes]
    _committer: RecordCommitter = field(init=False, repr=False)
    _token_keys: dict[str, bytes] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._committer = RecordCommitter(FIELDS)

    def pack(self, records: Sequence[EncodingInput]) -> npt.NDArray[np.void]:
        """Return the packed rows (dtype `ROW`, shape (n,)) in the order of the records.

        Raises
        ------
        InputError
            When an identifier has no pseudonym yet.
        """
        rows = np.zeros(len(records), ROW)
        if not records:
            return rows
        columns: list[tuple[str | None, ...]] = list(zip(*(r.values for r in records), strict=True))
        seconds = [r.time_us // 1_000_000 for r in records]
        rows["version"] = ROW_VERSION
        rows["side"] = [r.side for r in records]
        rows["channel"] = [_code(Channel, text) for text in columns[_AT["channel"]]]
        rows["party_type"] = [_code(PartyType, text) for text in columns[_AT["party_type"]]]
        flags = np.zeros(len(records), np.uint8)
        for slot, bit in _FLAGS:
            flags |= np.array([bit if text == "true" else 0 for text in columns[slot]], np.uint8)
        rows["flags"] = flags
        rows["lag_class"] = [_lag(r) for r in records]
        for name in ("debtor_agent", "creditor_agent"):
            rows[name] = [self.codes.get(text or "", NOT_A_MEMBER) for text in columns[_AT[name]]]
        currencies = columns[_AT["currency"]]
        rows["currency"] = [NUMERIC[text or ""] for text in currencies]
        for name in ("debtor_country", "creditor_country"):
            rows[name] = [COUNTRY_NUMERIC[text] if text else 0 for text in columns[_AT[name]]]
        rows["amount_band"] = self._amount_bands(records, currencies)
        rows["business_date"] = [
            second // _DAY if text is None else date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL
            for text, second in zip(columns[_AT["business_date"]], seconds, strict=True)
        ]
        rows["time_bucket"] = [second // self.policy.bucket_seconds for second in seconds]
        for name, source in (
            ("debtor_account", "debtor_account"),
            ("creditor_account", "creditor_account"),
            ("party", "party_id"),
            ("on_behalf_of", "on_behalf_of"),
        ):
            rows[name] = self._pseudonyms(columns[_AT[source]])
        tokens = [self._token(r) for r in records]
        rows["token_kind"] = [kind for kind, _ in tokens]
        rows["match_token"] = _fixed([token for _, token in tokens], 16)
        rows["record_root"] = _fixed([self._committer.root(r.values, r.seed) for r in records], 32)
        return rows

    def _amount_bands(
        self, records: Sequence[EncodingInput], currencies: Sequence[str | None]
    ) -> npt.NDArray[np.uint16]:
        amounts = np.array([r.amount_minor for r in records], np.int64)
        names = np.array(currencies)
        bands = np.zeros(len(records), np.uint16)
        for currency in sorted({text or "" for text in currencies}):
            chosen = names == currency
            bands[chosen] = band_arrays.encode(self.policy.bands(currency), amounts[chosen])
        return bands

    def _pseudonyms(self, identifiers: Sequence[str | None]) -> npt.NDArray[np.void]:
        known = self.pseudonyms
        try:
            return _fixed([_NO_PSEUDONYM if i is None else known[i] for i in identifiers], 16)
        except KeyError as error:
            raise InputError(
                "an identifier has no pseudonym yet",
                next_step="Run `counterfoil member post` again with the key holder running.",
            ) from error

    def _token(self, record: EncodingInput) -> tuple[TokenKind, bytes]:
        values = record.values
        agents = {Side.DEBIT: values[_AT["creditor_agent"]], Side.CREDIT: values[_AT["debtor_agent"]]}
        other = agents.get(Side(record.side)) or ""
        key = self._token_keys.get(other)
        if key is None:
            public = self.x25519_keys.get(other)
            key = (
                own_key(self.x25519_private, self.epoch)
                if public is None
                else pair_key(self.x25519_private, public, self.epoch)
            )
            self._token_keys[other] = key
        fallback = (
            values[_AT["debtor_account"]] or "",
            values[_AT["creditor_account"]] or "",
            values[_AT["currency"]] or "",
            record.amount_minor,
        )
        uetr = values[_AT["uetr"]]
        return token_kind(uetr, shared=other in self.x25519_keys), match_token(key, uetr, fallback)


def rows_from_bytes(data: bytes) -> npt.NDArray[np.void]:
    """Read packed rows (dtype `ROW`).

    Raises
    ------
    InputError
        When the length is not a whole number of rows.
    """
    if len(data) % ROW.itemsize:
        raise InputError(f"{len(data)} bytes are not a whole number of rows of {ROW.itemsize} bytes")
    return np.frombuffer(data, ROW)


def decode_intervals(rows: npt.NDArray[np.void], policy: Policy) -> dict[str, npt.NDArray[np.int64]]:
    """Return the intervals of amount and time of the rows, decoded with their policy.

    Returns
    -------
    dict
        ``amount_low``, ``amount_high`` (minor units, both included), ``time_low``, ``time_high`` (Unix
        seconds, the upper end excluded), each int64 of shape (n,).

    Raises
    ------
    InputError
        When the policy does not have a currency or a band.
    """
    low, high = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for numeric in np.unique(rows["currency"]).tolist():
        if numeric not in ALPHA:
            raise InputError(f"currency code {numeric} is not in ISO 4217")
        chosen = rows["currency"] == numeric
        bands = policy.bands(ALPHA[numeric])
        low[chosen], high[chosen] = band_arrays.decode(bands, rows["amount_band"][chosen])
    start = rows["time_bucket"].astype(np.int64) * policy.bucket_seconds
    return {
        "amount_low": low,
        "amount_high": high,
        "time_low": start,
        "time_high": start + policy.bucket_seconds,
    }


def _lag(record: EncodingInput) -> int:
    last = record.last_incoming_us
    return lag_class(None if last is None else (record.time_us - last) / 1_000_000)


def _code(kind: Any, text: str | None) -> int:
    return 0 if text is None else int(kind[text.upper()])


def _fixed(values: Sequence[bytes], size: int) -> npt.NDArray[np.void]:
    return np.frombuffer(b"".join(values), np.dtype(f"V{size}"))

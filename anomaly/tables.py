"""Reads a plain file of payments (CSV or Parquet) as a table of transfers, without a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ledger.errors import InputError
from ledger.money import EXPONENT, NUMERIC
from ledger.schema import PSEUDONYM_BYTES, Channel, Flags, MatchState, PartyType
from ledger.tables import TRANSFER

__all__ = ["PlainFile", "read_file", "transfers_of"]

_PLAIN = ("timestamp", "src_bank", "src", "dst_bank", "dst", "amount", "currency")
_TRANSACTION = (
    "timestamp",
    "debtor_agent",
    "debtor_account",
    "creditor_agent",
    "creditor_account",
    "amount",
    "currency",
)
_CASH_TYPES = {"DEPOSIT": Flags.CASH_IN, "CASH_IN": Flags.CASH_IN} | {
    "WITHDRAWAL": Flags.CASH_OUT,
    "CASH_OUT": Flags.CASH_OUT,
}


@dataclass(frozen=True)
class PlainFile:
    """The transfers of a plain file, and the names that belong to its pseudonyms and agent codes.

    Attributes
    ----------
    transfers : pyarrow.Table
        `ledger.tables.TRANSFER`; amounts are exact, and times are intervals of one second. The place of a
        row is member 0, sequence 0 and the row's number in the file.
    accounts : mapping
        Pseudonym (hex) to (bank, account), as named in the file.
    banks : mapping
        Agent code to bank.
    """

    transfers: pa.Table
    accounts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    banks: Mapping[int, str] = field(default_factory=dict)


def read_file(path: Path, *, rows: int | None = None) -> PlainFile:
    """Read a CSV or Parquet file of payments.

    Parameters
    ----------
    path : Path
        `.parquet`, else read as CSV. Columns are those of a transaction (`ledger.schema.FIELDS`), or
        tx_id, timestamp, src_bank, src, dst_bank, dst, amount, currency, tx_type. Labels are not read.
    rows : int, optional
        Read only this number of rows from the start.

    Raises
    ------
    InputError
        When the file cannot be read or lacks a column, or a row has no valid time, amount or currency.
    """
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, dtype=str, encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError, pa.ArrowInvalid) as error:
        raise InputError(f"the file cannot be read: {error}", where=str(path)) from error
    return transfers_of(frame if rows is None else frame.iloc[:rows], where=str(path))


def transfers_of(frame: pd.DataFrame, *, where: str = "frame") -> PlainFile:
    """Convert a frame of payments to transfers; see `read_file`."""
    names = _PLAIN if "src" in frame.columns else _TRANSACTION
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(
            f"the file lacks the columns {', '.join(missing)}",
            where=where,
            next_step=f"It needs the columns {', '.join(_PLAIN)} or {', '.join(_TRANSACTION)}.",
        )
    time, from_bank, from_account, to_bank, to_account, amount, currency = (frame[name] for name in names)
    code = currency.map(NUMERIC)
    seconds = pd.to_datetime(time, utc=True, errors="coerce", format="ISO8601")
    value = pd.to_numeric(amount, errors="coerce").astype("float64")
    for wrong, what in (
        (seconds.isna(), "a row has no valid ISO 8601 timestamp"),
        (~value.between(0, 1e13), "a row has no amount between 0 and 10^13"),
        (code.isna(), "a row has no ISO 4217 currency code"),
        (from_account.isna() | to_account.isna(), "a row lacks an account"),
    ):
        if wrong.any():
            raise InputError(what, where=f"{where}, row {int(np.flatnonzero(wrong.to_numpy())[0])}")
    codes = code.astype("int64").to_numpy()
    decimals = currency.map(EXPONENT).to_numpy(dtype=np.float64)
    minor = np.rint(value.to_numpy() * 10.0**decimals).astype(np.int64)
    at = seconds.dt.as_unit("s").astype("int64").to_numpy()
    banks = sorted(set(from_bank.fillna("").astype(str)) | set(to_bank.fillna("").astype(str)))
    number = {bank: i + 1 for i, bank in enumerate(banks)}
    debtor, debtor_names = _pseudonyms(from_bank, from_account)
    creditor, creditor_names = _pseudonyms(to_bank, to_account)
    n = len(frame)
    flags, channel = _flags(frame)
    columns: dict[str, pa.Array] = {
        "state": pa.array(np.full(n, int(MatchState.ON_US))),
        "debtor_account": debtor,
        "creditor_account": creditor,
        **_parties(frame, flags),
        "debtor_agent": pa.array(from_bank.fillna("").astype(str).map(number).to_numpy()),
        "creditor_agent": pa.array(to_bank.fillna("").astype(str).map(number).to_numpy()),
        "channel": pa.array(channel),
        "currency": pa.array(codes),
        "amount_low": pa.array(minor),
        "amount_high": pa.array(minor),
        "time_low": pa.array(at),
        "time_high": pa.array(at + 1),
        "business_date": pa.array(at // 86_400),
        "flags": pa.array(flags),
        "debit_member": pa.array(np.zeros(n, np.int64)),
        "debit_sequence": pa.array(np.zeros(n, np.int64)),
        "debit_index": pa.array(np.arange(n, dtype=np.int64)),
    }
    defaults = {"lag_class": 0, "debtor_country": 0, "creditor_country": 0}
    kinds = {kind.name.lower(): int(kind) for kind in PartyType}
    for name in ("debtor_party_type", "creditor_party_type"):
        told = frame[name].map(kinds) if name in frame else pd.Series(0, index=frame.index)
        columns[name] = pa.array(told.fillna(0).astype("int64").to_numpy())
    defaults |= dict.fromkeys(("credit_member", "credit_sequence", "credit_index"), -1)
    arrays = []
    for name in TRANSFER.names:
        kind = TRANSFER.field(name).type
        if name in columns:
            arrays.append(columns[name].cast(kind))
        elif name in defaults:
            arrays.append(pa.array(np.full(n, defaults[name])).cast(kind))
        else:
            arrays.append(pa.nulls(n, kind))
    return PlainFile(
        transfers=pa.Table.from_arrays(arrays, schema=TRANSFER),
        accounts=debtor_names | creditor_names,
        banks={i: bank for bank, i in number.items()},
    )


def _pseudonyms(bank: pd.Series[str], account: pd.Series[str]) -> tuple[pa.Array, dict[str, tuple[str, str]]]:
    """Return pseudonyms made without a key (they hide nothing), and the name that belongs to each."""
    keys = pd.Series(list(zip(bank.fillna("").astype(str), account.astype(str), strict=True)), dtype=object)
    codes, distinct = pd.factorize(keys)
    digests = [sha256(f"acct:{b}:{a}".encode()).digest()[:PSEUDONYM_BYTES] for b, a in distinct]
    values = pa.array(digests, pa.binary(PSEUDONYM_BYTES)).take(pa.array(codes))
    return values, {digest.hex(): name for digest, name in zip(digests, distinct, strict=True)}


def _parties(frame: pd.DataFrame, flags: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    """Read the parties of both sides; a single column `party_id` is the customer of a cash payment."""
    till = pd.Series(flags & int(Flags.CASH_IN | Flags.CASH_OUT), index=frame.index)
    none = pd.Series([None] * len(frame), index=frame.index, dtype=object)
    arrays = {}
    for side, bit in (("debtor", int(Flags.CASH_OUT)), ("creditor", int(Flags.CASH_IN))):
        for name, column, of_side in (
            ("party", "party_id", f"{side}_party_id"),
            ("on_behalf", "on_behalf_of", f"{side}_on_behalf_of"),
        ):
            told = frame[column].where(till == bit) if column in frame else frame.get(of_side, none)
            codes, distinct = pd.factorize(told)
            digests = [sha256(f"party:{party}".encode()).digest()[:PSEUDONYM_BYTES] for party in distinct]
            values = pa.array(digests, pa.binary(PSEUDONYM_BYTES))
            arrays[f"{side}_{name}"] = values.take(pa.array(codes, mask=codes < 0))
    return arrays


def _flags(frame: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Read the cash flags and the channel from the columns that the file has."""
    flags = np.zeros(len(frame), np.int64)
    channel = np.zeros(len(frame), np.int64)
    if "tx_type" in frame:
        kind = frame["tx_type"].astype(str).str.upper()
        flags |= kind.map(_CASH_TYPES).fillna(0).astype("int64").to_numpy()
    for name, bit in (("cash_in", Flags.CASH_IN), ("cash_out", Flags.CASH_OUT)):
        if name in frame:
            flags |= np.where(frame[name].astype(str).str.lower().isin(("true", "1")), int(bit), 0)
    if "channel" in frame:
        names = {member.name.lower(): int(member) for member in Channel}
        named = frame["channel"].astype(str).str.lower().map(names)
        channel |= named.fillna(0).astype("int64").to_numpy()
    channel[flags > 0] = int(Channel.CASH)
    return flags, channel

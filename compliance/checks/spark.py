"""Checks on Spark: the same statements, transpiled; needs the extra `scale` (pyspark, Java 17)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from compliance.checks.sql import transpile
from ledger.errors import ConfigurationError

__all__ = ["Spark"]


class Spark:
    """An engine for `compliance.checks.execute.Runner` over a Spark session.

    Parameters
    ----------
    session : pyspark.sql.SparkSession, optional
        Made on this machine where none is given.

    Raises
    ------
    ConfigurationError
        When pyspark is not installed.
    """

    def __init__(self, session: Any = None) -> None:
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise ConfigurationError(
                "Spark is not installed", next_step="Install the extra: pip install 'counterfoil[scale]'."
            ) from error
        self._session = session or SparkSession.builder.appName("counterfoil checks").getOrCreate()

    def table(self, name: str, table: pa.Table) -> None:
        """Make a table known under a name; unsigned numbers and fixed-width bytes become what Spark has."""
        columns = {}
        for field in table.schema:
            kind = field.type
            if pa.types.is_integer(kind):
                kind = pa.int64()
            elif pa.types.is_fixed_size_binary(kind):
                kind = pa.binary()
            columns[field.name] = table[field.name].cast(kind)
        self._session.createDataFrame(pa.table(columns)).createOrReplaceTempView(name)

    def fetch(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement (DuckDB's dialect, transpiled) and return its rows."""
        rows = [row.asDict() for row in self._session.sql(transpile(statement, "spark")).collect()]
        return [{k: bytes(v) if isinstance(v, bytearray) else v for k, v in row.items()} for row in rows]

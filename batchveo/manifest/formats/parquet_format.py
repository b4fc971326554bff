"""Parquet files as rows; pyarrow is only needed where one is named."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from batchveo.manifest.entries import Entry
from batchveo.manifest.problems import Fault

_ROWS_AT_ONCE = 1024


def read_columns(path: Path) -> list[str]:
    """The names of the columns. Raises ``Fault`` where the file cannot be read, or pyarrow is not here."""
    with _open_parquet(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def read_parquet(path: Path, used: Collection[str]) -> Iterator[Entry | Fault]:
    """The rows, with these columns alone; the line of a row is its number, from 1."""
    number = 0
    try:
        with _open_parquet(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=sorted(used)):
                for row in batch.to_pylist() or [{}] * batch.num_rows:
                    number += 1
                    yield _make_entry(row, number)
    except Fault as fault:
        yield fault
    except Exception as error:  # noqa: BLE001 - pyarrow's own tree of errors is deep
        yield Fault(f"cannot be read: {error}", "is the file whole?", line=number + 1)


def _make_entry(row: dict[str, object], number: int) -> Entry | Fault:
    try:
        return Entry(number, {name: _convert_value(name, value) for name, value in row.items()})
    except Fault as fault:
        fault.line = number
        return fault


def _convert_value(column: str, value: object) -> object:
    """The value in the types of JSON. Raises ``Fault`` for what has no place in a request."""
    match value:
        case None | str() | bool() | int() | float():
            return value
        case list():
            return [_convert_value(column, item) for item in value]
        case dict():
            return {str(key): _convert_value(f"{column}.{key}", item) for key, item in value.items()}
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return int(value) if value == int(value) else float(value)
        case _:
            raise Fault(f"the column {column} holds {type(value).__name__}, which is no text", "use another column")


def _open_parquet(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise Fault("is Parquet, which needs pyarrow", "pip install 'batchveo[parquet]'") from None
    if not path.exists():
        raise Fault("no such file")
    try:
        return parquet.ParquetFile(path)
    except Exception as error:  # noqa: BLE001 - pyarrow's own tree of errors is deep
        raise Fault(f"cannot be read as Parquet: {error}", "is the file whole?") from None

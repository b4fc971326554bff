"""A dataset's rows as JSON Lines, CSV or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from batchveo.core.errors import UsageError
from batchveo.dataset.column_types import ColumnTypes
from batchveo.dataset.columns import COLUMNS, Kind, Row
from batchveo.dataset.place_file import written

GROUP = 1000
"""Rows that Parquet keeps together."""

_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}
"""Marks that some readers take for the end of a line; within JSON they can only stand in strings."""


def json_line(row: Row) -> str:
    """The row on one line, readable in every script."""
    return json.dumps(row, ensure_ascii=False).translate(_LINE_ENDS)


def write_jsonl(path: Path, rows: Iterable[Row]) -> None:
    """One JSON object a line."""
    with written(path) as part, part.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{json_line(row)}\n" for row in rows)


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """RFC 4180, UTF-8, a header; an empty cell where there is nothing, ``true`` and ``false`` for flags."""
    with written(path) as part, part.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def write_parquet(path: Path, rows: Iterable[Row], types: ColumnTypes) -> None:
    """Typed columns. Raises ``UsageError`` where pyarrow is not installed."""
    arrow, parquet = arrow_modules()
    arrow_types = {Kind.TEXT: arrow.string(), Kind.INTEGER: arrow.int64(), Kind.NUMBER: arrow.float64()}
    arrow_types[Kind.FLAG] = arrow.bool_()
    schema = arrow.schema([(name, arrow_types[types.kinds[name]]) for name in COLUMNS])
    with written(path) as part, parquet.ParquetWriter(part, schema, compression="zstd") as writer:
        for group in _groups(iter(rows)):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))


def arrow_modules() -> tuple[Any, Any]:
    """The modules of pyarrow. Raises ``UsageError`` where it is not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'batchveo[parquet]'") from None
    return pyarrow, parquet


def has_arrow() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def is_formula(value: object) -> bool:
    """Whether a spreadsheet would take a cell for a formula."""
    return isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t"))


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while group := list(islice(rows, GROUP)):
        yield group

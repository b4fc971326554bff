"""The files that ``rows_file`` names: tables whose columns fill the templates of an entry, row by row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from batchveo.core.job_row import ENDS
from batchveo.manifest.entries import Entry
from batchveo.manifest.formats import csv_format, json_format
from batchveo.manifest.problems import Fault
from batchveo.manifest.scalars import check_text
from batchveo.manifest.sources import JSON_LINES_SUFFIXES, holds_json_lines, open_text

_ROWS_AT_ONCE = 1024
ROW = "row."
"""A prefix for the name of a column, for names that mean something else by themselves."""

NUMBER = "row_number"
"""Counts the rows from 1."""

_NESTED = 8
"""How deep in an object a column may be."""


def read_columns(path: Path) -> list[str]:
    """The names of the columns. Raises ``Fault`` if the file cannot be read, or pyarrow is not here."""
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
    except Fault:
        raise
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


class TableRow(NamedTuple):
    """One row: its line (its number if the file has no lines), and the values for placeholders."""

    line: int
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFile:
    """A table that was found to be one. ``columns`` are its columns by the names that placeholders may have."""

    label: str
    columns: Mapping[str, str]
    _records: Callable[[Collection[str]], Iterator[Entry | Fault]] = field(repr=False)
    _twice: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """The columns by their plain names."""
        return [name for name, column in self.columns.items() if name == column]

    def check(self, names: Collection[str]) -> None:
        """Raise ``Fault`` for a placeholder whose column the file has twice."""
        for name in names:
            if self.columns.get(name) in self._twice:
                raise Fault(f"{self.label} has two columns {self.columns[name]}", "rename one of them", line=1)

    def rows(self, names: Collection[str]) -> Iterator[TableRow | Fault]:
        """The rows that are not empty, with what fills these placeholders; a ``Fault`` for each that is broken."""
        used = {name: self.columns[name] for name in names if name in self.columns}
        number = 0
        try:
            for record in self._records(frozenset(used.values())):
                number += not isinstance(record, Fault)
                yield record if isinstance(record, Fault) else _fill_row(record, used, number)
        except Fault as fault:  # caught here because it is of this file, not of the manifest
            yield fault


def open_table(path: Path, label: str) -> RowFile:
    """The table in a file; its name gives the format. Raises ``Fault`` if it cannot be read."""
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        return _open_csv(path, label, "\t" if suffix == ".tsv" else None)
    if suffix == ".parquet":
        return _name_columns(label, read_columns(path), lambda used: read_parquet(path, used))
    if suffix == ".json" or suffix in JSON_LINES_SUFFIXES:
        return _open_json(path, label, suffix)
    instead = "a list of prompts is named by prompts_file" if suffix == ".txt" else "save it as CSV"
    raise Fault("is no table: .csv, .tsv, .jsonl, .ndjson, .json and .parquet are read", instead)


def _open_csv(path: Path, label: str, delimiter: str | None) -> RowFile:
    with open_text(path) as stream:
        _, cells = next(csv_format.numbered_rows(stream, delimiter), (1, []))
    names = [cell.strip(ENDS) for cell in cells]
    if not any(names):
        raise Fault("holds no header", "its first line has to name the columns", line=1)
    at: dict[str, int] = {}
    for column, name in enumerate(names):
        if name:
            at.setdefault(name, column)
    twice = frozenset(name for name in at if names.count(name) > 1)

    def records(used: Collection[str]) -> Iterator[Entry | Fault]:
        wanted = [(name, at[name]) for name in used]
        with open_text(path) as stream:
            rows = csv_format.numbered_rows(stream, delimiter)
            next(rows, None)
            for line, row in rows:
                if len(row) != len(names) and not csv_format.without_edge(row, len(names)):
                    yield csv_format.wrong_width(row, len(names), line)
                elif any(row):
                    yield Entry(line, {name: row[column] for name, column in wanted})

    return _name_columns(label, at, records, twice)


def _open_json(path: Path, label: str, suffix: str) -> RowFile:
    with open_text(path) as stream:
        lines = suffix in JSON_LINES_SUFFIXES or holds_json_lines(stream)

    def records(used: Collection[str]) -> Iterator[Entry | Fault]:  # noqa: ARG001 - whole rows, of any columns
        with open_text(path) as stream:
            found = json_format.read_jsonl(stream, any_value=True) if lines else json_format.read_json_rows(stream)
            for record in found:
                yield record if isinstance(record, Fault) else _flatten_record(record)

    columns: dict[str, None] = {}
    for record in records(()):  # the objects need not have the same keys: all of them are looked at
        if isinstance(record, Entry):
            columns |= dict.fromkeys(record.fields)
    return _name_columns(label, columns, records)


def _name_columns(
    label: str,
    columns: Collection[str],
    records: Callable[[Collection[str]], Iterator[Entry | Fault]],
    twice: frozenset[str] = frozenset(),
) -> RowFile:
    names = {f"{ROW}{column}": column for column in columns} | {column: column for column in columns}
    return RowFile(label=label, columns=names, _records=records, _twice=twice)


def _flatten_record(record: Entry) -> Entry:
    """The record with a column ``a.b`` for the value of ``b`` in the object ``a``."""
    if not any(isinstance(value, dict) for value in record.fields.values()):
        return record
    return record._replace(fields=dict(_list_leaves(record.fields, "")))


def _list_leaves(table: Mapping[str, object], prefix: str, depth: int = 0) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict) and depth < _NESTED:
            yield from _list_leaves(value, f"{prefix}{key}.", depth + 1)


def _fill_row(record: Entry, used: Mapping[str, str], number: int) -> TableRow | Fault:
    try:
        values = {name: _read_cell(record, column) for name, column in used.items()}
    except Fault as fault:
        return fault
    return TableRow(record.line, {NUMBER: number, **values})


def _read_cell(record: Entry, column: str) -> object:
    """What a row has in a column; ``None`` for nothing. Raises ``Fault`` for what is the trace of an error."""
    value = record.fields.get(column)
    if isinstance(value, float) and value != value:
        return None
    if not isinstance(value, str):
        return value
    if not value.strip(ENDS):
        return None
    try:
        check_text(value)
    except Fault as fault:
        raise Fault(
            f"the cell {column} holds {fault.message}", "write the text, or empty the cell", line=record.line
        ) from None
    return value

"""Rows as files: JSON Lines, CSV and Parquet tables, and the metadata of a Hugging Face VideoFolder.

The metadata are a file beside the videos of each split.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

from batchveo.core.errors import UsageError
from batchveo.dataset.columns import COLUMNS, ColumnTypes, Kind, Row
from batchveo.dataset.settings import Metadata
from batchveo.storage.file_system import replace_file

GROUP = 1000
"""Rows in one row group of Parquet."""

_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}
"""Characters that some readers take for the end of a line; in JSON they occur in strings only."""
_METADATA_NAMES = ("metadata.jsonl", "metadata.parquet", "metadata.csv")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T][\d:]*Z?)?")
"""Texts that the loader takes for a point of time, if the column has no other text."""


def format_json_line(row: Row) -> str:
    """The row on one line, with all scripts as they are."""
    text = json.dumps(row, ensure_ascii=False)
    return text if text.isascii() else text.translate(_LINE_ENDS)


def write_jsonl(path: Path, rows: Iterable[Row]) -> None:
    """Write one JSON object a line."""
    with replace_file(path) as part, part.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{format_json_line(row)}\n" for row in rows)


def write_csv(path: Path, rows: Iterable[Row], types: ColumnTypes) -> None:
    """Write RFC 4180, UTF-8, with a header; ``None`` is an empty cell, flags are ``true`` and ``false``."""
    with replace_file(path) as part, part.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(types.kinds), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _format_cell(value) for name, value in row.items()} for row in rows)


def write_parquet(path: Path, rows: Iterable[Row], types: ColumnTypes) -> None:
    """Write typed columns. Raises ``UsageError`` if pyarrow is not installed."""
    arrow, parquet = import_arrow()
    arrow_types = {Kind.TEXT: arrow.string(), Kind.INTEGER: arrow.int64(), Kind.NUMBER: arrow.float64()}
    arrow_types[Kind.FLAG] = arrow.bool_()
    schema = arrow.schema([(name, arrow_types[kind]) for name, kind in types.kinds.items()])
    with replace_file(path) as part, parquet.ParquetWriter(part, schema, compression="zstd") as writer:
        for group in _group_rows(iter(rows)):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))


def import_arrow() -> tuple[Any, Any]:
    """The modules of pyarrow. Raises ``UsageError`` if it is not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'batchveo[parquet]'") from None
    return pyarrow, parquet


def has_arrow() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def _format_cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _group_rows(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while group := list(islice(rows, GROUP)):
        yield group


class Rows(Protocol):
    """Reads the rows again: of all clips, of one split, of ``only`` some ids among them."""

    def __call__(self, split: str | None = None, *, only: Container[str] | None = None) -> Iterator[Row]:
        """The rows, in the order of their export."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenMetadata:
    """The ``columns`` of the metadata, and those that are ``lost`` although some clips have a value."""

    kind: Metadata
    columns: Sequence[str]
    lost: Sequence[str] = ()


def write_metadata(
    folder: Path, rows: Rows, splits: list[str], kind: Metadata, types: ColumnTypes, survey: JsonSurvey
) -> WrittenMetadata:
    """Write ``metadata.jsonl`` or ``.parquet`` into every split's folder; ``survey`` has read all rows.

    JSON has no types, and the loader refuses splits that differ in a type: a column of numbers needs a value in each
    split, a column of text one that is no date. Other columns are left out. Parquet has them all.
    """
    left_out = set(survey.list_left_out(types))
    for split in splits:
        path = folder / split / f"metadata.{kind.value}"
        if kind is Metadata.PARQUET:
            write_parquet(path, _name_inside(rows(split), split), types)
        else:
            write_jsonl(path, _iter_json_rows(rows, split, types, survey.list_leaders(split, types), left_out))
        # After the new file is on the disk: a death between the two leaves both, and the next export removes one.
        _remove_other_metadata(folder / split, kind)
    if kind is Metadata.PARQUET:
        return WrittenMetadata(kind=kind, columns=tuple(types.kinds))
    columns = [name for name in types.kinds if name not in left_out]
    return WrittenMetadata(kind=kind, columns=columns, lost=survey.list_lost(types))


def find_metadata(folder: Path) -> list[Path]:
    """The files that a loader would take for metadata in a split's folder."""
    return [path for name in _METADATA_NAMES if (path := folder / name).exists()]


def _remove_other_metadata(folder: Path, kind: Metadata) -> None:
    """Remove metadata of another kind from a split's folder: the loader takes one kind only."""
    for other in Metadata:
        if other is not kind:
            (folder / f"metadata.{other.value}").unlink(missing_ok=True)


def _name_inside(rows: Iterator[Row], split: str) -> Iterator[Row]:
    """The rows with file names relative to the split's folder."""
    for row in rows:
        yield {**row, "file_name": str(row["file_name"]).removeprefix(f"{split}/")}


def _iter_json_rows(
    rows: Rows, split: str, types: ColumnTypes, leaders: Container[str], left_out: Container[str]
) -> Iterator[Row]:
    """The rows of a split without null texts; those that show the types of all columns come first."""
    # The loader reads only some megabytes before it decides on types.
    others = (row for row in rows(split) if row["job_id"] not in leaders)
    nothing = {name: "" if kind is Kind.TEXT else None for name, kind in types.kinds.items()}
    for row in _name_inside(chain(rows(split, only=leaders), others), split):
        yield {name: nothing[name] if value is None else value for name, value in row.items() if name not in left_out}


class JsonSurvey:
    """Reads rows one by one, for the columns that show their type in every split, and the clips that show it first.

    ``further``: the columns of chains and scores that the rows may have.
    """

    def __init__(self, further: Iterable[str] = ()) -> None:
        self._columns = {*COLUMNS, *further}
        # by split and column, the id of the first clip: the types are known only after the last row
        self._first_values: dict[str, dict[str, str]] = {}
        self._first_texts: dict[str, dict[str, str]] = {}
        self._unseen: dict[str, tuple[set[str], set[str]]] = {}

    def add_row(self, row: Row) -> None:
        """Read one row."""
        split, job_id = str(row["split"]), str(row["job_id"])
        if split not in self._first_values:
            self._first_values[split], self._first_texts[split] = {}, {}
            self._unseen[split] = set(self._columns), set(self._columns)
        values, texts = self._unseen[split]
        shown = {name for name in values if row.get(name) is not None}
        if shown:
            values -= shown
            self._first_values[split].update(dict.fromkeys(shown, job_id))
        # None is written as an empty text, which shows that the column is text.
        shown = {name for name in texts if row.get(name) is None or not _DATE.fullmatch(str(row[name]))}
        if shown:
            texts -= shown
            self._first_texts[split].update(dict.fromkeys(shown, job_id))

    def list_leaders(self, split: str, types: ColumnTypes) -> set[str]:
        """The ids of the jobs whose rows show the types of a split's columns."""
        return set(self._find_firsts(split, types).values())

    def list_left_out(self, types: ColumnTypes) -> list[str]:
        """The columns that do not show their type in every split."""
        firsts = [self._find_firsts(split, types) for split in self._first_values]
        return [name for name in types.kinds if any(name not in first for first in firsts)]

    def list_lost(self, types: ColumnTypes) -> list[str]:
        """Those left out that have a value: a number in another split, or only dates in this one."""
        return [name for name in self.list_left_out(types) if types.kinds[name] is Kind.TEXT or self._has_value(name)]

    def _find_firsts(self, split: str, types: ColumnTypes) -> dict[str, str]:
        values, texts = self._first_values[split], self._first_texts[split]
        found = {name: (texts if kind is Kind.TEXT else values).get(name) for name, kind in types.kinds.items()}
        return {name: job_id for name, job_id in found.items() if job_id is not None}

    def _has_value(self, name: str) -> bool:
        return any(name in values for values in self._first_values.values())

"""CSV and TSV manifests: one job a row, the header names its fields."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from batchveo.manifest.entries import Entry
from batchveo.manifest.formats import text
from batchveo.manifest.formats.csv_columns import ColumnMapper
from batchveo.manifest.formats.csv_header import Header, header_of
from batchveo.manifest.problems import Fault

_DELIMITERS = ",;\t"
_SEPARATOR = re.compile(r'"?sep=(?P<delimiter>[^"\r\n])"?[,;\t ]*', re.IGNORECASE)
"""The first line by which a spreadsheet tells another what separates the cells."""


def read_csv(
    stream: BinaryIO,
    columns: ColumnMapper,
    *,
    required: Sequence[Sequence[str]] = (),
    delimiter: str | None = None,
) -> Iterator[Entry | Fault]:
    """An entry for each row that is not blank; a ``Fault`` stands for what cannot be read.

    Without a ``delimiter`` the one that stands most often in the header is taken. A column that is wrong is
    reported once and left out of every row. Where all of a ``required`` group are absent something stands in, so
    that the rest can be checked; but without a model, on which the others depend, no row is read.
    """
    try:
        rows = numbered_rows(stream, delimiter)
        line, names = next(rows, (1, []))
        header = header_of(names, columns.fields_of, line)
        header.faults += columns.find_absent(header.names, line) if names else ()
        yield from header.faults
        if names:
            yield from header.report_missing(required)
        absent = [group[0] for group in header.find_absent(required)]
        if "model" not in absent:
            yield from _read_entries(rows, header, dict.fromkeys(absent, "…"))
    except Fault as fault:
        yield fault


def _read_entries(
    rows: Iterator[tuple[int, list[str]]], header: Header, stand_in: dict[str, object]
) -> Iterator[Entry | Fault]:
    width = header.width
    sent, carried, unnamed = header.sent, header.carried, header.unnamed
    named = [column for column, name in enumerate(header.names) if name]
    for line, row in rows:
        if len(row) != width and not without_edge(row, width):
            yield wrong_width(row, width, line)
            continue
        if unnamed and any(row[column] for column in unnamed):
            yield from header.check_unnamed(row, line)
        fields: dict[str, object] = {
            name: cell for column, name in sent if (cell := row[column]) and not cell.isspace()
        }
        if meta := {key: cell for column, key in carried if (cell := row[column]) and not cell.isspace()}:
            fields["meta"] = meta
        if fields or any(row[column] and not row[column].isspace() for column in named):  # ignored columns too
            yield Entry(line, {**fields, **stand_in} if stand_in else fields)


def without_edge(row: list[str], width: int) -> bool:
    """Cut off the empty cells that a spreadsheet writes beyond its last column; false where one is not empty."""
    if len(row) < width or any(cell.strip() for cell in row[width:]):
        return False
    del row[width:]
    return True


def wrong_width(row: list[str], width: int, line: int) -> Fault:
    """What to say of a row that has more or fewer cells than the header."""
    cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
    return Fault(f"has {cells}, the header has {width}", "does a comma need quotes?", line=line)


def numbered_rows(stream: BinaryIO, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with the line it begins on; raises ``Fault`` where it is not CSV."""
    csv.field_size_limit(text.LINE_LIMIT)  # of the whole process: the module knows no other way
    lines = text.read_lines(stream)
    skipped, first = _skip_blank(lines, 0)
    if match := _SEPARATOR.fullmatch(first.strip("\n")):
        delimiter = match["delimiter"]
        skipped, first = _skip_blank(lines, skipped + 1)
    if not first:
        return
    rows = csv.reader(chain([first], lines), delimiter=delimiter or _guess_delimiter(first), strict=True)
    line = skipped + 1
    try:
        for row in rows:
            if row:
                yield line, row
            line = skipped + rows.line_num + 1
    except csv.Error as error:
        hint = "save it with usual line ends" if "new-line" in str(error) else "is a quote left open?"
        raise Fault(f"not valid CSV: {error}", hint, line=line) from None


def _skip_blank(lines: Iterator[str], skipped: int) -> tuple[int, str]:
    """How many lines lie before the next one that is not blank, and that line; an empty one at the end."""
    for line in lines:
        if not line.isspace():
            return skipped, line
        skipped += 1
    return skipped, ""


def _guess_delimiter(header: str) -> str:
    unquoted = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=unquoted.count)

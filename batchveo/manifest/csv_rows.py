"""CSV and TSV manifests: one job a row, the header names its fields."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from batchveo.manifest import text
from batchveo.manifest.problems import Fault
from batchveo.manifest.raw import Entry

META = "meta."
"""The names of columns that are carried along begin with it."""

_DELIMITERS = ",;\t"

ColumnCheck = Callable[[str], Fault | None]
"""Tells what is wrong with the name of a column."""


def read(
    stream: BinaryIO,
    check: ColumnCheck,
    *,
    required: Sequence[Sequence[str]] = (),
    delimiter: str | None = None,
) -> Iterator[Entry | Fault]:
    """An entry for each row that is not blank; a ``Fault`` stands for what cannot be read.

    Without a ``delimiter`` the one that stands most often in the header is taken. A column that is wrong is
    reported once and left out of every row; where all of a ``required`` group are absent no row is read.
    """
    try:
        rows = _numbered_rows(stream, delimiter)
        line, names = next(rows, (1, []))
        header = [name.strip() for name in names]
        faults = list(_header_faults(header, check, line))
        yield from faults
        missing = [group for group in required if header and not {*group} & {*header}]
        if missing and not faults:
            for group in missing:
                yield Fault(f"the header has no column {' or '.join(group)}", line=line, field=group[0])
        if missing:
            return
        yield from _entries(rows, header, {fault.column for fault in faults})
    except Fault as fault:
        yield fault


class _ColumnFault(Fault):
    """A column that is left out."""

    def __init__(self, column: int, fault: Fault, line: int) -> None:
        self.column = column
        super().__init__(fault.message, fault.suggestion, line=line, field=fault.field)


def _header_faults(header: list[str], check: ColumnCheck, line: int) -> Iterator[_ColumnFault]:
    for column, name in enumerate(header):
        fault = None
        if not name:
            fault = Fault(f"column {column + 1} has no name", "name it, or take it out")
        elif name in header[:column]:
            fault = Fault("the column stands twice", "take one of them out", field=name)
        elif not name.startswith(META) or name == META:
            fault = check(name)
        if fault:
            yield _ColumnFault(column, fault, line)


def _entries(rows: Iterator[tuple[int, list[str]]], header: list[str], wrong: set[int]) -> Iterator[Entry | Fault]:
    width = len(header)
    sent = [(column, name) for column, name in enumerate(header) if column not in wrong]
    carried = [(column, name.removeprefix(META)) for column, name in sent if name.startswith(META)]
    sent = [(column, name) for column, name in sent if not name.startswith(META)]
    for line, row in rows:
        if len(row) != width:
            cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
            yield Fault(f"has {cells}, the header has {width}", "does a comma need quotes?", line=line)
            continue
        fields: dict[str, object] = {name: cell for column, name in sent if (cell := row[column])}
        if meta := {key: cell for column, key in carried if (cell := row[column])}:
            fields["meta"] = meta
        if fields:
            yield Entry(line, fields)


def _numbered_rows(stream: BinaryIO, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with the line it begins on; raises ``Fault`` where it is not CSV."""
    csv.field_size_limit(text.LINE_LIMIT)  # of the whole process: the module knows no other way
    lines = text.lines(stream)
    skipped = 0
    for first in lines:
        if not first.isspace():
            break
        skipped += 1
    else:
        return
    rows = csv.reader(chain([first], lines), delimiter=delimiter or _delimiter(first), strict=True)
    line = skipped + 1
    try:
        for row in rows:
            if row:
                yield line, row
            line = skipped + rows.line_num + 1
    except csv.Error as error:
        hint = "save it with usual line ends" if "new-line" in str(error) else "is a quote left open?"
        raise Fault(f"not valid CSV: {error}", hint, line=line) from None


def _delimiter(header: str) -> str:
    unquoted = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=unquoted.count)

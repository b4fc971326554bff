"""CSV and TSV manifests: one job a row, the header names its fields."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

from batchveo.core.hints import format_command
from batchveo.core.job_row import ENDS
from batchveo.manifest.entries import Entry
from batchveo.manifest.formats import text
from batchveo.manifest.problems import Fault, shown, shown_bare
from batchveo.manifest.read_options import META, Extra, ReadOptions
from batchveo.manifest.synonyms import means, suggest_key
from batchveo.manifest.vocabulary import COMMON, FIXED, JOB_KEYS, Vocabulary

_NOT_IN_CELLS = {
    "matrix": Fault("rows cannot hold a matrix", "write the jobs out, or use YAML"),
    "rows_file": Fault("rows cannot name other rows", "use YAML for rows_file"),
    "meta": Fault("one column for each value, please", "call it meta.KEY"),
}
_NAMED = 12
"""Columns that a fault names at most."""
IsParameter = Callable[[str, Mapping[str, object]], bool]
FieldsOf = Callable[[str], tuple[str, ...] | Fault]
"""Maps the name of a column to the fields it fills (none: it is ignored), or to what is wrong with it."""
_DELIMITERS = ",;\t"
_SEPARATOR = re.compile(r'"?sep=(?P<delimiter>[^"\r\n])"?[,;\t ]*', re.IGNORECASE)
"""The first line in which a spreadsheet names the separator of cells."""


class ColumnMapper:
    """Tells what each column of a header is, by its own name and by what ``options`` say.

    ``is_parameter``: whether a column is a parameter in a row with these fields, which depends on the row's model.
    """

    def __init__(self, options: ReadOptions, vocabulary: Vocabulary, is_parameter: IsParameter) -> None:
        self.is_parameter = is_parameter
        self._options = options
        self._vocabulary = vocabulary
        self._renamed: dict[str, list[str]] = {}
        for name, column in options.renames.items():
            self._renamed.setdefault(column.strip(), []).append(name)

    def fields_of(self, column: str) -> tuple[str, ...] | Fault:
        """The fields that a column fills; none if it is to be ignored."""
        if column in self._renamed:
            return tuple(self._renamed[column])
        if is_meta(column):
            return (META + column[len(META) :].strip(),)
        known = self._vocabulary.by_fold.get(column.casefold())
        if known in self._options.renames:  # another column fills that field
            return self._place_extra(
                column, Fault(f"{known} is filled by another column (--map)", _suggest_extra(column))
            )
        if known in _NOT_IN_CELLS:
            fault = _NOT_IN_CELLS[known]
            return self._place_extra(column, Fault(fault.message, fault.suggestion, field=column))
        if known is not None:
            return (known,)
        if self._vocabulary.any_model and self._options.extra is Extra.ERROR:
            return (column,)
        right = suggest_key(column, [*COMMON, *JOB_KEYS], column=True)
        return self._place_extra(column, Fault("no model takes such a parameter", right, field=column))

    def is_needed(self, name: str, model: str | None) -> bool:
        """Whether a row for ``model`` needs this field; without a model, ``--set`` may give one."""
        found = self._vocabulary.find_model(self._options.sets.get("model") if model is None else model)
        return name in JOB_KEYS or found is None or name in found.required

    def depends_on_row(self, name: str) -> bool:
        """Whether a column for this field is one only in the rows of some models, and carried along in the others."""
        is_own = name in FIXED or name.startswith(META) or name in self._options.renames
        return not is_own and self._options.extra is not Extra.ERROR

    @property
    def carries_extra(self) -> bool:
        """Whether what is no field is carried along, rather than left out."""
        return self._options.extra is Extra.META

    def _place_extra(self, column: str, fault: Fault) -> tuple[str, ...] | Fault:
        match self._options.extra:
            case Extra.META:
                return (META + column,)
            case Extra.IGNORE:
                return ()
            case Extra.ERROR:
                fault.field = column
                return fault

    def find_absent(self, names: Collection[str], line: int | None) -> Iterator[Fault]:
        """A fault for each column that ``--map`` names and the file has not."""
        for column in self._renamed:
            if column not in names:
                yield refuse_column(column, self._renamed[column][0], names, line)


def is_meta(column: str) -> bool:
    """Whether a column is one that is carried along: ``meta.KEY``, in any case."""
    return column[: len(META)].lower() == META and bool(column[len(META) :].strip())


def refuse_column(column: str, field: str, names: Iterable[str], line: int | None) -> Fault:
    """What to say of a column that ``--map`` names and that is not there."""
    there = [shown_bare(name, 40) for name in names if name]
    more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
    listed = ", ".join(there[:_NAMED]) + more
    return Fault(
        f"--map {field}={shown_bare(column, 60)}: there is no such column",
        f"the columns are {listed}" if listed else "the file has none",
        line=line,
        field=field,
    )


def _suggest_extra(column: str) -> str:
    return f"--extra meta carries it along as meta.{shown_bare(column, 40)}, --extra ignore leaves it out"


@dataclass(slots=True, kw_only=True)
class Header:
    """What the columns are: those whose cells are sent or read as keys, those carried along, those without a name.

    ``open``: each row's model decides whether the cell is sent.

    ``faults`` are of the names; a column with a fault is in none of the lists.
    """

    line: int
    width: int
    names: list[str]
    sent: list[tuple[int, str]] = field(default_factory=list)
    carried: list[tuple[int, str]] = field(default_factory=list)
    open: list[tuple[int, str]] = field(default_factory=list)
    unnamed: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _counted: int | None = None

    def report_missing(self, required: Sequence[Sequence[str]]) -> Iterator[Fault]:
        """A fault for each group that is absent, unless a column that is refused already was meant to be it."""
        refused = [fault.field for fault in self.faults if fault.field]
        for group in self.find_absent(required):
            if not any(means(other, name) for other in refused for name in group):
                yield Fault(
                    f"the header has no column {' or '.join(group)}",
                    _suggest_column(group[0]),
                    line=self.line,
                    field=group[0],
                )

    def check_unnamed(self, row: list[str], line: int) -> Iterator[Fault]:
        """A fault for a column without a name whose cells are not empty, once a column.

        The first column may count the rows, as a data frame's index does.
        """
        for column in self.unnamed.copy():
            cell = row[column].strip()
            if not cell or (column == 0 and self._counts_on(cell)):
                continue
            self.unnamed.remove(column)
            yield Fault(
                f"column {column + 1} has no name, and {shown(cell)} in line {line}",
                "name it (meta.NAME carries it along), or take it out",
                line=self.line,
            )

    def _counts_on(self, cell: str) -> bool:
        expected = self._counted
        if not (cell.isascii() and cell.isdigit()) or (expected is None and cell not in {"0", "1"}):
            return False
        if expected is not None and int(cell) != expected:
            return False
        self._counted = int(cell) + 1
        return True

    def find_cell(self, name: str, row: tuple[int, list[str]] | None) -> str | None:
        """The cell of a numbered row that fills this field, if there is one."""
        column = next((column for column, sent in self.sent if sent == name), None)
        return row[1][column] if row is not None and column is not None and column < len(row[1]) else None

    def find_absent(self, required: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """The groups of which there is no column."""
        known = {name for _, name in self.sent}
        return [group for group in required if not known & {*group}]


def read_header(
    names: Sequence[str], fields_of: FieldsOf, line: int, *, is_open: Callable[[str], bool] = lambda _: False
) -> Header:
    """The header that the cells ``names`` of ``line`` make; ``is_open`` fields depend on each row's model."""
    header = Header(line=line, width=len(names), names=[name.strip(ENDS) for name in names])
    first: dict[str, int] = {}
    for column, name in enumerate(header.names):
        if not name:
            header.unnamed.append(column)
            continue
        found = fields_of(name)
        for filled in [found] if isinstance(found, Fault) else found:
            fault = _add_column(header, column, filled, first)
            if fault is not None:
                fault.line, fault.field = line, fault.field or name
                header.faults.append(fault)
    header.open = [(column, name) for column, name in header.sent if is_open(name)]
    header.sent = [sent for sent in header.sent if sent not in header.open]
    return header


def _add_column(header: Header, column: int, found: str | Fault, first: dict[str, int]) -> Fault | None:
    """Let a column fill a field; the fault if it cannot."""
    if isinstance(found, Fault):
        return found
    if found in first:
        where = f"appears twice, in column {first[found] + 1} and in column {column + 1}"
        return Fault(f"the column {where}", "take one of them out")
    first[found] = column
    if found.startswith(META):
        header.carried.append((column, found.removeprefix(META)))
    else:
        header.sent.append((column, found))
    return None


def _suggest_column(name: str) -> str:
    if name == "model":
        return "add it; --set model=NAME gives one to every job"
    manifest = f"; `{format_command('init', 'FILE')}` writes a manifest that makes prompts of other columns"
    return f"add it{manifest if name == 'prompt' else ''}"


def read_csv(
    stream: BinaryIO, columns: ColumnMapper, *, required: Sequence[Sequence[str]] = (), delimiter: str | None = None
) -> Iterator[Entry | Fault]:
    """An entry for each row that is not blank; a ``Fault`` for what cannot be read.

    Without a ``delimiter`` the most frequent one of the header is taken. A column that is wrong is reported once
    and left out of every row. If all of a ``required`` group are absent, a text replaces them, so that the rest can
    be checked; but without a model, on which the others depend, no row is read.
    """
    try:
        rows = numbered_rows(stream, delimiter)
        line, names = next(rows, (1, []))
        header = read_header(names, columns.fields_of, line, is_open=columns.depends_on_row)
        header.faults += columns.find_absent(header.names, line) if names else ()
        yield from header.faults
        first = next(rows, None)
        rows = chain([first], rows) if first else iter(())
        # a table for models that need no prompt has no column for it: the first row shows what it is for
        required = [group for group in required if columns.is_needed(group[0], header.find_cell("model", first))]
        if names:
            yield from header.report_missing(required)
        absent = [group[0] for group in header.find_absent(required)]
        if "model" not in absent:
            yield from _read_entries(rows, header, columns, dict.fromkeys(absent, "…"))
    except Fault as fault:
        yield fault


def _read_entries(
    rows: Iterator[tuple[int, list[str]]], header: Header, columns: ColumnMapper, stand_in: dict[str, object]
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
        meta = {key: cell for column, key in carried if (cell := row[column]) and not cell.isspace()}
        for column, name in header.open:
            if (cell := row[column]) and not cell.isspace():
                if columns.is_parameter(name, fields):
                    fields[name] = cell
                elif columns.carries_extra:
                    meta[header.names[column]] = cell
        if meta:
            fields["meta"] = meta
        if fields or any(row[column] and not row[column].isspace() for column in named):  # ignored columns too
            yield Entry(line, {**fields, **stand_in} if stand_in else fields)


def without_edge(row: list[str], width: int) -> bool:
    """Cut off the empty cells that a spreadsheet writes beyond its last column; false if one is not empty."""
    if len(row) < width or any(cell.strip() for cell in row[width:]):
        return False
    del row[width:]
    return True


def wrong_width(row: list[str], width: int, line: int) -> Fault:
    """What to say of a row that has more or fewer cells than the header."""
    cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
    return Fault(f"has {cells}, the header has {width}", "does a comma need quotes?", line=line)


def numbered_rows(stream: BinaryIO, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with the line it begins on; raises ``Fault`` if it is not CSV."""
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

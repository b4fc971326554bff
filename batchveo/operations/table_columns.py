"""The columns of somebody's table, and what each of them probably means: for a first manifest that reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.errors import UsageError, find_reason
from batchveo.core.hints import format_command
from batchveo.manifest.formats.row_files import ROW, RowFile, TableRow, open_table
from batchveo.manifest.problems import Fault
from batchveo.manifest.sources import JSON_LINES_SUFFIXES, open_text
from batchveo.manifest.synonyms import fold_key, meant_by
from batchveo.manifest.vocabulary import COMMON, JOB_KEYS
from batchveo.provider.catalog import Catalog

MANIFEST_SUFFIXES = (".yaml", ".yml")
LIST_SUFFIX = ".txt"
SOURCE_SUFFIXES = frozenset((LIST_SUFFIX, ".csv", ".tsv", ".json", ".parquet", *JSON_LINES_SUFFIXES))
LONGEST_NAME = 80
"""Characters of a cell that is the name of a file."""
_NAME_COLUMNS = frozenset(("sku", "article", "product", "item", "handle", "number", "no", "nr"))
"""Columns that name a row, besides those that mean ``name`` or ``id`` in other words."""
_FILLED_OTHERWISE = frozenset((*JOB_KEYS, *COMMON, "index", "line", "row_number"))
"""Names that braces may fill with something else than a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: its first value, whether all cells are filled, and whether all differ."""

    name: str
    example: str
    is_full: bool
    is_distinct: bool

    @property
    def hole(self) -> str:
        """The placeholder of the column in a manifest."""
        is_own = fold_key(self.name) not in _FILLED_OTHERWISE and not self.name.startswith("meta.")
        return f"{{{self.name}}}" if is_own else f"{{{ROW}{self.name}}}"

    def is_called(self, field: str) -> bool:
        """Whether the column has the name of the field."""
        return fold_key(self.name) == field


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that a manifest can read. ``left_out``: columns whose name no placeholder can have."""

    path: Path
    columns: Mapping[str, Column]
    left_out: Sequence[str] = ()

    def find_meaning(self, field: str) -> list[Column]:
        """The columns that mean this field, the surest first: by its own name, then by what others call it."""
        found = [each for each in self.columns.values() if each.is_called(field) or meant_by(each.name) == field]
        return sorted(found, key=lambda column: (not column.is_called(field), field not in fold_key(column.name)))

    def find_name(self) -> Column | None:
        """The column that names the rows: one by its own name, else one whose cells are all there and all differ."""
        named = self.find_meaning("name")
        if named and named[0].is_called("name"):
            return named[0]
        usual = [column for column in self.columns.values() if fold_key(column.name) in _NAME_COLUMNS]
        candidates = [*usual, *self.find_meaning("id"), *named]
        return next((column for column in candidates if column.is_full and column.is_distinct), None)

    def has_models(self, catalog: Catalog) -> bool:
        """Whether each row names a model of its own."""
        found = self.find_meaning("model")
        return bool(found) and found[0].is_full and found[0].example in catalog

    @property
    def has_images(self) -> bool:
        """Whether each row has an image that a video can start from."""
        return any(column.is_full for column in self.find_meaning("image_url"))


def find_source(path: Path) -> Table | Path:
    """The table at ``path``, or the path of a list of prompts. Raises ``UsageError`` for anything else."""
    suffix = path.suffix.lower()
    if suffix in MANIFEST_SUFFIXES:
        raise UsageError(f"{path} is a manifest already: `{format_command('plan', str(path), state=None)}` checks it")
    try:
        with open_text(path) if suffix != ".parquet" else path.open("rb"):
            return path if suffix == LIST_SUFFIX else _read_table(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {find_reason(error)}") from None
    except Fault as fault:
        place = path if fault.line is None else f"{path}:{fault.line}"
        hint = f" ({fault.suggestion})" if fault.suggestion else ""
        raise UsageError(f"{place}: {fault.message}{hint}") from None


def _read_table(path: Path) -> Table:
    """Read all rows once. Raises ``Fault``."""
    file = open_table(path, str(path))
    names = [name for name in file.names if _is_usable(file, name)]
    examples = dict.fromkeys(names, "")
    # the texts of columns that have not repeated one yet
    seen: dict[str, set[str]] = {name: set() for name in names}
    full, rows = set(names), 0
    for row in file.rows(names):
        if not isinstance(row, TableRow):
            raise row
        rows += 1
        for name in names:
            value = row.values[name]
            if value is None:
                full.discard(name)
                continue
            text = str(value).strip()
            examples[name] = examples[name] or text
            if name in seen:
                _note_text(seen, name, text)
    if not rows:
        raise Fault("holds no rows")
    if not names:
        raise Fault("no column has a name that a placeholder can have", "rename them, without braces")
    columns = [
        Column(name=name, example=examples[name], is_full=name in full, is_distinct=name in seen) for name in names
    ]
    return Table(
        path=path,
        columns={column.name: column for column in columns},
        left_out=[name for name in file.names if name not in names],
    )


def _is_usable(file: RowFile, name: str) -> bool:
    """Whether a placeholder can name the column: braces end a placeholder, and two columns may have one name."""
    try:
        file.check([name])
    except Fault:
        return False
    return name.isprintable() and not {"{", "}"} & {*name}


def _note_text(seen: dict[str, set[str]], name: str, text: str) -> None:
    folded = text.casefold()  # names of files must differ in more than their case
    if folded in seen[name] or len(text) > LONGEST_NAME:
        del seen[name]  # the other cells of a long table then take no memory
    else:
        seen[name].add(folded)

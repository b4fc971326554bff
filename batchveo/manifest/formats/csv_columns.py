"""Which field of a job a column of CSV or TSV fills."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from batchveo.manifest.problems import Fault, shown_bare
from batchveo.manifest.read_options import META, Extra, ReadOptions
from batchveo.manifest.synonyms import suggest_key
from batchveo.manifest.validation import JOB_KEYS, PARAMETERS

_FIELDS = {name.casefold(): name for name in (*PARAMETERS, *JOB_KEYS)}
_NOT_IN_CELLS = {
    "matrix": Fault("rows cannot hold a matrix", "write the jobs out, or use YAML"),
    "rows_file": Fault("rows cannot name other rows", "use YAML for rows_file"),
    "meta": Fault("one column for each value, please", "call it meta.KEY"),
}
_NAMED = 12


class ColumnMapper:
    """Tells what each column of a header is, by its own name and by what ``options`` say."""

    def __init__(self, options: ReadOptions, *, any_model: bool) -> None:
        self._options = options
        self._any_model = any_model
        self._fields_of: dict[str, list[str]] = {}
        for name, column in options.renames.items():
            self._fields_of.setdefault(column.strip(), []).append(name)

    def fields_of(self, column: str) -> tuple[str, ...] | Fault:
        """The fields that a column fills; none where it is to be ignored."""
        if column in self._fields_of:
            return tuple(self._fields_of[column])
        if is_meta(column):
            return (META + column[len(META) :].strip(),)
        known = _FIELDS.get(column.casefold())
        if known in self._options.renames:  # another column fills that field
            return self._place_extra(
                column, Fault(f"{known} is filled by another column (--map)", _suggest_extra(column))
            )
        if known in _NOT_IN_CELLS:
            fault = _NOT_IN_CELLS[known]
            return self._place_extra(column, Fault(fault.message, fault.suggestion, field=column))
        if known is not None:
            return (known,)
        if self._any_model and self._options.extra is Extra.ERROR:
            return (column,)
        right = suggest_key(column, [*PARAMETERS, *JOB_KEYS], column=True)
        return self._place_extra(column, Fault("no model takes such a parameter", right, field=column))

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
        for column in self._fields_of:
            if column not in names:
                yield no_such_column(column, self._fields_of[column][0], names, line)


def is_meta(column: str) -> bool:
    """Whether a column is one that is carried along: ``meta.KEY``, in any case."""
    return column[: len(META)].lower() == META and bool(column[len(META) :].strip())


def no_such_column(column: str, field: str, names: Iterable[str], line: int | None) -> Fault:
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

"""JSON objects as entries: keys renamed, and those that are no fields carried along or left out."""

from __future__ import annotations

from collections.abc import Iterator

from batchveo.manifest.entries import Entry
from batchveo.manifest.formats.csv_columns import no_such_column
from batchveo.manifest.formats.json_rows import KEY, DocumentColumn
from batchveo.manifest.problems import Fault
from batchveo.manifest.read_options import META, Extra, ReadOptions
from batchveo.manifest.validation import JOB_KEYS, PARAMETERS

_KNOWN = PARAMETERS | frozenset(JOB_KEYS)
_SEEN = 1000
_MISSING = object()
_Path = tuple[str, ...]


class KeyMapper:
    """Turns the objects of one file into entries as ``options`` say.

    ``as_written`` is for YAML, whose keys are a person's own: nothing is renamed, and a key without a value stays,
    for it is more often the rest of a text that a comma cut.
    """

    def __init__(self, options: ReadOptions, *, any_model: bool, as_written: bool = False) -> None:
        self._renames = {} if as_written else options.renames
        self._extra = options.extra
        self._keeps_unknown = any_model and options.extra is Extra.ERROR
        self._as_written = as_written
        self._found: set[str] = set()
        self._seen: dict[str, None] = {}

    def map_entry(self, entry: Entry) -> Entry | Fault:
        """The entry with its fields; a ``Fault`` where a key is not to be had or not to be left out."""
        rest: dict[str, object] = dict(entry.fields)
        if len(self._seen) < _SEEN:
            self._seen |= dict.fromkeys(entry.fields)
        fields: dict[str, object] = {}
        meta: dict[str, object] = {}
        lines = dict(entry.lines)
        for field, column in self._renames.items():
            path = _find_path(entry.fields, column)
            value = _get_at(entry.fields, path)
            if value is _MISSING:
                continue
            self._found.add(column)
            rest = _remove_path(rest, path)
            if path[0] in entry.lines:
                lines[field] = entry.lines[path[0]]
            if field.startswith(META):
                meta[field.removeprefix(META)] = value
            else:
                fields[field] = _read_name(value) if field == "name" else value
        try:
            for key, value in rest.items():
                self._place_value(key, value, entry, fields, meta)
            return entry._replace(fields=_join_meta(fields, meta), lines=lines)
        except Fault as fault:
            fault.line = entry.lines.get(str(fault.field), entry.line)
            return fault

    def _place_value(
        self, key: str, value: object, entry: Entry, fields: dict[str, object], meta: dict[str, object]
    ) -> None:
        """Put what stands under a key where it belongs."""
        whole = entry.fields.get(key) == value
        is_field = key in _KNOWN or self._keeps_unknown
        if (whole and key not in self._renames and is_field) or (value is None and self._as_written):
            fields[key] = value
        elif self._extra is Extra.META:
            meta[key] = value
        elif key == KEY and any(type(name) is DocumentColumn for name in entry.fields if name == KEY):
            return  # the place in the document, which only some want to know
        elif self._extra is Extra.ERROR and whole and key not in self._renames:
            fields[key] = value  # complained of with all that is known of the model
        elif self._extra is Extra.ERROR:
            raise _refuse_key(key, value, is_field=key in self._renames)

    def find_absent(self) -> Iterator[Fault]:
        """A fault for each key that ``--map`` names and no object of the file has; to be asked at the end."""
        for field, column in self._renames.items():
            if column not in self._found:
                yield no_such_column(column, field, self._seen, None)


def _find_path(fields: dict[str, object], column: str) -> _Path:
    """Where a column is: a key by its whole name, or keys of nested objects joined by dots."""
    return (column,) if column in fields else tuple(column.split("."))


def _get_at(value: object, path: _Path) -> object:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, _MISSING)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value


def _remove_path(table: dict[str, object], path: _Path) -> dict[str, object]:
    """The table without what stands at the path, nor what is empty then; it may be gone already."""
    head, rest = path[0], path[1:]
    left = {key: value for key, value in table.items() if key != head}
    if rest and head in table and (kept := _remove_inside(table[head], rest)):
        left[head] = kept
    return left


def _remove_inside(value: object, path: _Path) -> object:
    if isinstance(value, dict):
        return _remove_path(value, path)
    if not isinstance(value, list) or not path[0].isdecimal():
        return value
    at = int(path[0])
    inside = [_remove_inside(value[at], path[1:])] if path[1:] and at < len(value) else []
    return [*value[:at], *filter(None, inside), *value[at + 1 :]]


def _join_meta(fields: dict[str, object], meta: dict[str, object]) -> dict[str, object]:
    """The fields with what is carried along in their ``meta``. Raises ``Fault`` for what would be in it twice."""
    if not meta:
        return fields
    own = fields.get("meta")
    if own is None:
        return {**fields, "meta": meta}
    if not isinstance(own, dict):
        return fields  # complained of where meta is read
    if twice := next((key for key in meta if key in own), None):
        raise Fault(f"{twice} stands in meta and beside it", "rename one of them", field=twice)
    return {**fields, "meta": {**own, **meta}}


def _read_name(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _refuse_key(key: str, value: object, *, is_field: bool) -> Fault:
    right = "--extra meta carries it along, --extra ignore leaves it out"
    if is_field:
        return Fault(f"{key} is filled by another key (--map)", right, field=key)
    inside = ", ".join(f"{key}.{name}" for name in value) if isinstance(value, dict) else key
    return Fault(f"nothing takes {inside}", f"--map FIELD={key}.… does; {right}", field=key)

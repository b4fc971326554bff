"""The keys of JSON objects: renamed, carried along or left out, and what to add for objects that are no jobs."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import BinaryIO

from batchveo.manifest.entries import Entry, Item
from batchveo.manifest.formats import json_format
from batchveo.manifest.formats.csv_format import IsParameter, refuse_column
from batchveo.manifest.formats.json_format import KEY, VALUE, DocumentColumn
from batchveo.manifest.problems import Fault, shown_bare
from batchveo.manifest.read_options import META, Extra, ReadOptions
from batchveo.manifest.sources import SECTIONS
from batchveo.manifest.synonyms import key_hint, meant_by
from batchveo.manifest.vocabulary import FIXED
from batchveo.provider.catalog import MODELS

_SEEN = 1000
_MISSING = object()
_Path = tuple[str, ...]
_PROMPTS = frozenset(("prompt", "prompts_file", "rows_file", "matrix"))
_MODEL = "google/veo-3.1-t2v-fast"
_NESTED = ("prompt", "input", "text", "content", "caption")
_NAMED = 8
_ADVISED = frozenset(("prompt", "negative_prompt", "name", "id", "image_url", "last_image_url"))


class KeyMapper:
    """Turns the objects of one file into entries as ``options`` say.

    ``is_parameter``: whether a key is a parameter in an entry with these fields, which depends on the entry's model.
    ``as_written`` is for YAML, whose keys are a person's own: nothing is renamed, and a key without a value stays,
    for it is more often the rest of a text that a comma cut.
    """

    def __init__(
        self, options: ReadOptions, is_parameter: IsParameter, *, any_model: bool, as_written: bool = False
    ) -> None:
        self._is_parameter = is_parameter
        self._renames = {} if as_written else options.renames
        self._extra = options.extra
        self._keeps_unknown = any_model and options.extra is Extra.ERROR
        self._as_written = as_written
        self._found: set[str] = set()
        self._seen: dict[str, None] = {}

    def map_entry(self, entry: Entry) -> Entry | Fault:
        """The entry with its fields; a ``Fault`` if a key is not to be had or not to be left out."""
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
        whole = {**rest, **fields}
        try:
            for key, value in rest.items():
                is_field = key in FIXED or self._keeps_unknown or self._is_parameter(key, whole)
                self._place_value(key, value, entry, fields, meta, is_field=is_field)
            return entry._replace(fields=_join_meta(fields, meta), lines=lines)
        except Fault as fault:
            fault.line = entry.lines.get(str(fault.field), entry.line)
            return fault

    def _place_value(
        self,
        key: str,
        value: object,
        entry: Entry,
        fields: dict[str, object],
        meta: dict[str, object],
        *,
        is_field: bool,
    ) -> None:
        """Put the value of a key into the fields, into ``meta``, or nowhere."""
        whole = entry.fields.get(key) == value
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
                yield refuse_column(column, field, self._seen, None)


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
    """The table without the value at the path, and without what is empty then; the value may be gone already."""
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
        return fields  # reported when meta is read
    if twice := next((key for key in meta if key in own), None):
        raise Fault(f"{twice} is in meta and beside it", "rename one of them", field=twice)
    return {**fields, "meta": {**own, **meta}}


def _read_name(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _refuse_key(key: str, value: object, *, is_field: bool) -> Fault:
    right = "--extra meta carries it along, --extra ignore leaves it out"
    if is_field:
        return Fault(f"{key} is filled by another key (--map)", right, field=key)
    inside = ", ".join(f"{key}.{name}" for name in value) if isinstance(value, dict) else key
    return Fault(f"nothing takes {inside}", f"--map FIELD={key}.… does; {right}", field=key)


def is_manifest(stream: BinaryIO) -> bool:
    """Whether a JSON document is a list of objects, or has the sections of a manifest; rewinds."""
    start = stream.read(_PEEK).lstrip(b"\xef\xbb\xbf \t\r\n")
    stream.seek(0)
    if start.startswith(b"["):
        return start[1:].lstrip()[:1] in {b"{", b"]", b""}
    if not start.startswith(b"{"):
        return True  # neither list nor mapping: the parser says what is wrong
    key = start[1:].lstrip()
    if key.startswith(b'"filename"') and b'"jobs"' in start:
        return True
    return key[:1] != b'"' or any(key.startswith(f'"{section}"'.encode()) for section in SECTIONS)


_PEEK = 64 * 1024


def suggest_options(stream: BinaryIO, given: Collection[str]) -> Fault:
    """What to add so that a JSON document of another shape can be read; ``given`` has a field already."""
    first, second = (next(rows, None) for rows in [json_format.read_json_rows(stream)] for _ in range(2))
    stream.seek(0)
    if first is None or isinstance(first, Fault):
        return first or Fault("holds no jobs")
    if isinstance(second, Fault):
        return second
    row = first.fields
    keyed = KEY in row
    if keyed and isinstance(second, Entry) and second.fields.get(KEY) == row[KEY]:
        return _advise_list(row, given, first.line)
    if VALUE in row:
        if keyed:
            maps = f"--map name={KEY} --map prompt={VALUE}, or --map prompt={KEY} --map name={VALUE}"
            return _make_advice("holds texts under keys, no jobs", maps, given, first.line)
        return _make_advice("is a list of texts, not of jobs", f"--map prompt={VALUE}", given, first.line)
    if "1" in row:
        return _make_advice(
            "is a list of lists, not of jobs", f"--map prompt=1{_other_columns(row)}", given, first.line
        )
    names = "" if {"name", "id"} & row.keys() else f"--map name={KEY}"
    maps, extra = _find_maps({key: value for key, value in row.items() if key != KEY})
    return _make_advice("holds objects under keys, no jobs", f"{names} {maps}{extra}".strip(), given, first.line)


def _advise_list(row: Mapping[str, object], given: Collection[str], line: int) -> Fault:
    """What to add if many rows are in a list under one key: that key names none of them."""
    where = f"holds a list under {shown_bare(str(row[KEY]), 30)}, no jobs"
    if VALUE in row:
        return _make_advice(where, f"--map prompt={VALUE} --extra meta", given, line)
    if "1" in row:
        return _make_advice(where, "--map prompt=1 --extra meta", given, line)
    maps, _ = _find_maps({key: value for key, value in row.items() if key != KEY})
    return _make_advice(where, f"{maps or f'--map meta.{KEY}={KEY}'} --extra meta", given, line)


def check_first_entry(entries: Iterator[Item | Fault], given: Collection[str]) -> Iterator[Item | Fault]:
    """The entries; or one fault in their place if the first shows that its keys are to be renamed."""
    first = next(entries, None)
    if first is None:
        return
    if isinstance(first, Entry) and (fault := _advice_for(first, given)):
        yield fault
        return
    yield from chain([first], entries)


def _advice_for(entry: Entry, given: Collection[str]) -> Fault | None:
    fields = entry.fields
    unknown = [key for key in fields if key not in FIXED]
    if not unknown or "model" in fields or _PROMPTS & {*fields, *given}:  # a model makes it a job, with mistakes
        return None
    if any(key_hint(key, ("prompt",)) and meant_by(key) is None for key in unknown):
        return None  # mistyped
    maps, extra = _find_maps(fields)
    if {"custom_id", "body"} <= fields.keys():
        return _make_advice("are the lines of an OpenAI batch, not jobs", f"{maps}{extra}", given, entry.line, fields)
    keys = ", ".join(shown_bare(key, 30) for key in [*fields][:_NAMED])
    return _make_advice(f"no prompt in objects with the keys {keys}", f"{maps}{extra}", given, entry.line, fields)


def _find_maps(fields: Mapping[str, object]) -> tuple[str, str]:
    """The options that would make an object a job, as far as can be told: ``--map``, and ``--extra``."""
    found: dict[str, str] = {}
    for key, value in fields.items():
        meant = meant_by(key)
        if isinstance(value, dict):
            found |= {name: path for name, path in _find_nested(key, value) if name not in found}
        elif meant in _ADVISED and meant not in fields and meant not in found and _fits_field(meant, value):
            found[meant] = key
    if "prompt" not in fields:
        found.setdefault("prompt", "KEY")
    if "name" not in fields and "name" not in found and found.get("id") is not None:
        found["name"] = found.pop("id")
    taken = {path.split(".")[0] for path in found.values()}
    extra = any(key not in FIXED and key not in taken for key in fields) or any("." in path for path in found.values())
    maps = " ".join(f"--map {name}={shlex.quote(path)}" for name, path in sorted(found.items()))
    return maps, " --extra meta" if extra else ""


def _find_nested(key: str, value: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What fields an object within the object holds, by their paths."""
    for inner in _NESTED:
        if isinstance(value.get(inner), str):
            yield "prompt", f"{key}.{inner}"
            break
    else:
        messages = value.get("messages")
        if isinstance(messages, list) and messages:
            yield "prompt", f"{key}.messages.{len(messages) - 1}.content"
    if value.get("model") in MODELS:
        yield "model", f"{key}.model"


def _fits_field(field: str, value: object) -> bool:
    """Whether a value may be what its key says in other words."""
    return isinstance(value, str) or (field in {"name", "id"} and isinstance(value, int))


def _other_columns(row: Mapping[str, object]) -> str:
    columns = [key for key in row if key != KEY]
    if len(columns) == 1:
        return ""
    return f" --extra meta (the columns are counted: {', '.join(columns[:_NAMED])})"


def _make_advice(
    what: str, maps: str, given: Collection[str], line: int, fields: Mapping[str, object] | None = None
) -> Fault:
    model = "" if "model" in given or "model" in (fields or ()) or "--map model=" in maps else f" --set model={_MODEL}"
    return Fault(what, f"add {maps}{model}", line=line)

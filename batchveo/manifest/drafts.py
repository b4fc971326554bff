"""Jobs as written, put together with the defaults and with their own keys read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from batchveo.manifest.numbers import whole_of
from batchveo.manifest.problems import Fault, Problems, shown, shown_bare
from batchveo.manifest.raw import Defaults, Entry, Table, plain
from batchveo.manifest.rules import JOB_KEYS, PARAMETERS, text, words
from batchveo.manifest.synonyms import hint
from batchveo.manifest.templates import Template, has_braces, parsed
from batchveo.manifest.yaml_scalars import resolved

REPEAT_LIMIT = 100_000
"""The most times that one job may be repeated."""

TRIES_LIMIT = 100
"""The most times that one job may be made because it fails."""

FAMILY_LIMIT = 1_000_000
"""The most jobs that one entry may make by its matrix and repeat."""

_NO_DEFAULTS = Defaults(0, {})
_NOWHERE = Entry(0, {})
_NOT_IN_DEFAULTS = ("id", "matrix", "jobs", "prompts_file")
_RARE = frozenset(("id", "repeat", "tries", "matrix", "prompts_file", "meta"))
_VARIABLE = re.compile(r"[^\W\d]\w*")
_NOT_VARIABLES = frozenset(JOB_KEYS) - {"model"} | {"index", "line"}

T = TypeVar("T")
D = TypeVar("D")


class Draft(NamedTuple):
    """One entry with the defaults in it; a tuple because a million of them pass. ``params`` is unchecked."""

    entry: Entry
    params: dict[str, object]
    model: object
    name: str | Template | None
    given_id: str | None
    repeat: int
    matrix: dict[str, list[object]]
    prompts_file: str | None
    meta: dict[str, object]
    tries: int | None = None

    @property
    def is_family(self) -> bool:
        """Whether it may make more than one job."""
        return self.repeat != 1 or bool(self.matrix) or self.prompts_file is not None

    def constants(self) -> dict[str, object]:
        """What fills placeholders in the same way in every job of the entry."""
        return {f"meta.{key}": value for key, value in self.meta.items() if not isinstance(value, dict | list)}

    def variables(self) -> list[str]:
        """The names of everything that fills placeholders."""
        line = ["line"] if self.prompts_file is not None else []
        return [*self.matrix, "index", *line, *self.constants()]


class Drafter:
    """Makes the drafts of one file; ``label`` names it in problems, ``cells`` tells that values are text."""

    def __init__(self, label: str, problems: Problems, *, cells: bool = False) -> None:
        self.defaults = _NO_DEFAULTS
        self._label = label
        self._problems = problems
        self.cells = cells

    def say(self, entry: Entry, field: str, fault: Fault) -> None:
        """Report a fault where the field was written; a default's once, however many jobs it reaches."""
        if self.is_default(entry, field):
            line = _line_of(self.defaults, field)
            self._problems.fault(self._label, line, f"defaults.{field}", fault, once=True)
        else:
            once = "matrix" in entry.fields  # several models there may have the same to say
            self._problems.fault(self._label, _line_of(entry, field), field, fault, once=once)

    def is_default(self, entry: Entry, field: str) -> bool:
        """Whether a field of the entry comes from the defaults."""
        key = field.partition(".")[0]
        return key not in entry.fields and key in self.defaults.fields

    def set_defaults(self, defaults: Defaults, *, any_parameter: bool) -> None:
        """Take the defaults of the file; what no job can have is reported and left out."""
        self.defaults = defaults
        known = [*PARAMETERS, *JOB_KEYS]
        good = {}
        for key, value in defaults.fields.items():
            if key in _NOT_IN_DEFAULTS:
                self.say(_NOWHERE, key, Fault("cannot be a default", "write it in each job"))
            elif key not in known and not any_parameter:
                self.say(_NOWHERE, key, Fault("no model takes such a parameter", hint(key, known)))
            elif value is None and key not in known:
                self.say(_NOWHERE, key, Fault("has no value", f"write one, or take {key} out"))
            else:
                good[key] = value
        self.defaults = defaults._replace(fields=good)

    def draft(self, entry: Entry) -> Draft:
        """The entry's draft. What is wrong is reported, and something harmless stands in for it."""
        params = {**self.defaults.fields, **entry.fields} if self.defaults.fields else entry.fields.copy()
        model = params.pop("model", None)
        name = self._take(entry, params, "name", _name, None)
        if _RARE.isdisjoint(params):
            draft = Draft(entry, params, model, name, None, 1, {}, None, {})
        else:
            draft = self._rare_draft(entry, params, model, name)
        if None in params.values():
            draft = draft._replace(params=self._without_unset(params))
        return draft

    def _without_unset(self, params: dict[str, object]) -> dict[str, object]:
        """The parameters without what ``null`` unsets; a key that nobody knows stays, to be complained of."""
        known = PARAMETERS | self.defaults.fields.keys()
        return {key: value for key, value in params.items() if value is not None or key not in known}

    def _rare_draft(
        self, entry: Entry, params: dict[str, object], model: object, name: str | Template | None
    ) -> Draft:
        given_id = self._take(entry, params, "id", _given_id, None)
        repeat = self._take(entry, params, "repeat", lambda value: self._whole(value, REPEAT_LIMIT), 1)
        tries = self._take(entry, params, "tries", lambda value: self._whole(value, TRIES_LIMIT), None)
        matrix = self._matrix(entry, params.pop("matrix", None))
        prompts_file = self._take(entry, params, "prompts_file", text, None)
        meta = self._meta(entry, params.pop("meta", None))
        draft = Draft(entry, params, model, name, given_id, repeat, matrix, prompts_file, meta, tries)
        if matrix:
            self._check_matrix(draft)
        return draft

    def _take(
        self, entry: Entry, params: dict[str, object], key: str, read: Callable[[object], T], absent: D
    ) -> T | D:
        value = params.pop(key, None)
        if value is None:
            return absent
        try:
            return read(value)
        except Fault as fault:
            self.say(entry, key, fault)
            return absent

    def _whole(self, value: object, most: int) -> int:
        if self.cells and isinstance(value, str):
            value = resolved(value.strip())
        times = whole_of(value)
        if times is None or not 1 <= times <= most:
            raise Fault(f"must be a whole number from 1 to {most}, not {shown(value)}")
        return times

    def _meta(self, entry: Entry, own: object) -> dict[str, object]:
        default = self.defaults.fields.get("meta")
        if own is None and default is None:
            return {}
        unset = own is None and "meta" in entry.fields
        try:
            tables = [_mapping(table) for table in (default, own) if table is not None]
            merged = {} if unset else {key: value for table in tables for key, value in table.items()}
            return {key: plain(value, 1) for key, value in merged.items() if value is not None}
        except Fault as fault:
            self.say(entry, "meta", fault)
            return {}

    def _matrix(self, entry: Entry, value: object) -> dict[str, list[object]]:
        if value is None:
            return {}
        if not isinstance(value, dict) or not value:
            hint = "rows cannot hold one; write the jobs out, or use YAML" if self.cells else "{style: [a, b]}"
            self.say(entry, "matrix", Fault(f"must map names to lists, not {shown(value)}", hint))
            return {}
        matrix = {}
        for name, values in value.items():
            try:
                matrix[name] = _choices(name, values)
            except Fault as fault:
                self.say(entry, f"matrix.{name}", fault)
                matrix[name] = []  # known by its name: its placeholders are not wrong as well
        return matrix

    def _check_matrix(self, draft: Draft) -> None:
        for name in draft.matrix.keys() & draft.entry.fields.keys():
            fault = Fault("stands beside the matrix as well", "keep one of the two")
            self.say(draft.entry, name, fault)
        if "prompt" in draft.matrix and draft.prompts_file is not None:
            fault = Fault("stands beside prompts_file", "use one of the two")
            self.say(draft.entry, "matrix.prompt", fault)
        size = draft.repeat * math.prod(map(len, draft.matrix.values()))
        if size > FAMILY_LIMIT:
            fault = Fault(f"makes {size:,} jobs, more than {FAMILY_LIMIT:,}", "split it")
            self.say(draft.entry, "matrix", fault)


def _line_of(entry: Entry | Defaults, field: str) -> int:
    head, _, rest = field.partition(".")
    if field in entry.lines:
        return entry.lines[field]
    table = entry.fields.get(head)
    if isinstance(table, Table) and rest in table.lines:
        return table.lines[rest]
    return entry.lines.get(head, entry.line)


def _name(value: object) -> str | Template:
    name = words(value)
    return parsed(name) if has_braces(name) else name


def _given_id(value: object) -> str:
    return str(value) if type(value) is int else text(value)


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Fault(f"must be a mapping, not {shown(value)}", "meta: {key: value}")
    return value


def _choices(name: str, values: object) -> list[object]:
    if name in _NOT_VARIABLES or not _VARIABLE.fullmatch(name):
        raise Fault("cannot be the name of a variable", "letters, digits and _, and not a key of a job")
    if not isinstance(values, list):
        raise Fault(f"must be a list, not {shown(values)}", f"write [{shown_bare(str(values))}]")
    if not values:
        raise Fault("is an empty list", "name at least one value, or take it out")
    for value in values:
        if not isinstance(value, str | int | float):
            raise Fault(f"{shown(value)} cannot be a value here", "text, numbers, true or false")
    seen = set()
    for value in values:
        if (type(value), value) in seen:
            raise Fault(f"holds {shown(value)} twice", "repeat: 2 makes the same job twice")
        seen.add((type(value), value))
    return values

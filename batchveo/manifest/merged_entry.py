"""One entry with the defaults in it, before its values are checked, and the readers of its own keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from batchveo.manifest.accepted_values import accept_words, text
from batchveo.manifest.check_keys import NO_KEYS, CheckKeys
from batchveo.manifest.combinations import Combinations
from batchveo.manifest.entries import Entry
from batchveo.manifest.formats.row_files import NUMBER, RowFile
from batchveo.manifest.model_blocks import NO_BLOCKS, ModelBlock
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.scalars import resolve_scalar, whole_of
from batchveo.manifest.templates import NO_NAMES, NestedBlank, Template, has_braces, parse_template
from batchveo.manifest.vocabulary import CHAIN_KEYS, JOB_KEYS

REPEAT_LIMIT = 100_000
"""The most times that one job may be repeated."""

TRIES_LIMIT = 100
"""The most times that one job may be made because it fails."""

NOT_IN_DEFAULTS = ("id", "matrix", "prompts_file", "names_file", "rows_file", *CHAIN_KEYS)
"""Keys that differ from job to job."""

_RAW = {"lines": False, "raw": True}


def whole_number(value: object, most: int, *, in_cell: bool = False) -> int:
    """A whole number from 1 to ``most``, of a cell also as text. Raises ``Fault``."""
    if in_cell and isinstance(value, str):
        value = resolve_scalar(value.strip())
    times = whole_of(value)
    if times is None or not 1 <= times <= most:
        raise Fault(f"must be a whole number from 1 to {most}, not {shown(value)}")
    return times


def read_name(value: object, *, columns: frozenset[str] = NO_NAMES) -> str | Template:
    """The name that is written, or its template. Raises ``Fault``."""
    name = str(accept_words(value))
    return parse_template(name, columns) if has_braces(name) else name


def read_id(value: object, *, columns: frozenset[str] = NO_NAMES) -> str | Template:
    """The id that is written, or its template. Raises ``Fault``."""
    if isinstance(value, str) and columns and has_braces(value):
        return parse_template(value, columns)
    return str(value) if type(value) is int else text(value)


def uses_variable(name: str | Template, variable: str) -> bool:
    """Whether a name is a template with this variable."""
    return isinstance(name, Template) and variable in name.names


def is_raw(value: object) -> bool:
    """Whether ``prompts_format`` takes every line as it is. Raises ``Fault``."""
    try:
        return _RAW[str(value).strip().lower()]
    except KeyError:
        right = "lines refuses what hardly is a prompt, raw takes every line as it is"
        raise Fault(f"{shown(value)} is neither lines nor raw", right) from None


def read_mapping(value: object) -> dict[str, object]:
    """What ``meta`` holds. Raises ``Fault``."""
    if not isinstance(value, dict):
        raise Fault(f"must be a mapping, not {shown(value)}", "meta: {key: value}")
    return value


def read_unchecked(value: object, *, in_cell: bool = False) -> frozenset[str]:
    """The parameters that are sent as they are written. Raises ``Fault``."""
    names = [part.strip() for part in value.split("|")] if in_cell and isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise Fault(f"must be a list of parameters, not {shown(value)}", "unchecked: [resolution]")
    for name in names:
        if name in JOB_KEYS:
            raise Fault(f"{name} is not sent, so it is not checked by the model", "name parameters")
        if "." in name or "[" in name:
            raise Fault(f"{shown(name)} is a part of a parameter", f"name all of it: {name.partition('.')[0]}")
    return frozenset(names)


class MergedEntry(NamedTuple):
    """One entry with the defaults in it; a tuple because a million of them pass. ``params`` is unchecked."""

    entry: Entry
    params: dict[str, object]
    columns: frozenset[str]
    """The names of any form that placeholders may have; every name if the table could not be read."""
    model: object
    name: str | Template | None
    given_id: str | Template | None
    repeat: int | Template
    tries: int | None
    combinations: Combinations
    prompts_file: str | None
    names_file: str | None
    raw: bool
    rows: RowFile | None
    meta: dict[str, object]
    meta_blanks: dict[str, NestedBlank]
    unchecked: frozenset[str] = frozenset()
    per_model: Mapping[str, ModelBlock] = NO_BLOCKS
    """By the model's own name."""
    checks: CheckKeys = NO_KEYS
    """What the entry itself says, without the defaults."""

    @property
    def matrix(self) -> dict[str, list[object]]:
        """The values of each variable of the matrix."""
        return self.combinations.values

    @property
    def models(self) -> list[object]:
        """The models of its jobs, as written; a template if that names them."""
        return self.combinations.list_models(self.model)

    @property
    def is_family(self) -> bool:
        """Whether it may make more than one job, or takes what fills it from elsewhere."""
        return (
            self.repeat != 1
            or bool(self.matrix)
            or self.prompts_file is not None
            or self.rows is not None
            or isinstance(self.model, Template)
        )

    @property
    def is_repeated(self) -> bool:
        """Whether each line or row may make more than one job."""
        return self.repeat != 1 or bool(self.matrix)

    def constants(self, meta: Mapping[str, object] | None = None) -> dict[str, object]:
        """What ``meta`` fills placeholders with, that of the entry unless another is given."""
        values = self.meta if meta is None else meta
        return {f"meta.{key}": value for key, value in values.items() if not isinstance(value, dict | list)}

    def variables(self) -> list[str]:
        """The names of everything that fills placeholders."""
        line = [] if self.prompts_file is None else ["line", "line_number"]
        name_line = [] if self.names_file is None else ["name_line"]
        columns = [] if self.rows is None else [*self.rows.names, NUMBER]
        return [*columns, *self.matrix, "index", *line, *name_line, *self.constants()]

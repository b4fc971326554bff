"""One entry put together with the defaults, before its values are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from batchveo.manifest.entries import Entry
from batchveo.manifest.formats.row_files import NUMBER, RowFile
from batchveo.manifest.templates import ANY_NAME, NO_NAMES, NestedBlank, Template


class MergedEntry(NamedTuple):
    """One entry with the defaults in it; a tuple because a million of them pass. ``params`` is unchecked."""

    entry: Entry
    params: dict[str, object]
    model: object
    name: str | Template | None
    given_id: str | Template | None
    repeat: int | Template
    matrix: dict[str, list[object]]
    prompts_file: str | None
    meta: dict[str, object]
    tries: int | None = None
    meta_blanks: dict[str, NestedBlank] = {}  # noqa: RUF012 - never changed
    names_file: str | None = None
    raw: bool = False
    rows: RowFile | None = None
    rows_broken: bool = False

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

    @property
    def columns(self) -> frozenset[str]:
        """Names of any form that placeholders may have."""
        if self.rows_broken:
            return ANY_NAME
        return frozenset(self.rows.columns) if self.rows else NO_NAMES

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

"""One reading of all manifests of a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, assert_never

from batchveo.manifest import csv_rows, json_lines, yaml_events
from batchveo.manifest.drafts import Drafter
from batchveo.manifest.expand import Expander
from batchveo.manifest.inputs import Inputs
from batchveo.manifest.problems import Fault, Problems, shown
from batchveo.manifest.raw import Budget, Defaults, Entry, Item
from batchveo.manifest.recipes import Recipes
from batchveo.manifest.register import Register
from batchveo.manifest.rules import JOB_KEYS, PARAMETERS
from batchveo.manifest.sources import Format, Opener, Source
from batchveo.manifest.synonyms import hint
from batchveo.named import Row

_CELLS = (Format.CSV, Format.TSV)
_FIELDS = {name.casefold(): name for name in (*PARAMETERS, *JOB_KEYS)}


class Reading:
    """Reads the sources once, from the first to the last; what it finds besides jobs is in its attributes."""

    def __init__(
        self,
        sources: Sequence[Source],
        opener: Opener,
        inputs: Inputs,
        register: Register,
        *,
        any_model: bool,
        strict_provenance: bool = False,
    ) -> None:
        self.problems = Problems(source.label for source in sources)
        self.register = register
        self.budgets: list[float] = []
        self._sources = sources
        self._opener = opener
        self._inputs = inputs
        self._any_model = any_model
        self._strict = strict_provenance

    def jobs(self) -> Iterator[Row]:
        """All jobs in their order; problems are gathered, not raised."""
        for source in self._sources:
            try:
                yield from self._jobs_of(source)
            except Fault as fault:
                self.problems.fault(source.label, None, None, fault)
            except OSError as error:
                self.problems.add(source.label, None, None, f"cannot be read: {error.strerror}")

    def _jobs_of(self, source: Source) -> Iterator[Row]:
        noticed = self.problems.noticed
        entries = 0
        with self._opener.open(source) as (stream, form):
            drafter = Drafter(source.label, self.problems, cells=form in _CELLS)
            recipes = Recipes(
                drafter,
                source.folder,
                self._inputs,
                cells=form in _CELLS,
                any_model=self._any_model,
                strict_provenance=self._strict,
            )
            expander = Expander(source, drafter, recipes, self.register, self.problems)
            for item in self._items(stream, form):
                if isinstance(item, Entry):
                    entries += 1
                    yield from expander.jobs(item)
                elif isinstance(item, Fault):
                    self.problems.fault(source.label, None, None, item)
                elif isinstance(item, Defaults):
                    drafter.set_defaults(item, any_parameter=self._any_model)
                elif isinstance(item, Budget):
                    self._add_budget(source, item)
        if not entries and self.problems.noticed == noticed:
            self.problems.add(source.label, None, None, "holds no jobs")

    def _items(self, stream: BinaryIO, form: Format) -> Iterator[Item | Fault]:
        match form:
            case Format.YAML | Format.JSON:
                return yaml_events.read(stream, json=form is Format.JSON)
            case Format.JSON_LINES:
                return json_lines.read(stream)
            case Format.CSV | Format.TSV:
                delimiter = "\t" if form is Format.TSV else None
                required = [["model"]] if self._any_model else [["model"], ["prompt", "prompts_file"]]
                return csv_rows.read(stream, self._column, required=required, delimiter=delimiter)
            case _:
                assert_never(form)

    def _column(self, name: str) -> str | Fault:
        """The field that a column's name stands for, in whatever case, or what is wrong with it."""
        known = _FIELDS.get(name.casefold())
        if known == "matrix":
            return Fault("rows cannot hold a matrix", "write the jobs out, or use YAML", field=name)
        if known == "meta":
            return Fault("one column for each value, please", "call it meta.KEY", field=name)
        if known is not None or self._any_model:
            return known or name
        right = hint(name, [*PARAMETERS, *JOB_KEYS], column=True)
        return Fault("no model takes such a parameter", right, field=name)

    def _add_budget(self, source: Source, budget: Budget) -> None:
        value = budget.value
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            message = f"must be a number of US dollars above 0, not {shown(value)}"
            self.problems.add(source.label, budget.line, "budget", message, "budget: 25.00")
        else:
            self.budgets.append(float(value))

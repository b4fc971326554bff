"""One reading of all manifests of a call."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO, assert_never

from batchveo.core.job_row import Row
from batchveo.manifest.defaults import EntryMerger
from batchveo.manifest.entries import Budget, Defaults, Entry, Item
from batchveo.manifest.entry_files import EntryFiles
from batchveo.manifest.expansion import Expander
from batchveo.manifest.formats import csv_format, json_advice, json_rows, jsonl_format, yaml_format
from batchveo.manifest.formats.csv_columns import ColumnMapper
from batchveo.manifest.formats.object_keys import KeyMapper
from batchveo.manifest.job_register import JobRegister
from batchveo.manifest.local_files import LocalFiles
from batchveo.manifest.problems import Fault, Problems, shown
from batchveo.manifest.read_options import ReadOptions
from batchveo.manifest.request_template import MODEL_HINT, RequestTemplates
from batchveo.manifest.sources import Format, Opener, Source

_CELLS = (Format.CSV, Format.TSV)
_OBJECTS = (Format.JSON, Format.JSON_LINES)


class ManifestReader:
    """Reads the sources once, from the first to the last; what it finds besides jobs is in its attributes."""

    def __init__(
        self,
        sources: Sequence[Source],
        opener: Opener,
        inputs: LocalFiles,
        options: ReadOptions,
        *,
        any_model: bool,
        strict_provenance: bool = False,
    ) -> None:
        self.problems = Problems(source.label for source in sources)
        self.register = JobRegister(self.problems, several=len(sources) > 1)
        self.budgets: list[float] = []
        self._sources = sources
        self._opener = opener
        self._inputs = inputs
        self._options = options
        self._any_model = any_model
        self._strict = strict_provenance

    def read_jobs(self) -> Iterator[Row]:
        """All jobs in their order; problems are gathered, not raised."""
        for source in self._sources:
            try:
                yield from self._read_source(source)
            except Fault as fault:
                self.problems.add_fault(source.label, None, None, fault)
            except OSError as error:
                self.problems.add(source.label, None, None, f"cannot be read: {error.strerror}")

    def _read_source(self, source: Source) -> Iterator[Row]:
        noticed = self.problems.noticed
        entries = 0
        with self._opener.open(source) as (stream, form):
            merger = EntryMerger(source, self.problems, cells=form in _CELLS, sets=self._options.sets)
            templates = RequestTemplates(
                merger,
                source.folder,
                self._inputs,
                cells=form in _CELLS,
                any_model=self._any_model,
                strict_provenance=self._strict,
                renamable=form in _OBJECTS,
                model_hint=_model_hint(source, form),
            )
            own = partial(self._opener.reopen, source) if form is Format.TEXT else None
            files = EntryFiles(source, merger, self.problems, own)
            expander = Expander(source, merger, templates, self.register, self.problems, files)
            for item in self._read_items(stream, form, source):
                if isinstance(item, Entry):
                    entries += 1
                    yield from expander.expand_entry(item)
                elif isinstance(item, Fault):
                    self.problems.add_fault(source.label, None, None, item)
                elif isinstance(item, Defaults):
                    merger.set_defaults(item, any_parameter=self._any_model)
                elif isinstance(item, Budget):
                    self._add_budget(source, item)
        if not entries and self.problems.noticed == noticed:
            self.problems.add(source.label, None, None, "holds no jobs")

    def _read_items(self, stream: BinaryIO, form: Format, source: Source) -> Iterator[Item | Fault]:
        if self._options.renames and form in (Format.YAML, Format.TEXT):
            yield Fault(f"is {form.value}, where --map renames nothing", "--map is for CSV, TSV and JSON")
        match form:
            case Format.TEXT:
                yield Entry(1, {"prompts_file": source.label})
            case Format.YAML:
                yield from self._rename_keys(yaml_format.read_yaml(stream), as_written=True)
            case Format.JSON:
                yield from self._read_document(stream)
            case Format.JSON_LINES:
                read = jsonl_format.read_jsonl_values if self._options.renames else jsonl_format.read_jsonl
                yield from self._read_objects(self._drop_unset(read(stream)))
            case Format.CSV | Format.TSV:
                delimiter = "\t" if form is Format.TSV else None
                columns = ColumnMapper(self._options, any_model=self._any_model)
                yield from csv_format.read_csv(stream, columns, required=self._required_columns(), delimiter=delimiter)
            case _:
                assert_never(form)

    def _read_document(self, stream: BinaryIO) -> Iterator[Item | Fault]:
        """A JSON document: a manifest, or rows of any shape if it is said what they are."""
        if json_advice.is_manifest(stream):
            yield from self._read_objects(yaml_format.read_yaml(stream, json=True))
        elif self._options.renames:
            yield from self._rename_keys(json_rows.read_json_rows(stream))
        else:
            yield json_advice.advise(stream, self._options.sets)

    def _read_objects(self, items: Iterator[Item | Fault]) -> Iterator[Item | Fault]:
        """Objects as entries; where nothing is renamed, what to add if they look as if they should be."""
        if self._options.renames:
            return self._rename_keys(items)
        return json_advice.check_first_entry(self._rename_keys(items), self._options.sets)

    def _rename_keys(self, items: Iterator[Item | Fault], *, as_written: bool = False) -> Iterator[Item | Fault]:
        if not self._options.renames_keys:
            yield from items
            return
        objects = KeyMapper(self._options, any_model=self._any_model, as_written=as_written)
        found = False
        for item in items:
            found = found or isinstance(item, Entry)
            yield objects.map_entry(item) if isinstance(item, Entry) else item
        if found:
            yield from objects.find_absent()

    def _drop_unset(self, items: Iterator[Entry | Fault]) -> Iterator[Entry | Fault]:
        """Without the nulls in fields that ``--set`` gives: programs write them where a CSV has an empty cell."""
        sets = self._options.sets
        for item in items:
            if sets and isinstance(item, Entry) and None in item.fields.values():
                fields = {key: value for key, value in item.fields.items() if value is not None or key not in sets}
                yield item._replace(fields=fields)
            else:
                yield item

    def _required_columns(self) -> list[list[str]]:
        """The columns without which no row of a CSV is a job."""
        groups = [["model"]] if self._any_model else [["model"], ["prompt", "prompts_file"]]
        return [group for group in groups if self._options.sets.keys().isdisjoint(group)]

    def _add_budget(self, source: Source, budget: Budget) -> None:
        value = budget.value
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            message = f"must be a number of US dollars above 0, not {shown(value)}"
            self.problems.add(source.label, budget.line, "budget", message, "budget: 25.00")
        else:
            self.budgets.append(float(value))


def _model_hint(source: Source, form: Format) -> str:
    if form is Format.TEXT:
        file = "-" if source.path is None else shlex.quote(source.label)
        return f"a list of prompts names none: batchveo run {file} --set model=google/veo-3.1-t2v-fast"
    return f"{MODEL_HINT}, or --set model=NAME"

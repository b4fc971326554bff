"""Manifests as the rest of the program sees them."""

from __future__ import annotations

import math
import os
import shlex
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import BinaryIO, Self, assert_never

from batchveo.core.errors import find_reason
from batchveo.core.formatting import format_count
from batchveo.core.job_row import JobRow, Row
from batchveo.core.models import JobSpec
from batchveo.core.quantities import MONEY
from batchveo.manifest.entries import Budget, Defaults, Entry, Filename, Item, WhereTaken
from batchveo.manifest.entry_files import EntryFiles
from batchveo.manifest.entry_merger import EntryMerger
from batchveo.manifest.expansion import Expander
from batchveo.manifest.filename_template import FilenameTemplate
from batchveo.manifest.formats import csv_format, json_format, json_keys, yaml_format
from batchveo.manifest.formats.csv_format import ColumnMapper
from batchveo.manifest.formats.json_keys import KeyMapper
from batchveo.manifest.job_register import JobRegister
from batchveo.manifest.media import NO_BUCKET, InputWays, LocalFiles
from batchveo.manifest.problems import Fault, Problems, shown
from batchveo.manifest.read_options import ReadOptions, Selection
from batchveo.manifest.request_template import MODEL_HINT, RequestTemplates
from batchveo.manifest.sources import Format, Opener, Source, find_source
from batchveo.manifest.vocabulary import Vocabulary
from batchveo.provider.catalog import MODELS, Catalog

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
        vocabulary: Vocabulary,
        *,
        strict_provenance: bool = False,
    ) -> None:
        self.problems = Problems(source.label for source in sources)
        self.register = JobRegister(self.problems, several=len(sources) > 1)
        self.budgets: list[float] = []
        self._sources = sources
        self._opener = opener
        self._inputs = inputs
        self._options = options
        self._vocabulary = vocabulary
        self._strict = strict_provenance

    def read_jobs(self) -> Iterator[Row]:
        """All jobs in their order; problems are gathered, not raised."""
        for source in self._sources:
            try:
                yield from self._read_source(source)
            except Fault as fault:
                self.problems.add_fault(source.label, None, None, fault)
            except OSError as error:
                self.problems.add(source.label, None, None, f"cannot be read: {find_reason(error)}")
        yield from self.register.make_deferred()

    def _read_source(self, source: Source) -> Iterator[Row]:
        noticed = self.problems.noticed
        entries = 0
        given = self._options.filename
        self.register.set_filename(None if given is None else FilenameTemplate(given, self._vocabulary))
        with self._opener.open(source) as (stream, form):
            merger = EntryMerger(
                source,
                self.problems,
                self._vocabulary,
                cells=form in _CELLS,
                sets=self._options.sets,
                checks=self._options.checks,
            )
            templates = RequestTemplates(
                merger,
                self._inputs,
                strict_provenance=self._strict,
                renamable=form in _OBJECTS,
                model_hint=_model_hint(source, form),
            )
            # a list of prompts is an entry whose prompts_file is the manifest itself
            own = partial(self._opener.reopen, source) if form is Format.TEXT else None
            expander = Expander(merger, templates, self.register, EntryFiles(merger, own))
            for item in self._read_items(stream, form, source, merger):
                if isinstance(item, Entry):
                    entries += 1
                    yield from expander.expand_entry(item)
                elif isinstance(item, Fault):
                    self.problems.add_fault(source.label, None, None, item)
                elif isinstance(item, Defaults):
                    merger.set_defaults(item)
                elif isinstance(item, WhereTaken):
                    merger.set_where_taken(item)
                elif isinstance(item, Budget):
                    self._add_budget(source, item)
                elif isinstance(item, Filename):
                    self._set_filename(source, item, follows_jobs=entries > 0)
        # a file that is broken before its first entry has a problem already
        if not entries and self.problems.noticed == noticed:
            self.problems.add(source.label, None, None, "holds no jobs")

    def _read_items(
        self, stream: BinaryIO, form: Format, source: Source, merger: EntryMerger
    ) -> Iterator[Item | Fault]:
        if self._options.renames and form in (Format.YAML, Format.TEXT):
            yield Fault(f"is {form.value}, in which --map renames nothing", "--map is for CSV, TSV and JSON")
        match form:
            case Format.TEXT:
                yield Entry(1, {"prompts_file": source.label})
            case Format.YAML:
                yield from self._rename_keys(yaml_format.read_yaml(stream), merger, as_written=True)
            case Format.JSON:
                yield from self._read_document(stream, merger)
            case Format.JSON_LINES:
                entries = json_format.read_jsonl(stream, any_value=bool(self._options.renames))
                yield from self._read_objects(self._drop_unset(entries), merger)
            case Format.CSV | Format.TSV:
                delimiter = "\t" if form is Format.TSV else None
                columns = ColumnMapper(self._options, self._vocabulary, merger.is_parameter)
                yield from csv_format.read_csv(stream, columns, required=self._required_columns(), delimiter=delimiter)
            case _:
                assert_never(form)

    def _read_document(self, stream: BinaryIO, merger: EntryMerger) -> Iterator[Item | Fault]:
        """A JSON document: a manifest, or rows of any shape if it is said what they are."""
        if json_keys.is_manifest(stream):
            yield from self._read_objects(yaml_format.read_yaml(stream, json=True), merger)
        elif self._options.renames:
            yield from self._rename_keys(json_format.read_json_rows(stream), merger)
        else:
            yield json_keys.suggest_options(stream, self._options.sets)

    def _read_objects(self, items: Iterator[Item | Fault], merger: EntryMerger) -> Iterator[Item | Fault]:
        """Objects as entries; if nothing is renamed but should be, one fault that names the options to add."""
        if self._options.renames:
            return self._rename_keys(items, merger)
        return json_keys.check_first_entry(self._rename_keys(items, merger), self._options.sets)

    def _rename_keys(
        self, items: Iterator[Item | Fault], merger: EntryMerger, *, as_written: bool = False
    ) -> Iterator[Item | Fault]:
        if not self._options.renames_keys:
            yield from items
            return
        any_model = self._vocabulary.any_model
        objects = KeyMapper(self._options, merger.is_parameter, any_model=any_model, as_written=as_written)
        found = False
        for item in items:
            found = found or isinstance(item, Entry)
            yield objects.map_entry(item) if isinstance(item, Entry) else item
        if found:
            yield from objects.find_absent()

    def _drop_unset(self, items: Iterator[Entry | Fault]) -> Iterator[Entry | Fault]:
        """The entries without nulls in fields that ``--set`` gives: programs write null for an empty cell."""
        sets = self._options.sets
        for item in items:
            if sets and isinstance(item, Entry) and None in item.fields.values():
                fields = {key: value for key, value in item.fields.items() if value is not None or key not in sets}
                yield item._replace(fields=fields)
            else:
                yield item

    def _required_columns(self) -> list[list[str]]:
        """The columns without which no row of a CSV is a job."""
        groups = [["model"]] if self._vocabulary.any_model else [["model"], ["prompt", "prompts_file"]]
        return [group for group in groups if self._options.sets.keys().isdisjoint(group)]

    def _set_filename(self, source: Source, filename: Filename, *, follows_jobs: bool) -> None:
        """Name the files of the source's jobs by its template, unless an option gives another."""
        try:
            if follows_jobs:
                raise Fault("comes after jobs, which are read from the top", "write it above jobs:")  # noqa: TRY301
            template = FilenameTemplate(filename.value, self._vocabulary)
        except Fault as fault:
            self.problems.add_fault(source.label, filename.line, "filename", fault)
            return
        if self._options.filename is None:
            self.register.set_filename(template)

    def _add_budget(self, source: Source, budget: Budget) -> None:
        value = budget.value
        try:
            usd = MONEY.parse("" if isinstance(value, bool) else str(value))
        except ValueError:
            usd = 0.0
        if 0 < usd < math.inf:
            self.budgets.append(usd)
        else:
            message = f"must be a number of US dollars above 0, not {shown(value)}"
            self.problems.add(source.label, budget.line, "budget", message, "budget: 25.00, or $25")


def _model_hint(source: Source, form: Format) -> str:
    if form is Format.TEXT:
        file = "-" if source.path is None else shlex.quote(source.label)
        return f"a list of prompts names none: batchveo run {file} --set model=google/veo-3.1-t2v-fast"
    return f"{MODEL_HINT}, or --set model=NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What manifests ask for.

    ``repeated`` counts the jobs whose request an earlier job has word for word (each is a job of its own);
    ``first_repeated`` names the first of them and what it repeats. ``shared`` counts the jobs that an earlier
    manifest has too, by the same name, and that are made once; ``first_shared`` names the first of those, both places.
    ``unchecked`` counts the jobs that leave a field unchecked, by field. ``spellings``: names of one model that jobs
    use beside each other. ``chosen`` counts the jobs that this call is about, ``None`` if nobody chose; ``choice_note``
    says the same in words. ``budget`` is in US dollars, the sum over all manifests that set one.
    """

    by_model: Mapping[str, int]
    repeated: int
    first_repeated: str | None
    budget: float | None
    chosen: int | None = None
    choice_note: str | None = None
    shared: int = 0
    first_shared: str | None = None
    unchecked: Mapping[str, int] = field(default_factory=dict)
    spellings: tuple[tuple[str, ...], ...] = ()

    @property
    def jobs(self) -> int:
        """All jobs, chosen or not."""
        return sum(self.by_model.values())

    @property
    def notes(self) -> list[str]:
        """What a person should know before the jobs are bought."""
        notes = [self.shared_note, self.unchecked_note, *map(_describe_spellings, self.spellings)]
        return [note for note in notes if note]

    @property
    def unchecked_note(self) -> str | None:
        """A notice about the fields that are sent unchecked; ``None`` if there are none."""
        if not self.unchecked:
            return None
        counted = ", ".join(f"{name} in {format_count(jobs, 'job')}" for name, jobs in sorted(self.unchecked.items()))
        return f"not checked, but sent as written: {counted} (unchecked)"

    @property
    def shared_note(self) -> str | None:
        """A notice about jobs that several manifests have; ``None`` if there are none."""
        if not self.shared:
            return None
        stand = "1 job is" if self.shared == 1 else f"{self.shared:,} jobs are"
        return (
            f"{stand} in more than one manifest by one name ({self.first_shared}): made once, with the meta of "
            "the first; a name of its own makes it a job of its own"
        )


def _describe_spellings(names: Sequence[str]) -> str:
    return f"{' and '.join(names)} are one model: equal requests under both names are two jobs, and are bought twice"


class Manifests:
    """The manifests of one call, read as often as needed in little memory.

    ``sources`` are paths, or ``-`` for standard input (``stdin``), which is kept in a temporary file until
    ``close``. The same file named twice is read once. ``catalog`` has the models; with ``allow_unknown_model`` others
    are taken, too, and their requests sent as they are. With ``strict_provenance`` a job is a problem whose prompt
    may be rewritten, or whose provider floats. ``options`` say how they are read, and which jobs are chosen.
    ``ways``: how inputs of this machine can get to the service.
    """

    def __init__(
        self,
        sources: Sequence[str | os.PathLike[str]],
        *,
        catalog: Catalog = MODELS,
        allow_unknown_model: bool = False,
        strict_provenance: bool = False,
        stdin: BinaryIO | None = None,
        options: ReadOptions | None = None,
        ways: InputWays = NO_BUCKET,
    ) -> None:
        self._options = options or ReadOptions()
        self._catalog = catalog
        vocabulary = Vocabulary(catalog, any_model=allow_unknown_model)
        self._options.check(any_parameter=allow_unknown_model, catalog=catalog)
        named: dict[str, Source] = {}
        for source in map(find_source, sources):
            named.setdefault(source.identity, source)
        self._opener = Opener(stdin)
        self._new_reader = partial(
            ManifestReader,
            [*named.values()],
            self._opener,
            LocalFiles(ways),
            self._options,
            vocabulary,
            strict_provenance=strict_provenance,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Throw away what was kept of standard input."""
        self._opener.close()

    def read(self, take: Callable[[Iterator[Row]], object]) -> Summary:
        """Read everything once; ``take`` gets the jobs as they come, and has to exhaust them.

        ``take`` gets the chosen ones alone. Raises ``ManifestError`` with all problems at once, the first few of
        each kind in words: what was taken is worth nothing then. Raises ``UsageError`` if a choice names no job.
        """
        # a reader anew for each call: names and ids are unique within one reading
        reader = self._new_reader()
        selection = Selection(self._options, reader.register)
        jobs = selection.choose_jobs(reader.read_jobs())
        take(jobs)
        reader.problems.raise_if_any()
        selection.check()
        chooses = self._options.chooses
        return Summary(
            by_model=reader.register.by_model,
            repeated=selection.repeated if chooses else reader.register.repeated,
            first_repeated=None if chooses else reader.register.first_repeated,
            budget=sum(reader.budgets) if reader.budgets else None,
            chosen=selection.chosen if chooses else None,
            choice_note=selection.note,
            shared=reader.register.shared,
            first_shared=reader.register.first_shared,
            unchecked=reader.register.unchecked,
            spellings=self._find_spellings(reader.register.by_model),
        )

    def _find_spellings(self, models: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """The names of one model that jobs use beside each other."""
        found: dict[str, list[str]] = {}
        for name in models:
            found.setdefault(self._catalog.find_own_name(name), []).append(name)
        return tuple(tuple(names) for names in found.values() if len(names) > 1)

    def check(self) -> Summary:
        """Read everything, for its problems alone. Raises ``ManifestError``."""
        return self.read(partial(deque, maxlen=0))

    def specs(self) -> Iterator[JobSpec]:
        """All jobs, chosen or not, streaming, anew at each call.

        Raises ``ManifestError`` at the end if something was wrong: call ``check`` before anything is bought.
        """
        reader = self._new_reader()
        for job in reader.read_jobs():
            yield JobRow(*job).to_spec()
        reader.problems.raise_if_any()

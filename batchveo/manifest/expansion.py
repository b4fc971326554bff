"""Entries of one manifest file as jobs: matrix, repeat and prompts file multiplied out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from batchveo.core.job_row import Row, canonical_json, inputs_json, meta_json
from batchveo.core.models import find_prompt
from batchveo.manifest.accepted_values import accept_words, text
from batchveo.manifest.chain_register import Member
from batchveo.manifest.chains import ChainForms
from batchveo.manifest.combinations import Positions
from batchveo.manifest.compiled_entry import CompiledEntries
from batchveo.manifest.entries import Entry, plain
from batchveo.manifest.entry_files import EntryFiles, FileRow
from batchveo.manifest.entry_merger import EntryMerger
from batchveo.manifest.job_ids import Place
from batchveo.manifest.job_register import OWN_NAME, JobParts, JobRegister, ReportLink
from batchveo.manifest.links import References
from batchveo.manifest.merged_entry import REPEAT_LIMIT, MergedEntry, whole_number
from batchveo.manifest.problems import Fault, fault_without_field
from batchveo.manifest.request_template import BLANK, RequestTemplate, RequestTemplates, names_in, used_by
from batchveo.manifest.templates import Template, to_text

_REMEMBERED = 10_000
"""Entries whose names clash that are known by then; of a later one each clash is counted."""


class _Problem(Exception):
    """What was wrong with one job has been reported."""


class _Case(NamedTuple):
    """What the jobs of one line or row have in common, and those of an entry that has neither.

    ``values`` fill placeholders, ``own_id`` is the id that a template made of them.
    """

    merged: MergedEntry
    place: Place
    given: FileRow | None
    values: dict[str, object]
    own_id: str | None = None


class Expander:
    """Expands the entries of one file. What is wrong is reported, and such an entry makes no jobs."""

    def __init__(
        self,
        merger: EntryMerger,
        templates: RequestTemplates,
        register: JobRegister,
        files: EntryFiles,
    ) -> None:
        self._label = merger.source.label
        self._files = files
        self._merger = merger
        self._templates = templates
        self._register = register
        self._problems = merger.problems
        self._compiled = CompiledEntries(merger)
        # not a method of this object, which would refer to itself then: the ids and names of a million jobs would stay
        # in memory until the garbage collector runs
        report = partial(_report_chain, merger, register)
        self._chains = ChainForms(merger.vocabulary, merger.find_default, report)
        self._said: set[tuple[str, int]] = set()
        self._by_row: dict[object, RequestTemplate | None] = {}
        self._merged = 0
        """How many entries were merged so far, which tells them apart."""
        self._clashed: set[str | int] = set()
        """The chains, and the entries of no chain, with a clash of names that is reported."""

    def expand_entry(self, entry: Entry) -> Iterable[Row]:
        """The jobs of an entry in their order: line by line, the first variable slowest, then the index."""
        if self._chains.is_chain(entry):
            return self._expand_chain(entry)
        # most entries of a large file have the shape of an earlier one; merging each takes five times as long
        parts = self._compiled.read_entry(entry)
        if parts is None:
            return self._expand_merged(entry)
        job = self._register.make_job(parts, self._label, Place(self._label, entry.line))
        return () if job is None else (job,)

    def _expand_chain(self, entry: Entry) -> Iterator[Row]:
        for link in self._chains.list_links(entry, self._label):
            yield from self.expand_entry(link)

    def _expand_merged(self, entry: Entry) -> Iterator[Row]:
        """The jobs of an entry that no earlier one has the shape of, or that takes more than its own values."""
        self._merged += 1
        noticed = self._problems.noticed
        merged = self._merger.merge(entry)
        place = Place(self._label, entry.line)
        templates = self._templates.make_all(merged)
        # asked before the id is taken: an id that clashes must not hide what is wrong with the jobs
        is_good = self._problems.noticed == noticed
        if isinstance(merged.given_id, str):
            self._register.take_own_id(merged.given_id, place, "give each job an id of its own")
        if not is_good:
            self._check_rest(merged, templates, place)
            return
        self._said.clear()
        self._by_row.clear()
        if not merged.is_family:
            self._compiled.compile_entry(merged, templates[merged.model])
        used = used_by(merged, templates.values()) if merged.matrix else set()
        # lines, and models that rows name, may use more
        is_open = (merged.prompts_file is not None and "prompt" not in merged.params) or not templates
        if not is_open and self._report_unused(merged, used):
            return
        yield from self._expand_cases(merged, templates, place, used)

    def _check_rest(self, merged: MergedEntry, templates: dict[object, RequestTemplate], place: Place) -> None:
        """What else is wrong with an entry that makes no jobs: its prompts file, a taken name, unknown parents."""
        for template in templates.values():
            self._check_parents(_Case(merged, place, None, {}), template, template.references)
        if merged.prompts_file is not None and merged.rows is None and templates:
            # read for its problems alone: all of them are reported together
            for _ in self._files.read_for(merged, next(iter(templates.values()))):
                pass
        # with several manifests the same job may be in two of them by one name
        if isinstance(merged.name, str) and not merged.is_family and not self._register.several:
            self._register.take_name(merged.name, place)

    def _expand_cases(
        self, merged: MergedEntry, templates: dict[object, RequestTemplate], place: Place, used: set[str]
    ) -> Iterator[Row]:
        own_id = merged.given_id if isinstance(merged.given_id, str) else None
        for given in self._files.read_for(merged, next(iter(templates.values()), None)):
            values = merged.constants() if given is None else {**given.values, **merged.constants()}
            case = _Case(merged, place if given is None else given.place, given, values, own_id)
            if given is not None:
                used.update(names_in(given.prompt))
            try:
                if isinstance(merged.given_id, Template):
                    case = case._replace(own_id=self._fill_id(case, merged.given_id))
            except _Problem:
                continue
            made: set[object] = set()
            for at in merged.combinations.list_positions():
                yield from self._make_repeats(case, templates, at, made)
        for template in self._by_row.values():
            used.update(template.axes if template else ())
        self._report_unused(merged, used)

    def _make_repeats(
        self, case: _Case, templates: dict[object, RequestTemplate], at: Positions, made: set[object]
    ) -> Iterator[Row]:
        """The jobs of one combination of the matrix; ``made``: those of the line or row that are made already."""
        matrix = case.merged.matrix
        values = {**case.values, **dict.fromkeys(matrix), **{name: matrix[name][place] for name, place in at.items()}}
        try:
            template = self._choose_template(case, templates, values)
            times = self._count_repeats(case)
        except _Problem:
            return
        if template.overridden:
            values |= template.overridden
            rest = tuple((name, place) for name, place in at.items() if name not in template.overridden)
            if rest in made:
                return
            made.add(rest)
        settings = {name: axis[at[name]] for name, axis in template.axes.items() if name in at}
        for index in range(times):
            job = self._make_job(case, template, settings, {**values, "index": index}, index)
            if job is not None:
                yield job

    def _choose_template(
        self, case: _Case, templates: dict[object, RequestTemplate], values: dict[str, object]
    ) -> RequestTemplate:
        """The request template for the model of these values. Raises ``_Problem``."""
        merged = case.merged
        if not isinstance(merged.model, Template):
            model = values.get("model")
            return templates[merged.model if model is None else model]
        noticed = self._problems.noticed
        name: object = None
        try:
            name = merged.model.value(values)
            # a broken model is kept as None, so that its faults are reported for the first row only
            if not isinstance(name, str | None) or name not in self._by_row:
                template = self._templates.make_for_model(merged, name)
                self._by_row[name] = template if self._problems.noticed == noticed else None
        except Fault as fault:
            self._report_filled(case, "model", merged.model, fault)
            raise _Problem from None
        known = self._by_row[name]
        if known is None:
            raise _Problem
        return known

    def _count_repeats(self, case: _Case) -> int:
        """How often the same request is made. Raises ``_Problem``."""
        repeat = case.merged.repeat
        if isinstance(repeat, int):
            return repeat
        try:
            times = repeat.value(case.values)
            return 1 if times is None else whole_number(times, REPEAT_LIMIT, in_cell=True)
        except Fault as fault:
            self._report_filled(case, "repeat", repeat, fault)
            raise _Problem from None

    def _fill_id(self, case: _Case, template: Template) -> str | None:
        """The id that a template makes for a row; ``None`` if nothing fills it. Raises ``_Problem``."""
        try:
            value = template.value(case.values)
            own_id = None if value is None else text(to_text(value))
        except Fault as fault:
            self._report_filled(case, "id", template, fault)
            raise _Problem from None
        if own_id is not None:
            self._register.take_own_id(own_id, case.place, "give each row an id of its own")
        return own_id

    def _report_unused(self, merged: MergedEntry, used: set[str]) -> bool:
        """Report the matrix variables that change nothing; whether there are any."""
        idle = [name for name in merged.matrix if name not in used]
        for name in idle:
            if merged.entry.chain:
                fault = Fault("a link of the chain does not use the variable", f"write {{{name}}} in each prompt")
            else:
                fault = Fault("the variable is used nowhere", f"write {{{name}}} in the prompt")
            self._merger.report(merged.entry, f"matrix.{name}", fault)
        return bool(idle)

    def _make_job(
        self, case: _Case, template: RequestTemplate, settings: dict[str, object], values: dict[str, object], index: int
    ) -> Row | None:
        """One job; ``settings`` are what the matrix sets, ``values`` fill the placeholders."""
        merged, given = case.merged, case.given
        # the matrix wins over the entry, and a line of a prompts file over both
        settings = {**template.blanks, **settings}
        if given is not None and given.prompt is not None:
            settings["prompt"] = given.prompt
        meta = merged.meta
        field = "meta"
        setting: object = None
        references = template.references.copy()
        try:
            if merged.meta_blanks:
                meta = _fill_meta(merged, values)
                values = {**values, **merged.constants(meta)}
            request = self._fill_request(case, template, references, settings, values)
            # only now: values may come from templates and variables
            template.rules.check_together(request)
            field, setting = "name", merged.name
            parts = JobParts(
                model=template.rules.name,
                request=canonical_json(request),
                prompt=find_prompt(request),
                name=_fill_name(case, {**values, "prompt": "", **request}),
                meta=meta_json(meta),
                repetition=index,
                inputs=inputs_json(references.files),
                tries=merged.tries,
                own_id=case.own_id,
                unchecked=tuple(sorted(template.rules.unchecked)),
                policy=template.policy,
                priority=template.priority,
                links=tuple(references.links),
                member=_find_member(case, values, index),
            )
            suggest = partial(self._suggest_name, merged, self._merged) if merged.is_family else _suggest_own_name
            report_link = self._make_link_reporter(case, template) if references.links else None
            return self._register.make_job(parts, self._label, case.place, suggest, report_link)
        except Fault as fault:
            if fault.field is not None:
                field, setting = fault.field, template.blanks.get(fault.field)
            self._report_filled(case, field, setting, fault_without_field(fault), template)
        except _Problem:
            pass
        self._check_parents(case, template, references)
        return None

    def _check_parents(self, case: _Case, template: RequestTemplate, references: References) -> None:
        """Report the jobs that a job without a request names and that there are not, once all are read."""
        if references.links:
            self._register.check_parents(references.links, self._make_link_reporter(case, template))

    def _suggest_name(self, merged: MergedEntry, number: int) -> str | None:
        """What would keep the names of an entry's jobs apart; its other jobs clash for the same reason."""
        written = merged.entry.chain.chain if merged.entry.chain else number
        if written in self._clashed:
            return None
        if len(self._clashed) < _REMEMBERED:
            self._clashed.add(written)
        return suggest_name(merged)

    def _fill_request(
        self,
        case: _Case,
        template: RequestTemplate,
        references: References,
        settings: dict[str, object],
        values: dict[str, object],
    ) -> dict[str, object]:
        """The request with everything filled in; what it refers to is added. Raises ``_Problem`` after its reports."""
        request = template.fixed.copy()
        is_good = True
        for field, setting in settings.items():
            try:
                value = _fill_setting(template, field, setting, values)
                if value is not None:
                    request[field] = references.attach(value, _find_origin(case, template, field))
                elif field in template.rules.required:
                    raise Fault(f"is empty; {template.rules.name} needs it", "fill it in")  # noqa: TRY301
            except Fault as fault:
                references.keep_names(fault, _find_origin(case, template, field))
                self._report_filled(case, field, setting, fault, template)
                is_good = False
        if not is_good:
            raise _Problem
        return request

    def _report_filled(
        self, case: _Case, field: str, setting: object, fault: Fault, template: RequestTemplate | None = None
    ) -> None:
        """Report what filling brought up: once a field, and once a line of a prompts file or a row of a table."""
        merged, given = case.merged, case.given
        used = names_in(setting) if field != "meta" else [n for b in merged.meta_blanks.values() for n in b.names]
        line = _find_row_line(case, field, used)
        # the same template fails in the same way in every job of the entry
        if (field, line) in self._said:
            return
        self._said.add((field, line))
        if names := ", ".join(f"{{{name}}}" for name in dict.fromkeys(used)):
            fault.message += f" (filled from {names})"
        if given is not None and line:
            if merged.rows is not None:
                fault.message += f" for the entry in {self._label}:{merged.entry.line}"
            self._problems.add_fault(given.place.file, line, field, fault)
        else:
            self._merger.report(merged.entry, _find_origin(case, template, field), fault)

    def _make_link_reporter(self, case: _Case, template: RequestTemplate) -> ReportLink:
        """What reports a problem of a link, perhaps much later: it keeps little, since a million jobs may wait."""
        row = None if case.given is None else case.given.place
        of_row = (
            {key for key, blank in template.blanks.items() if _find_row_line(case, key, blank.names)} if row else ()
        )
        return partial(self._report_link, case.merged.entry, row, of_row)

    def _report_link(self, entry: Entry, row: Place | None, of_row: Collection[str], field: str, fault: Fault) -> None:
        if row is not None and re.split(r"[.\[]", field, maxsplit=1)[0] in of_row:
            fault.message += f" for the entry in {self._label}:{entry.line}"
            self._problems.add_fault(*row, field, fault, once=True)
        else:
            self._merger.report(entry, field, fault, once=True)


def _find_origin(case: _Case, template: RequestTemplate | None, field: str) -> str:
    """Where a field is written: in the matrix, in the defaults or a block of the model, or by itself."""
    written = f"matrix.{field}" if field in case.merged.matrix else field
    return template.origins.get(field, written) if template else written


def _suggest_own_name() -> str | None:
    return OWN_NAME


def _find_row_line(case: _Case, field: str, used: Iterable[str]) -> int:
    """The line of the row or of the prompts file that a problem of a field is in; 0 if the entry has it."""
    given = case.given
    return given.place.line if given is not None and _is_of_line(given, field, used, case.merged) else 0


def _is_of_line(given: FileRow, field: str, used: Iterable[str], merged: MergedEntry) -> bool:
    """Whether a line or row, rather than the entry, is the place of a problem."""
    if field == "prompt" and merged.rows is None:
        return True
    if field == "name" and merged.name is None:
        return given.name is not None
    return not {*given.values, "prompt"}.isdisjoint(used)


def _find_member(case: _Case, values: Mapping[str, object], index: int) -> Member | None:
    """By what links of other jobs name this one; ``None`` if they cannot."""
    merged = case.merged
    name = case.own_id or (merged.entry.chain.name if merged.entry.chain else None)
    if name is None:
        return None
    line = (case.given.place.line,) if case.given is not None and case.own_id is None else ()
    repeated = (index,) if merged.repeat != 1 else ()
    return Member(name, (*line, *repeated, *((key, repr(values[key])) for key in sorted(merged.matrix))))


def _fill_meta(merged: MergedEntry, values: dict[str, object]) -> dict[str, object]:
    """What is carried along, with the values in it; what nothing fills is left out."""
    meta = {}
    for key, value in merged.meta.items():
        blank = merged.meta_blanks.get(key)
        filled = value if blank is None else blank.value(values)
        if filled is not None:
            meta[key] = plain(filled, 1)
    return meta


def _fill_name(case: _Case, values: Mapping[str, object]) -> str | None:
    """The name that the manifest gives the job; ``None`` if it gives none. Raises ``Fault``."""
    name: object = case.merged.name
    given = case.given
    if isinstance(name, Template):
        name = name.value(values)
    elif name is None and given is not None:
        name = given.name
    if name is None:
        return None
    words = accept_words(name if isinstance(name, str) else to_text(name))
    return f"{words} ({given.copy})" if given is not None and given.copy > 1 else words


def _report_chain(merger: EntryMerger, register: JobRegister, entry: Entry, field: str, fault: Fault) -> None:
    """Report what is wrong with a chain, all of whose links are missing then."""
    merger.report(entry, field, fault)
    own_id = entry.fields.get("id")
    if isinstance(own_id, str | int):
        register.note_broken_chain(str(own_id))


def suggest_name(merged: MergedEntry) -> str:
    """What would keep the names of an entry's jobs apart."""
    used = names_in(merged.name)
    if merged.names_file is not None and merged.name is None and merged.is_repeated:
        return "write name: '{name_line}-{index}', or what else differs"
    if merged.prompts_file is not None and not {"prompt", "line", "line_number", "name_line"} & {*used}:
        return "write {prompt} in the name"
    if merged.rows is not None and not used:
        return "write a column that differs in every row in the name"
    varying = [*merged.matrix, *(["index"] if merged.repeat != 1 else [])]
    missing = [variable for variable in varying if variable not in used]
    return f"write {{{missing[0]}}} in the name" if missing else OWN_NAME


def _fill_setting(template: RequestTemplate, name: str, setting: object, values: dict[str, object]) -> object:
    rule = template.rules.get(name)
    return rule.read_filled(setting, values) if rule and isinstance(setting, BLANK) else setting

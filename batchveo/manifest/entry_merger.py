"""Jobs as written, put together with the defaults and with their own keys read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TypeVar

from batchveo.core.measures import CheckLevel
from batchveo.manifest.accepted_values import text
from batchveo.manifest.check_keys import NO_KEYS, CheckKeys, find_priority, make_policy, read_check_keys
from batchveo.manifest.combinations import FAMILY_LIMIT
from batchveo.manifest.entries import Cell, Defaults, Entry, WhereTaken, find_line, plain
from batchveo.manifest.formats.row_files import RowFile, open_table
from batchveo.manifest.matrix import read_matrix
from batchveo.manifest.merged_entry import (
    NOT_IN_DEFAULTS,
    REPEAT_LIMIT,
    TRIES_LIMIT,
    MergedEntry,
    is_raw,
    read_id,
    read_mapping,
    read_name,
    read_unchecked,
    uses_variable,
    whole_number,
)
from batchveo.manifest.model_blocks import NO_BLOCKS, ModelBlock, read_blocks
from batchveo.manifest.problems import Fault, Problems, split_fault
from batchveo.manifest.read_options import META
from batchveo.manifest.sources import Source
from batchveo.manifest.synonyms import suggest_key
from batchveo.manifest.templates import (
    ANY_NAME,
    NO_NAMES,
    NestedBlank,
    Template,
    has_braces,
    parse_nested_blank,
    parse_template,
)
from batchveo.manifest.vocabulary import CHECK_KEYS, COMMON, JOB_KEYS, Vocabulary
from batchveo.provider.catalog.parameters import format_below

_NO_DEFAULTS = Defaults(0, {})
_NOT_TAKEN = WhereTaken(0, {})
_NOWHERE = Entry(0, {})
_PROMPT_FILES = ("names_file", "prompts_format")
DEFAULTS, WHERE_TAKEN, PER_MODEL = "defaults.", "defaults_where_taken.", "per_model."
SET = "--set "
"""The prefix, in problems, of a field that ``--set`` gives."""

Params = dict[str, object]
T = TypeVar("T")
D = TypeVar("D")


class EntryMerger:
    """Merges the entries of one file with its defaults; the file is ``source``.

    ``cells``: values are text, as in CSV; ``sets`` gives fields to jobs that do not have them. ``checks``: the least
    that is measured of every clip.
    """

    def __init__(
        self,
        source: Source,
        problems: Problems,
        vocabulary: Vocabulary,
        *,
        cells: bool = False,
        sets: Mapping[str, str] | None = None,
        checks: CheckLevel = CheckLevel.NONE,
    ) -> None:
        self.source = source
        self.problems = problems
        self.vocabulary = vocabulary
        self.cells = cells
        self._sets = _fields_of_sets(sets or {})
        self.defaults = _add_sets(_NO_DEFAULTS, self._sets)
        self.where_taken = _NOT_TAKEN
        self._default_blocks: Mapping[str, ModelBlock] = NO_BLOCKS
        self._least = checks
        self._default_checks = NO_KEYS
        self._set_checks = self._read_checks(_NOWHERE, self._sets)

    def report(self, entry: Entry, field: str, fault: Fault, *, once: bool = False) -> None:
        """Report a fault where the field was written; a default's once, however many jobs it reaches."""
        # several models of a matrix, or links of a chain, may have the same to say
        once = once or "matrix" in entry.fields or entry.chain is not None
        for each in split_fault(fault):
            self._report_one(entry, field, each, once=once)

    def _report_one(self, entry: Entry, field: str, fault: Fault, *, once: bool) -> None:
        written: Entry | Defaults | WhereTaken = entry
        path = field
        if self.is_default(entry, field) and field.partition(".")[0] in self._sets:
            # no line: it is in the command, not in the file
            self.problems.add_fault(self.source.label, None, f"{SET}{field}", fault, once=True)
            return
        if field.startswith(WHERE_TAKEN):
            written, path, once = self.where_taken, field.removeprefix(WHERE_TAKEN), True
        elif field.startswith(DEFAULTS):
            written, path, once = self.defaults, field.removeprefix(DEFAULTS), True
        elif self.is_default(entry, field):
            written, field, once = self.defaults, f"{DEFAULTS}{field}", True
        line = find_line(written, path + format_below(fault.path))
        link = (entry.chain.chain, entry.chain.link) if entry.chain else None
        self.problems.add_fault(self.source.label, line, field, fault, once=once, link=link)

    def is_default(self, entry: Entry, field: str) -> bool:
        """Whether a field of the entry comes from the defaults."""
        key = field.partition(".")[0]
        return key not in entry.fields and key in self.defaults.fields

    def find_default(self, key: str) -> object:
        """What the defaults of the file give to a key; ``None`` for nothing."""
        return self.defaults.fields.get(key)

    def find_models(self, fields: Mapping[str, object]) -> Collection[object]:
        """The models of an entry with these fields, as written; none if a template names them."""
        matrix = fields.get("matrix")
        models = matrix.get("model") if isinstance(matrix, dict) else None
        if isinstance(models, list):
            return models
        model = fields.get("model", self.defaults.fields.get("model"))
        return () if model is None or (isinstance(model, str) and has_braces(model)) else (model,)

    def is_parameter(self, name: str, fields: Mapping[str, object]) -> bool:
        """Whether a key is a parameter in an entry with these fields."""
        if name in COMMON:
            return True
        unchecked = fields.get("unchecked", self.defaults.fields.get("unchecked"))
        names = unchecked.split("|") if isinstance(unchecked, str) else unchecked
        if isinstance(names, list) and name in names:
            return True
        return self.vocabulary.is_taken(name, self.find_models(fields))

    def set_where_taken(self, defaults: WhereTaken) -> None:
        """Take the defaults of the file for those models that have such a parameter; what is wrong is left out."""
        self.where_taken = defaults
        good = {}
        for key, value in defaults.fields.items():
            field = f"{WHERE_TAKEN}{key}"
            if key in JOB_KEYS:
                self.report(_NOWHERE, field, Fault("is no parameter", "write it in defaults, or in each job"))
            elif key not in self.vocabulary.parameters:
                right = suggest_key(key, self.vocabulary.parameters)
                self.report(_NOWHERE, field, Fault("no model takes such a parameter", right))
            elif value is None:
                self.report(_NOWHERE, field, Fault("has no value", f"write one, or take {key} out"))
            else:
                good[key] = value
        self.where_taken = defaults._replace(fields=good)

    def set_defaults(self, defaults: Defaults) -> None:
        """Take the defaults of the file; what no job can have is reported and left out."""
        self.defaults = defaults
        any_parameter = self.vocabulary.any_model
        unchecked = defaults.fields.get("unchecked")
        known = [*self.vocabulary.parameters, *JOB_KEYS, *(unchecked if isinstance(unchecked, list) else ())]
        good = {}
        for key, value in defaults.fields.items():
            if key in (*NOT_IN_DEFAULTS, "jobs"):
                self.report(_NOWHERE, key, Fault("cannot be a default", "write it in each job"))
            elif key not in known and not any_parameter:
                self.report(_NOWHERE, key, Fault("no model takes such a parameter", suggest_key(key, known)))
            elif value is None and key not in known:
                self.report(_NOWHERE, key, Fault("has no value", f"write one, or take {key} out"))
            else:
                good[key] = value
        self._default_blocks = self._read_blocks(_NOWHERE, good.get("per_model"), DEFAULTS)
        replaced = {key: value for key, value in good.items() if key not in self._sets}
        self._default_checks = self._read_checks(_NOWHERE, replaced)
        self.defaults = _add_sets(defaults._replace(fields=good), self._sets)

    def merge(self, entry: Entry) -> MergedEntry:
        """The entry with the defaults in it. What is wrong is reported and replaced by something harmless."""
        params = {**self.defaults.fields, **entry.fields}
        model = params.pop("model", None)
        names_rows = params.get("rows_file") is not None
        # first, because its columns decide what is a placeholder in all other keys
        rows = self._take_key(entry, params, "rows_file", self._open_rows, None)
        columns: frozenset[str] = frozenset(rows.columns) if rows else ANY_NAME if names_rows else NO_NAMES
        matrix = params.pop("matrix", None)
        combinations = read_matrix(matrix, self._report_part(entry, "matrix"), in_cell=self.cells)
        prompts_file = self._take_key(entry, params, "prompts_file", text, None)
        params.pop("meta", None)
        params.pop("per_model", None)
        for key in CHECK_KEYS:
            params.pop(key, None)
        meta = self._read_meta(entry)
        # in a table braces are text of the person's own: only what varies is filled
        varies = not self.cells and bool(combinations.values or prompts_file or names_rows)
        merged = MergedEntry(
            entry=entry,
            params=params,
            columns=columns,
            model=self._read_model(entry, model, columns),
            name=self._take_key(entry, params, "name", partial(read_name, columns=columns), None),
            given_id=self._take_key(entry, params, "id", partial(read_id, columns=columns), None),
            repeat=self._take_key(entry, params, "repeat", partial(self._read_repeat, columns=columns), 1),
            tries=self._take_key(entry, params, "tries", partial(self._read_whole, most=TRIES_LIMIT), None),
            combinations=combinations,
            prompts_file=prompts_file,
            names_file=self._take_key(entry, params, "names_file", text, None),
            raw=self._take_key(entry, params, "prompts_format", is_raw, False),  # noqa: FBT003
            rows=rows,
            meta=meta,
            meta_blanks=self._meta_blanks(entry, meta, columns) if varies else {},
            unchecked=self._take_key(entry, params, "unchecked", self._read_unchecked, frozenset[str]()),
            per_model=self._read_blocks(entry, entry.fields.get("per_model")),
            checks=self._read_checks(entry, entry.fields),
        )
        self._check_together(merged)
        return merged._replace(params=self._without_unset(merged)) if None in params.values() else merged

    def settle_params(self, merged: MergedEntry, model: str, takes: Collection[str]) -> tuple[Params, dict[str, str]]:
        """The parameters of an entry for one model, and where those are written that are not in the entry's own keys.

        ``model``: the model's own name. A parameter that ``per_model`` unsets is ``None``. What the entry gives itself
        wins over all defaults, and a block for the model over what is for all models; ``--set`` wins over both.
        """
        given = {*merged.entry.fields, *self.defaults.fields, *merged.combinations.sizes}
        found: dict[str, object] = {}
        origins: dict[str, str] = {}
        for name, value in self.where_taken.fields.items():
            if name in takes and name not in given:
                found[name], origins[name] = value, f"{WHERE_TAKEN}{name}"
        found |= merged.params
        if block := self._default_blocks.get(model):
            stronger = {*merged.entry.fields, *merged.combinations.sizes, *self._sets}
            for name in block.params.keys() - stronger:
                found[name], origins[name] = block.params[name], f"{DEFAULTS}{PER_MODEL}{block.name}.{name}"
        if block := merged.per_model.get(model):
            for name, value in block.params.items():
                found[name], origins[name] = value, f"{PER_MODEL}{block.name}.{name}"
        return found, origins

    def settle_policy(self, merged: MergedEntry, model: str) -> tuple[str | None, int]:
        """What is checked of the clips of an entry for one model, by its own name, and the priority of its jobs.

        The same places win as for parameters.
        """
        default, own = self._default_blocks.get(model), merged.per_model.get(model)
        places = (
            self._default_checks,
            default.checks if default else NO_KEYS,
            self._set_checks,
            merged.checks,
            own.checks if own else NO_KEYS,
        )
        given = [keys for keys in places if keys]
        return make_policy(given, self._least).to_json(), find_priority(given)

    def _read_checks(self, entry: Entry, fields: Mapping[str, object]) -> CheckKeys:
        return read_check_keys(fields, partial(self.report, entry))

    def _read_unchecked(self, value: object) -> frozenset[str]:
        return read_unchecked(value, in_cell=self.cells or isinstance(value, Cell))

    def _read_blocks(self, entry: Entry, value: object, prefix: str = "") -> Mapping[str, ModelBlock]:
        return read_blocks(value, self.vocabulary, self._report_part(entry, f"{prefix}per_model"))

    def _report_part(self, entry: Entry, field: str) -> Callable[[str, Fault], None]:
        """What reports a fault in a part of a field; the part's name may be empty."""
        return lambda part, fault: self.report(entry, f"{field}.{part}" if part else field, fault)

    def _read_model(self, entry: Entry, model: object, columns: frozenset[str]) -> object:
        try:
            return parse_template(model, columns) if isinstance(model, str) and has_braces(model) else model
        except Fault as fault:
            self.report(entry, "model", fault)
            return model

    def _without_unset(self, merged: MergedEntry) -> Params:
        """The parameters without those that ``null`` unsets; an unknown key stays, to be reported."""
        models = () if isinstance(merged.model, Template) else merged.models

        def is_known(key: str) -> bool:
            is_default = key in self.defaults.fields or key in self.where_taken.fields
            return is_default or self.vocabulary.is_taken(key, models)

        return {key: value for key, value in merged.params.items() if value is not None or not is_known(key)}

    def _open_rows(self, value: object) -> RowFile:
        path = text(value)
        label = self.source.beside(path)
        try:
            return open_table(self.source.folder / path, label)
        except Fault as fault:
            place = label if fault.line is None else f"{label}:{fault.line}"
            right = fault.suggestion or "the path is relative to the manifest's folder"
            raise Fault(f"{place}: {fault.message}", right) from None

    def _read_meta(self, entry: Entry) -> dict[str, object]:
        try:
            return self.merge_meta(entry.fields)
        except Fault as fault:
            self.report(entry, "meta", fault)
            return {}

    def _meta_blanks(self, entry: Entry, meta: dict[str, object], columns: frozenset[str]) -> dict[str, NestedBlank]:
        blanks = {}
        for key, value in meta.items():
            try:
                if blank := parse_nested_blank(value, columns):
                    blanks[key] = blank
            except Fault as fault:
                self.report(entry, f"meta.{key}", fault)
        return blanks

    def _check_together(self, merged: MergedEntry) -> None:
        entry = merged.entry
        if merged.prompts_file is not None and (merged.rows or merged.columns):
            self.report(entry, "rows_file", Fault("cannot be combined with prompts_file", "use one of the two"))
        for key in _PROMPT_FILES:
            if entry.fields.get(key) is not None and merged.prompts_file is None:
                self.report(entry, key, Fault("needs prompts_file, which is absent", "take it out"))
        if merged.names_file is not None and merged.name is not None and not uses_variable(merged.name, "name_line"):
            self.report(entry, "name", Fault("does not use the lines of names_file", "write {name_line} in it"))
        if merged.checks.get("prefer"):
            self._check_preference(merged)
        if merged.matrix:
            self._check_matrix(merged)
        self._check_size(merged)

    def _check_preference(self, merged: MergedEntry) -> None:
        """Report a preference of the entry that nothing can come of: only gates make takes to choose among."""
        blocks = (*self._default_blocks.values(), *merged.per_model.values())
        if "gates" in {**self.defaults.fields, **merged.entry.fields} or any("gates" in each.checks for each in blocks):
            return
        message = "needs gates: it chooses among the takes that rejected clips get"
        self.report(merged.entry, "prefer", Fault(message, "add gates, or take it out"))

    def _take_key(
        self, entry: Entry, params: dict[str, object], key: str, read: Callable[[object], T], absent: D
    ) -> T | D:
        value = params.pop(key, None)
        if value is None:
            return absent
        try:
            return read(value)
        except Fault as fault:
            self.report(entry, key, fault)
            return absent

    def _read_repeat(self, value: object, *, columns: frozenset[str]) -> int | Template:
        if isinstance(value, str) and has_braces(value) and columns:
            return parse_template(value, columns)
        return self._read_whole(value, REPEAT_LIMIT)

    def _read_whole(self, value: object, most: int) -> int:
        return whole_number(value, most, in_cell=self.cells or isinstance(value, Cell))

    def merge_meta(self, fields: Mapping[str, object]) -> dict[str, object]:
        """What is carried along with an entry: its own values over those of the defaults. Raises ``Fault``."""
        default, own = self.defaults.fields.get("meta"), fields.get("meta")
        if default is None and own is None:
            return {}
        tables = [read_mapping(table) for table in (default, own) if table is not None]
        if own is None and "meta" in fields:  # null unsets the default
            return {}
        merged = {key: value for table in tables for key, value in table.items()}
        return {key: plain(value, 1) for key, value in merged.items() if value is not None}

    def _check_matrix(self, merged: MergedEntry) -> None:
        for name in merged.combinations.sizes.keys() & merged.entry.fields.keys():
            fault = Fault("is set by the matrix as well", "keep one of the two")
            self.report(merged.entry, name, fault)
        if "prompt" in merged.matrix and merged.prompts_file is not None:
            fault = Fault("cannot be combined with prompts_file", "use one of the two")
            self.report(merged.entry, "matrix.prompt", fault)

    def _check_size(self, merged: MergedEntry) -> None:
        """Report an entry that makes too many jobs."""
        links = merged.entry.chain.links if merged.entry.chain else 1
        repeat = merged.repeat if isinstance(merged.repeat, int) else 1
        size = links * repeat * merged.combinations.most
        if size > FAMILY_LIMIT:
            fault = Fault(f"makes {size:,} jobs, more than {FAMILY_LIMIT:,}", "split it")
            self.report(merged.entry, "matrix" if merged.matrix else "repeat", fault)


def _fields_of_sets(sets: Mapping[str, str]) -> dict[str, object]:
    """What ``--set`` gives, in the form of an entry's fields."""
    fields: dict[str, object] = {key: Cell(value) for key, value in sets.items() if not key.startswith(META)}
    meta = {key.removeprefix(META): value for key, value in sets.items() if key.startswith(META)}
    return {**fields, "meta": meta} if meta else fields


def _add_sets(defaults: Defaults, sets: dict[str, object]) -> Defaults:
    """The defaults of a file with what ``--set`` gives, which wins."""
    fields = {**defaults.fields, **sets}
    own, given = defaults.fields.get("meta"), sets.get("meta")
    if isinstance(own, dict) and isinstance(given, dict):
        fields["meta"] = {**own, **given}
    return defaults._replace(fields=fields)

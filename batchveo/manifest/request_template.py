"""What the jobs of one entry have in common, and what is filled in for each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from batchveo.core.hints import suggest_closest
from batchveo.manifest.accepted_values import text
from batchveo.manifest.entries import Cell
from batchveo.manifest.entry_merger import WHERE_TAKEN, EntryMerger
from batchveo.manifest.links import References
from batchveo.manifest.media import LocalFiles
from batchveo.manifest.merged_entry import MergedEntry
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.rules import Rules, find_floating, make_strict
from batchveo.manifest.synonyms import means, suggest_key
from batchveo.manifest.templates import (
    ANY_NAME,
    Blank,
    NestedBlank,
    Template,
    TemplateList,
    check_names,
    has_braces,
    parse_template,
)
from batchveo.manifest.vocabulary import COMMON, JOB_KEYS, Vocabulary
from batchveo.provider.catalog import Model

BLANK = (Template, TemplateList, NestedBlank)
_USUAL = (str, int)
MODEL_HINT = "name one of those that batchveo models lists"


class RequestTemplate(NamedTuple):
    """How an entry's requests to one model are made; a tuple because a million of them pass."""

    rules: Rules
    fixed: dict[str, object]
    references: References
    blanks: dict[str, Blank]
    axes: dict[str, dict[int, object]]
    """For each matrix variable that sets a parameter what its values come to: accepted ones, or blanks."""
    origins: dict[str, str]
    """The fields, as in problems, of the parameters that the entry does not have as keys of its own."""
    overridden: dict[str, object]
    """The axes of the matrix that ``per_model`` replaces by one value; ``None`` if by nothing."""
    policy: str | None
    priority: int
    """What is checked of its clips, as ``CheckPolicy.to_json`` writes it."""


class RequestTemplates:
    """Makes the request templates of one file, and reports what is wrong on the way."""

    def __init__(
        self,
        merger: EntryMerger,
        inputs: LocalFiles,
        *,
        strict_provenance: bool = False,
        renamable: bool = False,
        model_hint: str = MODEL_HINT,
    ) -> None:
        self._merger = merger
        self._vocabulary = merger.vocabulary
        self._report = merger.report
        self._inputs = inputs
        self._strict = strict_provenance
        self._renamable = renamable
        self._model_hint = model_hint
        self._rules: dict[tuple[str, frozenset[str]], Rules] = {}

    def make_all(self, merged: MergedEntry) -> dict[object, RequestTemplate]:
        """A request template for each model of the entry. It is whole only if nothing was reported meanwhile.

        There is none yet if a template names the model.
        """
        if isinstance(merged.model, Template):
            self._check_names(merged, "model", [merged.model])
            return {}
        templates = {}
        field = "matrix.model" if "model" in merged.matrix else "model"
        for model in merged.models:
            try:
                templates[model] = self.make_for_model(merged, model)
            except Fault as fault:
                self._report(merged.entry, field, fault)
        if not templates:
            self._check_keys(merged)
        else:
            self._check_blocks(merged, templates.values())
            self._check_unchecked(merged, templates.values())
        return templates

    def _check_unchecked(self, merged: MergedEntry, templates: Collection[RequestTemplate]) -> None:
        """Report names in the entry's own ``unchecked`` that nothing has: they are most likely mistyped."""
        if self._merger.is_default(merged.entry, "unchecked"):
            return  # for other entries, perhaps
        known = {*merged.params, *merged.matrix}.union(*(template.rules.takes for template in templates))
        for template in templates:
            known |= {*template.fixed, *template.blanks}
        for name in sorted(merged.unchecked - known):
            guess = suggest_closest(name, known)
            self._report(merged.entry, "unchecked", Fault(f"{name} is in no request of this entry", guess))

    def _check_blocks(self, merged: MergedEntry, templates: Collection[RequestTemplate]) -> None:
        """Report the blocks of ``per_model`` for models that the entry does not have."""
        models = {template.rules.own_name for template in templates}
        for own, block in merged.per_model.items():
            if own not in models:
                fault = Fault(
                    "is for a model that this entry does not have", f"its models: {', '.join(sorted(models))}"
                )
                self._report(merged.entry, f"per_model.{block.name}", fault)

    def make_for_model(self, merged: MergedEntry, name: object) -> RequestTemplate:
        """The request template for a model. Raises ``Fault`` if there is no such model."""
        known = _check_model(name, self._vocabulary, self._model_hint)
        rules = self._rules.get((known, merged.unchecked))
        if rules is None:
            folder, catalog = self._merger.source.folder, self._vocabulary.catalog
            rules = Rules(known, catalog, folder, self._inputs, unchecked=merged.unchecked)
            self._rules[known, merged.unchecked] = rules
            if self._strict:
                rules.tighten(partial(make_strict, rules.model))
        return self._make_template(merged, name, rules)

    def _check_keys(self, merged: MergedEntry) -> None:
        """What can be said of a job whose model is not known: what no model takes, and what each needs."""
        parameters = self._vocabulary.parameters | merged.unchecked
        for key in [key for key in merged.params if key not in parameters]:
            right = suggest_key(key, [*parameters, *JOB_KEYS], renamable=self._renamable)
            self._report(merged.entry, key, Fault("no model takes such a parameter", right))
        if not self._vocabulary.any_model:
            self._check_given(merged, "prompt", Fault("is missing; nearly every model needs it"), parameters)

    def _make_template(self, merged: MergedEntry, model: object, rules: Rules) -> RequestTemplate:
        params, origins = self._merger.settle_params(merged, rules.own_name, rules.takes)
        overridden = {name: params[name] for name in merged.combinations.sizes if name in origins}
        policy, priority = self._merger.settle_policy(merged, rules.own_name)
        fixed: dict[str, object] = {"model": rules.name}
        template = RequestTemplate(rules, fixed, References([], []), {}, {}, origins, overridden, policy, priority)
        for key, value in params.items():
            if value is None and key in origins:  # unset for this model
                continue
            if key in merged.combinations.sizes and key not in overridden:
                continue
            field = origins.get(key, key)
            setting = self._accept_value(merged, template, field, key, value)
            if isinstance(setting, _USUAL):
                template.fixed[key] = setting
            elif isinstance(setting, BLANK):
                template.blanks[key] = setting
            else:
                template.fixed[key] = template.references.attach(setting, field)
        if merged.matrix:
            self._add_axes(merged, model, template)
        self._check_required(merged, template, params)
        if self._strict:
            self._check_provenance(merged, template)
        if template.blanks or template.axes or isinstance(merged.name, Template) or merged.is_family:
            self._check_placeholders(merged, template)
        return template

    def _accept_value(
        self, merged: MergedEntry, template: RequestTemplate, field: str, key: str, value: object
    ) -> object:
        """What a written value comes to: an accepted one or a blank; ``None`` if it was reported."""
        rules = template.rules
        try:
            rule = rules.get(key)
            if rule is None or value is None:
                raise self._refuse_key(merged, rules, key)
            in_cell = self._merger.cells or isinstance(value, Cell)
            return rule.read_written(value, in_cell=in_cell, columns=merged.columns)
        except Fault as fault:
            if rules.takes_choice(key) and self._leaves_model_open(merged, field):
                fault.model = rules.name
            template.references.keep_names(fault, field)
            self._report(merged.entry, field, fault)
            return None

    def _leaves_model_open(self, merged: MergedEntry, field: str) -> bool:
        """Whether the place of a field does not say for which model its value is wrong."""
        if len(merged.models) > 1:
            return not field.startswith("per_model.")
        shared = field.startswith(WHERE_TAKEN) or self._merger.is_default(merged.entry, field)
        return shared and "model" in merged.entry.fields

    def _refuse_key(self, merged: MergedEntry, rules: Rules, key: str) -> Fault:
        if rules.model is None:
            return Fault("has no value", f"write one, or take {key} out; a text with a comma takes quotes")
        fault = rules.refuse_unknown(key, renamable=self._renamable, column=self._merger.cells)
        if key in merged.matrix:
            fault.suggestion = f"per_model: {{{rules.name}: {{{key}: null}}}} makes one job of all its values"
        elif self._merger.is_default(merged.entry, key):
            fault.suggestion = f"write {key}: null in the jobs of this model, or move it to defaults_where_taken"
        elif takers := self._list_takers(merged, key):
            fault.suggestion = f"write it in per_model: {{{takers[0]}: {{{key}: …}}}}, or in defaults_where_taken"
        return fault

    def _list_takers(self, merged: MergedEntry, key: str) -> list[str]:
        """The models of an entry that take a parameter, by their own names."""
        models = filter(None, map(self._vocabulary.find_model, merged.models))
        return [model.id for model in models if key in model.params]

    def _add_axes(self, merged: MergedEntry, model: object, template: RequestTemplate) -> None:
        filling = {name for blank in template.blanks.values() for name in blank.names}
        for name, positions in merged.combinations.list_used(model).items():
            if name == "model" or name in template.overridden:
                continue
            if not self._sets_parameter(merged, template.rules.model, name, filling):
                continue
            settings = template.axes[name] = {}
            for position in positions:
                value = merged.matrix[name][position]
                settings[position] = self._accept_value(merged, template, f"matrix.{name}", name, value)

    def _sets_parameter(self, merged: MergedEntry, model: Model | None, name: str, filling: Collection[str]) -> bool:
        """Whether a variable of the matrix sets the parameter of its name; ``filling`` are those that fill a text.

        A variable that fills a text sets nothing unless its name is always a parameter. It is the same for all models
        of the entry: for a model without such a parameter, jobs of different values would be one and the same.
        """
        if name in COMMON or name in merged.unchecked:
            return True
        if name in filling:
            return False
        models = [model] if isinstance(merged.model, Template) else map(self._vocabulary.find_model, merged.models)
        return any(model is None or name in model.params for model in models)

    def _check_required(self, merged: MergedEntry, template: RequestTemplate, params: Mapping[str, object]) -> None:
        # a key that was mistyped is reported as such; that it is missing too would be the same mistake twice
        for name in template.rules.required:
            fault = Fault(f"is missing; {template.rules.name} needs it", _suggest_column(merged, name))
            if params.get(name) is None and name not in template.axes:
                self._check_given(merged, name, fault, template.rules.takes)
        prompt = template.blanks.get("prompt", template.fixed.get("prompt"))
        if merged.prompts_file is not None and prompt is not None and "line" not in names_in(prompt):
            fault = Fault("does not use the lines of prompts_file", "write {line} in it, or leave it out")
            self._report(merged.entry, "prompt", fault)

    def _check_given(self, merged: MergedEntry, name: str, fault: Fault, known: Collection[str]) -> None:
        """Report that a parameter is missing, unless a key that is refused already was meant to be it."""
        if name in merged.params or (name == "prompt" and merged.prompts_file is not None):
            return
        others = [key for key in merged.params if key not in known]
        if not any(means(key, name) for key in others):
            self._report(merged.entry, name, fault)

    def _check_provenance(self, merged: MergedEntry, template: RequestTemplate) -> None:
        for name, fault in find_floating(template.rules.model):
            if name == "model" or not any(name in part for part in (template.fixed, template.blanks, template.axes)):
                self._report(merged.entry, name, fault)

    def _check_placeholders(self, merged: MergedEntry, template: RequestTemplate) -> None:
        blanks: dict[str, list[object]] = {key: [blank] for key, blank in template.blanks.items()}
        blanks |= {f"matrix.{key}": [*settings.values()] for key, settings in template.axes.items()}
        blanks |= {f"meta.{key}": [blank] for key, blank in merged.meta_blanks.items()}
        blanks |= {"id": [merged.given_id], "repeat": [merged.repeat]}
        for field, settings in blanks.items():
            self._check_names(merged, field, settings)
        if isinstance(merged.name, Template):
            request = [*template.fixed, *template.blanks, *template.axes]
            self._check_names(merged, "name", [merged.name], ["prompt", *request])

    def _check_names(self, merged: MergedEntry, field: str, settings: list[object], more: Sequence[str] = ()) -> None:
        if merged.columns is ANY_NAME:
            return
        known = [*dict.fromkeys([*merged.variables(), *more])]
        for setting in settings:
            names = [name for name in names_in(setting) if name not in merged.columns]
            try:
                check_names(names, known)
            except Fault as fault:
                self._report(merged.entry, field, fault)


def _suggest_column(merged: MergedEntry, name: str) -> str | None:
    """How a column of the entry's table fills a parameter that is missing; ``None`` without a table."""
    if merged.rows is None:
        return None
    names = merged.rows.names
    column = next((column for column in names if column == name or means(column, name)), None)
    return f'write {name}: "{{{column or "column"}}}"; the columns are {", ".join(names[:8])}'


def _check_model(name: object, vocabulary: Vocabulary, hint: str) -> str:
    if name is None:
        raise Fault("is missing", hint)
    if not isinstance(name, str):
        raise Fault(f"must be text, not {shown(name)}", "put it in quotes")
    name = name.strip()
    if name not in vocabulary.catalog and not vocabulary.any_model:
        guess = suggest_closest(name, vocabulary.catalog)
        right = "--allow-unknown-model sends it as it is"
        raise Fault(f"{shown(name)} is not a known model", f"{guess} {right}" if guess else right)
    return text(name)


def used_by(merged: MergedEntry, templates: Collection[RequestTemplate]) -> set[str]:
    """The matrix variables that set something or fill a placeholder, and other names."""
    used = {"model", *names_used(merged)}
    for template in templates:
        used.update(template.axes)
        used.update(template.overridden)
        for setting in chain.from_iterable(axis.values() for axis in template.axes.values()):
            used.update(names_in(setting))
    return used


def names_used(merged: MergedEntry) -> set[str]:
    """The placeholders in the templates of an entry."""
    used: set[str] = set()
    for setting in (merged.name, merged.given_id, merged.model, merged.repeat, *merged.meta_blanks.values()):
        used.update(names_in(setting))
    for value in chain(merged.params.values(), *merged.matrix.values()):
        used.update(_names_in_value(value, merged.columns))
    return used


def _names_in_value(value: object, columns: frozenset[str]) -> Iterator[str]:
    """The placeholders in a text, and in all texts inside a list or a mapping."""
    if isinstance(value, str) and has_braces(value):
        yield from _names_in_text(value, columns)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _names_in_value(item, columns)


def _names_in_text(item: str, columns: frozenset[str]) -> tuple[str, ...]:
    try:
        return parse_template(item, columns).names
    except Fault:
        return ()  # no template


def names_in(setting: object) -> tuple[str, ...]:
    """The placeholders of a blank; none of anything else."""
    return setting.names if isinstance(setting, BLANK) else ()

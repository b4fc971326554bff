"""What the jobs of one entry have in common, and what is filled in for each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from batchveo.core.models import InputFile
from batchveo.manifest.defaults import Drafter
from batchveo.manifest.entries import Cell
from batchveo.manifest.local_files import Inputs
from batchveo.manifest.merged_entry import Draft
from batchveo.manifest.problems import Fault, closest, shown
from batchveo.manifest.provenance import left_open, strict
from batchveo.manifest.synonyms import hint, means
from batchveo.manifest.templates import (
    Blank,
    NestedBlank,
    Template,
    TemplateList,
    check_names,
    has_braces,
    parsed,
)
from batchveo.manifest.validation import JOB_KEYS, PARAMETERS, Rules, text
from batchveo.provider.catalog import MODELS

BLANK = (Template, TemplateList)
NAMING = (Template, TemplateList, NestedBlank)
_USUAL = (str, int)
MODEL_HINT = "name one of those that batchveo models lists"


class Recipe(NamedTuple):
    """How an entry's requests to one model are made; a tuple because a million of them pass."""

    rules: Rules
    fixed: dict[str, object]
    inputs: list[InputFile]
    blanks: dict[str, Blank]
    axes: dict[str, list[object]]
    """For each matrix variable that sets a parameter what its values come to: accepted ones, or blanks."""


class Recipes:
    """Makes the recipes of one file, and reports what is wrong on the way."""

    def __init__(
        self,
        drafter: Drafter,
        folder: Path,
        inputs: Inputs,
        *,
        cells: bool,
        any_model: bool,
        strict_provenance: bool = False,
        renamable: bool = False,
        model_hint: str = MODEL_HINT,
    ) -> None:
        self._drafter = drafter
        self._say = drafter.say
        self._folder = folder
        self._inputs = inputs
        self._cells = cells
        self._any_model = any_model
        self._strict = strict_provenance
        self._renamable = renamable
        self._model_hint = model_hint
        self._rules: dict[str, Rules] = {}

    def of(self, draft: Draft) -> dict[object, Recipe]:
        """A recipe for each model of the draft. It is whole only if nothing was reported meanwhile.

        There is none yet where a template names the model.
        """
        if isinstance(draft.model, Template):
            self._check_names(draft, "model", [draft.model])
            return {}
        if not draft.matrix:
            rules = self._rules_of(draft, draft.model, "model")
            if rules is not None:
                return {draft.model: self._recipe(draft, rules)}
            self._check_keys(draft)
            return {}
        recipes = {}
        field = "matrix.model" if "model" in draft.matrix else "model"
        for model in draft.matrix.get("model", [draft.model]):
            rules = self._rules_of(draft, model, field)
            if rules is not None:
                recipes[model] = self._recipe(draft, rules)
        if not recipes:
            self._check_keys(draft)
        return recipes

    def of_model(self, draft: Draft, name: object) -> Recipe:
        """The recipe for a model that a template named. Raises ``Fault`` where there is no such model."""
        known = _model_name(name, any_model=self._any_model, hint=self._model_hint)
        return self._recipe(draft, self._rules_for(known))

    def _rules_of(self, draft: Draft, name: object, field: str) -> Rules | None:
        """The rules of a model; ``None`` where what is wrong with its name was reported."""
        rules = self._rules.get(name) if isinstance(name, str) else None
        if rules is None:
            try:
                known = _model_name(name, any_model=self._any_model, hint=self._model_hint)
            except Fault as fault:
                self._say(draft.entry, field, fault)
                return None
            rules = self._rules_for(known)
        return rules

    def _rules_for(self, known: str) -> Rules:
        rules = self._rules.get(known)
        if rules is None:
            rules = self._rules[known] = Rules(known, MODELS.get(known), self._folder, self._inputs)
            if self._strict:
                rules.tighten(strict)
        return rules

    def _check_keys(self, draft: Draft) -> None:
        """What can be said of a job whose model is not known: what no model takes, and what each needs."""
        for key in [key for key in draft.params if key not in PARAMETERS]:
            right = hint(key, [*PARAMETERS, *JOB_KEYS], renamable=self._renamable)
            fault = Fault("no model takes such a parameter", right)
            self._say(draft.entry, key, fault)
        if not self._any_model:
            self._check_given(draft, "prompt", Fault("is missing; every model needs it"), PARAMETERS)

    def _recipe(self, draft: Draft, rules: Rules) -> Recipe:
        recipe = Recipe(rules, {"model": rules.name}, [], {}, {})
        for key, value in draft.params.items():
            if key in draft.matrix:
                continue
            setting = self._setting(draft, rules, key, key, value)
            if isinstance(setting, _USUAL):
                recipe.fixed[key] = setting
            elif isinstance(setting, BLANK):
                recipe.blanks[key] = setting
            else:
                recipe.fixed[key] = attached(setting, recipe.inputs)
        if draft.matrix:
            self._add_axes(draft, recipe)
        self._check_required(draft, recipe)
        if self._strict:
            self._check_provenance(draft, recipe)
        if recipe.blanks or recipe.axes or isinstance(draft.name, Template) or draft.is_family:
            self._check_placeholders(draft, recipe)
        return recipe

    def _setting(self, draft: Draft, rules: Rules, field: str, key: str, value: object) -> object:
        """What a written value comes to: an accepted one or a blank; ``None`` where it was reported."""
        try:
            rule = rules.get(key)
            if rule is None or value is None:
                raise self._not_taken(draft, rules, key)
            in_cell = self._cells or isinstance(value, Cell)
            return rule.written(value, in_cell=in_cell, columns=draft.columns)
        except Fault as fault:
            self._say(draft.entry, field, fault)
            return None

    def _not_taken(self, draft: Draft, rules: Rules, key: str) -> Fault:
        if rules.model is None:
            return Fault("has no value", f"write one, or take {key} out; a text with a comma takes quotes")
        fault = rules.unknown(key, renamable=self._renamable)
        if self._drafter.is_default(draft.entry, key):
            fault.suggestion = f"write {key}: null in the jobs of this model, or move it to those that take it"
        return fault

    def _add_axes(self, draft: Draft, recipe: Recipe) -> None:
        used = {name for blank in recipe.blanks.values() for name in blank.names}
        for name, values in draft.matrix.items():
            free = recipe.rules.model is None and name not in used
            if name != "model" and (name in PARAMETERS or free):
                field = f"matrix.{name}"
                settings = [self._setting(draft, recipe.rules, field, name, value) for value in values]
                recipe.axes[name] = settings

    def _check_required(self, draft: Draft, recipe: Recipe) -> None:
        for name in recipe.rules.required:
            fault = Fault(f"is missing; {recipe.rules.name} needs it", _from_column(draft, name))
            self._check_given(draft, name, fault, recipe.rules.takes)
        prompt = recipe.blanks.get("prompt", recipe.fixed.get("prompt"))
        if draft.prompts_file is not None and prompt is not None and "line" not in names_in(prompt):
            fault = Fault("says nothing of the lines of prompts_file", "write {line} in it, or leave it out")
            self._say(draft.entry, "prompt", fault)

    def _check_given(self, draft: Draft, name: str, fault: Fault, known: Collection[str]) -> None:
        """Report that a parameter is missing, unless a key that is refused already was meant to be it."""
        if name in draft.params or name in draft.matrix or (name == "prompt" and draft.prompts_file is not None):
            return
        others = [key for key in draft.params if key not in known]
        if not any(means(key, name) for key in others):
            self._say(draft.entry, name, fault)

    def _check_provenance(self, draft: Draft, recipe: Recipe) -> None:
        for name, fault in left_open(recipe.rules.model):
            if name == "model" or (name not in draft.params and name not in draft.matrix):
                self._say(draft.entry, name, fault)

    def _check_placeholders(self, draft: Draft, recipe: Recipe) -> None:
        blanks: dict[str, list[object]] = {key: [blank] for key, blank in recipe.blanks.items()}
        blanks |= {f"matrix.{key}": settings for key, settings in recipe.axes.items()}
        blanks |= {f"meta.{key}": [blank] for key, blank in draft.meta_blanks.items()}
        blanks |= {"id": [draft.given_id], "repeat": [draft.repeat]}
        for field, settings in blanks.items():
            self._check_names(draft, field, settings)
        if isinstance(draft.name, Template):
            request = [*recipe.fixed, *recipe.blanks, *recipe.axes]
            self._check_names(draft, "name", [draft.name], ["prompt", *request])

    def _check_names(self, draft: Draft, field: str, settings: list[object], more: Sequence[str] = ()) -> None:
        if draft.rows_broken:
            return
        known = [*dict.fromkeys([*draft.variables(), *more])]
        for setting in settings:
            names = [name for name in names_in(setting) if name not in draft.columns]
            try:
                check_names(names, known)
            except Fault as fault:
                self._say(draft.entry, field, fault)


def _from_column(draft: Draft, name: str) -> str | None:
    """How a column of the entry's table fills a parameter that is missing; ``None`` without a table."""
    if draft.rows is None:
        return None
    names = draft.rows.names
    column = next((column for column in names if column == name or means(column, name)), None)
    return f'write {name}: "{{{column or "column"}}}"; the columns are {", ".join(names[:8])}'


def _model_name(name: object, *, any_model: bool, hint: str) -> str:
    if name is None:
        raise Fault("is missing", hint)
    if not isinstance(name, str):
        raise Fault(f"must be text, not {shown(name)}", "put it in quotes")
    name = name.strip()
    if name not in MODELS and not any_model:
        guess = closest(name, MODELS)
        right = "--allow-unknown-model sends it as it is"
        raise Fault(f"{shown(name)} is not a known model", f"{guess} {right}" if guess else right)
    return text(name)


def used_by(draft: Draft, recipes: Collection[Recipe]) -> set[str]:
    """The matrix variables that set something or fill a placeholder, and other names."""
    used = {"model", *names_used(draft)}
    for recipe in recipes:
        used.update(recipe.axes)
        for setting in chain.from_iterable(recipe.axes.values()):
            used.update(names_in(setting))
    return used


def names_used(draft: Draft) -> set[str]:
    """The placeholders that stand in the templates of an entry."""
    used: set[str] = set()
    for setting in (draft.name, draft.given_id, draft.model, draft.repeat, *draft.meta_blanks.values()):
        used.update(names_in(setting))
    for value in chain(draft.params.values(), *draft.matrix.values()):
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and has_braces(item):
                used.update(_names_in_text(item, draft.columns))
    return used


def _names_in_text(item: str, columns: frozenset[str]) -> tuple[str, ...]:
    try:
        return parsed(item, columns).names
    except Fault:
        return ()  # no template


def names_in(setting: object) -> tuple[str, ...]:
    """The placeholders of a blank; none of anything else."""
    return setting.names if isinstance(setting, NAMING) else ()


def attached(value: object, inputs: list[InputFile]) -> object:
    """The value as it stands in a request; the files in it go to ``inputs``."""
    if isinstance(value, InputFile):
        inputs.append(value)
        return value.reference
    if isinstance(value, list):
        return [attached(item, inputs) for item in value]
    return value

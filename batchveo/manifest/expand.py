"""Entries of one manifest file as jobs: matrix, repeat and prompts file multiplied out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from batchveo.manifest import prompt_lines
from batchveo.manifest.drafts import Draft, Drafter
from batchveo.manifest.making import OWN_NAME, JobMaker, Making
from batchveo.manifest.names import Place
from batchveo.manifest.problems import Fault, Problems
from batchveo.manifest.prompt_lines import PromptLine
from batchveo.manifest.raw import Entry
from batchveo.manifest.recipes import BLANK, Recipe, Recipes, attached, names_in, used_by
from batchveo.manifest.register import Register
from batchveo.manifest.shapes import Shapes
from batchveo.manifest.sources import Source
from batchveo.manifest.templates import Template, check_names
from batchveo.named import Row

_NO_VALUES: dict[str, object] = {}


class _Line(NamedTuple):
    """A line of a prompts file; ``prompt`` is what it comes to, ``None`` where ``prompt:`` takes it in."""

    line: PromptLine
    place: Place
    prompt: object


class _Choice(NamedTuple):
    """One combination of a matrix: the values of its variables, and what they set."""

    recipe: Recipe
    values: dict[str, object]
    settings: dict[str, object]


class Expander:
    """Expands the entries of one file. What is wrong is reported, and such an entry makes no jobs."""

    def __init__(
        self, source: Source, drafter: Drafter, recipes: Recipes, register: Register, problems: Problems
    ) -> None:
        self._source = source
        self._drafter = drafter
        self._recipes = recipes
        self._register = register
        self._problems = problems
        self._maker = JobMaker(source.label, register)
        self._shapes = Shapes(drafter)
        self._said: set[tuple[str, int]] = set()

    def jobs(self, entry: Entry) -> Iterable[Row]:
        """The jobs of an entry in their order: line by line, the first variable slowest, then the index."""
        plain = self._shapes.plain(entry)
        if plain is None:
            return self._the_long_way(entry)
        job = self._maker.plain_job(plain, entry.line)
        return () if job is None else (job,)

    def _the_long_way(self, entry: Entry) -> Iterable[Row]:
        noticed = self._problems.noticed
        draft = self._drafter.draft(entry)
        place = Place(self._source.label, entry.line)
        if draft.given_id is not None and not self._register.given_ids.take(draft.given_id, *place):
            self._register.clash("id", draft.given_id, place, "give each job an id of its own")
        recipes = self._recipes.of(draft)
        if self._problems.noticed > noticed:
            self._check_rest(draft, recipes, place)
            return ()
        if draft.is_family:
            used = used_by(draft, recipes.values())
            lines_may_use_more = draft.prompts_file is not None and "prompt" not in draft.params
            if not lines_may_use_more and self._says_unused(draft, used):
                return ()
            return self._family(draft, recipes, place, used)
        recipe = recipes[draft.model]
        self._said.clear()
        if recipe.blanks:
            job = self._job(draft, _Choice(recipe, {}, {}), 0, place, None)
        else:
            self._shapes.learn(entry, recipe)
            job = self._job_without_blanks(draft, recipe, place)
        return () if job is None else (job,)

    def _check_rest(self, draft: Draft, recipes: dict[object, Recipe], place: Place) -> None:
        """What else is wrong with an entry that makes no jobs: its prompts file, and a name that is taken."""
        if draft.prompts_file is not None and recipes:
            for _ in self._lines(draft, recipes):
                pass
        if not isinstance(draft.name, str) or draft.is_family or self._register.several:
            return  # with several manifests the same job may stand in two of them by one name
        if not self._register.names.take(draft.name, *place):
            self._register.clash("name", draft.name, place, OWN_NAME)

    def _job_without_blanks(self, draft: Draft, recipe: Recipe, place: Place) -> Row | None:
        """The same as ``_job`` for an entry with nothing to fill in but its name."""
        values = {**draft.constants(), "index": 0} if isinstance(draft.name, Template) else _NO_VALUES
        field = "duration"
        try:
            recipe.rules.check_together(recipe.fixed)
            field = "name"
            return self._maker.job(Making(draft, recipe.fixed, recipe.inputs, values, place))
        except Fault as fault:
            self._drafter.say(draft.entry, field, fault)
            return None

    def _family(self, draft: Draft, recipes: dict[object, Recipe], place: Place, used: set[str]) -> Iterator[Row]:
        self._said.clear()
        for line in self._lines(draft, recipes) if draft.prompts_file is not None else [None]:
            if line is not None:
                used.update(names_in(line.prompt))
            for choice in _choices(draft, recipes):
                for index in range(draft.repeat):
                    job = self._job(draft, choice, index, place, line)
                    if job is not None:
                        yield job
        self._says_unused(draft, used)

    def _says_unused(self, draft: Draft, used: set[str]) -> bool:
        """Report the matrix variables that change nothing; whether there are any."""
        idle = [name for name in draft.matrix if name not in used]
        for name in idle:
            fault = Fault("the variable is used nowhere", f"write {{{name}}} in the prompt")
            self._drafter.say(draft.entry, f"matrix.{name}", fault)
        return bool(idle)

    def _job(self, draft: Draft, choice: _Choice, index: int, place: Place, line: _Line | None) -> Row | None:
        recipe = choice.recipe
        values = {**draft.constants(), **choice.values, "index": index}
        settings = {**recipe.blanks, **choice.settings}
        if line is not None:
            values["line"] = line.line.text
            if line.prompt is not None:
                settings["prompt"] = line.prompt
            place = line.place
        request, inputs = recipe.fixed.copy(), recipe.inputs.copy()
        field = ""
        try:
            for field, setting in settings.items():
                request[field] = attached(_filled(recipe, field, setting, values), inputs)
            field = "duration"
            recipe.rules.check_together(request)
            field = "name"
            copy = 1 if line is None else line.line.copy
            return self._maker.job(Making(draft, request, inputs, values, place, index, copy))
        except Fault as fault:
            self._complain(draft, recipe, field, fault, line)
            return None

    def _complain(self, draft: Draft, recipe: Recipe, field: str, fault: Fault, line: _Line | None) -> None:
        """Report what filling brought up: once a field, and once a line of a prompts file."""
        used = names_in(draft.name if field == "name" else recipe.blanks.get(field))
        from_line = field == "prompt" or not {"line", "prompt"}.isdisjoint(used)
        said = (field, line.line.number if line is not None and from_line else 0)
        if said in self._said:
            return
        self._said.add(said)
        if line is not None and from_line:
            self._problems.fault(line.place.file, line.place.line, field, fault)
        else:
            written = f"matrix.{field}" if field in draft.matrix else field
            self._drafter.say(draft.entry, written, fault)

    def _lines(self, draft: Draft, recipes: dict[object, Recipe]) -> Iterator[_Line]:
        """The lines of the draft's prompts file, checked; what is wrong is reported and left out."""
        file = str(draft.prompts_file)
        label = self._source.beside(file)
        any_recipe = next(iter(recipes.values()))
        found = False
        try:
            for line in prompt_lines.read(self._source.folder / file):
                found = True
                try:
                    prompt = _line_prompt(draft, any_recipe, line)
                except Fault as fault:
                    self._problems.fault(label, line.number, "prompt", fault)
                else:
                    yield _Line(line, Place(label, line.number), prompt)
        except Fault as fault:
            if fault.line is not None:
                self._problems.fault(label, fault.line, None, fault)
                return
            reason = Fault(f"{label}: {fault.message}", fault.suggestion or "relative to the manifest's folder")
            self._drafter.say(draft.entry, "prompts_file", reason)
            return
        if not found:
            self._drafter.say(draft.entry, "prompts_file", Fault(f"{label} holds no prompts"))


def _line_prompt(draft: Draft, recipe: Recipe, line: PromptLine) -> object:
    if "prompt" in draft.params:
        return None
    rule = recipe.rules.get("prompt")
    prompt = line.text if rule is None else rule.written(line.text, in_cell=False)
    check_names(names_in(prompt), draft.variables())
    return prompt


def _filled(recipe: Recipe, name: str, setting: object, values: dict[str, object]) -> object:
    rule = recipe.rules.get(name)
    return rule.filled(setting, values) if rule and isinstance(setting, BLANK) else setting


def _choices(draft: Draft, recipes: dict[object, Recipe]) -> Iterator[_Choice]:
    """Every combination of the matrix, the first variable slowest."""
    names = list(draft.matrix)
    for positions in product(*(range(len(values)) for values in draft.matrix.values())):
        at = dict(zip(names, positions, strict=True))
        values = {name: draft.matrix[name][position] for name, position in at.items()}
        recipe = recipes[values.get("model", draft.model)]
        yield _Choice(recipe, values, {name: axis[at[name]] for name, axis in recipe.axes.items()})

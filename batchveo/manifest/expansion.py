"""Entries of one manifest file as jobs: matrix, repeat and prompts file multiplied out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from batchveo.core.job_row import Row
from batchveo.core.models import InputFile
from batchveo.manifest.compiled_entry import Shapes
from batchveo.manifest.defaults import Drafter
from batchveo.manifest.entries import Entry, plain
from batchveo.manifest.entry_files import Feeds, Given
from batchveo.manifest.job_factory import OWN_NAME, JobMaker, Making
from batchveo.manifest.job_keys import REPEAT_LIMIT, whole_number
from batchveo.manifest.merged_entry import Draft
from batchveo.manifest.names import Place
from batchveo.manifest.problems import Fault, Problems
from batchveo.manifest.request_template import BLANK, Recipe, Recipes, attached, names_in, used_by
from batchveo.manifest.sources import Source
from batchveo.manifest.templates import Template, as_text
from batchveo.manifest.uniqueness import Register
from batchveo.manifest.validation import text

_NO_VALUES: dict[str, object] = {}


class _Problem(Exception):
    """What was wrong with one job has been reported."""


class _Case(NamedTuple):
    """What the jobs of one line or row have in common, and those of an entry that has neither.

    ``values`` fill placeholders, ``own_id`` is the id that a template made of them.
    """

    draft: Draft
    place: Place
    given: Given | None
    values: dict[str, object]
    own_id: str | None = None


class Expander:
    """Expands the entries of one file. What is wrong is reported, and such an entry makes no jobs."""

    def __init__(
        self,
        source: Source,
        drafter: Drafter,
        recipes: Recipes,
        register: Register,
        problems: Problems,
        feeds: Feeds,
    ) -> None:
        self._source = source
        self._feeds = feeds
        self._drafter = drafter
        self._recipes = recipes
        self._register = register
        self._problems = problems
        self._maker = JobMaker(source.label, register)
        self._shapes = Shapes(drafter)
        self._said: set[tuple[str, int]] = set()
        self._by_row: dict[object, Recipe | None] = {}

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
        if isinstance(draft.given_id, str) and not self._register.given_ids.take(draft.given_id, *place):
            self._register.clash("id", draft.given_id, place, "give each job an id of its own")
        recipes = self._recipes.of(draft)
        if self._problems.noticed > noticed:
            self._check_rest(draft, recipes, place)
            return ()
        self._said.clear()
        self._by_row.clear()
        if draft.is_family:
            used = used_by(draft, recipes.values())
            # lines, and models that rows name, may use more
            is_open = (draft.prompts_file is not None and "prompt" not in draft.params) or not recipes
            if not is_open and self._says_unused(draft, used):
                return ()
            return self._family(draft, recipes, place, used)
        recipe = recipes[draft.model]
        if recipe.blanks:
            case = _Case(draft, place, None, {**draft.constants(), "index": 0})
            job = self._job(case, recipe, {}, case.values, 0)
        else:
            self._shapes.learn(entry, recipe)
            job = self._job_without_blanks(draft, recipe, place)
        return () if job is None else (job,)

    def _check_rest(self, draft: Draft, recipes: dict[object, Recipe], place: Place) -> None:
        """What else is wrong with an entry that makes no jobs: its prompts file, and a name that is taken."""
        if draft.prompts_file is not None and draft.rows is None and recipes:
            for _ in self._feeds.of(draft, next(iter(recipes.values()))):
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
        for given in self._feeds.of(draft, next(iter(recipes.values()), None)):
            values = draft.constants() if given is None else {**given.values, **draft.constants()}
            case = _Case(draft, place if given is None else given.place, given, values)
            if given is not None:
                used.update(names_in(given.prompt))
            try:
                case = case._replace(own_id=self._own_id(case))
            except _Problem:
                continue
            for at in _combinations(draft):
                yield from self._repeats(case, recipes, at)
        for recipe in self._by_row.values():
            used.update(recipe.axes if recipe else ())
        self._says_unused(draft, used)

    def _repeats(self, case: _Case, recipes: dict[object, Recipe], at: dict[str, int]) -> Iterator[Row]:
        """The jobs of one combination of the matrix."""
        values = {**case.values, **{name: case.draft.matrix[name][position] for name, position in at.items()}}
        try:
            recipe = self._recipe(case, recipes, values)
            times = self._times(case)
        except _Problem:
            return
        settings = {name: axis[at[name]] for name, axis in recipe.axes.items()}
        for index in range(times):
            job = self._job(case, recipe, settings, {**values, "index": index}, index)
            if job is not None:
                yield job

    def _recipe(self, case: _Case, recipes: dict[object, Recipe], values: dict[str, object]) -> Recipe:
        """The recipe for the model of these values. Raises ``_Problem``."""
        draft = case.draft
        if not isinstance(draft.model, Template):
            return recipes[values["model"] if "model" in draft.matrix else draft.model]
        noticed = self._problems.noticed
        name: object = None
        try:
            name = draft.model.value(values)
            if not isinstance(name, str | None) or name not in self._by_row:
                recipe = self._recipes.of_model(draft, name)
                self._by_row[name] = recipe if self._problems.noticed == noticed else None
        except Fault as fault:
            self._complain(case, "model", draft.model, fault)
            raise _Problem from None
        known = self._by_row[name]
        if known is None:
            raise _Problem
        return known

    def _times(self, case: _Case) -> int:
        """How often the same request is made. Raises ``_Problem``."""
        repeat = case.draft.repeat
        if isinstance(repeat, int):
            return repeat
        try:
            times = repeat.value(case.values)
            return 1 if times is None else whole_number(times, REPEAT_LIMIT, in_cell=True)
        except Fault as fault:
            self._complain(case, "repeat", repeat, fault)
            raise _Problem from None

    def _own_id(self, case: _Case) -> str | None:
        """The id that a template makes for a row; ``None`` where there is none. Raises ``_Problem``."""
        template = case.draft.given_id
        if not isinstance(template, Template):
            return None
        try:
            value = template.value(case.values)
            own_id = None if value is None else text(as_text(value))
        except Fault as fault:
            self._complain(case, "id", template, fault)
            raise _Problem from None
        if own_id is not None and not self._register.given_ids.take(own_id, *case.place):
            self._register.clash("id", own_id, case.place, "give each row an id of its own")
        return own_id

    def _says_unused(self, draft: Draft, used: set[str]) -> bool:
        """Report the matrix variables that change nothing; whether there are any."""
        idle = [name for name in draft.matrix if name not in used]
        for name in idle:
            fault = Fault("the variable is used nowhere", f"write {{{name}}} in the prompt")
            self._drafter.say(draft.entry, f"matrix.{name}", fault)
        return bool(idle)

    def _job(
        self, case: _Case, recipe: Recipe, settings: dict[str, object], values: dict[str, object], index: int
    ) -> Row | None:
        """One job; ``settings`` are what the matrix sets, ``values`` fill the placeholders."""
        draft, given = case.draft, case.given
        settings = {**recipe.blanks, **settings}
        if given is not None and given.prompt is not None:
            settings["prompt"] = given.prompt
        meta = draft.meta
        field = "meta"
        setting: object = None
        try:
            if draft.meta_blanks:
                meta = _meta(draft, values)
                values = {**values, **draft.constants(meta)}
            request, inputs = self._request(case, recipe, settings, values)
            field, setting = "duration", recipe.blanks.get("duration")
            recipe.rules.check_together(request)
            field, setting = "name", draft.name
            making = Making(draft, request, inputs, values, case.place, index, given, meta, case.own_id)
            return self._maker.job(making)
        except Fault as fault:
            self._complain(case, field, setting, fault)
        except _Problem:
            pass
        return None

    def _request(
        self, case: _Case, recipe: Recipe, settings: dict[str, object], values: dict[str, object]
    ) -> tuple[dict[str, object], list[InputFile]]:
        """The request with everything filled in, and its files. Reports all faults, then raises ``_Problem``."""
        request, inputs = recipe.fixed.copy(), recipe.inputs.copy()
        is_good = True
        for field, setting in settings.items():
            try:
                value = _filled(recipe, field, setting, values)
                if value is not None:
                    request[field] = attached(value, inputs)
                elif field in recipe.rules.required:
                    raise Fault(f"is empty; {recipe.rules.name} needs it", "fill it in")  # noqa: TRY301
            except Fault as fault:
                self._complain(case, field, setting, fault)
                is_good = False
        if not is_good:
            raise _Problem
        return request, inputs

    def _complain(self, case: _Case, field: str, setting: object, fault: Fault) -> None:
        """Report what filling brought up: once a field, and once a line of a prompts file or a row of a table."""
        draft, given = case.draft, case.given
        used = names_in(setting) if field != "meta" else [n for b in draft.meta_blanks.values() for n in b.names]
        line = given.place.line if given is not None and _is_of_line(given, field, used, draft) else 0
        if (field, line) in self._said:
            return
        self._said.add((field, line))
        if names := ", ".join(f"{{{name}}}" for name in dict.fromkeys(used)):
            fault.message += f" (filled from {names})"
        if given is not None and line:
            if draft.rows is not None:
                fault.message += f" for the entry in {self._source.label}:{draft.entry.line}"
            self._problems.fault(given.place.file, line, field, fault)
        else:
            written = f"matrix.{field}" if field in draft.matrix else field
            self._drafter.say(draft.entry, written, fault)


def _is_of_line(given: Given, field: str, used: Iterable[str], draft: Draft) -> bool:
    """Whether a line or row, rather than the entry, is where something went wrong."""
    if field == "prompt" and draft.rows is None:
        return True
    if field == "name" and draft.name is None:
        return given.name is not None
    return not {*given.values, "prompt"}.isdisjoint(used)


def _meta(draft: Draft, values: dict[str, object]) -> dict[str, object]:
    """What is carried along, with the values in it; what nothing fills is left out."""
    meta = {}
    for key, value in draft.meta.items():
        blank = draft.meta_blanks.get(key)
        filled = value if blank is None else blank.filled(values)
        if filled is not None:
            meta[key] = plain(filled, 1)
    return meta


def _filled(recipe: Recipe, name: str, setting: object, values: dict[str, object]) -> object:
    rule = recipe.rules.get(name)
    return rule.filled(setting, values) if rule and isinstance(setting, BLANK) else setting


def _combinations(draft: Draft) -> Iterator[dict[str, int]]:
    """The positions of the values in every combination of the matrix, the first variable slowest."""
    names = list(draft.matrix)
    for positions in product(*(range(len(values)) for values in draft.matrix.values())):
        yield dict(zip(names, positions, strict=True))

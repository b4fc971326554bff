"""A first manifest: of a table, of a list of prompts, of prompts that somebody types, or as an example."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, NoReturn

import anyio

from batchveo.core.errors import DiskTrouble, KeyRejected, ManifestError, Problem, UsageError, find_reason
from batchveo.core.formatting import blank_unprintable, format_count
from batchveo.core.hints import format_command, suggest_closest
from batchveo.manifest import Manifests, Summary
from batchveo.manifest.sources import STDIN, STDIN_LABEL
from batchveo.manifest.synonyms import fold_key
from batchveo.manifest.vocabulary import COMMON, JOB_KEYS
from batchveo.operations.prices import fetch_prices
from batchveo.operations.table_columns import MANIFEST_SUFFIXES, Column, Table
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.catalog import Catalog, Model
from batchveo.provider.catalog.price_list import PriceList
from batchveo.provider.retirement import read_kept_retirements

TEXT_MODEL, IMAGE_MODEL = "google/veo-3.1-t2v-fast", "google/veo-3.1-i2v-fast"
"""The usual models, from a prompt alone and from an image."""
CHEAPEST = 3
"""Cheap models that are suggested besides the usual ones."""
PRICE_SECONDS = 8.0
"""How long a person waits for the prices of models."""
SHOWN_DEFAULTS = ("duration", "resolution", "aspect_ratio")
"""Parameters that a first manifest writes out, so that they are easy to change."""
NAMED = 12
"""Columns that a message names at most."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_YAML_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


# -- models


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A model to choose, and the US dollars of a video by its defaults; ``None`` if that is not known."""

    model: str
    usd: float | None


async def suggest_models(api: ApiClient, table: Table | None, catalog: Catalog) -> list[Suggestion]:
    """The usual model, its finer sister, and the cheapest others that need no more than there is."""
    usual = suggest_model(table)
    given = {"prompt", "image_url"} if usual == IMAGE_MODEL else {"prompt"}
    endings = read_kept_retirements(catalog)
    fitting = [
        name
        for name, model in catalog.items()
        if given <= model.params.keys() and given >= {*model.required} and endings.find(*model.names) is None
    ]
    prices = PriceList({})
    with suppress(ProviderError, KeyRejected), anyio.move_on_after(PRICE_SECONDS):
        prices = await fetch_prices(api, fitting, catalog=catalog)
    request = dict.fromkeys(given, "…")
    found = {name: prices.quote(name, request) for name in fitting}
    cheapest = sorted((usd, name) for name, usd in found.items() if usd)[:CHEAPEST]
    names = dict.fromkeys((usual, usual.removesuffix("-fast"), *(name for _, name in cheapest)))
    return [Suggestion(model=name, usd=found.get(name)) for name in names if name in catalog]


def suggest_model(table: Table | None = None) -> str:
    """The usual model; one that starts from an image if each row of the table has one."""
    return IMAGE_MODEL if table is not None and table.has_images else TEXT_MODEL


def find_model(name: str, catalog: Catalog) -> Model:
    """The model of this name; raises ``UsageError``."""
    known = catalog.get(name.strip())
    if known is None:
        guess = suggest_closest(name, catalog)
        raise UsageError(f"{name!r} is not a known model ({f'{guess} ' if guess else ''}`batchveo models` lists all)")
    return known


# -- drafts


class Line(NamedTuple):
    """A key with its value as YAML, and a comment."""

    key: str
    value: str
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A manifest that is not written yet.

    ``title`` is the comment above it; ``defaults`` are for what ``fields`` do not give. ``entries``: its jobs as YAML;
    or ``file``, a key and the source that it names, with ``fields`` and ``meta`` of the jobs. ``guessed``: the columns
    that only probably mean their fields, and could be left out. ``notes``: what a person should know.
    """

    title: str
    defaults: Sequence[Line]
    entries: str = ""
    file: tuple[str, Path] | None = None
    fields: Sequence[Line] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    guessed: Mapping[str, Column] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def render(self, folder: Path) -> str:
        """The manifest as a file in ``folder``."""
        # a line break in the name of a file would end the comment
        lines = [f"# {blank_unprintable(self.title)}", ""]
        own = {line.key for line in self.fields}
        defaults = [line for line in self.defaults if line.key not in own]
        lines += ["defaults:", *_write_lines(defaults, "  "), ""] if defaults else []
        lines += ["jobs:"]
        if self.file is None:
            return "\n".join([*lines, self.entries, ""])
        key, path = self.file
        first, *others = _write_lines([Line(key, quote(_find_relative(path, folder))), *self.fields], "    ")
        lines += [f"  - {first.lstrip()}", *others]
        if self.meta:
            lines += ["    meta: # kept with each video, in listings and datasets; not sent"]
            lines += _write_lines([Line(key, quote(value)) for key, value in self.meta.items()], "      ")
        return "\n".join([*lines, ""])

    def demote(self, names: Sequence[str]) -> Draft:
        """The draft with the columns of these fields as ``meta``."""
        columns = {name: self.guessed[name] for name in names}
        reasons = (
            f"the column {each.name} is kept as meta: not each cell is a {name}" for name, each in columns.items()
        )
        return replace(
            self,
            fields=[each for each in self.fields if each.key not in columns],
            meta={**self.meta, **{column.name: column.hole for column in columns.values()}},
            guessed={name: column for name, column in self.guessed.items() if name not in columns},
            notes=[*self.notes, *reasons],
        )


def quote(text: str) -> str:
    """A text as YAML, in quotes."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in json.dumps(text, ensure_ascii=False))


def _write_lines(lines: Sequence[Line], indent: str) -> Iterator[str]:
    for key, value, comment in lines:
        is_plain = _PLAIN_KEY.fullmatch(key) and key.casefold() not in _YAML_WORDS
        yield f"{indent}{key if is_plain else quote(key)}: {value}" + (f" # {comment}" if comment else "")


def _find_relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return path.absolute().as_posix()


def draft_table(table: Table, catalog: Catalog, *, model: str | None = None, prompt: str | None = None) -> Draft:
    """A job for each row. ``prompt`` is a template, by default the column that means it.

    Raises ``UsageError`` if there is no such column.
    """
    has_models = model is None and table.has_models(catalog)
    known = None if has_models else find_model(model or suggest_model(table), catalog)
    used = _match_columns(table, known, has_prompt=prompt is not None)
    if prompt is None:
        prompt = used["prompt"].hole if "prompt" in used else _refuse_table(table)
    rest = [column for column in table.columns.values() if column not in used.values()]
    # keys of a job, such as repeat, are the person's own to write; as meta they would mislead
    keys = [column.name for column in rest if fold_key(column.name) in {*JOB_KEYS} - {"id", "name", "model"}]
    filled = [Line(key, quote(column.hole)) for key, column in used.items() if key != "prompt"]
    return Draft(
        title=f"One video for each row of {table.path.name}. {{NAME}} is what the row has in the column NAME.",
        defaults=list(_list_defaults(known)),
        file=("rows_file", table.path),
        fields=[Line("prompt", quote(prompt)), *filled],
        meta={column.name.removeprefix("meta."): column.hole for column in rest if column.name not in keys},
        guessed={
            name: column
            for name, column in used.items()
            if not column.is_called(name)
            and name not in ("prompt", "name", "model", *(known.required if known else ()))
        },
        notes=[f"the column {name} is left out" for name in (*table.left_out, *keys)],
    )


def _match_columns(table: Table, model: Model | None, *, has_prompt: bool) -> dict[str, Column]:
    """The columns that fill fields, by field; without a ``model`` each row names one."""
    used: dict[str, Column] = {}
    if not has_prompt and (found := table.find_meaning("prompt")):
        used["prompt"] = found[0]
    if (name := table.find_name()) is not None and name not in used.values():
        used["name"] = name
    if model is None:
        used["model"] = table.find_meaning("model")[0]
    for parameter in sorted(COMMON) if model is None else model.params:
        free = [column for column in table.find_meaning(parameter) if column not in used.values()]
        if free and parameter != "prompt":
            used[parameter] = free[0]
    return used


def _refuse_table(table: Table) -> NoReturn:
    columns = ", ".join([*table.columns][:NAMED])
    some = next(iter((*table.find_meaning("name"), *table.columns.values())))
    example = f"The {some.hole} turns slowly on a plinth"
    raise UsageError(
        f"{table.path}: no column is called prompt; the columns are {columns}\n"
        f"write a prompt with columns in braces: {format_command('init', str(table.path), f'--prompt={example}')}"
    )


def draft_list(path: Path, catalog: Catalog, *, model: str | None = None, prompt: str | None = None) -> Draft:
    """A job for each line of a list; ``prompt`` is a longer one with ``{line}`` in it."""
    return Draft(
        title=f"One video for each line of {path.name}.",
        defaults=list(_list_defaults(find_model(model or TEXT_MODEL, catalog))),
        file=("prompts_file", path),
        fields=[] if prompt is None else [Line("prompt", quote(prompt))],
    )


def draft_prompts(prompts: Sequence[str], catalog: Catalog, *, model: str | None = None) -> Draft:
    """A job for each prompt."""
    escaped = (prompt.replace("{", "{{").replace("}", "}}") for prompt in prompts)
    return Draft(
        title="Each entry is one video.",
        defaults=list(_list_defaults(find_model(model or TEXT_MODEL, catalog))),
        entries="\n".join(f"  - prompt: {quote(prompt)}" for prompt in escaped),
    )


EXAMPLE = """\
  - name: dragon
    prompt: A dragon over the tallest mountain

  # a matrix makes a video for each combination
  - name: "{animal}-{place}"
    prompt: "A {animal} in {place}, watercolour"
    matrix:
      animal: [cat, fox]
      place: [Paris, Kyoto]"""


def draft_example(catalog: Catalog, *, model: str | None = None) -> Draft:
    """An entry for one video, and one for four."""
    return Draft(
        title="An example: five videos. Replace the entries by your own.",
        defaults=list(_list_defaults(find_model(model or TEXT_MODEL, catalog))),
        entries=EXAMPLE,
    )


def _list_defaults(model: Model | None) -> Iterator[Line]:
    """The model, and what a person may want to change, with the values that the model takes; nothing without one."""
    if model is None:
        return
    yield Line("model", model.id)
    for name in SHOWN_DEFAULTS:
        param = model.params.get(name)
        if param is not None and param.default is not None and param.choices:
            others = ", ".join(_write_scalar(choice) for choice in param.choices if choice != param.default)
            unit = "seconds" if name == "duration" else ""
            yield Line(name, _write_scalar(param.default), "; ".join(filter(None, (unit, others and f"or {others}"))))


def _write_scalar(value: object) -> str:
    return quote(value) if isinstance(value, str) and not _PLAIN_KEY.fullmatch(value) else str(value)


# -- check and write


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstManifest:
    """A manifest that is written and valid. ``notes``: what a person should know of it."""

    path: Path
    summary: Summary
    notes: Sequence[str]

    def describe(self) -> str:
        """``products.yaml: 40 videos with google/veo-3.1-i2v-fast``."""
        return f"{self.path}: {format_count(self.summary.jobs, 'video')} with {', '.join(self.summary.by_model)}"


def check_new(path: Path) -> None:
    """Raise ``UsageError`` unless a manifest can be written at ``path``."""
    if path.suffix.lower() not in MANIFEST_SUFFIXES:
        raise UsageError(f"--output {path}: name a file that ends in {' or '.join(MANIFEST_SUFFIXES)}")
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} is there already, and is not replaced; --output names another file")
    if not path.parent.is_dir():
        raise UsageError(f"--output {path}: there is no folder {path.parent}")


def write_first_manifest(draft: Draft, path: Path, catalog: Catalog) -> FirstManifest:
    """Validate the draft and write it.

    A column that does not fit the field that it probably means is kept as ``meta``. Raises ``ManifestError`` with
    every problem, ``UsageError`` if the file is there already, and ``DiskTrouble``; then nothing is written.
    """
    fitting, summary = _fit_draft(draft, path, catalog)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(fitting.render(path.parent))
    except FileExistsError:
        check_new(path)
        raise
    except OSError as error:
        raise DiskTrouble(f"{path} cannot be written: {find_reason(error)}") from None
    return FirstManifest(path=path, summary=summary, notes=fitting.notes)


def _fit_draft(draft: Draft, path: Path, catalog: Catalog) -> tuple[Draft, Summary]:
    while True:
        # from standard input, so that nothing is written; the folder is then the current one
        content = io.BytesIO(draft.render(Path()).encode())
        try:
            with Manifests([STDIN], stdin=content, catalog=catalog) as manifests:
                return draft, manifests.check()
        except ManifestError as error:
            fields = {problem.field for problem in error.problems}
            wrong = [name for name in draft.guessed if name in fields]
            if not wrong:
                raise ManifestError([_name_file(each, path) for each in error.problems], error.total) from None
            draft = draft.demote(wrong)


def _name_file(problem: Problem, path: Path) -> Problem:
    """The problem with the name of the file that would be written, in place of standard input's."""
    return replace(
        problem,
        file=problem.file.replace(STDIN_LABEL, str(path)),
        message=problem.message.replace(STDIN_LABEL, str(path)),
    )

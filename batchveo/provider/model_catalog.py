"""The models of the service: their names, their parameters, and the rules between these.

The data is ``models.json``, written by ``batchveo models --refresh`` from the service's own documents. What those do
not state in a form that a program reads is in ``model_facts.toml``: each entry names its models by patterns. A model
is built when it is asked for.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from batchveo.provider.catalog_file import FORMAT, CatalogError, read_param
from batchveo.provider.parameters import Media, Param, Value


class Kind(StrEnum):
    """What a model makes its video from."""

    TEXT = "text"
    IMAGE = "image"
    REFERENCE = "reference images"
    FRAMES = "first and last frame"
    EXTEND = "video"
    AUDIO = "audio"
    TEXT_OR_IMAGE = "text or image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition between the fields of a request; it holds if not all of ``given`` are there.

    ``any_of``: at least one of these is needed. ``excludes``: none of these may be there. ``only``: the values that a
    field may have then; a field that is absent counts as its default.
    """

    given: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    only: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """The fields that it is about."""
        return {*self.given, *self.any_of, *self.excludes, *self.only}


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: its name in requests, other names, and its parameters without ``model``."""

    id: str
    params: Mapping[str, Param]
    aliases: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    is_featured: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters that must be given."""
        return tuple(name for name, param in self.params.items() if param.required)

    @cached_property
    def kind(self) -> Kind:
        """What the model makes its video from, by the inputs that it needs, or takes."""
        needed = [(param, leaf.media) for param in self.params.values() if param.required
                  for _, leaf in param.find_media()]  # fmt: skip
        media = {each for _, each in needed}
        if Media.VIDEO in media:
            return Kind.EXTEND
        if Media.AUDIO in media:
            return Kind.AUDIO
        if any(param.items is not None for param, _ in needed):
            return Kind.REFERENCE
        if media:
            return Kind.FRAMES if len(needed) > 1 else Kind.IMAGE
        takes = {leaf.media for param in self.params.values() for _, leaf in param.find_media()}
        return Kind.TEXT_OR_IMAGE if Media.IMAGE in takes else Kind.TEXT

    def find_broken_rules(self, request: Mapping[str, Value]) -> Iterator[Rule]:
        """Yield the rules that ``request`` breaks."""
        for rule in self.rules:
            if all(name in request for name in rule.given) and self._breaks(rule, request):
                yield rule

    def find_value(self, request: Mapping[str, Value], name: str) -> Value:
        """The value of a field in ``request``, else what the service assumes; ``None`` if that is not known."""
        param = self.params.get(name)
        return request.get(name, None if param is None else param.default)

    def _breaks(self, rule: Rule, request: Mapping[str, Value]) -> bool:
        if rule.any_of and not any(name in request for name in rule.any_of):
            return True
        if any(name in request for name in rule.excludes):
            return True
        return any(self.find_value(request, name) not in values for name, values in rule.only.items())


class Catalog(Mapping[str, Model]):
    """Models by their names. Iterates over the models' own names; ``find_model`` and ``[]`` take other names too.

    ``digest``: identifies the data, for notes of what a run validated against. ``made``: the day of the documents.
    """

    def __init__(self, models: Mapping[str, Any], facts: list[Mapping[str, Any]], *, digest: str, made: str) -> None:
        self._data = models
        self._facts = facts
        self._built: dict[str, Model] = {}
        self.digest = digest
        self.made = made

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> Model:
        own = self._names[name]
        if own not in self._built:
            problems: list[str] = []
            self._built[own] = self._build(own, problems)
            if problems:
                raise CatalogError(problems)
        return self._built[own]

    def find_model(self, name: str) -> Model | None:
        """The model of this name, or with this alias."""
        return self[name] if name in self._names else None

    def check(self) -> None:
        """Build all models; raises ``CatalogError`` with every problem."""
        problems: list[str] = []
        for name in self:
            self._built[name] = self._build(name, problems)
        if problems:
            raise CatalogError(problems)

    @cached_property
    def _names(self) -> dict[str, str]:
        aliases = {alias: name for name in self._data for alias in self._list_aliases(name)}
        return {**aliases, **{name: name for name in self._data}}

    def _list_facts(self, name: str) -> list[Mapping[str, Any]]:
        return [fact for fact in self._facts if any(fnmatchcase(name, pattern) for pattern in fact["models"])]

    def _list_aliases(self, name: str) -> list[str]:
        lists = [self._data[name].get("aliases", ()), *(fact.get("aliases", ()) for fact in self._list_facts(name))]
        return [alias for aliases in lists for alias in aliases]

    def _build(self, name: str, problems: list[str]) -> Model:
        facts = self._list_facts(name)
        params: dict[str, Any] = dict(self._data[name]["params"])
        for fact in facts:
            for param in fact.get("params", {}).keys() & params.keys():
                params[param] = {**params[param], **fact["params"][param]}
        rules = [_read_rule(rule) for fact in facts for rule in fact.get("rules", ())]
        return Model(
            id=name,
            params={param: read_param(data, f"{name}: {param}", problems) for param, data in params.items()},
            aliases=tuple(self._list_aliases(name)),
            # a pattern names models, too, that do not have all of a rule's fields
            rules=tuple(rule for rule in rules if rule.names <= params.keys()),
            is_featured=any(fact.get("is_featured") for fact in facts),
        )


def _read_rule(data: Mapping[str, Any]) -> Rule:
    only = {name: tuple(values) for name, values in data.get("only", {}).items()}
    lists = {name: tuple(data.get(name, ())) for name in ("given", "any_of", "excludes")}
    return Rule(**lists, only=only)


@cache
def load_packaged() -> Catalog:
    """The catalogue that comes with this version."""
    return read_catalog(resources.files(__package__).joinpath("models.json").read_bytes())


def load_catalog(path: Path) -> Catalog:
    """The catalogue in a file; raises ``CatalogError`` with all that is wrong in it, ``OSError`` if it is not read."""
    catalog = read_catalog(path.read_bytes())
    catalog.check()
    return catalog


def read_catalog(content: bytes) -> Catalog:
    """A catalogue from the content of its file; its models are checked when they are built."""
    facts = resources.files(__package__).joinpath("model_facts.toml").read_bytes()
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CatalogError([f"this is not JSON: {error}"]) from None
    models = data.get("models") if isinstance(data, dict) else None
    if not isinstance(models, dict) or not all(isinstance(each, dict) and isinstance(each.get("params"), dict)
                                               for each in models.values()):  # fmt: skip
        raise CatalogError(
            ["this is no catalogue: expected {'format': 1, 'made': DATE, 'models': {NAME: {'params': …}}}"]
        )
    if data.get("format") != FORMAT:
        raise CatalogError([f"this catalogue has format {data.get('format')!r}; this version reads {FORMAT}"])
    digest = hashlib.sha256(content + facts).hexdigest()[:12]
    return Catalog(models, tomllib.loads(facts.decode())["model"], digest=digest, made=str(data.get("made", "")))

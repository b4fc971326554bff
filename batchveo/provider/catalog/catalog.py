"""The models of the service: their names, their parameters, and the rules between these.

The data is ``models.json``, written by ``batchveo models --refresh`` from the service's own documents. What those do
not state in a form that a program reads is in ``model_facts.toml``: each entry names its models by patterns. A model
is built when it is asked for.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from batchveo.core.models import CatalogInfo
from batchveo.core.version import __version__
from batchveo.provider.catalog.file_format import FORMAT, CatalogError, read_param
from batchveo.provider.catalog.model import Model, Rule
from batchveo.provider.catalog.parameters import Media, Param, ParamType, Value, find_address_parts, find_addresses

LARGEST_FILE = 16 * 1024 * 1024
"""Bytes of a catalogue; the service's takes 120 kB."""


class Catalog(Mapping[str, Model]):
    """Models by their names. Iterates over the models' own names; ``[]``, ``get`` and ``in`` take other names too.

    ``read`` returns the content of the catalogue's file; it is called when the first model is asked for. ``source``
    says where that is from.
    """

    # compared by identity: a default of dataclass fields needs a hash, and equal catalogues have equal digests
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(self, read: Callable[[], bytes], *, source: str = "") -> None:
        self._read = read
        self._source = source
        self._built: dict[str, Model] = {}

    @property
    def digest(self) -> str:
        """What identifies the models and what is known of them, for notes of what a run validated against.

        Catalogues with the same models have the same digest, whenever and from which service they were made.
        """
        return self._content.digest

    @property
    def made(self) -> str:
        """The day of the documents that it was made from, as ``2026-08-31``."""
        return self._content.made

    @property
    def extra(self) -> Mapping[str, Any]:
        """What else the file holds: what a refresh keeps there for the next one, and the models that end."""
        return self._content.extra

    def read_entry(self, name: str) -> Mapping[str, Any]:
        """What the file itself holds of a model, without what is known otherwise."""
        entry: Mapping[str, Any] = self._data[self._names[name]]
        return entry

    def find_own_name(self, name: str) -> str:
        """The model's own name, whatever a request calls it; a name that is not in the catalogue as it is."""
        return self._names.get(name, name)

    def list_parameters(self) -> frozenset[str]:
        """The names of all models' parameters."""
        return frozenset(name for data in self._data.values() for name in data["params"])

    def list_takers(self, name: str, *, data: bool = False) -> list[str]:
        """The models that have a parameter of this name; with ``data`` those that take a data URI in it."""
        takers = [model for model, content in self._data.items() if name in content["params"]]
        return [model for model in takers if self[model].params[name].takes_data] if data else takers

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

    def __reduce__(self) -> tuple[Callable[[bytes | None, str], Catalog], tuple[bytes | None, str]]:
        """A catalogue travels to the processes of a cluster: by its content, unless it comes with this version."""
        return _restore_catalog, (None if self is MODELS else self._read(), self._source)

    def check(self) -> None:
        """Build all models; raises ``CatalogError`` with every problem."""
        problems: list[str] = []
        for name in self:
            self._built[name] = self._build(name, problems)
        if problems:
            raise CatalogError(problems)

    @property
    def info(self) -> CatalogInfo:
        """What the record of a job says about the catalogue."""
        return CatalogInfo(digest=self.digest, made=self.made, source=self._source)

    def find_addresses(self, model: str, request: Mapping[str, Value], media: Media) -> Iterator[str]:
        """Yield the addresses of such files in a request, at any depth.

        In a request of an unknown model these are the values of parameters that are such an address, or a list of
        them, with any model of the catalogue.
        """
        known = self.get(model)
        params = self._addresses if known is None else known.media_params
        for name in (name for name in request if name in params):
            yield from (text for kind, text in find_addresses(params[name], request[name]) if kind is media)

    def find_url_only(self, model: str, request: Mapping[str, Value]) -> Iterator[str]:
        """Yield the addresses of files in a request that no data URI may replace; none of an unknown model."""
        known = self.get(model)
        params = {} if known is None else known.media_params
        for name in (name for name in request if name in params):
            yield from (text for part, text in find_address_parts(params[name], request[name]) if not part.takes_data)

    @cached_property
    def _content(self) -> _Content:
        return _read_content(self._read())

    @property
    def _data(self) -> Mapping[str, Any]:
        return self._content.models

    @cached_property
    def _addresses(self) -> Mapping[str, Param]:
        params = (item for model in self.values() for item in model.media_params.items())
        found = {name: param.address for name, param in params if param.address is not None}
        lists = {name: Param(type=ParamType.ARRAY, items=part) for name, part in found.items()}
        return {name: Param(type=ParamType.ANY, alternatives=(found[name], lists[name])) for name in found}

    @cached_property
    def _names(self) -> dict[str, str]:
        aliases = {alias: name for name in self._data for alias in self._list_aliases(name)}
        return {**aliases, **{name: name for name in self._data}}

    def _list_facts(self, name: str) -> list[Mapping[str, Any]]:
        return [fact for fact in self._content.facts if any(fnmatchcase(name, pattern) for pattern in fact["models"])]

    def _list_aliases(self, name: str) -> list[str]:
        lists = [self._data[name].get("aliases", ()), *(fact.get("aliases", ()) for fact in self._list_facts(name))]
        return [alias for aliases in lists for alias in aliases]

    def _build(self, name: str, problems: list[str]) -> Model:
        facts = self._list_facts(name)
        params: dict[str, Any] = dict(self._data[name]["params"])
        for fact in facts:
            for param in fact.get("params", {}).keys() & params.keys():
                if isinstance(params[param], dict):  # anything else is reported as it is
                    params[param] = {**params[param], **fact["params"][param]}
        rules = [_read_rule(rule) for fact in facts for rule in fact.get("rules", ())]
        return Model(
            id=name,
            params={param: read_param(data, f"{name}: {param}", problems) for param, data in params.items()},
            aliases=tuple(self._list_aliases(name)),
            # a pattern names models, too, that do not have all of a rule's fields
            rules=tuple(rule for rule in rules if rule.names <= params.keys()),
            is_featured=any(fact.get("is_featured") for fact in facts),
            least_image_side=max((fact.get("least_image_side", 0) for fact in facts), default=0),
        )


def _read_rule(data: Mapping[str, Any]) -> Rule:
    only = {name: tuple(values) for name, values in data.get("only", {}).items()}
    lists = {name: tuple(data.get(name, ())) for name in ("given", "any_of", "excludes")}
    return Rule(**lists, only=only)


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What the files hold."""

    models: Mapping[str, Any]
    facts: Sequence[Mapping[str, Any]]
    made: str
    extra: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        # of the data, not of the file: the date, ETags and the order of models say nothing about what is valid
        data = json.dumps([self.models, self.facts], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(data.encode()).hexdigest()[:12]


def _read_content(content: bytes) -> _Content:
    facts = resources.files(__package__).joinpath("model_facts.toml").read_bytes()
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CatalogError([f"this is not JSON: {error}"]) from None
    models = data.get("models") if isinstance(data, dict) else None
    if not isinstance(models, dict) or not all(map(_is_entry, models.values())):
        raise CatalogError(["expected {'format': 1, 'made': DATE, 'models': {NAME: {'params': {…}, 'aliases': […]}}}"])
    if data.get("format") != FORMAT:
        raise CatalogError([f"its format is {data.get('format')!r}; this version reads {FORMAT}"])
    return _Content(
        models=models,
        facts=tomllib.loads(facts.decode())["model"],
        made=str(data.get("made", "")),
        extra={name: value for name, value in data.items() if name not in {"format", "made", "models"}},
    )


def _is_entry(model: object) -> bool:
    if not isinstance(model, dict) or not isinstance(model.get("params"), dict):
        return False
    aliases = model.get("aliases", [])
    return isinstance(aliases, list) and all(isinstance(alias, str) for alias in aliases)


def load_catalog(path: Path) -> Catalog:
    """The catalogue in a file; raises ``CatalogError`` with all that is wrong in it, ``OSError`` if it is not read."""
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise CatalogError([f"it has more than {LARGEST_FILE:,} bytes"])
    return parse_catalog(content, path)


def parse_catalog(content: bytes, path: Path) -> Catalog:
    """The catalogue with the content of the file at ``path``; raises ``CatalogError`` with all that is wrong in it."""
    catalog = Catalog(lambda: content, source=str(path.absolute()))
    catalog.check()
    return catalog


MODELS = Catalog(
    lambda: resources.files(__package__).joinpath("models.json").read_bytes(), source=f"batchveo {__version__}"
)
"""The catalogue that comes with this version."""


def _restore_catalog(content: bytes | None, source: str) -> Catalog:
    return MODELS if content is None else Catalog(lambda: content, source=source)

"""What differs between two catalogues: models, their parameters, and what of a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from batchveo.provider.catalog.catalog import Catalog
from batchveo.provider.catalog.file_format import write_param
from batchveo.provider.catalog.parameters import Param, Value


class ChangeKind(StrEnum):
    """What happened to a model or a parameter."""

    NEW_MODEL = "new model"
    GONE_MODEL = "gone model"
    NEW_PARAMETER = "new parameter"
    GONE_PARAMETER = "gone parameter"
    CHANGED_PARAMETER = "changed parameter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. ``parameter``: its path (``keyframes.frame0.url``); ``field``: what of it, by ``Param``."""

    kind: ChangeKind
    model: str
    parameter: str | None = None
    field: str | None = None
    old: Value = None
    new: Value = None


_INNER = frozenset({"items", "fields", "alternatives"})
_PROSE = frozenset({"description"})
_FIELDS = tuple(each.name for each in fields(Param))


def diff_catalogs(old: Catalog, new: Catalog) -> list[Change]:
    """The differences, by model; those of a model that both have are by parameter. Aliases do not count."""
    changes: list[Change] = []
    for name in sorted({*old, *new}):
        if name not in set(old):
            changes.append(Change(kind=ChangeKind.NEW_MODEL, model=name))
        elif name not in set(new):
            changes.append(Change(kind=ChangeKind.GONE_MODEL, model=name))
        elif old.read_entry(name) != new.read_entry(name):
            changes += _diff_params(name, _flatten_all(old[name].params), _flatten_all(new[name].params))
    return changes


Flat = Mapping[str, Mapping[str, Any]]


def _diff_params(model: str, old: Flat, new: Flat) -> Iterator[Change]:
    for path in dict.fromkeys([*old, *new]):
        if path not in old:
            yield Change(kind=ChangeKind.NEW_PARAMETER, model=model, parameter=path)
        elif path not in new:
            yield Change(kind=ChangeKind.GONE_PARAMETER, model=model, parameter=path)
        else:
            before, after = old[path], new[path]
            for field in _FIELDS:
                if before.get(field) != after.get(field):
                    yield Change(
                        kind=ChangeKind.CHANGED_PARAMETER,
                        model=model,
                        parameter=path,
                        field=field,
                        old=before.get(field),
                        new=after.get(field),
                    )


def _flatten_all(params: Mapping[str, Param]) -> Flat:
    return {path: data for name, param in params.items() for path, data in flatten_param(name, param)}


def flatten_param(path: str, param: Param) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A parameter and its parts, each with its path and its own fields."""
    yield path, {name: value for name, value in write_param(param).items() if name not in _INNER | _PROSE}
    for below, part in walk_parts(path, param):
        yield from flatten_param(below, part)


def walk_parts(path: str, param: Param) -> Iterator[tuple[str, Param]]:
    """The parts of a parameter, one step down: ``keyframes.frame0``, ``shots[]``, an alternative as ``path|1``."""
    for number, part in enumerate(param.alternatives, start=1):
        yield f"{path}|{number}", part
    if param.items is not None:
        yield f"{path}[]", param.items
    for name, part in param.fields.items():
        yield f"{path}.{name}", part

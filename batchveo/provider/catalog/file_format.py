"""The file of a catalogue: models with their parameters, as JSON.

``{"format": 1, "made": "2026-08-31", "models": {"google/veo3": {"aliases": [], "params": {"duration": {"type":
"integer", "choices": [4, 6, 8], "default": 8}}}}}``. A parameter has the fields of ``Param`` by their names; what is
empty or false is left out. A file may be edited by hand, so everything wrong in it is reported with its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from batchveo.provider.catalog.parameters import LARGEST_NUMBER, Media, Param, ParamType, Value, find_violations

FORMAT = 1
"""The form of the file; another one is not read."""

_TEXT, _FLAG = Param(type=ParamType.STRING), Param(type=ParamType.BOOLEAN)
# a number of hundreds of digits cannot be written in words
_NUMBER = Param(type=ParamType.NUMBER, minimum=-LARGEST_NUMBER, maximum=LARGEST_NUMBER)
_COUNT = Param(type=ParamType.INTEGER, minimum=0, maximum=LARGEST_NUMBER)
_SHAPES: Mapping[str, Param] = {
    "type": Param(type=ParamType.STRING, choices=tuple(ParamType)),
    "media": Param(type=ParamType.STRING, choices=tuple(Media)),
    "choices": Param(type=ParamType.ARRAY, min_length=1),
    "default": Param(type=ParamType.ANY),
    "description": _TEXT,
    "items": Param(type=ParamType.OBJECT),
    "fields": Param(type=ParamType.OBJECT),
    "alternatives": Param(type=ParamType.ARRAY, min_length=1, items=Param(type=ParamType.OBJECT)),
    **dict.fromkeys(("required", "nullable", "is_assumed", "any_case", "takes_data"), _FLAG),
    **dict.fromkeys(("minimum", "maximum"), _NUMBER),
    **dict.fromkeys(("min_length", "max_length"), _COUNT),
}
"""What each field of a parameter may be in the file."""

_MEANT_IF_EMPTY = {"default", "minimum", "maximum", "min_length", "max_length"}
"""The fields that say something even if they are 0 or false."""


class CatalogError(ValueError):
    """A catalogue cannot be read; ``problems`` are all of them, each with its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def write_param(param: Param) -> dict[str, Value]:
    """A parameter as JSON data, without what is empty or false."""
    data: dict[str, Value] = {}
    for each in fields(Param):
        value = getattr(param, each.name)
        if value is None or (each.name not in _MEANT_IF_EMPTY and not value):
            continue
        if isinstance(value, Param):
            data[each.name] = write_param(value)
        elif each.name == "fields":
            data[each.name] = {name: write_param(part) for name, part in value.items()}
        elif each.name == "alternatives":
            data[each.name] = [write_param(part) for part in value]
        else:
            data[each.name] = list(value) if isinstance(value, tuple) else value
    return data


def read_param(data: Value, place: str, problems: list[str]) -> Param:
    """A parameter from JSON data; what is wrong goes to ``problems`` with ``place``, and counts as not written."""
    if not isinstance(data, Mapping):
        problems.append(f"{place}: expected an object")
        return Param(type=ParamType.ANY)
    given = dict(_find_good_fields(data, place, problems))
    if "type" not in data:
        problems.append(f"{place}: 'type' is missing")
    values: dict[str, Any] = {"type": ParamType.ANY, **given}
    values["type"] = ParamType(values["type"])
    if "media" in given:
        values["media"] = Media(given["media"])
    if "choices" in given:
        values["choices"] = tuple(given["choices"])
    if "items" in given:
        values["items"] = read_param(given["items"], f"{place}[]", problems)
    if "alternatives" in given:
        values["alternatives"] = tuple(read_param(each, place, problems) for each in given["alternatives"])
    if "fields" in given:
        values["fields"] = {
            name: read_param(each, f"{place}.{name}", problems) for name, each in given["fields"].items()
        }
    param = Param(**values)
    if param.default is not None and any(find_violations(param, param.default)):
        problems.append(f"{place}: the default {param.default!r} is not a value that it takes")
    return param


def _find_good_fields(data: Mapping[str, Value], place: str, problems: list[str]) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if name not in _SHAPES:
            problems.append(f"{place}: unknown field {name!r}")
            continue
        found = list(find_violations(_SHAPES[name], value))
        problems += [f"{place}: {name}: expected {each.expected}" for each in found]
        if not found:
            yield name, value

"""Requests that a model takes, made from its parameters and rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchveo.provider.catalog import Model, Rule
from batchveo.provider.catalog.parameters import Media, Param, ParamType

ADDRESSES = {
    Media.IMAGE: "https://example.org/a.png",
    Media.VIDEO: "https://example.org/a.mp4",
    Media.AUDIO: "https://example.org/a.mp3",
    Media.FILE: "https://example.org/a",
}
_MOST_ROUNDS = 20


def make_request(model: Model, *, full: bool = False) -> dict[str, Any]:
    """A request that ``model`` takes: with what it requires, or ``full`` with as much as its rules let through."""
    request = {"model": model.id} | {
        name: make_value(param, full=full) for name, param in model.params.items() if full or param.required
    }
    for _ in range(_MOST_ROUNDS):
        broken = next(model.find_broken_rules(request), None)
        if broken is None:
            return request
        _mend_request(model, request, broken)
    raise AssertionError(f"the rules of {model.id} contradict each other")


def make_value(param: Param, *, full: bool = False) -> Any:
    """A value that ``param`` takes; an object has all its fields if ``full``, else those that it requires."""
    if param.alternatives:
        named = [each for each in param.alternatives if each.type is not ParamType.NULL]
        return make_value(named[0], full=full) if named else None
    if param.choices:
        return param.choices[0]
    match param.type:
        case ParamType.STRING:
            return _make_text(param)
        case ParamType.INTEGER:
            return int(_choose_number(param))
        case ParamType.NUMBER:
            return _choose_number(param)
        case ParamType.BOOLEAN:
            return True
        case ParamType.ARRAY:
            item = param.items or Param(type=ParamType.STRING)
            return [make_value(item, full=full) for _ in range(max(param.min_length or 0, 1))]
        case ParamType.OBJECT:
            parts = param.fields.items()
            return {name: make_value(part, full=full) for name, part in parts if full or part.required}
        case ParamType.ANY:
            return "x"
        case _:
            return None


def spoil_request(model: Model) -> Iterator[tuple[dict[str, Any], str]]:
    """Requests that ``model`` refuses, each with the name of the parameter that is wrong."""
    good = make_request(model)
    yield {**good, "no_such_parameter": 1}, "no_such_parameter"
    for name, param in model.params.items():
        if param.required:
            yield {key: value for key, value in good.items() if key != name}, name
        if (wrong := _find_wrong(param)) is not None:
            yield {**good, name: wrong}, name


def _find_wrong(param: Param) -> Any:
    """A value that ``param`` does not take; ``None`` if it takes all that are tried here."""
    if param.alternatives or param.type is ParamType.ANY:
        return None
    return "x" if param.type in {ParamType.BOOLEAN, ParamType.INTEGER, ParamType.NUMBER, ParamType.ARRAY} else 5.5


def _make_text(param: Param) -> str:
    if param.media is not None:
        return ADDRESSES[param.media]
    return "A cat on a sofa"[: param.max_length].ljust(param.min_length or 0, "t")


def _choose_number(param: Param) -> float:
    if param.minimum is not None:
        return param.minimum
    return 1 if param.maximum is None else min(param.maximum, 1)


def _mend_request(model: Model, request: dict[str, Any], broken: Rule) -> None:
    """Change ``request`` so that it no longer breaks this rule."""
    for name in broken.excludes:
        request.pop(name, None)
    for name, values in broken.only.items():
        if model.find_value(request, name) not in values:
            request[name] = values[0]
    if broken.any_of and not any(name in request for name in broken.any_of):
        request[broken.any_of[0]] = make_value(model.params[broken.any_of[0]])

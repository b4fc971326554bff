"""Requests at random: good ones by the parameters of a model, and spoiled ones."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from batchveo.provider.catalog.parameters import Param, ParamType


def as_json_schema(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as one of JSON Schema: ``nullable`` is a keyword of OpenAPI only."""
    if isinstance(schema, list):
        return [as_json_schema(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: as_json_schema(value) for key, value in schema.items() if key not in {"nullable", "default"}}
    if isinstance(made.get("required"), bool):
        del made["required"]
    if schema.get("nullable") is True:
        return {"anyOf": [{"type": "null"}, made]} if made else {"type": "null"}
    return made


def make_value(param: Param, source: random.Random) -> Any:
    """A value that fits ``param``."""
    if param.alternatives:
        return make_value(source.choice(param.alternatives), source)
    if param.choices:
        return source.choice(param.choices)
    match param.type:
        case ParamType.STRING:
            text = f"https://example.com/{source.randrange(9)}" if param.media else "x" * source.randrange(1, 30)
            return text[: param.max_length].ljust(param.min_length or 0, "y")
        case ParamType.INTEGER:
            return source.randint(int(param.minimum or 0), int(9 if param.maximum is None else param.maximum))
        case ParamType.NUMBER:
            return source.uniform(param.minimum or 0.0, 9.0 if param.maximum is None else param.maximum)
        case ParamType.BOOLEAN:
            return source.random() < 0.5
        case ParamType.ARRAY:
            low = param.min_length or 0
            count = source.randint(low, max(low, min(low + 2, param.max_length or low + 2)))
            item = param.items or Param(type=ParamType.ANY)
            return [make_value(item, source) for _ in range(count)]
        case ParamType.OBJECT:
            return make_request(param.fields, source)
        case _:
            return None


def make_request(params: Mapping[str, Param], source: random.Random) -> dict[str, Any]:
    """A request that fits, with some of what it need not hold."""
    return {
        name: make_value(param, source) for name, param in params.items() if param.required or source.random() < 0.6
    }


def spoil(value: Any, source: random.Random) -> Any:
    """``value`` with one thing changed, perhaps for the worse."""
    if isinstance(value, dict) and value and source.random() < 0.8:
        name = source.choice(sorted(value))
        if source.random() < 0.2:
            return {key: each for key, each in value.items() if key != name}
        return {**value, name: spoil(value[name], source)}
    if isinstance(value, list) and value and source.random() < 0.7:
        return [spoil(value[0], source), *value[1:]] if source.random() < 0.6 else value * 12
    return source.choice([None, True, 0, -1, 7, 8.0, 2.5, 1e12, "", "8", "720P", "x" * 3_000, [], ["a"], {}, {"a": 1}])


def requests_for(params: Mapping[str, Param], source: random.Random, *, rounds: int = 12) -> Iterator[dict[str, Any]]:
    """Good requests, and spoiled ones."""
    for _ in range(rounds):
        good = make_request(params, source)
        yield good
        for _ in range(4):
            spoiled = spoil(good, source)
            if isinstance(spoiled, dict):
                yield spoiled

"""Compares what was observed with the JSON files in ``snapshots/``."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("snapshots")
UPDATE = "UPDATE_SNAPSHOTS"
WIDTH = 110
MAPS = frozenset({"balances_usd", "by_state", "meta", "parameters", "placed", "put_aside", "request", "splits"})
"""Fields whose own keys come from the user's data: their values are described under ``*``."""


def check_snapshot(name: str, observed: object) -> None:
    """Fail with a diff if ``observed`` is not what ``snapshots/<name>.json`` holds; rewrite it if asked to."""
    path = FOLDER / f"{name}.json"
    text = _format(observed) + "\n"
    if os.environ.get(UPDATE):
        path.write_text(text, encoding="utf-8")
    pinned = path.read_text(encoding="utf-8") if path.exists() else ""
    if text != pinned:
        files = (f"snapshots/{path.name}", "observed")
        diff = "".join(difflib.unified_diff(pinned.splitlines(True), text.splitlines(True), *files))
        pytest.fail(f"the outer contract has changed; if on purpose, set {UPDATE}=1\n{diff}", pytrace=False)


def _format(value: object, indent: str = "") -> str:
    """JSON in which whatever fits into a line has one, so that a diff shows what was added or taken away."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(indent) + len(line) <= WIDTH:
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_format(item, deeper)}" for key, item in value.items()]
    else:
        parts = [_format(item, deeper) for item in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return f"{start}\n{deeper}" + f",\n{deeper}".join(parts) + f"\n{indent}{end}"


def describe_shape(values: Iterable[object]) -> object:
    """The fields and JSON types that ``values``, decoded from JSON, have among them.

    Objects become objects of the same keys, in their order; lists become a list of what describes their items;
    everything else becomes the names of its types, as ``"number | null"``, with ``absent`` if not all objects have
    it. A value that is an object or list at times and something else at other times becomes a list of both under
    ``one of``.
    """
    values = list(values)
    objects = [value for value in values if isinstance(value, dict)]
    lists = [value for value in values if isinstance(value, list)]
    types = {_type_of(value) for value in values if not isinstance(value, dict | list)}
    shapes: list[object] = []
    if objects:
        shapes.append(_describe_objects(objects))
    if lists:
        items = [item for value in lists for item in value]
        shapes.append([describe_shape(items)] if items else [])
    if types:
        types -= {"integer"} if "number" in types else set()  # such as a sum of nothing
        shapes.append(" | ".join(sorted(types, key=_TYPES.index)))
    return shapes[0] if len(shapes) == 1 else {"one of": shapes}


def _describe_objects(objects: list[dict[str, object]]) -> dict[str, object]:
    fields = dict.fromkeys(key for value in objects for key in value)
    return {field: _describe_field(field, objects) for field in fields}


def _describe_field(field: str, objects: list[dict[str, object]]) -> object:
    values = [value[field] for value in objects if field in value]
    maps = [value for value in values if isinstance(value, dict)] if field in MAPS else []
    if maps:
        items = [item for value in maps for item in value.values()]
        shape: object = {"*": describe_shape(items)} if items else {}
        values = [value for value in values if not isinstance(value, dict)]
        shape = {"one of": [shape, describe_shape(values)]} if values else shape
    else:
        shape = describe_shape(values)
    always = all(field in value for value in objects)
    return shape if always else f"{shape} | absent" if isinstance(shape, str) else {"one of": [shape, "absent"]}


_TYPES = ("boolean", "integer", "number", "string", "null")


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case _:
            return "string"

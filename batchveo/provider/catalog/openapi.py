"""From the service's own OpenAPI document of a model to our description of its parameters.

A document may be broken or strange. What cannot be read of a parameter is left unchecked and noted; a document from
which no model can be read raises ``DocumentError``. Only facts are taken: no sentence of a document is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from batchveo.provider.catalog.parameters import (
    LARGEST_NUMBER,
    Media,
    Param,
    ParamType,
    Value,
    find_violations,
    has_type,
)

PATH = "/v2/video/generations"
"""The path whose ``post`` describes a submit."""
MOST_PARAMS, MOST_DEPTH, MOST_CHOICES, MOST_NAME = 200, 8, 1_000, 200
"""Bounds against documents that would fill the memory: a document of the service stays far below them."""
LONGEST_DEFAULT = 2_000
"""Characters of a list or object as JSON."""

_OF_VALUES = ("minimum", "maximum")
"""The bounds that may be negative: the others are of lengths."""
_BOUNDS = {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}
_CHECKED = _BOUNDS | {
    "type", "enum", "default", "items", "format", "nullable", "properties", "required", "anyOf", "oneOf",
}  # fmt: skip
_SILENT = {"description", "title", "example", "examples", "deprecated", "additionalProperties", "readOnly"}
"""Keywords that say nothing about which values are taken."""
_DATA_URI = re.compile(r"base64|data[ -]ur[il]", re.IGNORECASE)


class DocumentError(ValueError):
    """No model can be read from a document; the text says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says: the model's name, its parameters without ``model``, and notes on what was not read."""

    model: str
    params: Mapping[str, Param]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reader:
    """Reads the schemas of one document."""

    root: Mapping[str, Value]
    notes: list[str] = field(default_factory=list)
    count: int = 0

    def read_object(self, schema: Mapping[str, Value], path: str, depth: int) -> dict[str, Param]:
        """The fields of an object; those that it requires are marked so."""
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            return {}
        required = schema.get("required")
        needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        fields: dict[str, Param] = {}
        for name, inner in properties.items():
            below = f"{path}.{name}" if path else str(name)
            if not isinstance(name, str) or not 0 < len(name) <= MOST_NAME or not name.isprintable():
                self.note(path, "a field's name is not a short text")
                continue
            param = self.read_param(inner, below, depth + 1)
            # some documents mark the field itself
            own = isinstance(inner, Mapping) and inner.get("required") is True
            fields[name] = replace(param, required=name in needed or own)
        for name in sorted(needed - fields.keys() - {"model"}):
            self.note(path, f"requires {name!r}, which is not described")
            fields[name] = Param(type=ParamType.ANY, required=True)
        return _name_media(fields)

    def read_param(self, schema: Value, path: str, depth: int) -> Param:
        """A parameter, as far as it can be read."""
        self.count += 1
        if self.count > MOST_PARAMS or depth > MOST_DEPTH:
            raise DocumentError(f"more than {MOST_PARAMS} parameters, or nested deeper than {MOST_DEPTH}")
        schema = self.follow_reference(schema, path)
        if not isinstance(schema, Mapping):
            self.note(path, "no schema")
            return Param(type=ParamType.ANY)
        for keyword in sorted(str(key) for key in schema.keys() - _CHECKED - _SILENT):
            if not keyword.startswith("x-"):
                self.note(path, f"{keyword!r} is not checked")
        alternatives = self._read_alternatives(schema, path, depth)
        nullable = schema.get("nullable") is True
        if alternatives:
            return Param(type=ParamType.ANY, alternatives=alternatives, nullable=nullable)
        kind = self._read_type(schema, path)
        if kind is ParamType.ANY and nullable:
            kind = ParamType.NULL
        minimum, maximum = self._read_range(schema, path, "minimum", "maximum")
        sizes = ("minItems", "maxItems") if kind is ParamType.ARRAY else ("minLength", "maxLength")
        shortest, longest = self._read_range(schema, path, *sizes)
        param = Param(
            type=kind,
            nullable=nullable and kind is not ParamType.NULL,
            choices=self._read_choices(schema, path, kind),
            media=find_media(path, schema) if schema.get("format") == "uri" and kind is ParamType.STRING else None,
            takes_data=bool(_DATA_URI.search(str(schema.get("description", "")))),
            items=self.read_param(schema["items"], f"{path}[]", depth + 1) if "items" in schema else None,
            fields=self.read_object(schema, path, depth),
            minimum=minimum,
            maximum=maximum,
            min_length=None if shortest is None else int(shortest),
            max_length=None if longest is None else int(longest),
        )
        param = replace(param, takes_data=param.takes_data and param.media is not None)
        return replace(param, default=self._read_default(schema, path, param))

    def note(self, path: str, text: str) -> None:
        """Keep a note about the parameter at ``path``."""
        self.notes.append(f"{path or 'the request'}: {text}")

    def follow_reference(self, schema: Value, path: str) -> Value:
        """The schema that a local ``$ref`` leads to; any other as it is."""
        for _ in range(MOST_DEPTH):
            if not (isinstance(schema, Mapping) and "$ref" in schema):
                return schema
            target: Value = self.root
            for part in str(schema["$ref"]).removeprefix("#/").split("/"):
                target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
            schema = target
        self.note(path, "references without an end")
        return None

    def _read_alternatives(self, schema: Mapping[str, Value], path: str, depth: int) -> tuple[Param, ...]:
        found = schema.get("anyOf", schema.get("oneOf"))
        if not isinstance(found, list):
            return ()
        return tuple(self.read_param(each, path, depth + 1) for each in found)

    def _read_type(self, schema: Mapping[str, Value], path: str) -> ParamType:
        named = schema.get("type")
        if named is None and "properties" in schema:
            return ParamType.OBJECT
        if named is None:
            return ParamType.ANY
        try:
            return ParamType(str(named))
        except ValueError:
            self.note(path, f"unknown type {str(named)[:40]!r}")
            return ParamType.ANY

    def _read_choices(
        self, schema: Mapping[str, Value], path: str, kind: ParamType
    ) -> tuple[str | int | float | bool, ...]:
        listed = schema.get("enum")
        if not isinstance(listed, list):
            return ()
        choices = [convert_scalar(choice, kind) for choice in listed[:MOST_CHOICES]]
        good = [choice for choice in choices if isinstance(choice, str | int | float) and _is_plain(choice, kind)]
        if len(good) < len(listed):
            self.note(path, "some choices are not plain values of its type")
        return tuple(dict.fromkeys(good))

    def _read_range(
        self, schema: Mapping[str, Value], path: str, first: str, last: str
    ) -> tuple[float | None, float | None]:
        low, high = self._read_number(schema, first, path), self._read_number(schema, last, path)
        if low is not None and high is not None and low > high:
            self.note(path, f"{first} {low:g} is above {last} {high:g}; neither is checked")
            return None, None
        return low, high

    def _read_number(self, schema: Mapping[str, Value], keyword: str, path: str) -> float | None:
        value = convert_scalar(schema.get(keyword), ParamType.NUMBER)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER:
            if value >= 0 or keyword in _OF_VALUES:
                return value
            self.note(path, f"{keyword!r} is no length")
            return None
        if value is not None:
            self.note(path, f"{keyword!r} is no number")
        return None

    def _read_default(self, schema: Mapping[str, Value], path: str, param: Param) -> Value:
        default = convert_scalar(schema.get("default"), param.type)
        if default is None or default == "":
            return None
        if not _is_plain(default, param.type) or any(find_violations(param, default)):
            self.note(path, f"the default {str(default)[:40]!r} is not a value that it takes")
            return None
        return default


def read_document(document: Value) -> Document:
    """Read the OpenAPI document of one model; raises ``DocumentError``."""
    schema = _find_request(document)
    reader = _Reader(root=document if isinstance(document, Mapping) else {})
    resolved = reader.follow_reference(schema, "")
    if not isinstance(resolved, Mapping):
        raise DocumentError("the request has no schema")
    params = reader.read_object(resolved, "", 0)
    model = params.pop("model", None)
    names = model.choices if model is not None else ()
    if len(names) != 1 or not isinstance(names[0], str):
        raise DocumentError("it does not name one model")
    return Document(model=names[0], params=params, notes=tuple(reader.notes))


def _is_plain(value: Value, kind: ParamType) -> bool:
    """Whether a value is of the type, and can be shown and written to a file."""
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        return False
    if isinstance(value, str):
        return value.isprintable() and has_type(value, kind)
    if isinstance(value, dict | list) and len(json.dumps(value)) > LONGEST_DEFAULT:
        return False
    return has_type(value, kind)


def _find_request(document: Value) -> Value:
    found: Value = document
    for part in ("paths", PATH, "post", "requestBody", "content", "application/json", "schema"):
        if not isinstance(found, Mapping) or part not in found:
            raise DocumentError(f"it has no {part!r}")
        found = found[part]
    return found


def convert_scalar(value: Value, kind: ParamType) -> Value:
    """``value`` as a value of ``kind`` if it is only written in another way: ``"10"`` is 10, ``"true"`` is true."""
    if isinstance(value, float) and value.is_integer() and kind is ParamType.INTEGER:
        return int(value)
    if not isinstance(value, str) or kind in {ParamType.STRING, ParamType.ANY}:
        return value
    text = value.strip()
    if kind is ParamType.BOOLEAN:
        return {"true": True, "false": False}.get(text.lower(), value)
    if kind in {ParamType.INTEGER, ParamType.NUMBER} and re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    if kind is ParamType.NUMBER and re.fullmatch(r"[+-]?\d{0,18}\.\d{1,18}", text):
        return float(text)
    return value


def _name_media(fields: dict[str, Param]) -> dict[str, Param]:
    """The fields of ``{type: video, url: ...}`` with the media that the type names."""
    kind, address = fields.get("type"), fields.get("url")
    named = kind.choices[0] if kind is not None and len(kind.choices) == 1 else None
    if address is None or address.media is None or named not in set(Media):
        return fields
    return {**fields, "url": replace(address, media=Media(str(named)))}


def find_media(path: str, schema: Mapping[str, Value]) -> Media:
    """What an address leads to, by the field's name, by those around it, else by the description."""
    words = re.findall(r"[a-z]+", path.lower())
    description = str(schema.get("description", "")).lower()
    for media in (Media.VIDEO, Media.AUDIO, Media.IMAGE):
        if any(word.startswith(media.value) for word in reversed(words)):
            return media
    if any(word.startswith(("mask", "frame", "photo", "picture", "keyframe")) for word in words):
        return Media.IMAGE
    return next((media for media in Media if media.value in description), Media.FILE)

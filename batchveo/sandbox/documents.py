"""The OpenAPI document of a model, made from its parameters, in the dialect of the service's own documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchveo.provider.catalog import Model
from batchveo.provider.catalog.parameters import Param, ParamType

_BOUNDS = {"minimum": "minimum", "maximum": "maximum"}
_LENGTHS = {"min_length": "minLength", "max_length": "maxLength"}
_COUNTS = {"min_length": "minItems", "max_length": "maxItems"}


def write_document(model: Model) -> dict[str, Any]:
    """The document of a submit with this model.

    ``Param`` has more than the dialect can say: which default is only assumed, and which choices are taken in any case.
    """
    schema = _write_object(model.params)
    schema["properties"] = {"model": {"type": "string", "enum": [model.id]}, **schema["properties"]}
    schema["required"] = ["model", *schema.get("required", ())]
    body = {"required": True, "content": {"application/json": {"schema": {**schema, "title": model.id}}}}
    submit = {"operationId": "_v2_video_generations", "requestBody": body, "responses": {"200": {"description": "OK"}}}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Sandbox", "version": "1.0.0"},
        "paths": {"/v2/video/generations": {"post": submit}},
    }


def _write_object(fields: Mapping[str, Param]) -> dict[str, Any]:
    required = [name for name, param in fields.items() if param.required]
    schema = {"type": "object", "properties": {name: _write_param(param) for name, param in fields.items()}}
    return {**schema, "required": required} if required else schema


def _write_param(param: Param) -> dict[str, Any]:
    if param.type is ParamType.NULL:  # OpenAPI 3.0 has no type for it
        return {"nullable": True}
    if param.alternatives:
        return {**_mark_nullable(param), "anyOf": [_write_param(each) for each in param.alternatives]}
    lengths = _COUNTS if param.type is ParamType.ARRAY else _LENGTHS
    limits = {keyword: getattr(param, name) for name, keyword in (_BOUNDS | lengths).items()}
    default = param.default
    if isinstance(default, int) and param.type is ParamType.INTEGER:
        default = str(default)  # as the service writes it
    schema = {
        "type": None if param.type is ParamType.ANY else str(param.type),
        "enum": list(param.choices) or None,
        "format": "uri" if param.media else None,
        "items": _write_param(param.items) if param.items else None,
        **limits,
        "default": default,
        "description": _describe(param) or None,
        **_mark_nullable(param),
        **(_write_object(param.fields) if param.fields else {}),
    }
    return {keyword: value for keyword, value in schema.items() if value is not None}


def _mark_nullable(param: Param) -> dict[str, Any]:
    return {"nullable": True} if param.nullable else {}


def _describe(param: Param) -> str:
    """What only a description says: what an address leads to, and whether Base64 is taken in its place."""
    if param.media is None:
        return param.description
    return f"Address of the {param.media}" + (", or its content in Base64." if param.takes_data else ".")

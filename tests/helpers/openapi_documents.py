"""OpenAPI documents of models: those of the service if a folder of them is at hand, and some of our own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("BATCHVEO_OPENAPI_DIR", Path(__file__).parents[2].parent / "shared" / "openapi-video"))
"""Where the service's documents are, one a model, if they are there."""

ADDRESS: Mapping[str, Any] = {"type": "string", "format": "uri"}


def make_document(model: str, properties: Mapping[str, Any], required: tuple[str, ...] = ("prompt",)) -> dict[str, Any]:
    """A document in the form of the service's."""
    schema = {
        "type": "object",
        "properties": {"model": {"type": "string", "enum": [model]}, **properties},
        "required": ["model", *required],
    }
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"openapi": "3.0.0", "paths": {"/v2/video/generations": {"post": {"requestBody": body}}}}


def schema_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the request that a document describes."""
    post = document["paths"]["/v2/video/generations"]["post"]
    schema: dict[str, Any] = post["requestBody"]["content"]["application/json"]["schema"]
    return schema


def list_documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """All documents with a short name each."""
    yield from OWN.items()
    if FOLDER.is_dir():
        for path in sorted(FOLDER.glob("*.json")):
            yield path.stem, json.loads(path.read_text("utf-8"))


_PROMPT = {"type": "string", "maxLength": 40, "minLength": 1, "description": "The scene."}
_FRAME = {
    "anyOf": [
        {"type": "object", "properties": {"type": {"type": "string", "enum": ["image"]}, "url": ADDRESS},
         "required": ["type", "url"]},
        {"type": "object", "properties": {"type": {"type": "string", "enum": ["generation"]}, "id": {"type": "string"}},
         "required": ["type", "id"]},
        {"nullable": True},
    ]
}  # fmt: skip

OWN: Mapping[str, dict[str, Any]] = {
    "plain": make_document(
        "maker/plain",
        {
            "prompt": _PROMPT,
            "duration": {"type": "integer", "enum": [4, 8], "default": "8"},
            "seed": {"type": "integer", "minimum": 0, "maximum": 4_294_967_295},
            "strength": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
            "loop": {"type": "boolean", "default": False},
        },
    ),
    "lists": make_document(
        "maker/lists",
        {
            "prompt": _PROMPT,
            "image_urls": {"type": "array", "items": ADDRESS, "minItems": 1, "maxItems": 3},
            "shots": {
                "type": "array",
                "nullable": True,
                "maxItems": 2,
                "items": {
                    "type": "object",
                    "properties": {"prompt": {"type": "string"}, "duration": {"type": "integer", "minimum": 1}},
                    "required": ["prompt"],
                },
            },
        },
        ("prompt", "image_urls"),
    ),
    "alternatives": make_document(
        "maker/alternatives",
        {
            "image_url": {"anyOf": [ADDRESS, {"type": "array", "items": ADDRESS}], "description": "URL or Base64."},
            "keyframes": {"type": "object", "properties": {"frame0": _FRAME, "frame1": _FRAME}},
        },
        (),
    ),
}
"""Documents that use every keyword of the service's dialect."""

"""Any model's document: what we make of it agrees with what the document says."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from batchveo.provider.catalog import Catalog
from batchveo.provider.catalog.file_format import read_param, write_param
from batchveo.provider.catalog.openapi import DocumentError, read_document
from batchveo.provider.catalog.parameters import Media, Param, ParamType, find_violations
from tests.helpers.openapi_documents import OWN, list_documents, make_document, schema_of
from tests.helpers.random_requests import as_json_schema, requests_for

DOCUMENTS = dict(list_documents())
each_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)


@each_document
def test_the_validator_agrees_with_the_document(document: dict[str, Any]) -> None:
    found = read_document(document)
    whole = Param(type=ParamType.OBJECT, fields=found.params)
    schema = as_json_schema(schema_of(document))
    schema["required"] = [name for name in schema.get("required", []) if name != "model"]
    oracle = Draft202012Validator(schema)
    source = random.Random(found.model)
    judged = set()
    for request in requests_for(found.params, source):
        fits = not any(find_violations(whole, request))
        assert fits is oracle.is_valid(request), request
        judged.add(fits)
    assert judged == {True, False}


@each_document
def test_what_is_written_is_read_again(document: dict[str, Any]) -> None:
    problems: list[str] = []
    for name, param in read_document(document).params.items():
        assert read_param(write_param(param), name, problems) == param
    assert not problems


def test_a_default_is_of_the_parameters_type() -> None:
    """The service's documents write ``"8"`` for 8."""
    assert read_document(OWN["plain"]).params["duration"].default == 8


def test_media_are_known_by_name_type_and_description() -> None:
    properties = {
        "image_url": {"type": "string", "format": "uri", "description": "A link or a Base64-encoded image."},
        "audio_urls": {"type": "array", "items": {"type": "string", "format": "uri"}},
        "static_mask": {"type": "string", "format": "uri"},
        "character": {
            "type": "object",
            "properties": {"type": {"type": "string", "enum": ["video"]}, "url": {"type": "string", "format": "uri"}},
        },
        "source": {"type": "string", "format": "uri"},
    }
    params = read_document(make_document("m", properties, ())).params
    media = {name: [(path, leaf.media) for path, leaf in param.find_media()] for name, param in params.items()}
    assert media == {
        "image_url": [((), Media.IMAGE)],
        "audio_urls": [(("*",), Media.AUDIO)],
        "static_mask": [((), Media.IMAGE)],
        "character": [(("url",), Media.VIDEO)],
        "source": [((), Media.FILE)],
    }
    assert [name for name, param in params.items() if param.takes_data] == ["image_url"]


@pytest.mark.parametrize(
    ("schema", "note"),
    [
        ({"type": "integer", "multipleOf": 3}, "a: 'multipleOf' is not checked"),
        ({"type": "float"}, "a: unknown type 'float'"),
        ({"type": "integer", "minimum": 9, "maximum": 1}, "a: minimum 9 is above maximum 1; neither is checked"),
        ({"type": "integer", "minimum": "low"}, "a: 'minimum' is no number"),
        ({"type": "string", "minLength": -1}, "a: 'minLength' is no length"),
        ({"type": "integer", "enum": [1, "x"]}, "a: some choices are not plain values of its type"),
        ({"type": "integer", "enum": [1, 2], "default": 3}, "a: the default '3' is not a value that it takes"),
        ({"$ref": "#/components/schemas/none"}, "a: no schema"),
        ({"$ref": "#/paths"}, "a: '/v2/video/generations' is not checked"),
        ("nonsense", "a: no schema"),
    ],
)
def test_what_cannot_be_read_of_a_parameter_is_noted(schema: object, note: str) -> None:
    assert note in read_document(make_document("m", {"a": schema}, ())).notes


def test_a_reference_within_the_document_is_followed() -> None:
    document = make_document("m", {"a": {"$ref": "#/components/schemas/length"}}, ())
    document["components"] = {"schemas": {"length": {"type": "integer", "maximum": 3}}}
    assert read_document(document).params["a"].maximum == 3


def test_references_in_a_circle_end() -> None:
    document = make_document("m", {"a": {"$ref": "#/components/a"}}, ())
    document["components"] = {"a": {"$ref": "#/components/b"}, "b": {"$ref": "#/components/a"}}
    assert "a: references without an end" in read_document(document).notes


def nested(depth: int) -> dict[str, Any]:
    """A schema of lists in lists."""
    return {"type": "array", "items": nested(depth - 1)} if depth else {"type": "string"}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"paths": {}},
        {"paths": {"/v2/video/generations": {"post": {"requestBody": {"content": {"application/json": 1}}}}}},
        make_document("m", {f"a{n}": {"type": "string"} for n in range(500)}, ()),
        make_document("m", {"a": nested(50)}, ()),
        {"paths": {"/v2/video/generations": {"post": {"requestBody": {"content": {"application/json": {"schema": {
            "type": "object", "properties": {"prompt": {"type": "string"}}}}}}}}}},
    ],
)  # fmt: skip
def test_a_document_that_describes_no_model_is_refused(document: object) -> None:
    with pytest.raises(DocumentError):
        read_document(document)


def test_a_field_that_is_wrong_in_a_file_is_named() -> None:
    problems: list[str] = []
    read_param(
        {"type": "text", "choices": [], "size": 3, "items": {"type": "integer", "minimum": "a"}}, "m: a", problems
    )
    assert [each.split(":", 2)[2].split()[0] for each in problems if "unknown" not in each and "[]" not in each]
    assert "m: a: unknown field 'size'" in problems
    assert "m: a[]: minimum: expected a number from -1e+18 to 1e+18" in problems


_ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=5), st.just("\ud800"),
    st.sampled_from(["integer", "number", "string", "array", "object", "boolean", "8", "#/paths", "true", "1e999"]),
)  # fmt: skip
_KEYWORDS = st.sampled_from(
    ["type", "enum", "default", "items", "format", "nullable", "properties", "required", "anyOf", "oneOf", "$ref",
     "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "description", "url", "model"]
)  # fmt: skip
_STRANGE = st.recursive(
    _ODD, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYWORDS, inner, max_size=6), max_leaves=30
)


@example({"a": {"minLength": -1}})
@given(st.dictionaries(st.sampled_from(["a", "url", "type", "model", "\x1b"]), _STRANGE, max_size=5))
def test_a_strange_document_is_read_or_refused_and_nothing_else(properties: dict[str, object]) -> None:
    """What is read can be written to a catalogue, and read from there as it is."""
    try:
        document = read_document(make_document("maker/odd", properties, ()))
    except DocumentError:
        return
    data = {name: write_param(param) for name, param in document.params.items()}
    content = json.dumps({"format": 1, "models": {"odd": {"params": data}}}, allow_nan=False).encode()
    catalog = Catalog(lambda: content)
    catalog.check()
    assert catalog["odd"].params == dict(document.params)

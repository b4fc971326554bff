"""What differs between two catalogues."""

from __future__ import annotations

import json
from typing import Any

from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.catalog.changes import Change, ChangeKind, diff_catalogs


def make_catalog(**models: Any) -> Catalog:
    data = {"format": 1, "models": {name: {"params": params} for name, params in models.items()}}
    return Catalog(lambda: json.dumps(data).encode())


def test_equal_catalogues_have_no_changes() -> None:
    assert diff_catalogs(MODELS, MODELS) == []


def test_models_that_are_new_or_gone() -> None:
    changes = diff_catalogs(make_catalog(a={}, b={}), make_catalog(b={}, c={}))
    assert changes == [Change(kind=ChangeKind.GONE_MODEL, model="a"), Change(kind=ChangeKind.NEW_MODEL, model="c")]


def test_parameters_that_are_new_gone_or_changed() -> None:
    old = {"gone": {"type": "string"}, "n": {"type": "integer", "default": 4, "choices": [4, 8]}}
    new = {"n": {"type": "integer", "choices": [4, 6, 8], "required": True}, "more": {"type": "number"}}
    changes = diff_catalogs(make_catalog(m=old), make_catalog(m=new))
    assert [(change.kind, change.parameter) for change in changes if change.field is None] == [
        (ChangeKind.GONE_PARAMETER, "gone"),
        (ChangeKind.NEW_PARAMETER, "more"),
    ]
    assert {change.field: (change.old, change.new) for change in changes if change.parameter == "n"} == {
        "required": (None, True),
        "choices": ([4, 8], [4, 6, 8]),
        "default": (4, None),
    }


def test_changes_deep_in_a_parameter_have_its_path() -> None:
    def frames(most: int) -> Any:
        url = {"type": "string", "max_length": most}
        frame = {"type": "any", "alternatives": [{"type": "object", "fields": {"url": url}}, {"type": "null"}]}
        shots = {
            "type": "array",
            "items": {"type": "object", "fields": {"length": {"type": "integer", "maximum": most}}},
        }
        return {"keyframes": {"type": "object", "fields": {"frame0": frame}}, "shots": shots}

    changes = diff_catalogs(make_catalog(m=frames(5)), make_catalog(m=frames(9)))
    assert [(change.parameter, change.field, change.old, change.new) for change in changes] == [
        ("keyframes.frame0|1.url", "max_length", 5, 9),
        ("shots[].length", "maximum", 5, 9),
    ]


def test_what_this_version_says_of_a_parameter_is_no_change() -> None:
    """Descriptions and the order of parameters do not count."""
    old, new = (
        {"a": {"type": "string"}, "b": {"type": "string"}},
        {"b": {"type": "string"}, "a": {"type": "string", "description": "x"}},
    )
    assert diff_catalogs(make_catalog(m=old), make_catalog(m=new)) == []

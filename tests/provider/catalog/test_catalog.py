"""The catalogue of models agrees with itself, since everything else reads it and adds nothing."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator

import pytest

from batchveo.provider.catalog import MODELS, Catalog, Kind
from batchveo.provider.catalog.file_format import CatalogError
from batchveo.provider.catalog.parameters import Param, ParamType, find_violations


def walk_params(param: Param) -> Iterator[Param]:
    yield param
    for part in (*param.alternatives, *param.fields.values(), *([] if param.items is None else [param.items])):
        yield from walk_params(part)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_agrees_with_itself(name: str) -> None:
    """A default is a value that the parameter takes; an address is a text; rules are about its parameters."""
    model = MODELS[name]
    for param in (part for top in model.params.values() for part in walk_params(top)):
        assert param.default is None or not list(find_violations(param, param.default))
        assert param.media is None or param.type is ParamType.STRING
        assert not param.takes_data or param.media is not None
    assert all(rule.names <= model.params.keys() for rule in model.rules)
    assert all(MODELS[alias] is model for alias in model.aliases)


def test_the_catalogue_can_be_read_as_a_whole() -> None:
    MODELS.check()
    assert len(MODELS) > 100
    assert {model.kind for model in MODELS.values()} == set(Kind)


def test_data_uris_are_taken_as_documented() -> None:
    """Last frames, the video to extend, and the images of the lite and the older models."""
    taking = {(model.id, name) for model in MODELS.values() for name, param in model.params.items() if param.data_uri}
    assert ("google/veo-3.1-first-last-image-to-video", "last_image_url") in taking
    assert ("google/veo3-1-extend-video", "video_url") in taking
    assert ("google/veo-3.1-i2v", "image_url") not in taking


def test_what_the_file_holds_besides_models() -> None:
    data = {"format": 1, "made": "2026-01-01", "models": {}, "retired": [1], "service": "x"}
    catalog = Catalog(lambda: json.dumps(data).encode())
    assert catalog.extra == {"retired": [1], "service": "x"}
    assert MODELS.extra == {}


def test_an_entry_is_what_the_file_says_of_a_model_by_any_of_its_names() -> None:
    data = {"format": 1, "models": {"google/a": {"aliases": ["b"], "params": {"provider": {"type": "string"}}}}}
    catalog = Catalog(lambda: json.dumps(data).encode())
    assert catalog.read_entry("b") == data["models"]["google/a"]  # type: ignore[index]
    assert catalog["b"].params["provider"].choices == ("auto", "google", "fal")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000, b'{"format": 2, "models": {}}'])
def test_a_file_that_is_none_is_an_error(content: bytes) -> None:
    with pytest.raises(CatalogError):
        Catalog(lambda: content).check()


def test_it_travels_to_other_processes() -> None:
    content = b'{"format": 1, "models": {"a": {"params": {}}}}'
    there = pickle.loads(pickle.dumps(Catalog(lambda: content, source="mine")))
    assert (list(there), there.info.source) == (["a"], "mine")
    assert pickle.loads(pickle.dumps(MODELS)) is MODELS

"""The catalogue of models agrees with itself, since everything else reads it and adds nothing."""

from __future__ import annotations

import pytest

from batchveo.provider.catalog import MODELS, Media, Model, Param, ParamType, list_parameters

PARAMS = [(model, name, param) for model in MODELS.values() for name, param in model.params.items()]
every = pytest.mark.parametrize(("model", "name", "param"), PARAMS, ids=[f"{m.id}-{name}" for m, name, _ in PARAMS])


@every
def test_a_default_is_a_value_that_the_parameter_takes(model: Model, name: str, param: Param) -> None:
    if param.choices and param.default is not None:
        assert param.default in param.choices
    if param.type is ParamType.BOOLEAN:
        assert isinstance(param.default, bool)
    assert param.default is None or not param.required


@every
def test_every_url_has_a_kind_of_input_and_nothing_else_has(model: Model, name: str, param: Param) -> None:
    is_url = param.type in (ParamType.URL, ParamType.URL_LIST)
    assert (param.media is not None) == is_url
    assert is_url or not param.takes_data
    assert param.data_uri in (None, param.media)


def test_the_parameters_of_a_kind_of_input() -> None:
    assert set(list_parameters(Media.IMAGE)) == {"image_url", "image_urls", "last_image_url"}
    assert list_parameters(Media.VIDEO) == ("video_url",)


def test_data_uris_are_taken_as_documented() -> None:
    """Last frames, the video to extend, and the images of the lite and the older models."""
    taking = {(model.id, name): param.data_uri for model, name, param in PARAMS if param.data_uri}
    assert taking[("google/veo-3.1-first-last-image-to-video", "last_image_url")] == "image"
    assert taking[("google/veo3-1-extend-video", "video_url")] == "video"
    assert ("google/veo-3.1-i2v", "image_url") not in taking
    assert len(taking) == 10

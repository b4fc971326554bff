"""Models by what they make videos from, and by what they take."""

from __future__ import annotations

import pytest

from batchveo.provider.catalog import MODELS
from batchveo.provider.catalog.model_search import Input, list_inputs, takes_parameter


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("google/veo-3.1-t2v", "text"),
        ("google/veo-3.1-i2v", "image"),
        ("google/veo-3.1-reference-to-video", "reference"),
        ("google/veo-3.1-first-last-image-to-video", "frames"),
        ("google/veo3-1-extend-video", "video"),
        ("veo-3.1-lite-generate-001", "text image frames"),
        ("luma/ray-2", "text image frames"),
        ("gen3a_turbo", "image frames"),
        ("bytedance/omnihuman", "audio"),
        ("alibaba/wan2.2-14b-animate-move", "video"),
        ("klingai/video-v3-pro-image-to-video", "image frames reference"),
        ("kling-video/v2.1/pro/image-to-video", "image"),
        ("alibaba/wan2.2-vace-fun-a14b-inpainting", "reference video"),
    ],
)
def test_what_a_model_makes_videos_from(model: str, inputs: str) -> None:
    """A mask is no input; a model that needs a video or sound makes none from an image."""
    assert " ".join(list_inputs(MODELS[model])) == inputs


def test_every_model_makes_videos_from_something() -> None:
    assert all(list_inputs(model) for model in MODELS.values())
    assert {each for model in MODELS.values() for each in list_inputs(model)} == set(Input)
    assert all(each.sentence for each in Input)


@pytest.mark.parametrize(
    ("path", "takes"),
    [
        ("prompt", True),
        ("keyframes", True),
        ("keyframes.frame0", True),
        ("keyframes.frame0.url", True),
        ("keyframes.frame9", False),
        ("frame0", False),
        ("keyframes.frame0.url.x", False),
        ("", False),
    ],
)
def test_whether_a_model_takes_a_parameter(path: str, takes: bool) -> None:
    assert takes_parameter(MODELS["luma/ray-2"], path) is takes


def test_parts_of_the_items_of_a_list() -> None:
    model = MODELS["klingai/video-o1-reference-to-video"]
    assert takes_parameter(model, "elements[].frontal_image_url")
    assert takes_parameter(model, "elements.frontal_image_url")

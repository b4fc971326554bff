from __future__ import annotations

import json

import pytest

from batchveo.provider.catalog import MODELS, Model
from batchveo.sandbox.calls import Refused
from batchveo.sandbox.generations import GenerationRequest, read_generation_request, read_model_name
from tests.helpers.requests import make_request
from tests.helpers.sandbox_client import make_body

WEB = "https://example.org/a.png"
IMAGE = "data:image/png;base64,AAAA"
I2V = {"model": "google/veo-3.1-i2v", "image_url": WEB}
FRAMES = {"model": "google/veo-3.1-first-last-image-to-video", "image_url": WEB}
LITE = {"model": "google/veo-3-1-lite-generate-preview"}
REFERENCE = {"model": "google/veo-3.1-reference-to-video", "duration": 8}


def read(**changes: object) -> GenerationRequest:
    return read_generation_request(json.dumps(make_body(**changes)).encode(), MODELS)


def refusal(**changes: object) -> str:
    with pytest.raises(Refused) as caught:
        read(**changes)
    assert caught.value.status == 400
    return caught.value.message


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_every_model_takes_all_its_choices(model: Model) -> None:
    """Each listed value of each parameter is accepted as it is spelt."""
    for name, param in model.params.items():
        for choice in param.choices:
            read_generation_request(json.dumps({**make_request(model), name: choice}).encode(), MODELS)


def test_an_alias_names_its_model() -> None:
    """A model can be asked for by another name, which stays on record."""
    found = read(model="google/veo-2.0-generate-001", duration=5)
    assert (found.model.id, found.model_name) == ("veo2", "google/veo-2.0-generate-001")


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"model": None}, "model: Expected string, received null"),
        ({"model": "google/veo-9"}, "Received 'google/veo-9'"),
        ({"prompt": None}, "prompt: Required"),
        ({"prompt": ""}, "prompt: String must contain at least 1 character(s)"),
        ({"prompt": 5}, "prompt: Expected string, received number"),
        ({"resolution": "720P"}, "Expected '720p' | '1080p', received '720P'"),
        ({"model": "google/veo3", "resolution": "720p"}, "Expected '720P' | '1080P'"),
        ({"duration": 5}, "Expected 4 | 6 | 8, received 5"),
        ({"duration": "8"}, "duration: Expected integer, received string"),
        ({"duration": 8.0}, "duration: Expected integer, received number"),
        ({"seed": True}, "seed: Expected integer, received boolean"),
        ({"generate_audio": "true"}, "generate_audio: Expected boolean"),
        ({"aspect_ratio": "1:1"}, "aspect_ratio: Invalid enum value"),
        ({"provider": "bing"}, "provider: Invalid enum value"),
        ({"style": "noir"}, "Unrecognized key in object: 'style'"),
        ({**I2V, "image_url": None}, "image_url: Required"),
        ({**I2V, "image_url": "a.png"}, "image_url: Invalid url"),
        ({**I2V, "image_url": "ftp://example.org/a.png"}, "image_url: Invalid url"),
        ({**I2V, "image_url": "https://[bad"}, "image_url: Invalid url"),
        ({**I2V, "image_url": IMAGE}, "image_url: Invalid url"),
        ({**FRAMES, "last_image_url": "data:video/mp4;base64,AAAA"}, "last_image_url: Invalid url"),
        ({**FRAMES, "last_image_url": "data:image/png;base64,"}, "last_image_url: Invalid url"),
        ({**REFERENCE, "image_urls": []}, "image_urls: Array must contain"),
        ({**REFERENCE, "image_urls": [WEB, 5]}, "image_urls[1]: Expected string, received number"),
        ({**REFERENCE, "image_urls": WEB}, "image_urls: Expected array, received string"),
        ({**LITE, "image_url": WEB, "last_image_url": WEB, "duration": 4}, "4 does not go with last_image_url"),
    ],
)
def test_refusals(changes: dict[str, object], hint: str) -> None:
    """What the model's page does not allow is refused with a hint."""
    message = refusal(**changes)
    assert message.startswith("Body validation error")
    assert hint in message


@pytest.mark.parametrize(
    "changes",
    [
        {"provider": "FAL"},
        {**I2V, "image_url": "http://example.org/a.png"},
        {**FRAMES, "last_image_url": IMAGE},
        {**LITE, "image_url": WEB, "last_image_url": WEB, "duration": None},
        {**LITE, "duration": 4},
    ],
)
def test_acceptances(changes: dict[str, object]) -> None:
    """What the model's page allows is accepted."""
    read(**changes)


def test_all_problems_are_named_at_once() -> None:
    """A request with two mistakes is told of both."""
    message = refusal(duration=5, resolution="8k")
    assert "duration" in message
    assert "resolution" in message


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[1]", b"null", b"[" * 100_000])
def test_bodies_that_are_no_object(body: bytes) -> None:
    """What is not a JSON object is refused, and names no model."""
    with pytest.raises(Refused):
        read_generation_request(body, MODELS)
    assert read_model_name(body) == ""


def test_the_request_knows_the_shape_of_its_video() -> None:
    """Length and shape follow from the request and the model's defaults."""
    assert (read(aspect_ratio="9:16", duration=6).portrait, read(duration=None).seconds) == (True, 8)
    assert read(model="veo2", duration=None).seconds == 5


@pytest.mark.parametrize(
    ("name", "changes", "seconds", "portrait"),
    [
        ("alibaba/wan2.2-vace-fun-a14b-pose", {"num_frames": 161, "frames_per_second": 20}, 8, False),
        ("alibaba/wan2.2-vace-fun-a14b-pose", {}, 5, False),
        ("krea/krea-wan-14b/text-to-video", {"num_frames": 162}, 10, False),
        ("minimax/hailuo-02", {}, 6, False),
        ("runway/act_two", {"frame_size": "720:1280"}, 8, True),
        ("runway/act_two", {"frame_size": "1280:720"}, 8, False),
        ("luma/ray-2", {"aspect_ratio": "9:21", "duration": 9}, 9, True),
        ("luma/ray-2", {"aspect_ratio": "1:1"}, 5, False),
    ],
)
def test_the_shape_of_a_video_by_other_parameters(
    name: str, changes: dict[str, object], seconds: int, portrait: bool
) -> None:
    """Frames and their rate give the length; a size gives the shape; without a default the first choice counts."""
    found = read_generation_request(json.dumps({**make_request(MODELS[name]), **changes}).encode(), MODELS)
    assert (found.seconds, found.portrait) == (seconds, portrait)

"""The addresses of files in a value, found by its parameter."""

from __future__ import annotations

import pytest

from batchveo.provider.catalog import MODELS
from batchveo.provider.catalog.parameters import Media

A, B, C = (f"https://files.example/{name}" for name in "abc")


@pytest.mark.parametrize(
    ("model", "request_", "media", "found"),
    [
        ("google/veo-3.1-reference-to-video", {"image_urls": [A, B], "prompt": C}, Media.IMAGE, [A, B]),
        ("luma/ray-2", {"keyframes": {"frame0": {"type": "image", "url": A}}}, Media.IMAGE, [A]),
        ("luma/ray-2", {"keyframes": {"frame0": {"type": "generation", "id": A}, "frame1": None}}, Media.IMAGE, []),
        ("runway/act_two", {"character": {"type": "image", "url": A}}, Media.IMAGE, [A]),
        ("runway/act_two", {"character": {"type": "video", "url": A}}, Media.IMAGE, []),
        ("runway/act_two", {"character": {"type": "video", "url": A}}, Media.VIDEO, [A]),
        ("klingai/kling-video-v1.6-pro-effects", {"image_url": A}, Media.IMAGE, [A]),
        ("klingai/kling-video-v1.6-pro-effects", {"image_url": [A, B]}, Media.IMAGE, [A, B]),
        (
            "klingai/video-v3-pro-image-to-video",
            {"elements": [{"reference_image_urls": [A], "frontal_image_url": B, "video_url": C}]},
            Media.IMAGE,
            [A, B],
        ),
        ("acme/unknown", {"image_url": A, "image_urls": [B], "other": C}, Media.IMAGE, [A, B]),
        ("acme/unknown", {"image_url": 1, "keyframes": {"frame0": {"url": A}}}, Media.IMAGE, []),
        ("luma/ray-2", {"keyframes": [A]}, Media.IMAGE, []),
    ],
)
def test_addresses_are_found_by_the_model(
    model: str, request_: dict[str, object], media: Media, found: list[str]
) -> None:
    """At any depth, without those of other media; of an unknown model by the names that other models use."""
    assert list(MODELS.find_addresses(model, request_, media)) == found


def test_addresses_that_no_data_uri_may_replace() -> None:
    """By the part that takes each; nothing is known of other models."""
    find = MODELS.find_url_only
    assert list(find("google/veo-3.1-i2v", {"image_url": A, "prompt": B})) == [A]
    assert list(find("google/veo-3-1-lite-generate-preview", {"image_url": A})) == []
    assert list(find("google/veo-3.1-reference-to-video", {"image_urls": [A, B]})) == [A, B]
    assert list(find("acme/unknown", {"image_url": A})) == []

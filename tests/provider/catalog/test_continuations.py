"""How models continue a chain."""

from __future__ import annotations

import pytest

from batchveo.provider.catalog import MODELS
from batchveo.provider.catalog.continuations import list_continuations


@pytest.mark.parametrize(
    ("model", "ways"),
    [
        ("google/veo-3-1-lite-generate-preview", ["begins with the last frame in image_url"]),
        ("google/veo-3.1-i2v", ["begins with the last frame in image_url (by address: needs --inputs)"]),
        ("google/veo3-1-fast-extend-video", ["extends the video in video_url"]),
        (
            "google/gemini-omni-flash-preview",
            ["begins with the last frame in image_url", "takes the generation id in previous_interaction_id"],
        ),
        ("google/veo-3.1-t2v", []),
        ("magic/video-to-video", []),  # it changes a video, and does not continue it
    ],
)
def test_how_a_model_continues_a_chain(model: str, ways: list[str]) -> None:
    """First by what a chain of prompts takes."""
    assert [way.sentence for way in list_continuations(MODELS[model])] == ways

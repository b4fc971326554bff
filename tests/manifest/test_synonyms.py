"""Other words for the keys of a job."""

from __future__ import annotations

import pytest

from batchveo.manifest.synonyms import key_hint, suggest_key
from batchveo.manifest.vocabulary import COMMON, JOB_KEYS

KNOWN = [*COMMON, *JOB_KEYS]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("caption", "prompt"),
        ("text", "prompt"),
        ("description", "prompt"),
        ("Prompt text", "prompt"),
        ("video-prompt", "prompt"),
        ("TEXT_PROMPT", "prompt"),
        ("pormpt", "prompt"),
        ("Negative Prompt", "negative_prompt"),
        ("neg_prompt", "negative_prompt"),
        ("img", "image_url"),
        ("first_frame", "image_url"),
        ("image_path", "image_url"),
        ("end_frame", "last_image_url"),
        ("ratio", "aspect_ratio"),
        ("seconds", "duration"),
        ("length", "duration"),
        ("sound", "generate_audio"),
        ("video_id", "name"),
        ("filename", "name"),
        ("title", "name"),
        ("num_videos", "repeat"),
        ("metadata", "meta"),
        ("seeed", "seed"),
    ],
)
def test_other_words_for_a_key(key: str, meant: str) -> None:
    """They are suggested, and what is alike in letters only is not."""
    told = key_hint(key, KNOWN)
    assert told is not None
    assert [name for name in KNOWN if name in told.replace("?", "").split()] == [meant]


@pytest.mark.parametrize("key", ["sku", "category", "dimension", "action", "nation", "colour", "split", ""])
def test_no_other_words(key: str) -> None:
    """Then the way to carry it along is told."""
    assert key_hint(key, KNOWN) is None
    assert f"meta.{key}" in suggest_key(key, KNOWN, column=True)
    assert "--extra" in suggest_key(key, KNOWN, column=True)


def test_a_word_for_what_is_not_to_be_had() -> None:
    """Only what is known here is suggested."""
    assert key_hint("img", ["prompt", "seed"]) is None

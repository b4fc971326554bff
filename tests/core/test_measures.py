"""Measures as records, and what was asked against what came."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from batchveo.core.measures import MEASURES, CheckLevel, Measures, Mismatch, compare_request, describe_measures

CLIP = Measures(
    level=CheckLevel.ALL,
    duration_seconds=8.0,
    width=1920,
    height=1080,
    fps=24.0,
    frames=192,
    codec="h264",
    bitrate=8_000_000,
    black_seconds=0.0,
    frozen_seconds=0,
    silent_seconds=1.5,
    loudness_lufs=-20.5,
    has_sound=True,
    cuts=1,
    motion=12.5,
    blur=4.25,
    hashes=(0, 1, 2**63, 2**64 - 1, 4, 5, 6, 7),
    problems=("it is damaged",),
)
UNREADABLE = Measures(level=CheckLevel.BASIC, problems=("the file is empty",))


def test_the_table_has_each_measure_with_its_type() -> None:
    """All fields but those that are no number, text or yes and no; only blur is not of every level."""
    others = {"level", "hashes", "problems", "version", "is_conclusive"}
    assert MEASURES.keys() == {field.name for field in fields(Measures)} - others
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.type in {type(getattr(CLIP, name)), float}
        assert measure.meaning
        assert measure.meaning[0].islower()
    assert [name for name, measure in MEASURES.items() if measure.level is not CheckLevel.BASIC] == ["blur"]
    assert [name for name, measure in MEASURES.items() if not measure.unit] == ["codec", "has_sound"]


@pytest.mark.parametrize("measures", [CLIP, UNREADABLE])
def test_a_record_becomes_the_same_measures(measures: Measures) -> None:
    """Also as JSON, in which a hash is a text: no number of JavaScript has 64 bits."""
    record = json.loads(json.dumps(measures.to_record()))
    assert Measures.from_record(record) == measures
    assert all(len(text) == 16 for text in record["hashes"])


@pytest.mark.parametrize(
    "change",
    [
        {"width": "1920"},
        {"width": 1920.5},
        {"has_sound": 1},
        {"duration_seconds": "8"},
        {"version": None},
        {"level": "some"},
        {"hashes": ["x"]},
        {"hashes": None},
        {"problems": "none"},
        {"unknown": 1},
        {"width": 2**63},
        {"motion": float("nan")},
        {"bitrate": -(2**80)},
        {"fps": float("inf")},
        {"codec": "\ud800"},
        {"codec": "\x1b[2J"},
        {"hashes": ["-1"]},
        {"hashes": ["f" * 17]},
    ],
)
def test_other_records_are_refused(change: dict[str, object]) -> None:
    """They come from a process that may have been broken into."""
    with pytest.raises(ValueError):
        Measures.from_record(CLIP.to_record() | change)


def test_problems_are_texts_of_one_line() -> None:
    """Of some length: they are shown on the terminal."""
    record = CLIP.to_record() | {"problems": ["\x1b[2J\n\ud800", "x" * 10**6] + ["more"] * 1000}
    first, second, *others = Measures.from_record(record).problems
    assert first == "?[2J??"
    assert len(second) == 500
    assert len(others) == 18


def test_a_file_that_cannot_be_decoded_has_no_numbers() -> None:
    """Only the reason."""
    assert CLIP.is_decoded
    assert not UNREADABLE.is_decoded
    assert {getattr(UNREADABLE, name) for name in MEASURES} == {None}
    request = {"duration": 8, "resolution": "720p", "aspect_ratio": "16:9", "generate_audio": True}
    assert compare_request(request, UNREADABLE) == ()


def came(**changes: Any) -> Measures:
    return replace(CLIP, **changes)


@pytest.mark.parametrize(
    ("request_part", "measures"),
    [
        ({}, CLIP),
        ({"duration": 8}, CLIP),
        ({"duration": "8"}, CLIP),
        ({"duration": "8s"}, CLIP),
        ({"duration": 8}, came(duration_seconds=8.5)),
        ({"duration": 8}, came(duration_seconds=7.0, fps=1.0)),
        ({"duration": "auto"}, CLIP),
        ({"duration": "long"}, CLIP),
        ({"duration": True}, CLIP),
        ({"duration": 0}, CLIP),
        ({"duration": [8]}, CLIP),
        ({"resolution": "1080p"}, CLIP),
        ({"resolution": "1080P"}, CLIP),
        ({"resolution": "fhd"}, CLIP),
        ({"resolution": "1920x1080"}, CLIP),
        ({"resolution": "1080p"}, came(width=1080, height=1920)),
        ({"resolution": "720p"}, came(width=1280, height=704)),
        ({"resolution": "480p"}, came(width=832, height=480)),
        ({"resolution": "480p"}, came(width=640, height=640)),  # as many pixels
        ({"resolution": "4k"}, came(width=3840, height=2160)),
        ({"resolution": "auto"}, CLIP),
        ({"resolution": "best"}, CLIP),
        ({"resolution": 1080}, CLIP),
        ({"aspect_ratio": "16:9"}, CLIP),
        ({"aspect_ratio": "9:16"}, came(width=1080, height=1920)),
        ({"aspect_ratio": "16:9"}, came(width=832, height=480)),
        ({"aspect_ratio": "21:9"}, came(width=1680, height=720)),
        ({"aspect_ratio": "auto"}, CLIP),
        ({"aspect_ratio": "adaptive"}, CLIP),
        ({"aspect_ratio": "0:9"}, CLIP),
        ({"aspect_ratio": None}, CLIP),
        ({"generate_audio": True}, CLIP),
        ({"generate_audio": True}, came(loudness_lufs=None)),
        ({"generate_audio": False}, came(has_sound=False, loudness_lufs=None)),
        ({"generate_audio": False}, came(loudness_lufs=None)),
        ({"generate_audio": "auto"}, CLIP),
        ({"prompt": "16:9 for 4 s"}, CLIP),
    ],
)
def test_what_was_asked_for_has_come(request_part: dict[str, object], measures: Measures) -> None:
    """As closely as models keep to it; or nothing comparable was asked for."""
    assert compare_request(request_part, measures) == ()


@pytest.mark.parametrize(
    ("request_part", "measures", "sentence"),
    [
        ({"duration": 8}, came(duration_seconds=5.04), "duration: asked for 8 s, got 5.04 s"),
        ({"duration": "8"}, came(duration_seconds=8.6), "duration: asked for 8 s, got 8.6 s"),
        ({"resolution": "1080p"}, came(width=1280, height=720), "resolution: asked for 1080p, got 1280x720"),
        ({"resolution": "720p"}, CLIP, "resolution: asked for 720p, got 1920x1080"),
        ({"resolution": "4K"}, CLIP, "resolution: asked for 4K, got 1920x1080"),
        ({"resolution": "1080x1920"}, CLIP, "resolution: asked for 1080x1920, got 1920x1080"),
        ({"aspect_ratio": "9:16"}, CLIP, "aspect_ratio: asked for 9:16, got 1920x1080"),
        ({"aspect_ratio": "3:2"}, CLIP, "aspect_ratio: asked for 3:2, got 1920x1080"),
        ({"generate_audio": True}, came(has_sound=False), "generate_audio: asked for sound, got no sound track"),
        ({"sound": False}, CLIP, "sound: asked for no sound, got sound of -20.5 LUFS"),
    ],
)
def test_what_else_has_come(request_part: dict[str, object], measures: Measures, sentence: str) -> None:
    """One mismatch, as a sentence."""
    (mismatch,) = compare_request(request_part, measures)
    assert isinstance(mismatch, Mismatch)
    assert str(mismatch) == sentence


def test_all_mismatches_are_reported() -> None:
    """In one order."""
    request = {"generate_audio": True, "aspect_ratio": "1:1", "resolution": "480p", "duration": 4}
    found = compare_request(request, came(has_sound=False))
    assert [mismatch.parameter for mismatch in found] == ["duration", "resolution", "aspect_ratio", "generate_audio"]


def test_measures_as_json_leave_out_what_is_not_known() -> None:
    measures = Measures(
        level=CheckLevel.BASIC, frames=9, duration_seconds=4.0, black_seconds=0.0, problems=("cut off",)
    )
    assert describe_measures({"duration": 8}, measures) == {
        "level": "basic",
        "frames": 9,
        "duration_seconds": 4.0,
        "black_seconds": 0.0,
        "mismatches": ["duration: asked for 8 s, got 4 s"],
        "problems": ["cut off"],
    }

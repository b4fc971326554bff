"""What a request asks for, in the measures of a price list."""

from __future__ import annotations

from typing import Any

import pytest

from batchveo.provider.catalog import MODELS
from batchveo.provider.catalog.request_size import Amount, Measure, RequestSize, find_measure, to_word

VACE = "alibaba/wan2.2-vace-fun-a14b-depth"  # 81 frames at 16 a second, unless they follow the input
KREA = "krea/krea-wan-14b/text-to-video"  # 78 frames, at a rate that is not known
LTX = "ltxv/ltxv-2"  # 6, 8 or 10 s at 25 or 50 frames a second
TURBO = "klingai/video-v3-turbo-pro-text-to-video"  # shot by shot, 5 s each
SURE = {"match_input_num_frames": False, "match_input_frames_per_second": False, "num_interpolated_frames": 0}


@pytest.mark.parametrize(
    ("model", "request_", "measure", "amount"),
    [
        (VACE, SURE, Measure.FRAME, Amount(81)),
        (VACE, SURE, Measure.SECOND, Amount(81 / 16)),
        (VACE, {**SURE, "num_frames": 32}, Measure.SECOND, Amount(2)),
        (VACE, {**SURE, "num_frames": 32, "frames_per_second": 8}, Measure.SECOND, Amount(4)),
        # seconds may be counted at the default rate, so that a faster one makes no shorter video
        (VACE, {**SURE, "num_frames": 32, "frames_per_second": 30}, Measure.SECOND, Amount(2, is_bound=True)),
        # as long as the input, perhaps
        (VACE, {}, Measure.SECOND, None),
        (VACE, {**SURE, "match_input_num_frames": True}, Measure.FRAME, None),
        (VACE, {**SURE, "num_interpolated_frames": 2}, Measure.FRAME, None),
        (KREA, {}, Measure.FRAME, Amount(78)),
        (KREA, {}, Measure.SECOND, None),
        (LTX, {"duration": 6, "fps": 50}, Measure.FRAME, Amount(300)),
        (LTX, {"duration": 6}, Measure.FRAME, None),
        (LTX, {}, Measure.SECOND, Amount(10, is_bound=True)),
        (None, {"num_frames": 48, "fps": 24}, Measure.SECOND, Amount(2)),
        (None, {"num_frames": 48}, Measure.SECOND, None),
        (None, {"seconds": "12"}, Measure.SECOND, Amount(12)),
        (None, {"duration": -1}, Measure.SECOND, None),
        (None, {"duration": 0}, Measure.SECOND, None),
        (None, {"duration": 5, "num_videos": 2}, Measure.SECOND, Amount(10)),
        # shots, each with its length or the default
        (TURBO, {"multi_prompt": [{"prompt": "a", "duration": 9}, {"prompt": "b"}]}, Measure.SECOND, Amount(14, True)),
        (None, {"duration": 14, "multi_prompt": [{"duration": 9}, {"duration": 5}]}, Measure.SECOND, Amount(14)),
    ],
)
def test_sizes(model: str | None, request_: dict[str, Any], measure: Measure, amount: Amount | None) -> None:
    """As asked, else by the defaults; nothing that is not certain."""
    assert RequestSize(MODELS[model] if model else None, request_).measure(measure) == amount


@pytest.mark.parametrize(
    ("row", "measure"),
    [
        ({"unit": "second"}, Measure.SECOND),
        ({"unit": "seconds"}, Measure.SECOND),
        ({"measure": "output_second"}, Measure.SECOND),
        ({"measure": "Video Second"}, Measure.SECOND),
        ({"measure": "per_video"}, Measure.VIDEO),
        ({"name": "video"}, Measure.VIDEO),
        ({"measure": "frame"}, Measure.FRAME),
        ({"name": "input_image", "measure": "image"}, Measure.INPUT_IMAGE),
        ({"name": "reference_video", "measure": "item"}, Measure.INPUT_VIDEO),
        ({"name": "input_video", "measure": "second"}, Measure.INPUT_SECOND),
        ({"name": "input_text", "measure": "token"}, None),
        ({"measure": "gpu_second"}, None),
        ({"measure": "image"}, None),
        ({}, None),
        ({"unit": 3}, None),
    ],
)
def test_measures(row: dict[str, Any], measure: Measure | None) -> None:
    """By the unit or the measure, and whether it is about an input."""
    assert find_measure(row) is measure


@pytest.mark.parametrize(
    ("one", "other"), [(5, "5"), (5.0, "5s"), ("5 seconds", 5), (True, "TRUE"), ("720P", " 720p "), (None, "none")]
)
def test_equal_values(one: object, other: object) -> None:
    """A price list may write a value differently."""
    assert to_word(one) == to_word(other)


@pytest.mark.parametrize(("one", "other"), [(True, 1), (False, 0), ("720p", 720), ("1s", "10s")])
def test_different_values(one: object, other: object) -> None:
    """A switch is no number."""
    assert to_word(one) != to_word(other)

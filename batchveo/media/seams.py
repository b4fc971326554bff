"""What two clips that follow each other have in common: a frame, or one clip as the beginning of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from av.video.reformatter import Interpolation

if TYPE_CHECKING:
    from av import VideoFrame

Thumbnail = bytes
"""The brightness of a frame in a small square."""
_SIDE = 32
MOST_DIFFERENCE = 4.0
"""Average difference, of 255, up to which the first frame of a clip is the image that its model was given: models draw
it anew, with a slight change of brightness."""
SAME_SHARE = 0.5
"""Two frames are the same one if they differ by less than this share of what a moment of the clip changes."""
_SAMPLES = 48
"""Frames at which two clips are compared."""
_NOISE = 0.05


def shrink_frame(frame: VideoFrame) -> Thumbnail:
    """What is compared of a frame."""
    image = frame.reformat(_SIDE, _SIDE, "gray", interpolation=Interpolation.AREA)
    plane = bytes(image.planes[0])
    width = image.planes[0].line_size
    return b"".join(plane[row * width : row * width + _SIDE] for row in range(_SIDE))


def difference(one: Thumbnail, other: Thumbnail) -> float:
    """The average difference of two frames, from 0 to 255."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def is_same_frame(one: Thumbnail, other: Thumbnail) -> bool:
    """Whether one is the other as a model draws it anew that was given it."""
    return difference(one, other) <= MOST_DIFFERENCE


def is_repeated(before: Sequence[Thumbnail], first: Thumbnail) -> bool:
    """Whether ``first`` is the last frame of a clip, and not the one that would come next."""
    if len(before) < 2:
        return False
    change = difference(before[-2], before[-1])
    return difference(before[-1], first) < min(SAME_SHARE * change, MOST_DIFFERENCE) or before[-1] == first


def begins_with(longer: Sequence[Thumbnail], clip: Sequence[Thumbnail]) -> bool:
    """Whether a longer clip begins with all of ``clip``.

    In a clip in which nothing moves, no frame is like one of them more than like the last: then it does not, and no
    frame is lost.
    """
    if len(longer) <= len(clip):
        return False
    numbers = sorted({round(n * (len(clip) - 1) / (_SAMPLES - 1)) for n in range(_SAMPLES)})
    apart = [difference(clip[number], longer[number]) for number in numbers]
    moved = [difference(clip[number], clip[-1]) for number in numbers]
    average = sum(apart) / len(apart)
    return average <= MOST_DIFFERENCE and average < SAME_SHARE * sum(moved) / len(moved) - _NOISE

"""Parts that filters report, sizes, hashes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

pytest.importorskip("av", reason="measuring needs the extra media")

import av

from batchveo.core.measures import CheckLevel
from batchveo.media.meters import PartTimer, PictureMeter, hash_thumbnail, shrink_size, sum_still

WIDTH, HEIGHT, FPS, SECONDS = 320, 192, 12, 4


def measure_spot(place: Callable[[float], int], *, side: int, ground: int) -> PictureMeter:
    """A white square of ``side`` pixels, which is at ``place`` from the left at a time, before a ``ground`` of grey."""
    meter = PictureMeter(CheckLevel.BASIC)
    for number in range(SECONDS * FPS):
        left, line = place(number / FPS), bytes([ground]) * WIDTH
        row = line[:left] + b"\xff" * side + line[left + side :]
        frame = av.VideoFrame(WIDTH, HEIGHT, "gray")
        frame.planes[0].update(line * 80 + row * side + line * (HEIGHT - 80 - side))
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        meter.add_frame(frame, number / FPS)
    return meter


@pytest.mark.parametrize(
    ("place", "side", "frozen"),
    [
        (lambda seconds: 100, 8, 4.0),
        (lambda seconds: 100 + int(20 * seconds), 8, 0.0),  # a bird in the sky
        (lambda seconds: 100 + int(5 * seconds), 8, 0.0),
        (lambda seconds: 100 + int(20 * seconds), 2, 0.0),
        (lambda seconds: 100 + int(20 * min(seconds, 2.0)), 8, 2.0),
        (lambda seconds: 100 + int(20 * max(seconds, 2.0)), 8, 2.0),
        (lambda seconds: 100 + int(seconds), 8, 4.0),  # once a second, as key frames of the coder
    ],
)
def test_small_things_move(place: Callable[[float], int], side: int, frozen: float) -> None:
    """Of which the average of the whole picture shows nothing."""
    assert measure_spot(place, side=side, ground=100).frozen.sum_seconds(SECONDS) == pytest.approx(frozen, abs=0.1)


def test_a_light_in_the_dark_is_not_black() -> None:
    """A candle, or the moon; a picture with a bright pixel somewhere is black."""
    assert measure_spot(lambda seconds: 100, side=12, ground=0).black.sum_seconds(SECONDS) == 0
    assert measure_spot(lambda seconds: 100, side=2, ground=0).black.sum_seconds(SECONDS) == SECONDS


@pytest.mark.parametrize(
    ("moves", "seconds"),
    [
        ([], 9),
        ([2, 3, 4, 5, 6], 9),
        ([0.5, 3, 3.2, 3.4, 3.6, 11], 8.4),
        ([3, 3.2, 3.4, 3.6, 3.8, 4.0, 4.5, 6], 7.5),
        ([1, 1.2, 1.4, 1.6, 9.4, 9.6, 9.8, 10], 7.8),
        ([1.5, 1.6, 1.7, 1.8, 2.5, 2.6, 2.7, 2.8], 7.2),
    ],
)
def test_motion_is_several_moves_within_a_second(moves: list[float], seconds: float) -> None:
    """From 1 to 10 seconds; what is still for less than a second is not frozen."""
    assert sum_still(1.0, 10.0, moves) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("reports", "seconds"),
    [
        ([], 0),
        ([{"begin": "1", "end": ""}], 9),
        ([{"begin": "1"}, {"other": "2"}, {"end": "3.5"}], 2.5),
        ([{"begin": "1"}, {"end": "2"}, {"begin": "7"}], 4),
        ([{"begin": "1", "end": "2"}], 1),  # a part that was reported once it was over
        ([{"begin": "1"}, {"end": "2", "begin": "3"}, {"end": "4"}], 2),  # one that follows another
        ([{"end": "4"}], 0),
    ],
)
def test_parts_are_added_up(reports: list[dict[str, str]], seconds: float) -> None:
    """Also one that lasts until the end of the clip, at 10 seconds."""
    timer = PartTimer("begin", "end")
    for report in reports:
        timer.read_metadata({key: text for key, text in report.items() if text})
    assert timer.sum_seconds(10.0) == pytest.approx(seconds)
    assert timer.sum_seconds(12.0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("size", "shrunk"),
    [
        ((1920, 1080), (320, 180)),
        ((1080, 1920), (180, 320)),
        ((1280, 720), (320, 180)),
        ((96, 54), (96, 54)),
        ((97, 55), (96, 56)),
        ((16_000, 2), (320, 16)),
        ((1, 1), (16, 16)),
    ],
)
def test_sizes_keep_their_shape(size: tuple[int, int], shrunk: tuple[int, int]) -> None:
    """Nothing is made larger, but for a side that filters could not work with."""
    assert shrink_size(*size, 320) == shrunk


def test_bits_of_a_hash_are_in_the_order_of_the_picture() -> None:
    """The first part of the first row in the highest bit; a difference that coders make is none."""
    dark = [100] * 9
    first, last = [103, *dark[1:]], [*dark[:7], 103, 100]
    assert hash_thumbnail(bytes([*first, *dark * 7])) == 1 << 63
    assert hash_thumbnail(bytes([*dark * 7, *last])) == 1
    assert hash_thumbnail(bytes([102, *dark[1:], *dark * 7])) == 0
    assert hash_thumbnail(bytes([*range(90, 0, -10), *dark * 7])) == 0xFF << 56
    assert hash_thumbnail(bytes([*range(0, 90, 10), *dark * 7])) == 0

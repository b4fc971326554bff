"""Parts that filters report, sizes, hashes."""

from __future__ import annotations

import pytest

pytest.importorskip("av", reason="measuring needs the extra media")

from batchveo.checks.meters import PartTimer, hash_thumbnail, shrink_size


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

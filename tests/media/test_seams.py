"""Seams of clips: a frame that is shown twice, and a clip that holds the one before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("av", reason="seams need the extra media")

from batchveo.media.seams import begins_with, difference, is_repeated, is_same_frame


def flat(*levels: int) -> list[bytes]:
    """Small pictures of one brightness each."""
    return [bytes([level]) * 1024 for level in levels]


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4))
def test_the_difference_of_two_frames(one: bytes, other: bytes) -> None:
    assert difference(one, other) == difference(other, one) <= 255
    assert difference(one, one) == 0


@pytest.mark.parametrize(("level", "same"), [(100, True), (103, True), (97, True), (106, False)])
def test_a_frame_that_a_model_drew_anew(level: int, *, same: bool) -> None:
    (one, other) = flat(100, level)
    assert is_same_frame(one, other) is same


@pytest.mark.parametrize(
    ("before", "first", "repeated"),
    [
        ((10, 14), 14, True),
        ((10, 14), 15, True),  # coded anew
        ((10, 14), 18, False),  # the next one
        ((10, 10), 10, True),
        ((10, 10), 11, False),
        ((10,), 10, False),
        ((10, 200), 100, False),
    ],
)
def test_the_last_frame_or_the_next_one(before: tuple[int, ...], first: int, *, repeated: bool) -> None:
    """By how much a moment of the clip changes."""
    assert is_repeated(flat(*before), flat(first)[0]) is repeated


MOVING = tuple(range(10, 110, 2))


@pytest.mark.parametrize(
    ("longer", "clip", "holds"),
    [
        ((*MOVING, 120, 130), MOVING, True),
        ((*(level + 1 for level in MOVING), 120), MOVING, True),  # coded anew
        (MOVING, MOVING, False),  # no longer
        ((*range(110, 210, 2), 220), MOVING, False),  # what comes next
        ((*MOVING[::-1], 5), MOVING, False),
        ((*[50] * 60,), (50,) * 50, False),  # nothing says so
    ],
)
def test_a_clip_that_holds_another(longer: tuple[int, ...], clip: tuple[int, ...], *, holds: bool) -> None:
    assert begins_with(flat(*longer), flat(*clip)) is holds

"""Moves made into bars; names made short."""

from __future__ import annotations

import json

import pytest

from batchveo.web.charts.timeline import Bar, Transition, make_bars, shorten_name


def test_a_life_is_a_bar_for_each_phase() -> None:
    """Waiting for its turn has none."""
    moves = [
        Transition(10, "pending", "submitting"),
        Transition(11, "submitting", "generating"),
        Transition(71, "generating", "downloading"),
        Transition(75, "downloading", "succeeded"),
    ]
    assert make_bars(moves, start=0, end=100) == [
        Bar("submitting", 10, 11),
        Bar("generating", 11, 71),
        Bar("downloading", 71, 75),
    ]


def test_a_retry_is_another_bar() -> None:
    """The first says why it ended."""
    moves = [
        Transition(1, "pending", "submitting"),
        Transition(2, "submitting", "pending"),
        Transition(9, "pending", "submitting"),
        Transition(10, "submitting", "generating"),
        Transition(30, "generating", "failed"),
    ]
    assert make_bars(moves, start=0, end=100) == [
        Bar("submitting", 1, 2, "again"),
        Bar("submitting", 9, 10),
        Bar("generating", 10, 30, "failed"),
    ]


def test_doubt_that_is_held_looks_otherwise_than_doubt() -> None:
    """And it is open until someone settles it."""
    moves = [
        Transition(1, "pending", "submitting"),
        Transition(5, "submitting", "in_doubt"),
        Transition(50, "in_doubt", "in_doubt"),
    ]
    assert make_bars(moves, start=0, end=100) == [
        Bar("submitting", 1, 5),
        Bar("in_doubt", 5, 50),
        Bar("held", 50, 100, "open"),
    ]


def test_what_began_before_is_cut_at_the_beginning() -> None:
    """A generation bought last night is under way when this one begins."""
    moves = [Transition(20, "generating", "downloading")]
    assert make_bars(moves, start=10, end=60) == [Bar("generating", 10, 20), Bar("downloading", 20, 60, "open")]


def test_a_download_that_is_repeated_keeps_its_marks() -> None:
    """Each try is a bar of its own."""
    moves = [
        Transition(1, "generating", "downloading"),
        Transition(4, "downloading", "downloading"),
        Transition(9, "downloading", "generating"),
        Transition(12, "generating", "downloading"),
        Transition(15, "downloading", "succeeded"),
    ]
    assert make_bars(moves, start=0, end=100) == [
        Bar("generating", 0, 1),
        Bar("downloading", 1, 4, "trouble"),
        Bar("downloading", 4, 9, "trouble"),
        Bar("generating", 9, 12),
        Bar("downloading", 12, 15),
    ]


def test_a_clock_that_was_set_back_makes_no_negative_bar() -> None:
    """It is empty instead."""
    moves = [Transition(50, "pending", "submitting"), Transition(40, "submitting", "generating")]
    assert all(bar.end >= bar.start for bar in make_bars(moves, start=0, end=45))


@pytest.mark.parametrize("name", ["a", "a" * 500, "龍" * 500, "🎬" * 500, '"\\\n\x00' * 200, "‮" * 90])
@pytest.mark.parametrize("room", [30, 120])
def test_a_name_keeps_within_its_room(name: str, room: int) -> None:
    """As JSON, in every script; and something of it is left."""
    short = shorten_name(name, room)
    assert 1 <= len(json.dumps(short)) - 2 <= room
    assert short == name or (short.endswith("…") and name.startswith(short[:-1]))

"""Runs put together to nights, and nights cut into intervals."""

from __future__ import annotations

from itertools import pairwise

import pytest

from batchveo.store.display_queries import RunSpan
from batchveo.web.charts.nights import BUCKETS, Night, Stretch, choose_step, cut_buckets, group_nights, join_nights

HOUR = 3600.0


def span(id_: int, start: float, end: float, *, budget: float | None = None, live: bool = False) -> RunSpan:
    return RunSpan(id=id_, start=start, end=end, budget=budget, live=live)


def night(*stretches: tuple[float, float]) -> Night:
    pieces = tuple(Stretch(start=start, end=end) for start, end in stretches)
    return Night(key="1", stretches=pieces, runs=len(pieces), budget=None, live=False)


def test_no_runs_are_no_nights() -> None:
    """Nothing comes of nothing."""
    assert group_nights([]) == []


def test_a_break_of_hours_begins_another_night() -> None:
    """The newest comes first, and is known by its first run."""
    found = group_nights([span(3, 20 * HOUR, 21 * HOUR), span(2, 2 * HOUR, 3 * HOUR, budget=9.0), span(1, 0, HOUR)])
    assert [(one.key, one.runs, one.start, one.end) for one in found] == [
        ("3", 1, 20 * HOUR, 21 * HOUR),
        ("1", 2, 0, 3 * HOUR),
    ]
    assert found[1].budget == 9.0


def test_a_short_break_is_drawn_and_a_longer_one_left_out() -> None:
    """A run begun again at once goes on in the same piece."""
    (found,) = group_nights([span(1, 0, 100), span(2, 160, 1000), span(3, 1000 + HOUR, 9000)])
    assert [(piece.start, piece.end) for piece in found.stretches] == [(0, 1000), (1000 + HOUR, 9000)]
    assert found.seconds == 1000 + 8000 - HOUR


def test_a_run_that_found_nothing_to_do_has_a_width() -> None:
    """No axis is empty."""
    (found,) = group_nights([span(1, 50, 50)])
    assert found.seconds == 1.0


def test_runs_within_others_change_nothing() -> None:
    """Clocks of two machines may disagree."""
    (found,) = group_nights([span(1, 0, 1000), span(2, 100, 200)])
    assert (found.start, found.end) == (0, 1000)


@pytest.mark.parametrize("length", [1.0, 59.0, 3600.0, 9 * HOUR, 40 * 24 * HOUR, 3000 * 24 * HOUR])
def test_any_night_is_cut_into_a_bounded_number_of_whole_intervals(length: float) -> None:
    """They follow each other from its beginning to its end."""
    cut = cut_buckets(night((5.0, 5.0 + length)))
    assert 1 <= len(cut) <= BUCKETS + 1
    assert (cut[0].start, cut[-1].end) == (5.0, 5.0 + length)
    assert all(one.end == following.start and one.end > one.start for one, following in pairwise(cut))


def test_no_interval_reaches_over_a_break() -> None:
    """The last of a stretch is shorter instead."""
    pieces = night((0, 150), (4000, 4070))
    assert choose_step(pieces) == 5.0
    cut = cut_buckets(pieces)
    assert cut[29].end == 150
    assert cut[30].start == 4000
    assert cut[-1].end == 4070


def test_all_nights_are_their_latest_pieces() -> None:
    """However many years a cron job has run."""
    found = group_nights(span(number, number * 24 * HOUR, number * 24 * HOUR + HOUR) for number in range(50))
    whole = join_nights(found, most=7)
    assert (len(whole.stretches), whole.runs) == (7, 50)
    assert whole.start == 43 * 24 * HOUR
    assert whole.end == 49 * 24 * HOUR + HOUR

"""Forecasts of the length of a run, compared with simulated runs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from heapq import heapify, heapreplace
from math import exp, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.durations import Durations, Expectation
from batchveo.core.forecast import COMMON, Forecast, estimate_remaining, forecast_run

NIGHTS = 150
SLOW, FAST = Expectation(200.0, 0.4), Expectation(60.0, 0.25)


def length(seconds: list[float], places: int, per_minute: float | None) -> float:
    """The length of one run: each job begins, in order, as soon as a slot is free and the rate allows."""
    free = [0.0] * places
    heapify(free)
    beat = 60 / per_minute if per_minute else 0.0
    may_begin = end = 0.0
    for job in seconds:
        begun = max(free[0], may_begin)
        may_begin = begun + beat
        heapreplace(free, begun + job)
        end = max(end, begun + job)
    return end


def nights(
    left: Mapping[str, int],
    expected: Mapping[str, Expectation],
    *,
    places: int,
    per_minute: float | None = None,
    number: int = NIGHTS,
    seed: int = 7,
) -> list[float]:
    """The lengths of many runs, each slower or faster as a whole, its jobs shuffled."""
    rng = random.Random(seed)
    lengths = []
    for _ in range(number):
        whole = rng.gauss(0, 1) * sqrt(COMMON)
        seconds = [
            expected[model].median * exp(expected[model].sigma * (whole + sqrt(1 - COMMON) * rng.gauss(0, 1)))
            for model, jobs in left.items()
            for _ in range(jobs)
        ]
        rng.shuffle(seconds)
        lengths.append(length(seconds, places, per_minute))
    return sorted(lengths)


def told(left: Mapping[str, int], places: int, per_minute: float | None = None) -> Forecast:
    """The forecast, which must not be ``None``."""
    made = forecast_run(left, EXPECTED, places=places, per_minute=per_minute)
    assert made is not None
    return made


CASES = [
    pytest.param({"slow": 1}, 10, None, id="one job"),
    pytest.param({"slow": 10}, 10, None, id="as many as places"),
    pytest.param({"slow": 11}, 10, None, id="one more than places"),
    pytest.param({"slow": 25}, 10, None, id="a few waves"),
    pytest.param({"slow": 30}, 1, None, id="one place"),
    pytest.param({"fast": 400}, 8, None, id="many"),
    pytest.param({"slow": 150, "fast": 150}, 20, None, id="two models"),
    pytest.param({"slow": 290, "fast": 10}, 40, None, id="few of the other"),
    pytest.param({"slow": 60}, 100, 6.0, id="the rate holds it back"),
    pytest.param({"fast": 120}, 10, 12.0, id="the rate and the places"),
    pytest.param({"wild": 100}, 10, None, id="hardly anything known"),
    pytest.param({"sharp": 100}, 30, None, id="known well"),
]
EXPECTED = {"slow": SLOW, "fast": FAST, "wild": Expectation(100.0, 1.0), "sharp": Expectation(100.0, 0.1)}


@pytest.mark.parametrize(("left", "places", "per_minute"), CASES)
def test_about_eight_of_ten_runs_end_between_low_and_high(
    left: dict[str, int], places: int, per_minute: float | None
) -> None:
    """The range is neither too narrow nor too wide, and as many runs miss it on either side."""
    made = told(left, places, per_minute)
    lengths = nights(left, EXPECTED, places=places, per_minute=per_minute)
    within = sum(made.low <= seconds <= made.high for seconds in lengths) / NIGHTS
    assert 0.68 <= within <= 0.93
    assert made.likely == pytest.approx(lengths[NIGHTS // 2], rel=0.1)


def test_the_jobs_of_a_chain_take_as_long_as_with_one_slot() -> None:
    """However many slots are free; without them, or with many other jobs, the chain makes no difference."""
    lengths = nights({"slow": 6}, EXPECTED, places=1)
    made = forecast_run({"slow": 6}, EXPECTED, places=50, in_row=6)
    assert made is not None
    assert 0.68 <= sum(made.low <= seconds <= made.high for seconds in lengths) / NIGHTS <= 0.93
    assert made.likely == pytest.approx(lengths[NIGHTS // 2], rel=0.1)
    assert forecast_run({"slow": 300}, EXPECTED, places=4, in_row=6) == told({"slow": 300}, 4)


def test_a_run_is_forecast_from_a_few_generations() -> None:
    """Learned from only eight generations, the range holds for most runs."""
    rng = random.Random(3)
    hits = 0
    for _ in range(NIGHTS):
        durations = Durations()
        for _ in range(8):
            seconds = 120 * exp(0.4 * rng.gauss(0, 1))
            durations.learn("m", after=seconds - 1, by=seconds + 1)
        expected = durations.find_expected("m")
        assert expected is not None
        made = forecast_run({"m": 80}, {"m": expected}, places=10)
        assert made is not None
        night = length([120 * exp(0.4 * rng.gauss(0, 1)) for _ in range(80)], 10, None)
        hits += made.low <= night <= made.high
    assert hits / NIGHTS >= 0.75


def test_there_is_no_forecast_for_a_model_never_seen() -> None:
    """Unless it has no jobs left."""
    assert forecast_run({"slow": 3, "new": 1}, EXPECTED, places=10) is None
    assert told({"slow": 3, "new": 0}, 10) == told({"slow": 3}, 10)


def test_nothing_left_takes_no_time() -> None:
    """Also if nothing is known."""
    assert forecast_run({}, {}, places=1) == Forecast(low=0.0, likely=0.0, high=0.0)


@given(
    jobs=st.integers(1, 10_000),
    places=st.integers(1, 2_000),
    median=st.floats(1e-3, 1e6),
    sigma=st.floats(0.1, 1.5),
    per_minute=st.none() | st.floats(0.1, 10_000),
)
def test_low_likely_and_high_are_in_order(
    jobs: int, places: int, median: float, sigma: float, per_minute: float | None
) -> None:
    """For any input; and no run is shorter than its submits take."""
    made = forecast_run({"m": jobs}, {"m": Expectation(median, sigma)}, places=places, per_minute=per_minute)
    assert made is not None
    assert 0 <= made.low < made.likely < made.high
    assert made.likely >= (jobs - 1) * 60 / (per_minute or 1e12)


def test_more_slots_and_fewer_jobs_make_a_shorter_run() -> None:
    """At least if slots are what the run waits for."""
    assert told({"slow": 500}, 40).high < told({"slow": 500}, 20).low
    assert told({"slow": 100}, 20).high < told({"slow": 500}, 20).low


BELIEVED = Forecast(low=80.0, likely=100.0, high=125.0)


def test_either_source_alone_is_enough() -> None:
    """The times of the models before a video is finished, the run's own speed if nothing is known of them."""
    told = estimate_remaining(BELIEVED, left=10, made=0, seconds=5.0)
    assert told is not None
    assert (told.low, told.likely, told.high) == pytest.approx((80.0, 100.0, 125.0), rel=0.01)
    shown = estimate_remaining(None, left=100, made=50, seconds=600.0)
    assert shown is not None
    assert shown.likely == pytest.approx(1200.0)
    assert shown.low < 1050
    assert shown.high > 1350
    assert estimate_remaining(None, left=100, made=2, seconds=600.0) is None
    assert estimate_remaining(BELIEVED, left=0, made=50, seconds=600.0) is None


def test_the_more_a_run_has_shown_the_more_it_counts() -> None:
    """And the narrower the range."""
    few = estimate_remaining(BELIEVED, left=100, made=4, seconds=12.0)
    many = estimate_remaining(BELIEVED, left=100, made=400, seconds=1200.0)
    assert few is not None
    assert many is not None
    assert 100 < few.likely < many.likely < 300


def test_sources_that_disagree_make_the_range_wide() -> None:
    """Honest: nobody knows which is right."""
    agree = estimate_remaining(BELIEVED, left=100, made=100, seconds=100.0)
    differ = estimate_remaining(BELIEVED, left=100, made=100, seconds=400.0)
    assert agree is not None
    assert differ is not None
    assert differ.high / differ.low > 1.5 * agree.high / agree.low
    assert differ.low < differ.likely < differ.high

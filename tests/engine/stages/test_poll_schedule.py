"""When to poll next."""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist, fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.durations import Expectation
from batchveo.engine.stages.poll_schedule import (
    LONGEST_EARLY_GAP,
    LONGEST_GAP,
    MOST_POLLS,
    SHORTEST_GAP,
    Share,
    find_curve,
    find_gap,
    share_rate,
)

USUAL = Expectation(median=90.0, sigma=0.3)
expectations = st.builds(Expectation, median=st.floats(0.001, 86400), sigma=st.floats(0.1, 1.5))


def ages(expected: Expectation | None, of: Share, until: float) -> list[float]:
    """The ages at which a generation is polled."""
    polled = [0.0]
    while polled[-1] < until:
        polled.append(polled[-1] + find_gap(polled[-1], expected, of))
    return polled[1:]


def lives(expected: Expectation) -> list[float]:
    """A hundred generation times, evenly likely."""
    normal = NormalDist()
    return [expected.median * 2.718281828 ** (expected.sigma * normal.inv_cdf((n + 0.5) / 100)) for n in range(100)]


def polls_and_delay(expected: Expectation, of: Share) -> tuple[float, float]:
    """Polls of a generation, and seconds from its end to its notice, on average."""
    times = ages(expected, of, 1000.0)
    noticed = [next((n, age - end) for n, age in enumerate(times, 1) if age >= end) for end in lives(expected)]
    return fmean(n for n, _ in noticed), fmean(delay for _, delay in noticed)


@given(st.floats(0, 1e6), st.none() | expectations, st.floats(0, 1e4), st.floats(0, 1e6))
def test_gaps_have_bounds(age: float, expected: Expectation | None, fair: float, step: float) -> None:
    """No generation is polled like mad, and none is forgotten: at the latest when all others had their turn."""
    chosen = find_gap(age, expected, Share(fair_gap=fair, step=step))
    assert SHORTEST_GAP <= chosen <= max(LONGEST_EARLY_GAP, fair, SHORTEST_GAP)
    if expected is not None and age >= expected.median:
        assert chosen <= max(LONGEST_GAP, fair)


@given(expectations, st.integers(1, 3000), st.floats(0.1, 200))
def test_the_more_are_in_flight_the_longer_the_gaps(expected: Expectation, number: int, rate: float) -> None:
    few, many = share_rate([(expected, number)], rate), share_rate([(expected, 2 * number)], rate)
    for part in (0.0, 0.5, 1.0, 2.0):
        age = part * expected.median
        assert find_gap(age, expected, few) <= find_gap(age, expected, many) * 1.001


def test_polls_are_few_early_and_dense_where_completion_is_likely() -> None:
    of = share_rate([(USUAL, 10)], 4.0)
    assert find_gap(0.0, USUAL, of) > 10 * find_gap(90.0, USUAL, of)
    assert find_gap(300.0, USUAL, of) > 3 * find_gap(90.0, USUAL, of)


def test_a_generation_that_is_stuck_is_polled_seldom_but_for_ever() -> None:
    of = share_rate([(USUAL, 10)], 1.0)
    times = ages(USUAL, of, 7200.0)
    assert max(late - early for early, late in pairwise(times)) < LONGEST_GAP + 0.001
    assert len(times) < 400


@pytest.mark.parametrize(("number", "rate"), [(10, 1.0), (10, 4.0), (100, 10.0)])
def test_the_rate_is_shared(number: int, rate: float) -> None:
    """All in flight together make about as many polls as the rate allows."""
    polls, delay = polls_and_delay(USUAL, share_rate([(USUAL, number)], rate))
    made = number * polls / (fmean(lives(USUAL)) + delay)
    assert 0.85 * rate < made < 1.1 * rate


def test_for_as_many_polls_a_fixed_interval_waits_twice_as_long() -> None:
    polls, delay = polls_and_delay(USUAL, share_rate([(USUAL, 10)], 1.0))
    interval = fmean(lives(USUAL)) / (polls - 0.5)
    assert delay < 0.55 * interval / 2


def test_no_more_polls_are_made_than_are_worth_it() -> None:
    """A lone generation does not use up the rate of many."""
    polls, delay = polls_and_delay(USUAL, share_rate([(USUAL, 1)], 100.0))
    assert polls < 1.1 * MOST_POLLS
    assert delay < 0.01 * USUAL.median


def test_models_share_by_their_need() -> None:
    """Where the slow and the fast are in flight together, both together keep to the rate."""
    slow = Expectation(median=300.0, sigma=0.3)
    of = share_rate([(USUAL, 10), (slow, 10)], 4.0)
    made = 0.0
    for expected in (USUAL, slow):
        polls, delay = polls_and_delay(expected, of)
        made += 10 * polls / (fmean(lives(expected)) + delay)
    assert 0.8 * 4.0 < made < 1.1 * 4.0


def test_a_wrong_expectation_is_noticed() -> None:
    """A run three times as fast is seen long before the polls grow dense."""
    slow = Expectation(median=270.0, sigma=0.3)
    assert any(90 <= age < 135 for age in ages(slow, share_rate([(slow, 10)], 4.0), 135.0))


def test_where_nothing_is_known_gaps_grow_with_the_age() -> None:
    of = Share(fair_gap=0.0, step=0.0)
    assert find_gap(0.0, None, of) == SHORTEST_GAP
    assert find_gap(50.0, None, of) == 5.0
    assert find_gap(5000.0, None, of) == 15.0
    assert find_gap(50.0, None, share_rate([(None, 1000)], 4.0)) == 250.0


@given(st.floats(0.1, 1.5))
def test_the_curve_rises(sigma: float) -> None:
    """So that every step of it leads to a later age."""
    plan = find_curve(sigma)
    assert all(early < late for early, late in pairwise(plan.ages))
    assert all(low < high for low, high in pairwise(plan.grown))
    assert plan.find_age(plan.find_grown(1.3)) == pytest.approx(1.3)


def test_a_plan_in_other_units_is_the_same_plan() -> None:
    """Ten times slower generations at a tenth of the rate are polled at ten times the age."""
    slow = Expectation(median=900.0, sigma=0.3)
    usual = [age for age in ages(USUAL, share_rate([(USUAL, 10)], 4.0), 120.0) if age > 45.0]
    tenfold = [age for age in ages(slow, share_rate([(slow, 10)], 0.4), 1200.0) if age > 450.0]
    assert len(tenfold) == pytest.approx(len(usual), abs=3)
